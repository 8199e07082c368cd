//! GraphQL: arguments are asked with, and those of a mutation are written.

use memchr::memmem;

use super::{
    Denied, RequestPlan, Sender,
    body::{Tokens, replace},
    document::Node,
    names::words,
    query::is_expression,
};
use crate::{
    policy::set::{CategoryId, FieldClass},
    redact::{
        TOKEN_MARK, action,
        graphql::{Asked, Graphql, Operation, Said},
    },
    secret::Sensitive,
};

/// Bytes of arguments that are looked at, where variables and fragments say them again and again.
const MOST: usize = 4 << 20;

/// Where an argument stands.
#[derive(Clone, Copy)]
struct At<'a> {
    /// The fields on the way, as a path of the answer.
    field: &'a [&'a str],
    /// The members of the argument on the way.
    below: &'a [&'a str],
    /// What it says is sorting or filtering, in whatever words.
    expression: bool,
}

impl RequestPlan {
    /// Judges what requests ask with and write; what is to be sent on, where tokens in the variables of a JSON body became
    /// values again.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn graphql(
        &self,
        sender: Sender<'_>,
        requests: &Graphql,
        body: &[u8],
    ) -> Result<Option<Sensitive<Vec<u8>>>, Denied> {
        let mut tokens = Tokens::new();
        let mut budget = MOST;
        for operation in &requests.operations {
            for asked in &operation.asked {
                self.asked(sender, operation, asked, &mut budget, &mut tokens)?;
            }
        }
        if tokens.is_empty() {
            return Ok(None);
        }
        let mut out = body.to_vec();
        for (token, (restored, _)) in tokens {
            // In the document itself it stands between other quotes; what is left of it would be taken for a value.
            let count: usize = requests.operations.iter().map(|operation| operation.count(&token)).sum();
            if count == 0 || memmem::find_iter(body, token.as_bytes()).count() != count {
                return Err(Denied::Token);
            }
            out = replace(&out, &token, &restored, count)?;
        }
        Ok(Some(Sensitive::new(out)))
    }

    fn asked(
        &self,
        sender: Sender<'_>,
        operation: &Operation,
        asked: &Asked,
        budget: &mut usize,
        tokens: &mut Tokens,
    ) -> Result<(), Denied> {
        let field: Vec<&str> = ["data"].into_iter().chain(asked.field.iter().map(|name| &**name)).collect();
        for (name, value) in asked.arguments.iter() {
            let mut said = Said { words: Vec::new(), budget: *budget };
            let value = operation.value(value, &mut said)?;
            *budget = said.budget;
            let Some(node) = value else { continue };
            if asked.writes && !is_expression(name) {
                let category = self.member(sender, &field, None, name, &node)?;
                let below: Vec<&str> = field.iter().copied().chain(words(name)).collect();
                self.node(sender, &below, category, &node, tokens)?;
                continue;
            }
            let at = At { field: &field, below: &[], expression: false };
            self.argument(sender, at, name, &node, tokens)?;
            said.words.iter().try_for_each(|word| self.mentions(sender, &field, word))?;
        }
        Ok(())
    }

    fn argument(
        &self,
        sender: Sender<'_>,
        at: At<'_>,
        name: &str,
        node: &Node,
        tokens: &mut Tokens,
    ) -> Result<(), Denied> {
        let own: Vec<&str> = at.field.iter().copied().chain([name]).collect();
        let is_lifted =
            matches!(self.names.field(&own), Some(FieldClass::NotPersonal | FieldClass::FreeText));
        let around: Vec<&str> = at.field.iter().chain(at.below).copied().collect();
        let named = if is_lifted { None } else { self.names.mentioned(&around, name) };
        if let Some(named) = named {
            self.asks(sender, named.category, named.exact, node, tokens)?;
        }
        let below: Vec<&str> = at.below.iter().copied().chain(words(name)).collect();
        let inside = At { below: &below, expression: at.expression || is_expression(name), ..at };
        self.inside(sender, inside, named.is_some(), node, tokens)
    }

    /// What stands in an argument, or in a member of one.
    fn inside(
        &self,
        sender: Sender<'_>,
        at: At<'_>,
        is_judged: bool,
        node: &Node,
        tokens: &mut Tokens,
    ) -> Result<(), Denied> {
        match node {
            Node::Null | Node::Scalar => Ok(()),
            Node::Text(_) if is_judged => Ok(()),
            Node::Text(text) if text.starts_with(TOKEN_MARK) && self.is_token(sender.key, text) => {
                Err(Denied::Token)
            }
            Node::Text(text) if at.expression => {
                let around: Vec<&str> = at.field.iter().chain(at.below).copied().collect();
                self.mentions(sender, &around, text)
            }
            Node::Text(_) => Ok(()),
            Node::List(items) => {
                items.iter().try_for_each(|item| self.inside(sender, at, is_judged, item, tokens))
            }
            Node::Object(members) => {
                members.iter().try_for_each(|(key, value)| self.argument(sender, at, key, value, tokens))
            }
        }
    }

    /// It asks for those of whom a category says this.
    fn asks(
        &self,
        sender: Sender<'_>,
        category: CategoryId,
        exact: bool,
        node: &Node,
        tokens: &mut Tokens,
    ) -> Result<(), Denied> {
        if let Node::List(items) = node {
            return items.iter().try_for_each(|item| self.asks(sender, category, exact, item, tokens));
        }
        if let Node::Text(text) = node {
            if let Some(name) = self.tokenised(category).filter(|_| text.starts_with(TOKEN_MARK)) {
                let restored = action::restore(sender.key, name, text).map_err(|_| Denied::Token)?;
                if let Some(restored) = restored {
                    tokens.entry(text.clone()).or_insert((restored, 0));
                    return Ok(());
                }
            }
            if sender.is_known(category, text) || (exact && text.is_empty()) {
                return Ok(());
            }
            if !sender.sees(category) && self.is_stand_in(sender, category, text) {
                return Err(Denied::StandIn);
            }
        }
        if self.may_ask(sender, category) { Ok(()) } else { Err(Denied::Query) }
    }
}
