//! Which account a sign-in is for: the fields of a body, a query or HTTP Basic, read as the platform may read them.
//!
//! The counter of an account is only worth something if one account has one counter. So names are folded further than
//! any platform does ([`fold`]), and a submission in which two readers could see two accounts is refused.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::login::PeekError;
use crate::policy::set::{Authentication, JsonPath, Segment};

/// What a submission says about one question ("which account?", "which secret?").
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Folded accounts, as many as were named.
    pub(super) accounts: Vec<String>,
    /// Whether a secret is there.
    pub(super) has_secret: bool,
}

/// One form for all spellings that some platform takes for one account: case, width and other compatibility forms
/// (NFKD), accents (as collations such as `utf8mb4_general_ci` do), invisible characters and surrounding space.
///
/// Two accounts that differ in nothing else share a counter, which is stricter and harms nobody.
pub(super) fn fold(account: &str) -> String {
    let visible = |c: &char| {
        !c.is_control()
            && !is_combining_mark(*c)
            && !matches!(*c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            && !matches!(*c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
    };
    // Upper case first: it makes one of ß and ss, ſ and s, and the two small sigmas.
    let folded: String = account
        .nfkd()
        .filter(visible)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkd()
        .filter(visible)
        .collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The fields of a JSON body.
pub(super) fn of_json(auth: &Authentication, body: &[u8]) -> Result<Answers, PeekError> {
    let root: Node = serde_json::from_slice(body).map_err(|_| PeekError::Unreadable)?;
    let mut answers = Answers::default();
    for path in &auth.account {
        for node in root.select(path) {
            match node {
                Node::Null => {}
                Node::Text(text) => answers.accounts.push(fold(text)),
                Node::Bool(_) | Node::Array(_) | Node::Object(_) => return Err(PeekError::Unreadable),
            }
        }
    }
    answers.has_secret = auth
        .secret
        .iter()
        .flat_map(|path| root.select(path))
        .any(|node| !matches!(node, Node::Null) && !matches!(node, Node::Text(text) if text.is_empty()));
    // A list or a bare value in which nothing was found: some other reader may find something.
    if !matches!(root, Node::Object(_)) && answers.accounts.is_empty() {
        return Err(PeekError::Unreadable);
    }
    Ok(answers)
}

/// The fields of a body or query that is `application/x-www-form-urlencoded`.
pub(super) fn of_form(auth: &Authentication, form: &[u8]) -> Result<Answers, PeekError> {
    // Some platforms split fields at `;` too. No browser sends one raw.
    if memchr::memchr(b';', form).is_some() {
        return Err(PeekError::Ambiguous);
    }
    of_fields(auth, form_urlencoded::parse(form).map(|(name, value)| (name, Value::Text(value))))
}

/// What a field holds.
pub(super) enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A file.
    File,
}

/// The fields of a form, however it is written.
pub(super) fn of_fields<'a>(
    auth: &Authentication,
    fields: impl Iterator<Item = (Cow<'a, str>, Value<'a>)>,
) -> Result<Answers, PeekError> {
    let mut answers = Answers::default();
    for (name, value) in fields {
        if name.contains(char::is_control) {
            return Err(PeekError::Unreadable);
        }
        let parts = field_name_parts(&name);
        match (best(&auth.account, &parts), &value) {
            (Match::None, _) => {}
            (Match::Exact, Value::Text(text)) => answers.accounts.push(fold(text)),
            (Match::Inside, _) | (Match::Exact, Value::File) => return Err(PeekError::Unreadable),
        }
        let empty = matches!(&value, Value::Text(text) if text.is_empty());
        answers.has_secret |= !empty && best(&auth.secret, &parts) != Match::None;
    }
    Ok(answers)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    None,
    /// `username[]`, `username[x]`: a list or a map where a text is expected.
    Inside,
    Exact,
}

fn best(paths: &[JsonPath], parts: &[String]) -> Match {
    paths.iter().map(|path| field_match(path, parts)).max().unwrap_or(Match::None)
}

/// Whether a form field is what a path names: `user.login` is `user[login]` (Rails, PHP) or, literally, `user.login`.
fn field_match(path: &JsonPath, parts: &[String]) -> Match {
    let names: Vec<String> = path
        .segments
        .iter()
        .filter_map(|segment| match segment {
            Segment::Name(name) => Some(name.to_lowercase()),
            Segment::Index(index) => Some(index.to_string()),
            Segment::Any | Segment::Descend => None,
        })
        .collect();
    if names.is_empty() {
        Match::None
    } else if parts == names || *parts == [names.join(".")] {
        Match::Exact
    } else if parts.len() > names.len() && parts.starts_with(&names) {
        Match::Inside
    } else {
        Match::None
    }
}

/// `User[login]` → `user`, `login`. Spaces around are not part of a name (PHP).
fn field_name_parts(name: &str) -> Vec<String> {
    name.trim().split('[').map(|part| part.trim_end_matches(']').to_lowercase()).collect()
}

/// A JSON value with every duplicate key; `serde_json`'s own keeps the last one only.
pub(super) enum Node {
    Null,
    Bool(bool),
    /// A text, or a number as it is written.
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Everything that a path selects. Names are compared without case: so do Go and .NET.
    pub(super) fn select<'n>(&'n self, path: &JsonPath) -> Vec<&'n Node> {
        let mut found = Vec::new();
        self.walk(&path.segments, &mut found);
        found
    }

    fn walk<'n>(&'n self, segments: &[Segment], found: &mut Vec<&'n Node>) {
        let Some((first, rest)) = segments.split_first() else {
            found.push(self);
            return;
        };
        if *first == Segment::Descend {
            self.walk(rest, found);
            self.children().for_each(|child| child.walk(segments, found));
            return;
        }
        match self {
            Self::Object(members) => members
                .iter()
                .filter(|(key, _)| match first {
                    Segment::Name(name) => key.to_lowercase() == name.to_lowercase(),
                    Segment::Any => true,
                    Segment::Index(_) | Segment::Descend => false,
                })
                .for_each(|(_, node)| node.walk(rest, found)),
            Self::Array(nodes) => match first {
                Segment::Any => nodes.iter().for_each(|node| node.walk(rest, found)),
                Segment::Index(index) => {
                    if let Some(node) = nodes.get(*index) {
                        node.walk(rest, found);
                    }
                }
                Segment::Name(_) | Segment::Descend => {}
            },
            Self::Null | Self::Text(_) | Self::Bool(_) => {}
        }
    }

    /// Whether it is this text, number or truth value.
    pub(super) fn is_text(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own == text,
            Self::Bool(own) => *text == own.to_string(),
            Self::Null | Self::Array(_) | Self::Object(_) => false,
        }
    }

    /// Whether it is more than `null`, `false`, `0` and what is empty.
    pub(super) fn says_something(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(own) => *own,
            Self::Text(own) => !own.is_empty() && own != "0",
            Self::Array(nodes) => !nodes.is_empty(),
            Self::Object(members) => !members.is_empty(),
        }
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match self {
            Self::Array(nodes) => Box::new(nodes.iter()),
            Self::Object(members) => Box::new(members.iter().map(|(_, node)| node)),
            Self::Null | Self::Text(_) | Self::Bool(_) => Box::new(std::iter::empty()),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Text(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Text(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        // `1.0` and `1` are one account to whoever converts.
        Ok(Node::Text(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element()? {
            nodes.push(node);
        }
        Ok(Node::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_account_fold_to_one() {
        for (spelling, folded) in [
            ("Alice", "alice"),
            ("  ALICE\t", "alice"),
            ("ａｌｉｃｅ", "alice"),
            ("ali\u{200b}ce", "alice"),
            ("ali\u{ad}ce", "alice"),
            ("\u{feff}alice\0", "alice"),
            ("Élodie", "elodie"),
            ("E\u{301}lodie", "elodie"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("ſam", "sam"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("σίσυφος", "σισυφοσ"),
            ("İzmir", "izmir"),
            ("jean\u{a0} \u{2003}dupont", "jean dupont"),
            ("①", "1"),
        ] {
            assert_eq!(fold(spelling), folded, "{spelling}");
            assert_eq!(fold(&fold(spelling)), folded, "twice: {spelling}");
        }
    }
}
