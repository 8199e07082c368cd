//! Who can sign in to the sample platform, and how: the ways of real ones, with 401 for a wrong password, 400 for a
//! missing one, and a session cookie that is not `Secure`.

use std::{cell::RefCell, collections::HashMap};

use aws_lc_rs::rand;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

/// Somebody who can sign in.
#[derive(Debug)]
pub struct Account {
    /// Identifier on the platform, the `sub` of their tokens.
    pub id: &'static str,
    /// Sign-in name; the platform compares it without case.
    pub username: &'static str,
    /// Role in the platform's words; tokens carry the same.
    pub role: &'static str,
    /// Classes.
    pub groups: &'static [&'static str],
    /// Learners they answer for.
    pub wards: &'static [&'static str],
}

/// The password of every account.
pub const PASSWORD: &str = "sesame-de-demonstration";

/// One account for each role.
pub const ACCOUNTS: &[Account] = &[
    Account { id: "L1", username: "alix", role: "learner", groups: &["6A"], wards: &[] },
    Account { id: "T1", username: "dominique", role: "teacher", groups: &["6A"], wards: &[] },
    Account { id: "P1", username: "parent", role: "guardian", groups: &[], wards: &["L1"] },
    Account { id: "M1", username: "campagne", role: "marketing", groups: &[], wards: &[] },
    Account { id: "A1", username: "direction", role: "administrator", groups: &[], wards: &[] },
];

/// Open sessions, by the value of the `session` cookie.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: RefCell<HashMap<String, &'static Account>>,
}

impl Sessions {
    /// Checks a name and a password; a new session, or the status that says why not.
    pub(super) fn sign_in(&self, content_type: Option<&[u8]>, body: &[u8]) -> Result<String, StatusCode> {
        let (username, password) = credentials(content_type, body).ok_or(StatusCode::BAD_REQUEST)?;
        let account = ACCOUNTS
            .iter()
            .find(|account| account.username.eq_ignore_ascii_case(username.trim()) && password == PASSWORD)
            .ok_or(StatusCode::UNAUTHORIZED)?;
        let mut random = [0u8; 16];
        rand::fill(&mut random).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let value: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.open.borrow_mut().insert(value.clone(), account);
        Ok(value)
    }

    /// Ends the caller's session.
    pub(super) fn sign_out(&self, headers: &HeaderMap) {
        if let Some(value) = session_cookie(headers) {
            self.open.borrow_mut().remove(&value);
        }
    }

    /// What a gateway asks: who has this session.
    pub(super) fn who(&self, headers: &HeaderMap) -> Option<Value> {
        let account = *self.open.borrow().get(&session_cookie(headers)?)?;
        Some(json!({
            "id": account.id,
            "username": account.username,
            "role": account.role,
            "groups": account.groups,
            "wards": account.wards,
        }))
    }
}

/// The name and the password of a JSON or form body; `None` where either is missing.
fn credentials(content_type: Option<&[u8]>, body: &[u8]) -> Option<(String, String)> {
    if content_type.is_some_and(|value| value.starts_with(b"application/x-www-form-urlencoded")) {
        let field = |name: &str| {
            form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        return Some((field("username")?, field("password")?));
    }
    let document: Value = serde_json::from_slice(body).ok()?;
    let field = |name: &str| document.get(name)?.as_str().map(str::to_owned);
    Some((field("username")?, field("password")?))
}

fn session_cookie(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::COOKIE).iter().find_map(|line| {
        line.as_bytes().split(|&byte| byte == b';').find_map(|pair| {
            let value = pair.trim_ascii().strip_prefix(b"session=")?;
            String::from_utf8(value.to_vec()).ok()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Option<&[u8]> = Some(b"application/json");
    const FORM: Option<&[u8]> = Some(b"application/x-www-form-urlencoded; charset=utf-8");

    #[test]
    fn a_session_says_who_has_it_until_it_ends() {
        let sessions = Sessions::default();
        let body = json!({ "username": "ALIX", "password": PASSWORD }).to_string();
        let value = sessions.sign_in(JSON, body.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("cookie", format!("_ga=1; session={value}").parse().unwrap());
        assert_eq!(sessions.who(&headers).unwrap()["id"], "L1");
        sessions.sign_out(&headers);
        assert_eq!(sessions.who(&headers), None);
    }

    #[test]
    fn wrong_is_401_and_missing_is_400() {
        let sessions = Sessions::default();
        for (content_type, body, expected) in [
            (JSON, r#"{"username":"alix","password":"non"}"#, StatusCode::UNAUTHORIZED),
            (JSON, r#"{"username":"nobody","password":"sesame-de-demonstration"}"#, StatusCode::UNAUTHORIZED),
            (JSON, r#"{"username":"alix"}"#, StatusCode::BAD_REQUEST),
            (JSON, "not json", StatusCode::BAD_REQUEST),
            (FORM, "username=alix&password=non", StatusCode::UNAUTHORIZED),
            (FORM, "username=alix", StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(sessions.sign_in(content_type, body.as_bytes()), Err(expected), "{body}");
        }
        assert!(sessions.sign_in(FORM, b"username=alix&password=sesame-de-demonstration").is_ok());
    }
}
