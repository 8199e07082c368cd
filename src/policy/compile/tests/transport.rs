//! How upstreams are spoken to.

use super::{small, small_in, sound};
use crate::policy::set::Protocol;

const PLATFORM: &str = "{ endpoints: 'http://platform:8080' }";
const ROUTE: &str = "purpose: account";

#[test]
fn upstreams_say_what_they_speak_and_where() {
    for (written, protocol, tls, socket) in [
        (PLATFORM, Protocol::Http1, false, None),
        ("{ endpoints: 'http://a:80', protocol: http1 }", Protocol::Http1, false, None),
        ("{ endpoints: 'http://a:80', protocol: http2 }", Protocol::Http2, false, None),
        ("{ endpoints: 'https://a:80', protocol: http2 }", Protocol::Http2, true, None),
        ("{ endpoints: 'https://a:80', protocol: auto }", Protocol::Auto, true, None),
        ("{ endpoints: ['unix:/run/a.sock'] }", Protocol::Http1, false, Some("/run/a.sock")),
        ("{ endpoints: ['unix:/a', 'unix:/b'], protocol: http2 }", Protocol::Http2, false, Some("/a")),
    ] {
        let set = sound("gateway.yaml", PLATFORM, written);
        let upstream = &set.gateway.upstreams[0];
        let found = (upstream.protocol, upstream.tls.is_some(), upstream.endpoints[0].socket());
        assert_eq!(found, (protocol, tls, socket.map(std::path::Path::new)), "{written}");
    }
    let written = "{ endpoints: 'https://a', tls: { certificate: tls.crt, key: tls.key, server_name: b } }";
    let set = sound("gateway.yaml", PLATFORM, written);
    let tls = set.gateway.upstreams[0].tls.as_ref().unwrap();
    assert_eq!(tls.client.as_ref().unwrap().chain.len(), 1);
    assert!(!format!("{tls:?}").contains("Pkcs8"), "{tls:?}");
}

#[test]
fn what_cannot_be_reached_so_is_refused() {
    for (written, message) in [
        ("{ endpoints: 'http://a:80', protocol: h2 }", "`h2` is not a protocol"),
        ("{ endpoints: 'unix:run/a.sock' }", "`unix:run/a.sock` is not an endpoint"),
        ("{ endpoints: 'unix://run/a.sock' }", "`unix://run/a.sock` is not an endpoint"),
        ("{ endpoints: 'unix:' }", "`unix:` is not an endpoint"),
        ("{ endpoints: ['unix:/a', 'http://a:80'] }", "is not of the kind of those before it"),
        ("{ endpoints: ['unix:/a', 'unix:/a'] }", "is listed twice"),
        ("{ endpoints: 'unix:/a', tls: {} }", "the endpoints are not `https://`"),
        ("{ endpoints: 'https://a', tls: { certificate: tls.crt } }", "`key` is missing"),
        ("{ endpoints: 'https://a', tls: { key: tls.key } }", "`certificate` is missing"),
        (
            "{ endpoints: 'https://a', tls: { certificate: tls.crt, key: other.key } }",
            "the key is not the certificate's",
        ),
        ("{ endpoints: 'https://a', tls: { certificate: secret, key: tls.key } }", "holds no certificate"),
    ] {
        let (set, report) = small("gateway.yaml", PLATFORM, written);
        assert!(set.is_none(), "{written}");
        assert!(report.to_string().contains(message), "{written}: {report}");
    }
    let long = format!("{{ endpoints: 'unix:/{}' }}", "a".repeat(107));
    assert!(small("gateway.yaml", PLATFORM, &long).0.is_none());
    let fits = format!("{{ endpoints: 'unix:/{}' }}", "a".repeat(106));
    assert!(small("gateway.yaml", PLATFORM, &fits).0.is_some());
}

#[test]
fn a_websocket_has_a_way_to_the_platform() {
    let upstream = |protocol: &str| format!("{{ endpoints: 'https://a', protocol: {protocol} }}");
    for (protocol, websocket, is_sound) in [
        ("http1", "redact", true),
        ("auto", "redact", true),
        ("http2", "redact", false),
        ("http2", "true", false),
        ("http2", "{ messages: redact }", false),
        ("http2", "false", true),
    ] {
        let route = format!("{ROUTE}\n    websocket: {websocket}");
        let (set, report) =
            small_in(&[("gateway.yaml", PLATFORM, &upstream(protocol)), ("routes/all.yaml", ROUTE, &route)]);
        assert_eq!(set.is_some(), is_sound, "{protocol} {websocket}: {report}");
        assert!(is_sound || report.to_string().contains("a WebSocket needs HTTP/1.1"), "{report}");
    }
}
