//! Personal data in the fields of a response's head.
//!
//! A redacted body is worth little beside `X-User-Email: jean@x.fr`. A field is withheld when the route
//! classifies it, its name is one of the charter's, or its value is a document that has such a name, in any format and
//! behind any encoding, unless the reader sees the category of anybody: a head has no record that could be the reader's own.
//! Addresses and other fields lose the values of parameters with such names, addresses also what stands behind such a
//! segment of their path, and their user. Where the route declares personal data, files lose their names, warnings and
//! timings their texts, and an address of electronic mail or a number with its check digits goes wherever it stands.

use std::{borrow::Cow, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};
use jiff::civil::Date;
use percent_encoding::percent_decode;
use serde_json::Value;

use super::{
    cookies::Credentials,
    links::{self, Ends, Upto},
};
use crate::{
    policy::set::{CategoryId, CategorySet, FieldClass},
    redact::Plan,
    secret::DomainKey,
};

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

/// What stands in front of a charter's name in names such as `X-User-Email`, as platforms and proxies of identity write
/// them; several of them may.
static OWNERS: [&str; 24] = [
    "user-",
    "current-",
    "account-",
    "person-",
    "profile-",
    "learner-",
    "student-",
    "pupil-",
    "eleve-",
    "teacher-",
    "parent-",
    "member-",
    "owner-",
    "author-",
    "client-",
    "auth-",
    "authenticated-",
    "request-",
    "remote-",
    "forwarded-",
    "userinfo-",
    "oidc-",
    "claim-",
    "saml-",
];

/// What a reader may not see in the heads and trailers of one route's answers.
#[derive(Clone)]
pub struct Screen {
    /// What the route's policy means.
    pub(super) plan: Arc<Plan>,
    /// What the route says of fields.
    pub(super) rules: Arc<[(HeaderName, FieldClass)]>,
    /// Whether the route declared its personal data.
    pub(super) declared: bool,
    /// What the reader sees of anybody.
    pub(super) visible: CategorySet,
    /// Which cookies are the caller's own credential.
    pub(super) credentials: Credentials,
    /// Key of pseudonyms.
    pub(super) key: Arc<DomainKey>,
    /// The day on which they read, for ages.
    pub(super) today: Option<Date>,
}

impl Screen {
    /// Takes out of a head, or out of trailers, what this reader may not see.
    pub(super) fn withhold(&self, headers: &mut HeaderMap) {
        if self.declared {
            screen_texts(headers);
        }
        let hidden = |name: &str| self.hidden(name).is_some();
        let mut judged: Vec<(HeaderName, Option<CategoryId>)> = Vec::new();
        for name in headers.keys() {
            match self.class(name) {
                Some(FieldClass::NotPersonal) => {}
                // Compilation lets no header be one.
                Some(FieldClass::FreeText) => judged.push((name.clone(), None)),
                Some(FieldClass::Category(category)) if self.visible.contains(category) => {}
                Some(FieldClass::Category(category)) => judged.push((name.clone(), Some(category))),
                None if is_named(name.as_str(), &hidden) => judged.push((name.clone(), None)),
                None if *name == header::SET_COOKIE => {}
                None if headers.get_all(name).iter().any(|value| self.tells(name, value.as_bytes())) => {
                    judged.push((name.clone(), None));
                }
                None => {}
            }
        }
        for (name, category) in judged {
            // Several values are several persons, or one in an unknown grammar: only a single one has a stand-in.
            let stand_in = category.and_then(|category| {
                let mut values = headers.get_all(&name).iter();
                let value = std::str::from_utf8(values.next()?.as_bytes()).ok()?;
                let text = self.plan.stand_in(category, &self.key, self.today, value)?;
                values.next().is_none().then(|| HeaderValue::try_from(&*text).ok()).flatten()
            });
            match stand_in {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
        self.screen_parameters(headers);
        self.screen_documents(headers);
        self.screen_cookies(headers);
    }

    /// Fields that are still documents with a hidden name, without the parameters that were emptied.
    fn screen_documents(&self, headers: &mut HeaderMap) {
        let names: Vec<HeaderName> = headers
            .keys()
            .filter(|name| !OPAQUE.contains(name) && self.class(name).is_none())
            .filter(|name| headers.get_all(*name).iter().any(|value| self.shows(value.as_bytes())))
            .cloned()
            .collect();
        names.iter().for_each(|name| drop(headers.remove(name)));
    }

    /// Whether a value is a document with a hidden name, in any format and behind any encoding.
    fn shows(&self, value: &[u8]) -> bool {
        self.plan.shows(self.visible, &self.key, &String::from_utf8_lossy(value))
    }

    /// Whether a value shows what this reader may not see.
    fn tells(&self, name: &HeaderName, value: &[u8]) -> bool {
        let hidden = |name: &str| self.hidden(name).is_some();
        let found = || self.declared && !self.plan.finds(self.visible, value).is_empty();
        tells(value, &hidden) || (!is_screened(name) && found())
    }

    fn class(&self, name: &HeaderName) -> Option<FieldClass> {
        self.rules.iter().find(|(known, _)| known == name).map(|(_, class)| *class)
    }

    /// The category of a name, if this reader does not see it.
    fn hidden(&self, name: &str) -> Option<CategoryId> {
        self.plan.charter_category(name).filter(|category| !self.visible.contains(*category))
    }

    /// Parameters with a hidden name lose their value; addresses also lose what is found in them.
    fn screen_parameters(&self, headers: &mut HeaderMap) {
        let names: Vec<HeaderName> = headers.keys().filter(|name| !OPAQUE.contains(name)).cloned().collect();
        for name in names {
            let is_link = LINKS.contains(&name);
            let hidden = |name: &str| self.hidden(name).is_some();
            let ruled = !is_link && self.class(&name).is_some();
            let Entry::Occupied(mut entry) = headers.entry(&name) else { continue };
            for value in entry.iter_mut().filter(|_| !ruled) {
                let ends = if is_link { Ends::Address } else { Ends::Parameter };
                let path = if is_link { links::screen_path(value.as_bytes(), &hidden) } else { None };
                let bytes = path.as_deref().unwrap_or(value.as_bytes());
                let shows = |value: &[u8], upto| {
                    let names =
                        || self.shows(value) || (is_link && links::screen_path(value, &hidden).is_some());
                    tells_readably(value, &hidden) || (upto == Upto::End && names())
                };
                let text = links::screen(bytes, ends, &hidden, &shows).or(path);
                let spans = match self.declared && is_link {
                    true => self.plan.finds(self.visible, text.as_deref().unwrap_or(value.as_bytes())),
                    false => Vec::new(),
                };
                if text.is_none() && spans.is_empty() {
                    continue;
                }
                let mut text = text.unwrap_or_else(|| value.as_bytes().to_vec());
                for span in spans.iter().rev() {
                    text.drain(span.start..span.end);
                }
                if let Ok(screened) = HeaderValue::from_bytes(&text) {
                    *value = screened;
                }
            }
        }
    }

    /// A cookie that the charter lists passes as it is, unless it is a document with a hidden name. The token of a session is
    /// its bearer's, and nobody could sign in without it: only plain JSON is none.
    fn screen_cookies(&self, headers: &mut HeaderMap) {
        let hidden = |name: &str| self.hidden(name).is_some();
        let shows = |field: &HeaderValue| {
            let field = field.as_bytes();
            let pair = field.split(|&byte| byte == b';').next().unwrap_or_default();
            let at = memchr::memchr(b'=', pair).map_or(pair.len(), |at| at + 1);
            let (name, value) = (pair[..at].trim_ascii(), pair[at..].trim_ascii());
            let name = name.strip_suffix(b"=").unwrap_or(name).trim_ascii();
            // JSON has semicolons of its own, at which a browser would end it.
            let in_address = || links::screen(value, Ends::Parameter, &hidden, &|_, _| false).is_some();
            tells(value, &hidden) || (!self.credentials.holds(name) && (self.shows(value) || in_address()))
        };
        if !headers.get_all(header::SET_COOKIE).iter().any(shows) {
            return;
        }
        let Entry::Occupied(entry) = headers.entry(header::SET_COOKIE) else { return };
        let fields: Vec<HeaderValue> = entry.remove_entry_mult().1.filter(|value| !shows(value)).collect();
        for field in fields {
            headers.append(header::SET_COOKIE, field);
        }
    }
}

/// On routes with declared data a file is named after what it is, not after whom it is about, and free texts stay here:
/// those of warnings (RFC 9111 5.5, obsolete) and of timings.
fn screen_texts(headers: &mut HeaderMap) {
    if let Some(value) = headers.get_mut(header::CONTENT_DISPOSITION) {
        *value = links::neutral_disposition(value.as_bytes());
    }
    headers.remove(header::WARNING);
    let timings: Vec<HeaderValue> = headers.get_all(&SERVER_TIMING).iter().filter_map(timing).collect();
    headers.remove(&SERVER_TIMING);
    for value in timings {
        headers.append(&SERVER_TIMING, value);
    }
}

static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Names and durations of a `Server-Timing`, without the descriptions; `None` where nothing is left.
fn timing(value: &HeaderValue) -> Option<HeaderValue> {
    let mut quoted = false;
    let mut plain = value.as_bytes().to_vec();
    // What is quoted is a description, commas included.
    plain.retain(|byte| {
        quoted ^= *byte == b'"';
        !quoted && *byte != b'"'
    });
    let metrics = plain.split(|&byte| byte == b',').map(|metric| {
        let mut parts = metric.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let duration = parts.find(|part| {
            part.strip_prefix(b"dur=")
                .is_some_and(|number| number.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
        });
        match duration {
            Some(duration) => [name, b";", duration].concat(),
            None => name.to_vec(),
        }
    });
    let metrics: Vec<Vec<u8>> = metrics.filter(|metric| !metric.is_empty()).collect();
    HeaderValue::from_bytes(&metrics.join(&b", "[..])).ok().filter(|value| !value.is_empty())
}

/// Fields that hold addresses.
static LINKS: [HeaderName; 4] = [header::LOCATION, header::CONTENT_LOCATION, header::LINK, header::REFRESH];

/// Fields whose values are another's word for word, or are named anew.
static OPAQUE: [HeaderName; 4] =
    [header::SET_COOKIE, header::ETAG, header::CONTENT_TYPE, header::CONTENT_DISPOSITION];

/// Fields that are screened piece by piece, or are no texts.
fn is_screened(name: &HeaderName) -> bool {
    LINKS.contains(name) || OPAQUE.contains(name)
}

fn is_named(name: &str, hidden: &impl Fn(&str) -> bool) -> bool {
    if REGISTERED.contains(&name) {
        return false;
    }
    let name = name.replace(['_', '.'], "-");
    let mut bare = name.strip_prefix("x-").unwrap_or(&name);
    loop {
        if hidden(bare) {
            return true;
        }
        match OWNERS.iter().find_map(|owner| bare.strip_prefix(owner)) {
            Some(rest) => bare = rest,
            None => return false,
        }
    }
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

/// Whether a value begins with a JSON text that has a hidden name, whatever stands behind it. What is none is no JSON here:
/// in a query brackets mean many things.
fn tells_readably(value: &[u8], hidden: &impl Fn(&str) -> bool) -> bool {
    matches!(value.trim_ascii_start(), [b'{' | b'[' | b'"', ..])
        && serde_json::Deserializer::from_slice(value)
            .into_iter::<Value>()
            .next()
            .is_some_and(|first| first.is_ok_and(|first| has_hidden(&first, hidden)))
}

fn has_hidden(value: &Value, hidden: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Array(list) => list.iter().any(|one| has_hidden(one, hidden)),
        Value::Object(members) => members.iter().any(|(name, one)| hidden(name) || has_hidden(one, hidden)),
        // A document in a text of one.
        Value::String(text) if text.len() > 1 => tells(text.as_bytes(), hidden),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        policy::set::{
            Action, Category, Charter, Classification, CookieBasis, CookieClass, CookiePattern, CookieRule,
            PersonalData, RecipientId, SameSite,
        },
        secret::{Domain, MasterSecret},
    };

    fn screened(
        data: &PersonalData,
        fields: &[(&'static str, &'static str)],
        visible: CategorySet,
    ) -> Vec<(String, String)> {
        let category = |name: &str, fields: &[&str], otherwise| Category {
            name: name.into(),
            article: "2".into(),
            detect: crate::policy::set::DetectorKinds::NONE,
            fields: fields.iter().map(|&field| field.into()).collect(),
            otherwise,
        };
        let charter = Charter {
            title: String::new(),
            version: String::new(),
            purposes: vec![],
            recipients: vec![],
            anonymous: RecipientId(0),
            cookies: vec![],
            categories: vec![
                category("email", &["email"], Action::Mask),
                category("birth", &["birth_date", "age"], Action::Remove),
            ],
        };
        let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "");
        let plan = Arc::new(Plan::compile(&charter, data));
        let mut headers = HeaderMap::new();
        for &(name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        let (rules, declared) = match data {
            PersonalData::Declared(data) => (Arc::clone(&data.headers), true),
            _ => (Arc::from([]), false),
        };
        let cookie = |name: &str, class| CookieRule {
            pattern: CookiePattern::new(name),
            class,
            basis: CookieBasis::Article("8.2".into()),
            finding: false,
            own: false,
            script_readable: false,
            same_site: SameSite::Lax,
            max_age: None,
        };
        let credentials = Credentials::of(&[
            cookie("session", CookieClass::Session),
            cookie("*csrf", CookieClass::Security),
            cookie("cart", CookieClass::Cart),
        ]);
        let key = Arc::new(key);
        Screen { plan, rules, declared, visible, credentials, key, today: None }.withhold(&mut headers);
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
    }

    fn left(fields: &[(&'static str, &'static str)], visible: CategorySet) -> Vec<String> {
        screened(&PersonalData::Undeclared, fields, visible).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_route_classifies_fields_by_name() {
        let birth = FieldClass::Category(CategoryId(1));
        let email = FieldClass::Category(CategoryId(0));
        let data = PersonalData::Declared(Classification {
            headers: Arc::new([
                (HeaderName::from_static("x-teacher"), email),
                (HeaderName::from_static("x-born"), birth),
                (HeaderName::from_static("x-user-email"), FieldClass::NotPersonal),
            ]),
            ..Classification::default()
        });
        let fields = [("x-teacher", "a@b.fr"), ("x-born", "2012"), ("x-user-email", "off"), ("x-total", "3")];
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("x-teacher", "***"), pair("x-total", "3"), pair("x-user-email", "off")];
        let mut left = screened(&data, &fields, CategorySet::default());
        left.sort();
        assert_eq!(left, expected);
        // Two values have no stand-in.
        let twice = [("x-teacher", "a@b.fr"), ("x-teacher", "c@d.fr")];
        assert!(screened(&data, &twice, CategorySet::default()).is_empty());
        let file = [("content-disposition", "attachment; filename=\"Bulletin Jean Dupont.pdf\"")];
        let expected = [pair("content-disposition", "attachment; filename=\"document.pdf\"")];
        assert_eq!(screened(&data, &file, CategorySet::default()), expected);
    }

    #[test]
    fn addresses_lose_hidden_parameters() {
        let fields = [("location", "/next?page=2&email=jean%40x.fr#top"), ("link", "</a?EMAIL=x>; rel=next")];
        let left = screened(&PersonalData::Undeclared, &fields, CategorySet::default());
        assert_eq!(left[0].1, "/next?page=2&email=#top");
        assert_eq!(left[1].1, "</a?EMAIL=>; rel=next");
    }

    #[test]
    fn addresses_lose_their_user_and_what_stands_behind_a_hidden_name() {
        for (value, expected) in [
            ("https://jean:x@h/a", "https://h/a"),
            ("/users/email/a@b/edit", "/users/email//edit"),
            ("/a;email=x/b", "/a;email="),
            ("/a?b=1#email=x", "/a?b=1#email="),
            ("/a?d=eyJlbWFpbCI6ImFAYiJ9&e=1", "/a?d=&e=1"),
            ("/a?next=%2Femail%2Fa%40b", "/a?next="),
        ] {
            let left = screened(&PersonalData::Undeclared, &[("location", value)], CategorySet::default());
            assert_eq!(left[0].1, expected, "{value}");
        }
    }

    #[test]
    fn a_cookie_with_a_document_goes_unless_it_is_the_bearers_own() {
        for (value, passes) in [
            ("cart=eyJlbWFpbCI6ImFAYiJ9; Path=/", false),
            ("cart=eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYiJ9.c2ln", false),
            ("cart=email=a&n=1", false),
            ("cart=/p?n=1&email=a", false),
            ("cart=%7B%22email%22%3A1%7D", false),
            ("cart=eyJuIjo3fQ", true),
            ("session=eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYiJ9.c2ln; Secure", true),
            ("a_csrf=eyJlbWFpbCI6ImFAYiJ9", true),
            ("session={\"email\":\"a\"}", false),
        ] {
            assert_eq!(
                left(&[("set-cookie", value)], CategorySet::default()).len(),
                usize::from(passes),
                "{value}"
            );
        }
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
            ("x-user", "eyJlbWFpbCI6ImFAYiJ9"),
            ("x-user", "Bearer eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYiJ9.c2ln"),
            ("x-user", "aWQsZW1haWwKMSxhQGIK"),
            ("x-user", "<u><email>a@b</email></u>"),
            ("x-context", "for {\"email\":\"a\"}"),
            ("location", "/confirm/eyJlbWFpbCI6ImFAYiJ9"),
            ("location", "https://h/eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYiJ9.c2ln/x"),
        ] {
            assert!(left(&[(name, value)], CategorySet::default()).is_empty(), "{name}: {value}");
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
            ("x-token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.c2ln"),
            ("content-security-policy", "default-src 'self'; img-src data: https://x.fr"),
            ("x-id", "550e8400-e29b-41d4-a716-446655440000"),
        ] {
            assert_eq!(left(&[(name, value)], CategorySet::default()), [name], "{name}: {value}");
        }
        let mut any = CategorySet::default();
        any.insert(CategoryId(0));
        assert_eq!(left(&[("x-email", "a"), ("x-birth-date", "b")], any), ["x-email"]);
    }
}
