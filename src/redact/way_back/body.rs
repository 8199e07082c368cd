//! Bodies: which personal data is written, and whether the caller may; which of their texts stand for a value.

use std::collections::HashMap;

use memchr::memmem;

use super::{Denied, RequestPlan, Sender, beside::each, document::Node, names::words, query::is_order};
use crate::{
    policy::set::{CategoryId, FieldClass},
    redact::{MASK, Restored, TOKEN_MARK, action, json::Part, nested::is_blank},
    secret::Sensitive,
};

/// Tokens of a JSON text: their text, their value, and how often they stand there.
pub(super) type Tokens = HashMap<String, (Restored, usize)>;

impl RequestPlan {
    /// Judges a JSON text; what is to be sent on, where tokens in it became values again.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn json(&self, sender: Sender<'_>, body: &[u8]) -> Result<Option<Sensitive<Vec<u8>>>, Denied> {
        let node = Node::read(body).ok_or(Denied::Unreadable)?;
        let mut tokens = Tokens::new();
        self.node(sender, &[], None, &node, &mut tokens)?;
        if tokens.is_empty() {
            return Ok(None);
        }
        let mut out = body.to_vec();
        for (token, (restored, count)) in tokens {
            out = replace(&out, &token, &restored, count)?;
        }
        Ok(Some(Sensitive::new(out)))
    }

    /// Judges the fields of a form, as they are named and what they say; the values of tokens are given to `restore`, with
    /// the place of their field.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn fields<'f>(
        &self,
        sender: Sender<'_>,
        fields: impl Iterator<Item = (&'f str, &'f str)>,
        mut restore: impl FnMut(usize, Sensitive<String>),
    ) -> Result<(), Denied> {
        let fields: Vec<(&str, &str)> = fields.collect();
        let beside = self.beside(fields.iter().copied());
        for (place, (name, value)) in fields.into_iter().enumerate() {
            let node = Node::Text(value.to_owned());
            let mut tokens = Tokens::new();
            let mut category = self.member(sender, &[], None, name, &node)?;
            for named in beside.named(name) {
                category = Some(self.written(sender, named, &node)?);
            }
            self.node(sender, &words(name), category, &node, &mut tokens)?;
            for (_, (restored, _)) in tokens {
                restore(place, restored.value);
            }
        }
        Ok(())
    }

    pub(super) fn node(
        &self,
        sender: Sender<'_>,
        path: &[&str],
        category: Option<CategoryId>,
        node: &Node,
        tokens: &mut Tokens,
    ) -> Result<(), Denied> {
        match node {
            Node::Null | Node::Scalar => Ok(()),
            Node::Text(text) => {
                self.text(sender, category, text, tokens)?;
                self.text_document(sender, path, category, text)
            }
            Node::List(nodes) => {
                nodes.iter().try_for_each(|node| self.node(sender, path, category, node, tokens))
            }
            Node::Object(members) => {
                let mut category = category;
                if members.iter().any(|(key, _)| key.eq_ignore_ascii_case("op")) {
                    // JSON Patch (RFC 6902), SCIM (RFC 7644 3.5.2): the field is named by a value.
                    for place in Node::texts(members, "path").chain(Node::texts(members, "from")) {
                        category = self.member(sender, path, category, place, &Node::Scalar)?;
                    }
                }
                let named = self.members_name(path, members);
                members.iter().try_for_each(|(key, value)| {
                    if self.is_token(sender.key, key) {
                        return Err(Denied::Token);
                    }
                    if is_masked(key) || action::is_stand_in(sender.key, key) {
                        return Err(Denied::StandIn);
                    }
                    if is_order(key) {
                        self.ordered(sender, path, value)?;
                    }
                    let mut category = self.member(sender, path, category, key, value)?;
                    if Part::of(key).is_value() {
                        for named in each(named) {
                            category = Some(self.written(sender, named, value)?);
                        }
                    }
                    let below: Vec<&str> = path.iter().copied().chain(words(key)).collect();
                    self.node(sender, &below, category, value, tokens)
                })
            }
        }
    }

    /// A document in a text, as answers have them too (Moodle, xAPI's alternate request syntax).
    fn text_document(
        &self,
        sender: Sender<'_>,
        path: &[&str],
        category: Option<CategoryId>,
        text: &str,
    ) -> Result<(), Denied> {
        let document = text.trim_matches(is_blank);
        if !document.starts_with(['{', '[', '"']) {
            return Ok(());
        }
        let Some(node) = Node::read(document.as_bytes()) else { return Ok(()) };
        // It is sent on as it is: a token in it would be stored.
        let mut tokens = Tokens::new();
        self.node(sender, path, category, &node, &mut tokens)?;
        if tokens.is_empty() { Ok(()) } else { Err(Denied::Token) }
    }

    /// What a member is, where it may be written.
    pub(super) fn member(
        &self,
        sender: Sender<'_>,
        path: &[&str],
        around: Option<CategoryId>,
        name: &str,
        value: &Node,
    ) -> Result<Option<CategoryId>, Denied> {
        let Some(named) = self.names.mentioned(path, name) else {
            let below: Vec<&str> = path.iter().copied().chain(words(name)).collect();
            let lifted = matches!(self.names.field(&below), Some(FieldClass::NotPersonal));
            return Ok(if lifted { None } else { around });
        };
        self.written(sender, named.category, value).map(Some)
    }

    /// A value of this category is written: whether it may be.
    fn written(&self, sender: Sender<'_>, category: CategoryId, value: &Node) -> Result<CategoryId, Denied> {
        let may = !self.declared || sender.sees_of_somebody(category) || self.writes.contains(category);
        // A token is not the value: who sends it back refers to somebody, and writes nothing of their own.
        if may || (self.tokenised(category).is_some() && are_tokens(value)) {
            Ok(category)
        } else {
            Err(Denied::Write)
        }
    }

    fn text(
        &self,
        sender: Sender<'_>,
        category: Option<CategoryId>,
        text: &str,
        tokens: &mut Tokens,
    ) -> Result<(), Denied> {
        if text.starts_with(TOKEN_MARK) {
            return self.token(sender, category, text, tokens);
        }
        match category {
            Some(category) if !sender.sees(category) && self.is_stand_in(sender, category, text.trim()) => {
                Err(Denied::StandIn)
            }
            _ => Ok(()),
        }
    }

    /// A token is resolved in a field of its category only; anywhere else its value could be read back.
    fn token(
        &self,
        sender: Sender<'_>,
        category: Option<CategoryId>,
        text: &str,
        tokens: &mut Tokens,
    ) -> Result<(), Denied> {
        let named = category.and_then(|category| Some((category, self.tokenised(category)?)));
        let Some((category, name)) = named else {
            return if self.is_token(sender.key, text) { Err(Denied::Token) } else { Ok(()) };
        };
        // Who sees the category in some record could store somebody else's value there and read it.
        if sender.sees_of_somebody(category) && !self.writes.contains(category) {
            return Err(Denied::Token);
        }
        let restored = action::restore(sender.key, name, text).map_err(|_| Denied::Token)?;
        if let Some(restored) = restored {
            tokens.entry(text.to_owned()).or_insert((restored, 0)).1 += 1;
        }
        Ok(())
    }
}

/// Whether a name is what stood for one that was hidden: `***`, `*** 2`.
fn is_masked(name: &str) -> bool {
    let number = name.strip_prefix(MASK.trim_matches('"')).map(str::trim);
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn are_tokens(node: &Node) -> bool {
    match node {
        Node::Text(text) => text.starts_with(TOKEN_MARK),
        Node::List(nodes) => !nodes.is_empty() && nodes.iter().all(are_tokens),
        Node::Null | Node::Scalar | Node::Object(_) => false,
    }
}

/// Puts a value where its token stands. A token needs no escape in JSON: one that is not found as it is was written by
/// somebody who plays with escapes.
pub(super) fn replace(
    body: &[u8],
    token: &str,
    restored: &Restored,
    count: usize,
) -> Result<Vec<u8>, Denied> {
    let quoted = format!("\"{token}\"");
    let value = restored.value.expose();
    let value = if restored.number {
        value.clone()
    } else {
        serde_json::to_string(value).map_err(|_| Denied::Token)?
    };
    let mut out = Vec::with_capacity(body.len());
    let (mut rest, mut found) = (body, 0);
    while let Some(at) = memmem::find(rest, quoted.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend(value.bytes());
        rest = &rest[at + quoted.len()..];
        found += 1;
    }
    out.extend_from_slice(rest);
    if found == count { Ok(out) } else { Err(Denied::Token) }
}
