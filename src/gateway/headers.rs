//! Personal data in the fields of a response's head.
//!
//! A redacted body is worth little beside `X-User-Email: jean@x.fr`. A field is withheld when its name is one of the
//! charter's, or its value is JSON that has such a name, unless the reader sees the category of anybody: a head has no
//! record that could be the reader's own.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode;
use serde_json::Value;

use crate::{policy::set::Sees, redact::Plan};

/// Registered names (IANA) that a charter may also list for a field of a document; here they mean something else.
static REGISTERED: [&str; 21] = [
    "accept",
    "age",
    "allow",
    "authorization",
    "cookie",
    "date",
    "etag",
    "expires",
    "from",
    "host",
    "link",
    "location",
    "origin",
    "priority",
    "range",
    "referer",
    "refresh",
    "server",
    "status",
    "title",
    "via",
];

/// What stands in front of a charter's name in names such as `X-User-Email`.
static OWNERS: [&str; 8] =
    ["user-", "current-user-", "account-", "person-", "profile-", "learner-", "student-", "auth-"];

/// Takes out of a response's head what this reader may not see.
pub(super) fn withhold(headers: &mut HeaderMap, plan: &Plan, sees: &Sees) {
    let hidden =
        |name: &str| plan.charter_category(name).is_some_and(|category| !sees.any.contains(category));
    let doomed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            is_named(name.as_str(), &hidden)
                || headers.get_all(*name).iter().any(|value| tells(value.as_bytes(), &hidden))
        })
        .cloned()
        .collect();
    for name in doomed {
        headers.remove(name);
    }
}

fn is_named(name: &str, hidden: &impl Fn(&str) -> bool) -> bool {
    if REGISTERED.contains(&name) {
        return false;
    }
    let bare = name.strip_prefix("x-").unwrap_or(name);
    hidden(bare) || OWNERS.iter().any(|owner| bare.strip_prefix(owner).is_some_and(hidden))
}

/// Whether a value is JSON, percent-encoded or not, with a hidden name. What begins as JSON and is none is hidden too.
fn tells(value: &[u8], hidden: &impl Fn(&str) -> bool) -> bool {
    let value: Cow<'_, [u8]> = match value.trim_ascii() {
        [b'%', ..] => percent_decode(value.trim_ascii()).into(),
        plain => plain.into(),
    };
    if !matches!(&value[..], [b'{' | b'[', b'"' | b'{' | b'[' | b' ', ..]) {
        return false;
    }
    serde_json::from_slice(&value).map_or(true, |value| has_hidden(&value, hidden))
}

fn has_hidden(value: &Value, hidden: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Array(list) => list.iter().any(|one| has_hidden(one, hidden)),
        Value::Object(members) => members.iter().any(|(name, one)| hidden(name) || has_hidden(one, hidden)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::{Action, Category, CategoryId, CategorySet, Charter, PersonalData, RecipientId};
    use http::HeaderValue;

    fn left(fields: &[(&'static str, &'static str)], sees: &Sees) -> Vec<String> {
        let category = |name: &str, fields: &[&str]| Category {
            name: name.into(),
            article: "2".into(),
            fields: fields.iter().map(|&field| field.into()).collect(),
            otherwise: Action::Mask,
        };
        let charter = Charter {
            title: String::new(),
            version: String::new(),
            purposes: vec![],
            recipients: vec![],
            anonymous: RecipientId(0),
            cookies: vec![],
            categories: vec![category("email", &["email"]), category("birth", &["birth_date", "age"])],
        };
        let plan = Plan::compile(&charter, &PersonalData::Undeclared);
        let mut headers = HeaderMap::new();
        for &(name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        withhold(&mut headers, &plan, sees);
        headers.keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn names_and_documents_of_the_charter_are_withheld() {
        for (name, value) in [
            ("x-email", "jean@x.fr"),
            ("email", "jean@x.fr"),
            ("x-user-email", "jean@x.fr"),
            ("x-birthdate", "2012-01-01"),
            ("x-birth-date", "2012-01-01"),
            ("x-user", "{\"id\":1,\"email\":\"jean@x.fr\"}"),
            ("x-user", "%7B%22E-mail%22%3A1%7D"),
            ("x-user", "[{\"a\":[{\"birth_date\":1}]}]"),
            ("x-user", "{\"email\":"),
        ] {
            assert!(left(&[(name, value)], &Sees::default()).is_empty(), "{name}: {value}");
        }
    }

    #[test]
    fn other_fields_pass_and_who_sees_a_category_gets_its_fields() {
        for (name, value) in [
            ("age", "3"),
            ("x-total-count", "3"),
            ("x-pagination", "{\"page\":1,\"pages\":[1,2]}"),
            ("link", "</a>; rel=next"),
            ("x-note", "[1] a footnote"),
            ("x-template", "{name}"),
        ] {
            assert_eq!(left(&[(name, value)], &Sees::default()), [name], "{name}: {value}");
        }
        let mut any = CategorySet::default();
        any.insert(CategoryId(0));
        let sees = Sees { any, ..Sees::default() };
        assert_eq!(left(&[("x-email", "a"), ("x-birth-date", "b")], &sees), ["x-email"]);
    }
}
