//! Where a provider says that its resources are (OpenID Connect Discovery 1.0), and the fetching of them.
//!
//! A description is believed in one thing: where a resource is, on an origin that the policy allows. Algorithms that it
//! lists widen nothing, and what it says of itself must be the issuer of the policy, byte for byte.

use bytes::Bytes;
use http::{
    Request, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, HOST},
};
use serde_json::Value;

use super::{Fetch, json};
use crate::policy::set::{Discovery, Located, Place};

/// Longest description, in bytes.
const DOCUMENT_BYTES: usize = 64 * 1024;
/// Longest address in it, in bytes.
const ADDRESS_BYTES: usize = 2048;

/// The member of a description that tells where the key set is.
pub(super) const KEYS: &str = "jwks_uri";
/// The one that tells where tokens are introspected (RFC 8414 §2).
pub(super) const INTROSPECTION: &str = "introspection_endpoint";

/// The place of a resource; for one that is discovered, as the description says now.
pub(super) async fn locate(located: &Located, member: &str, fetch: &dyn Fetch) -> Option<Place> {
    match located {
        Located::Fixed(place) => Some(place.clone()),
        Located::Discovered(discovery) => {
            let body = get(&discovery.document, "application/json", fetch).await?;
            read(discovery, member, &body)
        }
    }
}

/// The body of a 200; redirects are not followed.
pub(super) async fn get(place: &Place, accept: &str, fetch: &dyn Fetch) -> Option<Bytes> {
    let mut request = Request::get(place.path.as_str()).header(ACCEPT, accept);
    if let Some(host) = &place.host {
        request = request.header(HOST, host);
    }
    let request = request.header(ACCEPT_ENCODING, "identity").body(Bytes::new()).ok()?;
    let answer = fetch.fetch(place.upstream, request).await.ok()?;
    (answer.status() == StatusCode::OK).then(|| answer.into_body())
}

/// The place that a description gives for a member.
fn read(discovery: &Discovery, member: &str, body: &[u8]) -> Option<Place> {
    if body.len() > DOCUMENT_BYTES {
        return None;
    }
    let document = json::parse(body)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    // Discovery 1.0 §4.3: or one provider could speak for another (mix-up).
    if text("issuer")? != discovery.issuer {
        return None;
    }
    place(discovery, text(member)?)
}

/// An address on one of the allowed origins.
fn place(discovery: &Discovery, address: &str) -> Option<Place> {
    let sound = address.len() <= ADDRESS_BYTES
        && address.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'@'));
    let uri: Uri = address.parse().ok().filter(|_| sound)?;
    let tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let host = uri.host()?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let origin = discovery
        .origins
        .iter()
        .find(|one| one.tls == tls && one.port == port && one.host.eq_ignore_ascii_case(host))?;
    let path = uri.path_and_query()?.as_str();
    let host = http::HeaderValue::try_from(uri.authority()?.as_str()).ok()?;
    path.starts_with('/').then(|| Place {
        upstream: origin.upstream,
        path: path.to_owned(),
        host: Some(host),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::set::{Origin, UpstreamId};

    const ISSUER: &str = "https://id.example/realms/school";

    fn discovery() -> Discovery {
        let origin = |tls, host: &str, port, place| Origin {
            tls,
            host: host.into(),
            port,
            upstream: UpstreamId(place),
        };
        Discovery {
            document: Place { upstream: UpstreamId(0), path: "/".into(), host: None },
            issuer: ISSUER.into(),
            origins: vec![
                origin(true, "id.example", 443, 0),
                origin(true, "keys.example", 8443, 1),
                origin(false, "inside", 8080, 2),
            ],
        }
    }

    #[test]
    fn a_description_points_to_allowed_origins_and_nowhere_else() {
        for (address, expected) in [
            ("https://id.example/keys", Some((0, "/keys"))),
            ("https://ID.example:443/keys?x=1", Some((0, "/keys?x=1"))),
            ("https://keys.example:8443/", Some((1, "/"))),
            ("http://inside:8080/keys", Some((2, "/keys"))),
            ("http://id.example/keys", None),
            ("https://id.example:444/keys", None),
            ("https://keys.example/", None),
            ("https://inside:8080/keys", None),
            ("https://id.example.evil.example/keys", None),
            ("https://evil.example/id.example", None),
            ("https://id.example@evil.example/keys", None),
            ("https://user@id.example/keys", None),
            ("https://id.example\\@evil.example/keys", None),
            ("https://id.example/keys#evil", None),
            ("https://id.example/a b", None),
            ("//id.example/keys", None),
            ("/keys", None),
            ("file:///etc/passwd", None),
            ("data:application/json,{}", None),
            ("https://169.254.169.254/latest", None),
            ("", None),
        ] {
            let body = json!({"issuer": ISSUER, "jwks_uri": address}).to_string();
            let found = read(&discovery(), KEYS, body.as_bytes());
            let found = found.as_ref().map(|place| (place.upstream.0, place.path.as_str()));
            assert_eq!(found, expected, "{address}");
        }
    }

    #[test]
    fn a_description_of_another_issuer_is_none() {
        let good = "https://id.example/keys";
        for (body, expected) in [
            (json!({"issuer": ISSUER, "jwks_uri": good}).to_string(), true),
            (json!({"issuer": format!("{ISSUER}/"), "jwks_uri": good}).to_string(), false),
            (json!({"issuer": "https://ID.example/realms/school", "jwks_uri": good}).to_string(), false),
            (json!({"issuer": [ISSUER], "jwks_uri": good}).to_string(), false),
            (json!({"jwks_uri": good}).to_string(), false),
            (json!({"issuer": ISSUER}).to_string(), false),
            (json!({"issuer": ISSUER, "jwks_uri": [good]}).to_string(), false),
            (format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"{good}","jwks_uri":"{good}"}}"#), false),
            ("<html>sign in</html>".into(), false),
            (String::new(), false),
            (format!("{}{}", json!({"issuer": ISSUER, "jwks_uri": good}), " ".repeat(DOCUMENT_BYTES)), false),
        ] {
            assert_eq!(read(&discovery(), KEYS, body.as_bytes()).is_some(), expected, "{body:.100}");
        }
    }
}
