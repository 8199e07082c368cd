//! What a request may do with the personal data that its sender does not see: not ask for it, not write it, not send a
//! stand-in back as if it were a value; and tokens become values again.
//!
//! Names mean in a request what they mean in the route's answers, wherever they stand. Pure, like the rest of `redact`:
//! a request is judged whole, before anything of it is sent on.

mod beside;
mod body;
mod document;
mod graphql;
mod message;
mod names;
mod query;
mod tokens;

pub(super) use document::Node;
use names::Names;

use super::{Audience, action, action::Remedy};
use crate::policy::set::{CategoryId, CategorySet, Charter, PersonalData, Sees, WayBack};
use crate::secret::DomainKey;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It filters or sorts by a category that the caller does not see.
    #[error("a filter on hidden data")]
    Query,
    /// It writes a category that the caller does not see.
    #[error("a change of hidden data")]
    Write,
    /// It sends back what stood for a value.
    #[error("a stand-in in the place of a value")]
    StandIn,
    /// It holds a token of nobody, or where none may stand.
    #[error("a token that cannot be resolved")]
    Token,
    /// It cannot be read, so that nothing can be said about it.
    #[error("a document that cannot be read")]
    Unreadable,
    /// It is a GraphQL request whose answer could not be judged, or that asks for too much.
    #[error("a GraphQL request that cannot be judged")]
    Graphql,
}

/// What one route lets requests do.
#[derive(Debug)]
pub struct RequestPlan {
    names: Names,
    remedies: Vec<(Box<str>, Remedy)>,
    query: CategorySet,
    writes: CategorySet,
    /// Whether fields are declared, so that writing them is judged.
    declared: bool,
}

/// Who sends a request, and what its tokens and pseudonyms are opened with.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// What they see.
    pub audience: &'a Audience,
    /// Key of the domain of API pseudonyms.
    pub key: &'a DomainKey,
}

impl RequestPlan {
    /// Compiles what a charter and a route say.
    pub fn compile(charter: &Charter, data: &PersonalData, way_back: &WayBack) -> Self {
        Self {
            names: Names::compile(charter, data, way_back),
            remedies: charter
                .categories
                .iter()
                .map(|category| (category.name.as_str().into(), Remedy::of(category)))
                .collect(),
            query: way_back.query,
            writes: way_back.writes,
            declared: matches!(data, PersonalData::Declared(_)),
        }
    }

    /// Whether there is nothing to judge: the caller sees all of it, of anybody.
    pub fn is_open(&self, sees: &Sees) -> bool {
        self.names.categories.0 & !sees.any.0 == 0
    }

    /// Whether the route declared its fields, so that a body that cannot be read cannot pass.
    pub fn is_declared(&self) -> bool {
        self.declared
    }

    fn remedy(&self, category: CategoryId) -> Option<&(Box<str>, Remedy)> {
        self.remedies.get(category.index())
    }

    /// The category's name, where its values leave as tokens.
    fn tokenised(&self, category: CategoryId) -> Option<&str> {
        match self.remedy(category) {
            Some((name, Remedy::Tokenise(_))) => Some(name),
            _ => None,
        }
    }

    /// Whether a text is what stands for a value of this category, so that it must not be stored as one. A text of the
    /// charter's may be a real value as well; to those who see the category of themselves it is taken for one.
    fn is_stand_in(&self, sender: Sender<'_>, category: CategoryId, text: &str) -> bool {
        if action::is_stand_in(sender.key, text) {
            return true;
        }
        let Some((_, remedy)) = self.remedy(category) else { return false };
        let mine = sender.audience.sees.own.contains(category);
        remedy.made(text) && !(mine && matches!(remedy, Remedy::Replace { .. }))
    }

    /// Whether a text is a token of any category.
    fn is_token(&self, key: &DomainKey, text: &str) -> bool {
        (0..64)
            .take(self.remedies.len())
            .filter_map(|place| self.tokenised(CategoryId(place)))
            .any(|category| matches!(action::restore(key, category, text), Ok(Some(_))))
    }
}

impl Sender<'_> {
    fn sees(&self, category: CategoryId) -> bool {
        self.audience.sees.any.contains(category)
    }

    /// Seen in some relation, whichever record it will be.
    fn sees_of_somebody(&self, category: CategoryId) -> bool {
        let Sees { any, own, group, ward } = self.audience.sees;
        any.union(own).union(group).union(ward).contains(category)
    }

    /// Whether a value names somebody of whom they see this category: who they are themselves is no secret to them.
    fn is_known(&self, category: CategoryId, value: &str) -> bool {
        let value = value.strip_prefix("mailto:").unwrap_or(value).as_bytes();
        let Sees { own, ward, .. } = self.audience.sees;
        own.contains(category) && self.audience.is_self(value)
            || ward.contains(category) && self.audience.answers_for(value)
    }
}

#[cfg(test)]
mod tests;
