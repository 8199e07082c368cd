//! From an answer (JWT claims, or a session endpoint's JSON) to a [`Caller`].
//!
//! What is kept is the texts that the paths select, not what they mean: the role table is applied to each exchange, so
//! that a reload of the policy changes the meaning of answers that are still cached.

use std::collections::HashSet;

use serde_json::Value;

use super::Caller;
use crate::{
    policy::set::{Charter, ClaimPaths, JsonPath, ProviderId, RecipientId, Segment},
    secret::Sensitive,
};

/// Longest text of one claim, in bytes.
const VALUE_BYTES: usize = 512;
/// Most role texts of one caller.
const ROLES: usize = 64;
/// Most groups of one caller.
const GROUPS: usize = 4096;
/// Most wards of one caller.
const WARDS: usize = 256;
/// Most nodes that a path may hold selected at a time.
const SELECTED: usize = 1 << 16;

type Text = Sensitive<Box<str>>;

/// What an answer says of its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    subject: Option<Text>,
    roles: Vec<Text>,
    groups: Vec<Text>,
    wards: Vec<Text>,
    quota: Option<Text>,
}

/// The answer cannot be one caller's: several subjects, too many values, or too long ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclaimable;

impl Claims {
    /// What the paths select in a document.
    pub(super) fn extract(paths: &ClaimPaths, document: &Value) -> Result<Self, Unclaimable> {
        Ok(Self {
            subject: subject(paths.subject.as_ref(), document)?,
            roles: texts(paths.role.as_ref(), document, ROLES)?,
            groups: texts(paths.groups.as_ref(), document, GROUPS)?,
            wards: texts(paths.wards.as_ref(), document, WARDS)?,
            quota: subject(paths.quota.as_ref(), document)?,
        })
    }

    /// The caller, if the role table knows at least one of the roles. Several known roles are several recipients; an
    /// unknown one adds nothing, nor does one that the table gives to the anonymous recipient.
    pub(super) fn caller(
        &self,
        table: &[(String, RecipientId)],
        charter: &Charter,
        provider: ProviderId,
    ) -> Option<Caller> {
        let mut recipients: Vec<RecipientId> = table
            .iter()
            .filter(|(text, recipient)| {
                *recipient != charter.anonymous
                    && recipient.index() < charter.recipients.len()
                    && self.has_role(text)
            })
            .map(|(_, recipient)| *recipient)
            .collect();
        recipients.sort_unstable();
        recipients.dedup();
        (!recipients.is_empty()).then(|| Caller {
            recipients,
            subject: self.subject.clone(),
            groups: self.groups.clone(),
            wards: self.wards.clone(),
            quota: self.quota.clone(),
            provider: Some(provider),
        })
    }

    /// Adds what another page of the same answer says.
    pub(super) fn join(&mut self, page: Self) -> Result<(), Unclaimable> {
        self.groups.extend(page.groups);
        self.wards.extend(page.wards);
        if self.groups.len() > GROUPS || self.wards.len() > WARDS { Err(Unclaimable) } else { Ok(()) }
    }

    /// Gives a caller these groups and wards beside those they have.
    pub(super) fn relate(&self, caller: &mut Caller) {
        for (own, more) in [(&mut caller.groups, &self.groups), (&mut caller.wards, &self.wards)] {
            own.extend_from_slice(more);
            own.sort_unstable_by(|one, other| one.expose().cmp(other.expose()));
            own.dedup();
        }
    }

    /// Whether there is a group or a ward.
    pub(super) fn has_relations(&self) -> bool {
        !self.groups.is_empty() || !self.wards.is_empty()
    }

    /// Whether the role table has at least one of the roles.
    pub(super) fn has_known_role(&self, table: &[(String, RecipientId)]) -> bool {
        table.iter().any(|(text, _)| self.has_role(text))
    }

    fn has_role(&self, text: &str) -> bool {
        self.roles.iter().any(|role| **role.expose() == *text)
    }

    /// Bytes held, for caches that are bounded by weight.
    pub(super) fn bytes(&self) -> usize {
        self.subject
            .iter()
            .chain(&self.roles)
            .chain(&self.groups)
            .chain(&self.wards)
            .chain(&self.quota)
            .map(|text| text.expose().len() + size_of::<Text>())
            .sum()
    }
}

/// The one subject, or whatever else has to be one: a text or a whole number. Nothing and `null` are nobody; two different ones are an attack.
fn subject(path: Option<&JsonPath>, document: &Value) -> Result<Option<Text>, Unclaimable> {
    let mut found: Option<Box<str>> = None;
    for value in select(path, document)? {
        let text = match value {
            Value::Null => continue,
            Value::String(_) | Value::Number(_) => text(value)?.ok_or(Unclaimable)?,
            _ => return Err(Unclaimable),
        };
        match &found {
            Some(other) if *other != text => return Err(Unclaimable),
            _ => found = Some(text),
        }
    }
    Ok(found.map(Sensitive::new))
}

/// The one text that a path selects; nothing and `null` are none.
pub(super) fn first_text<'a>(path: &JsonPath, document: &'a Value) -> Result<Option<&'a str>, Unclaimable> {
    match select(Some(path), document)?.as_slice() {
        [] | [Value::Null] => Ok(None),
        [Value::String(text)] if text.is_empty() => Ok(None),
        [Value::String(text)] => Ok(Some(text)),
        _ => Err(Unclaimable),
    }
}

/// The texts of a claim that may be one text, a list of texts, or several of either (each platform has its way).
fn texts(path: Option<&JsonPath>, document: &Value, most: usize) -> Result<Vec<Text>, Unclaimable> {
    let mut found = Vec::new();
    for value in select(path, document)? {
        let leaves = match value {
            Value::Array(elements) => elements.as_slice(),
            leaf => std::slice::from_ref(leaf),
        };
        for leaf in leaves {
            if let Some(text) = text(leaf)? {
                found.push(text);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    if found.len() > most {
        return Err(Unclaimable);
    }
    Ok(found.into_iter().map(Sensitive::new).collect())
}

/// A leaf as a text: texts, whole numbers, and booleans for platforms that say `is_staff: true`.
fn text(value: &Value) -> Result<Option<Box<str>>, Unclaimable> {
    let text: Box<str> = match value {
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string().into(),
        Value::Bool(truth) => if *truth { "true" } else { "false" }.into(),
        _ => return Ok(None),
    };
    if text.len() > VALUE_BYTES { Err(Unclaimable) } else { Ok(Some(text)) }
}

/// The nodes that a path selects, each once; nothing for no path.
fn select<'a>(path: Option<&JsonPath>, document: &'a Value) -> Result<Vec<&'a Value>, Unclaimable> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let mut selected = vec![document];
    for segment in &path.segments {
        let mut next = Vec::new();
        match segment {
            Segment::Name(name) => next.extend(selected.iter().filter_map(|node| node.get(name))),
            Segment::Index(index) => next.extend(selected.iter().filter_map(|node| node.get(index))),
            Segment::Any => selected.iter().for_each(|node| push_children(node, &mut next)),
            Segment::Descend => {
                // Each node once, or a few `..` in a row would multiply the document.
                let mut seen = HashSet::new();
                let mut waiting = selected;
                while let Some(node) = waiting.pop() {
                    if seen.insert(std::ptr::from_ref(node)) {
                        next.push(node);
                        push_children(node, &mut waiting);
                    }
                }
            }
        }
        if next.len() > SELECTED {
            return Err(Unclaimable);
        }
        selected = next;
    }
    Ok(selected)
}

fn push_children<'a>(node: &'a Value, to: &mut Vec<&'a Value>) {
    match node {
        Value::Array(elements) => to.extend(elements),
        Value::Object(members) => to.extend(members.values()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::fixture;

    fn paths(subject: &str, role: &str) -> ClaimPaths {
        ClaimPaths {
            subject: Some(subject.parse().unwrap()),
            role: Some(role.parse().unwrap()),
            groups: Some("$.groups[*]".parse().unwrap()),
            wards: Some("$..ward".parse().unwrap()),
            quota: Some("$.tenant".parse().unwrap()),
        }
    }

    fn recipients(claims: &Claims) -> Option<Vec<u8>> {
        let charter = fixture::charter();
        let caller = claims.caller(&fixture::roles(), &charter, ProviderId(0))?;
        Some(caller.recipients.iter().map(|id| id.0).collect())
    }

    #[test]
    fn roles_come_as_text_list_or_nested() {
        for (role, document, expected) in [
            ("$.role", json!({"role": "student"}), Some(vec![1])),
            ("$.role", json!({"role": ["student", "teacher", "student"]}), Some(vec![1, 2])),
            ("$.role[*]", json!({"role": ["teacher"]}), Some(vec![2])),
            ("$.realm.roles", json!({"realm": {"roles": ["x", "teacher"]}}), Some(vec![2])),
            (
                "$['https://school.example/role']",
                json!({"https://school.example/role": "teacher"}),
                Some(vec![2]),
            ),
            ("$..kind", json!({"a": [{"kind": "teacher"}, {"kind": ["student"]}]}), Some(vec![1, 2])),
            ("$.is_staff", json!({"is_staff": true}), Some(vec![3])),
            ("$.is_staff", json!({"is_staff": false}), None),
            ("$.role", json!({"role": "Teacher"}), None),
            ("$.role", json!({"role": " teacher"}), None),
            ("$.role", json!({"role": "guest"}), None),
            ("$.role", json!({"role": ""}), None),
            ("$.role", json!({"role": {"teacher": true}}), None),
            ("$.role", json!({"role": [["teacher"]]}), None),
            ("$.role", json!({"Role": "teacher"}), None),
            ("$.role", json!({}), None),
            ("$.role", json!(["teacher"]), None),
        ] {
            let claims = Claims::extract(&paths("$.sub", role), &document).unwrap();
            assert_eq!(recipients(&claims), expected, "{role} {document}");
        }
    }

    #[test]
    fn a_subject_is_one() {
        for (document, expected) in [
            (json!({"sub": "jean"}), Ok(Some("jean"))),
            (json!({"sub": 42}), Ok(Some("42"))),
            (json!({"sub": null}), Ok(None)),
            (json!({}), Ok(None)),
            (json!({"sub": ""}), Err(Unclaimable)),
            (json!({"sub": ["jean", "paul"]}), Err(Unclaimable)),
            (json!({"sub": {"id": 1}}), Err(Unclaimable)),
            (json!({"sub": 1.5}), Err(Unclaimable)),
            (json!({"sub": true}), Err(Unclaimable)),
            (json!({"sub": "x".repeat(VALUE_BYTES + 1)}), Err(Unclaimable)),
        ] {
            let subject = Claims::extract(&paths("$.sub", "$.role"), &document)
                .map(|claims| claims.subject.map(|text| text.expose().to_string()));
            assert_eq!(subject, expected.map(|text| text.map(str::to_owned)), "{document}");
        }
        let two = json!({"a": {"sub": "jean"}, "b": {"sub": "paul"}});
        assert_eq!(Claims::extract(&paths("$..sub", "$.role"), &two).unwrap_err(), Unclaimable);
    }

    #[test]
    fn what_quotas_count_by_is_one_text() {
        let quota = |document: Value| {
            Claims::extract(&paths("$.sub", "$.role"), &document)
                .map(|claims| claims.quota.map(|text| text.expose().to_string()))
        };
        assert_eq!(quota(json!({"tenant": "lycee"})), Ok(Some("lycee".to_owned())));
        assert_eq!(quota(json!({"role": "student"})), Ok(None));
        assert_eq!(quota(json!({"tenant": ["a", "b"]})), Err(Unclaimable));
    }

    #[test]
    fn relations_are_kept_and_bounded() {
        let document = json!({"groups": ["6A", 7], "ward": ["lea"], "other": {"ward": "tom"}, "sub": "x"});
        let claims = Claims::extract(&paths("$.sub", "$.role"), &document).unwrap();
        let plain = |texts: &[Text]| texts.iter().map(|text| text.expose().to_string()).collect::<Vec<_>>();
        assert_eq!(plain(&claims.groups), ["6A", "7"]);
        assert_eq!(plain(&claims.wards), ["lea", "tom"]);
        let many = json!({"ward": (0..=WARDS).collect::<Vec<_>>()});
        assert_eq!(Claims::extract(&paths("$.sub", "$.role"), &many).unwrap_err(), Unclaimable);
        assert!(!format!("{claims:?}").contains("lea"));
    }

    #[test]
    fn repeated_descent_does_not_multiply_the_document() {
        let mut document = json!({"ward": "lea"});
        for _ in 0..100 {
            document = json!({"a": document, "b": [1, 2, 3]});
        }
        let path: JsonPath = "$..a..b..a..b..a..ward".parse().unwrap();
        assert!(select(Some(&path), &document).is_ok());
        let path: JsonPath = "$..a..a..a..a..a..ward".parse().unwrap();
        assert_eq!(select(Some(&path), &document).unwrap().len(), 1);
    }
}
