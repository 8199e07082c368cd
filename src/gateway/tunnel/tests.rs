use super::*;
use crate::policy::set::MessageBounds;

const READ: WebSocket = WebSocket::Read(MessageBounds { bytes: 1024, binary: false });

fn request(fields: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = Request::get("/x").body(()).unwrap();
    for (name, value) in fields {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    request
}

/// The sample handshake of RFC 6455 1.2.
const ASKED: [(&str, &str); 4] = [
    ("upgrade", "WebSocket"),
    ("connection", "keep-alive, Upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
];
const ANSWERED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[test]
fn only_a_whole_handshake_asks() {
    assert!(Wish::of(&mut request(&ASKED)).is_some_and(|wish| !wish.extended));
    for missing in 0..ASKED.len() {
        let mut fields = ASKED.to_vec();
        let left = fields.remove(missing);
        assert!(Wish::of(&mut request(&fields)).is_none(), "without {left:?}");
        fields.extend([(left.0, "x"), (left.0, left.1)]);
        let is_list = missing < 2;
        assert_eq!(Wish::of(&mut request(&fields)).is_some(), is_list, "{left:?} twice");
    }
    for (name, value) in [
        ("sec-websocket-key", "dGhlIHNhbXBsZQ=="),
        ("sec-websocket-key", "x"),
        ("sec-websocket-version", "8"),
        ("upgrade", "websocketx"),
    ] {
        let mut request = request(&ASKED);
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        assert!(Wish::of(&mut request).is_none(), "{name}: {value}");
    }
    let mut post = request(&ASKED);
    *post.method_mut() = Method::POST;
    assert!(Wish::of(&mut post).is_none());
    let mut old = request(&ASKED);
    *old.version_mut() = Version::HTTP_10;
    assert!(Wish::of(&mut old).is_none());
}

#[test]
fn extended_connect_becomes_a_get_with_a_key_of_its_own() {
    let connect = |protocol: Option<&'static str>| {
        let mut request = request(&[("sec-websocket-version", "13"), ("sec-websocket-key", "theirs")]);
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        if let Some(protocol) = protocol {
            request.extensions_mut().insert(Protocol::from_static(protocol));
        }
        request
    };
    let mut asked = connect(Some("websocket"));
    let wish = Wish::of(&mut asked).unwrap();
    assert!(wish.extended && *asked.method() == Method::GET);
    assert_eq!(single(asked.headers(), &header::SEC_WEBSOCKET_KEY), Some(&wish.key));
    assert_ne!(wish.key, "theirs");
    assert_ne!(Wish::of(&mut connect(Some("websocket"))).unwrap().key, wish.key);
    for protocol in [None, Some("connect-udp"), Some("WebSocket"), Some("")] {
        let mut other = connect(protocol);
        assert!(Wish::of(&mut other).is_none(), "{protocol:?}");
        assert_eq!(*other.method(), Method::CONNECT);
    }
    // It cannot be passed over where HTTP/1.1's can.
    let closed = wish.on(WebSocket::Closed);
    assert!(matches!(closed, Err(ExchangeError::MethodUnknown)));
    assert!(Wish::of(&mut request(&ASKED)).unwrap().on(WebSocket::Closed).unwrap().is_none());
}

#[test]
fn a_platform_agrees_with_the_answer_to_the_key() {
    let wish = Wish::of(&mut request(&ASKED)).unwrap();
    let switched = |wish: &Wish, fields: &[(&'static str, &'static str)]| {
        wish.is_granted(StatusCode::SWITCHING_PROTOCOLS, request(fields).headers(), READ)
    };
    // A client of HTTP/1.1 has the key, and judges the answer itself.
    assert!(switched(&wish, &[("upgrade", "WebSocket")]).unwrap());
    assert!(switched(&wish, &[("upgrade", "h2c")]).is_err());
    assert!(switched(&wish, &[]).is_err());
    let extended = Wish { extended: true, ..wish };
    assert!(switched(&extended, &[("upgrade", "WebSocket"), ("sec-websocket-accept", ANSWERED)]).unwrap());
    for fields in [
        &[("upgrade", "websocket")][..],
        &[("sec-websocket-accept", ANSWERED)],
        &[("upgrade", "h2c"), ("sec-websocket-accept", ANSWERED)],
        &[("upgrade", "websocket"), ("sec-websocket-accept", "dGhlIHNhbXBsZSBub25jZQ==")],
        &[("upgrade", "websocket"), ("sec-websocket-accept", ANSWERED), ("sec-websocket-accept", ANSWERED)],
    ] {
        assert!(switched(&extended, fields).is_err(), "{fields:?}");
    }
    // What did not switch is an answer, but to CONNECT a success would be a tunnel.
    let none = HeaderMap::new();
    let wish = Wish::of(&mut request(&ASKED)).unwrap();
    assert!(!wish.is_granted(StatusCode::OK, &none, READ).unwrap());
    assert!(extended.is_granted(StatusCode::OK, &none, READ).is_err());
    assert!(!extended.is_granted(StatusCode::FORBIDDEN, &none, READ).unwrap());
}

#[test]
fn each_client_gets_the_answer_of_its_protocol() {
    let wish = Wish::of(&mut request(&ASKED)).unwrap();
    let granted = |wish: &Wish| {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(ANSWERED));
        wish.grant(&mut response);
        response
    };
    let response = granted(&wish);
    assert_eq!((response.status().as_u16(), response.headers().len()), (101, 3));
    let response = granted(&Wish { extended: true, ..wish });
    assert_eq!((response.status().as_u16(), response.headers().len()), (200, 0));
}

#[test]
fn nothing_is_agreed_on_that_would_hide_what_is_read() {
    let wish = Wish::of(&mut request(&ASKED)).unwrap();
    for (name, value, is_readable) in [
        ("sec-websocket-extensions", "permessage-deflate", false),
        ("sec-websocket-protocol", "graphql-transport-ws", false),
        ("sec-websocket-protocol", "chat, GraphQL-WS", false),
        ("sec-websocket-protocol", "chat", true),
        ("x", "y", true),
    ] {
        let mut answer = request(&[("upgrade", "websocket"), ("sec-websocket-accept", ANSWERED)]);
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
        let granted =
            |websocket| wish.is_granted(StatusCode::SWITCHING_PROTOCOLS, answer.headers(), websocket);
        assert_eq!(granted(READ).is_ok(), is_readable, "{name}: {value}");
        assert!(granted(WebSocket::Unread).unwrap(), "{name}: {value}");
        let mut asked = request(&ASKED);
        asked.headers_mut().insert(name, HeaderValue::from_static(value));
        let is_graphql = value.to_ascii_lowercase().contains("graphql");
        assert_eq!(wish.ask(asked.headers_mut(), READ).is_err(), is_graphql, "{name}: {value}");
        assert!(!asked.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS), "{name}: {value}");
    }
}
