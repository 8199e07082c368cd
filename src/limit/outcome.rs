//! What the platform's answer says of an attempt: by its status, by where it sends the client, or by its body.

use http::{HeaderMap, StatusCode, header};

use super::{account::Node, guard::Outcome};
use crate::policy::set::{Authentication, Failure};

/// Most bytes of an answer that are read to learn what it says.
pub const ANSWER_BYTES: usize = 1024 * 1024;

/// What an answer says by its head; `None` where its body must be read, too.
pub fn of_head(auth: &Authentication, status: StatusCode, headers: &HeaderMap) -> Option<Outcome> {
    if auth.counts_every_request() || failed_by_head(&auth.failure, status, headers) {
        return Some(Outcome::Failure);
    }
    let accepted = status.is_success() || status.is_redirection();
    match (accepted, auth.failure.reads_body()) {
        (true, true) => None,
        (true, false) => Some(Outcome::Success),
        // Neither a failure by the policy's word nor a success: the platform judged nothing.
        (false, _) => Some(Outcome::None),
    }
}

/// What the decoded body of such an answer says. One that cannot be read, or not to its end, may say anything: it counts.
pub fn of_body(auth: &Authentication, body: Option<&[u8]>) -> Outcome {
    let Some(body) = body else { return Outcome::Failure };
    let failure = &auth.failure;
    if failure.texts.iter().any(|text| memchr::memmem::find(body, text.as_bytes()).is_some()) {
        return Outcome::Failure;
    }
    if failure.fields.is_empty() || body.is_empty() {
        return Outcome::Success;
    }
    let Ok(root) = serde_json::from_slice::<Node>(body) else {
        // A page is no JSON answer; where texts are looked for as well, it is judged by them alone.
        return if failure.texts.is_empty() { Outcome::Failure } else { Outcome::Success };
    };
    let failed = failure.fields.iter().any(|(path, equals)| {
        root.select(path).into_iter().any(|node| match equals {
            Some(text) => node.is_text(text),
            None => node.says_something(),
        })
    });
    if failed { Outcome::Failure } else { Outcome::Success }
}

fn failed_by_head(failure: &Failure, status: StatusCode, headers: &HeaderMap) -> bool {
    let by_status = if failure.status.is_empty() {
        // Too slow, too early, too many: of the request nothing was said.
        status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429)
    } else {
        failure.status.contains(&status)
    };
    let leads = |pattern: &crate::policy::set::LocationPattern| {
        headers.get_all(header::LOCATION).iter().any(|location| pattern.matches(location.as_bytes()))
    };
    by_status || failure.location.iter().any(leads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limit::login::tests::authentication,
        policy::set::{AuthenticationKind, LocationPattern},
    };

    fn auth(failure: Failure) -> Authentication {
        Authentication { failure, ..authentication(&["username"], &["password"]) }
    }

    fn head(auth: &Authentication, status: u16, location: Option<&str>) -> Option<Outcome> {
        let mut headers = HeaderMap::new();
        if let Some(location) = location {
            headers.insert(header::LOCATION, location.parse().unwrap());
        }
        of_head(auth, StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn statuses_say_it() {
        use Outcome as O;
        let unstated = auth(Failure::default());
        let stated =
            auth(Failure { status: vec![StatusCode::OK, StatusCode::UNAUTHORIZED], ..Failure::default() });
        for (status, without, with) in [
            (200, O::Success, O::Failure),
            (204, O::Success, O::Success),
            (302, O::Success, O::Success),
            (400, O::Failure, O::None),
            (401, O::Failure, O::Failure),
            (404, O::Failure, O::None),
            (422, O::Failure, O::None),
            (408, O::None, O::None),
            (429, O::None, O::None),
            (500, O::None, O::None),
            (503, O::None, O::None),
        ] {
            assert_eq!(head(&unstated, status, None), Some(without), "{status}");
            assert_eq!(head(&stated, status, None), Some(with), "{status}");
        }
    }

    #[test]
    fn redirects_say_it() {
        let moodle =
            auth(Failure { location: vec![LocationPattern::new("/login/index.php*")], ..Failure::default() });
        for (location, expected) in [
            ("https://ecole.example/login/index.php?loginredirect=1", Outcome::Failure),
            ("/login/index.php", Outcome::Failure),
            ("https://ecole.example/my/", Outcome::Success),
        ] {
            assert_eq!(head(&moodle, 303, Some(location)), Some(expected), "{location}");
        }
    }

    #[test]
    fn bodies_say_it() {
        let json = |equals: Option<&str>| {
            let fields = vec![("$.error".parse().unwrap(), equals.map(str::to_owned))];
            auth(Failure { fields, ..Failure::default() })
        };
        let any = json(None);
        assert_eq!(head(&any, 200, None), None);
        assert_eq!(head(&any, 401, None), Some(Outcome::Failure));
        for (body, expected) in [
            (r#"{"error":"invalid"}"#, Outcome::Failure),
            (r#"{"error":true}"#, Outcome::Failure),
            (r#"{"error":{"code":1}}"#, Outcome::Failure),
            (r#"{"error":null,"id":1}"#, Outcome::Success),
            (r#"{"error":false}"#, Outcome::Success),
            (r#"{"error":""}"#, Outcome::Success),
            (r#"{"error":0}"#, Outcome::Success),
            (r#"{"id":1}"#, Outcome::Success),
            (r#"{"id":1,"error":null,"error":"x"}"#, Outcome::Failure),
            ("<html>", Outcome::Failure),
            (r#"{"id":1"#, Outcome::Failure),
            ("", Outcome::Success),
        ] {
            assert_eq!(of_body(&any, Some(body.as_bytes())), expected, "{body}");
        }
        let exact = json(Some("bad"));
        assert_eq!(of_body(&exact, Some(br#"{"error":"bad"}"#)), Outcome::Failure);
        assert_eq!(of_body(&exact, Some(br#"{"error":"none"}"#)), Outcome::Success);
        let falsehood = auth(Failure {
            fields: vec![("$.ok".parse().unwrap(), Some("false".into()))],
            ..Failure::default()
        });
        assert_eq!(of_body(&falsehood, Some(br#"{"ok":false}"#)), Outcome::Failure);
        assert_eq!(of_body(&falsehood, Some(br#"{"ok":true}"#)), Outcome::Success);
        let django = auth(Failure { texts: vec!["errorlist".into()], ..Failure::default() });
        assert_eq!(of_body(&django, Some(br#"<ul class="errorlist">"#)), Outcome::Failure);
        assert_eq!(of_body(&django, Some(b"<p>Bonjour")), Outcome::Success);
        assert_eq!(of_body(&django, None), Outcome::Failure);
    }

    #[test]
    fn where_every_request_counts_nothing_is_given_back() {
        for (kind, secret, expected) in [
            (AuthenticationKind::Registration, "", Outcome::Failure),
            (AuthenticationKind::Reset, "", Outcome::Failure),
            (AuthenticationKind::Reset, "token", Outcome::Success),
            (AuthenticationKind::SecondFactor, "", Outcome::Success),
        ] {
            let secrets: &[&str] = if secret.is_empty() { &[] } else { &[secret] };
            let auth = Authentication { kind, ..authentication(&["username"], secrets) };
            assert_eq!(head(&auth, 200, None), Some(expected), "{kind:?}");
        }
    }
}
