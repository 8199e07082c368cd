//! Data that is shipped (presets, vocabularies) speaks of the shipped charter's categories and recipients: where a policy's
//! charter calls them otherwise, the policy says so beside the name.

use super::context::{At, Context, Names};
use crate::policy::{
    document::Entries,
    suggest::{listed, nearest},
};

/// What a kind of shipped data is called in messages.
pub(super) struct Kind {
    /// `preset`, which is also the key where one is named.
    pub(super) word: &'static str,
    /// `category`: what it speaks of.
    pub(super) part: &'static str,
    /// `categories`: the key under which the charter's own names stand, and where the charter declares them.
    pub(super) parts: &'static str,
    /// What else there is to know of the charter's names.
    pub(super) remark: &'static str,
}

/// One piece of shipped data, where a policy names it.
pub(super) struct Shipped<'a> {
    pub(super) kind: &'static Kind,
    pub(super) name: &'static str,
    /// The names that it speaks of.
    pub(super) needed: &'a [&'a str],
    /// The charter's own for some of them.
    pub(super) mapped: Option<&'a Entries<String>>,
}

impl Shipped<'_> {
    /// The place in the charter of each name that is needed; `None` for one that has an error.
    pub(super) fn places(&self, context: &mut Context<'_>, at: &At, charter: &Names) -> Vec<Option<usize>> {
        self.check_mapped(context, at, charter);
        let mapping = |name: &str| {
            self.mapped.iter().flat_map(|Entries(entries)| entries).find(|(from, _)| from == name)
        };
        let places = self.needed.iter().map(|name| match mapping(name) {
            Some((_, target)) => target.as_deref().and_then(|target| charter.find(target)),
            None => charter.find(name),
        });
        let places: Vec<_> = places.collect();
        let found = self.needed.iter().zip(&places);
        let missing: Vec<&str> = found
            .filter(|(name, place)| place.is_none() && mapping(name).is_none())
            .map(|(name, _)| *name)
            .collect();
        if !missing.is_empty() && !charter.incomplete {
            self.tell_missing(context, at, charter, &missing);
        }
        places
    }

    /// The charter's own names must be the charter's, for names that it speaks of.
    fn check_mapped(&self, context: &mut Context<'_>, at: &At, charter: &Names) {
        let Kind { word, part, parts, .. } = self.kind;
        for (name, target) in self.mapped.iter().flat_map(|Entries(entries)| entries) {
            let at = at.key(parts).key(name);
            if !self.needed.contains(&name.as_str()) {
                let help = match nearest(name, self.needed.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its {parts} are {}", listed(self.needed)),
                };
                let message = format!("the {word} `{}` has no {part} `{name}`", self.name);
                context.error_at_key(&at, message, help);
            }
            if let Some(target) = target {
                context.refer(&at, charter, part, &format!("charter.{parts}"), target);
            }
        }
    }

    fn tell_missing(&self, context: &mut Context<'_>, at: &At, charter: &Names, missing: &[&str]) {
        let Kind { word, parts, remark, .. } = self.kind;
        let known: Vec<&str> = charter.list.iter().map(String::as_str).collect();
        let message = format!(
            "the {word} `{}` needs {}, which the charter does not declare",
            self.name,
            listed(missing)
        );
        let sample: Vec<String> = missing.iter().map(|name| format!("{name}: …")).collect();
        let help = format!(
            "name the charter's own for each, `{word}: {{ name: {}, {parts}: {{ {} }} }}`{remark}; it declares {}",
            self.name,
            sample.join(", "),
            listed(&known),
        );
        context.error(at, message, help);
    }
}
