//! First messages that no library would send, byte by byte: what is answered, and with which alert.

use super::*;

const PROTOCOL_VERSION: u8 = 70;
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
const NO_APPLICATION_PROTOCOL: u8 = 120;

const SERVER_NAME: u16 = 0;
const GROUPS: u16 = 10;
const POINTS: u16 = 11;
const SIGNATURES: u16 = 13;
const ALPN: u16 = 16;

/// A ClientHello (RFC 5246 7.4.1.2) of a client that knows TLS 1.2 at most.
#[derive(Clone)]
pub(super) struct Hello {
    version: [u8; 2],
    suites: Vec<u16>,
    compressions: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

impl Hello {
    pub(super) fn new() -> Self {
        Self {
            version: [3, 3],
            // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            suites: vec![0xc02b],
            compressions: vec![0],
            extensions: vec![
                (GROUPS, prefixed(&[0, 0x1d, 0, 0x17])),
                (POINTS, vec![1, 0]),
                (SIGNATURES, prefixed(&[4, 3, 8, 4, 8, 7])),
            ],
        }
    }

    fn with(mut self, extension: u16, content: Vec<u8>) -> Self {
        self.extensions.push((extension, content));
        self
    }

    /// With these server names (RFC 6066 section 3), as bytes.
    fn naming(self, names: &[&[u8]]) -> Self {
        let list: Vec<u8> = names.iter().flat_map(|name| [vec![0], prefixed(name)].concat()).collect();
        self.with(SERVER_NAME, prefixed(&list))
    }

    /// With these protocols (RFC 7301).
    fn speaking(self, protocols: &[&str]) -> Self {
        let list: Vec<u8> = protocols
            .iter()
            .flat_map(|name| [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat())
            .collect();
        self.with(ALPN, prefixed(&list))
    }

    pub(super) fn message(&self) -> Vec<u8> {
        let suites: Vec<u8> = self.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &prefixed(content)].concat())
            .collect();
        let compressions =
            [&[u8::try_from(self.compressions.len()).unwrap()], &self.compressions[..]].concat();
        let body =
            [&self.version[..], &[7; 32], &[0], &prefixed(&suites), &compressions, &prefixed(&extensions)]
                .concat();
        [&[1, 0], &prefixed(&body)[..]].concat()
    }

    fn record(&self) -> Vec<u8> {
        [&[0x16, 3, 1], &prefixed(&self.message())[..]].concat()
    }
}

/// What a server answers to these bytes.
fn answer(server: &Arc<ServerConfig>, bytes: &[u8]) -> (Result<(), rustls::Error>, Vec<u8>) {
    let mut server = ServerConnection::new(server.clone()).unwrap();
    let mut bytes = bytes;
    let mut result = Ok(());
    while !bytes.is_empty() && result.is_ok() {
        server.read_tls(&mut bytes).unwrap();
        result = server.process_new_packets().map(drop);
    }
    let mut answer = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut answer).unwrap();
    }
    (result, answer)
}

/// The fatal alert that is all of the answer.
#[track_caller]
fn alert(server: &Arc<ServerConfig>, bytes: &[u8]) -> u8 {
    let (result, answer) = answer(server, bytes);
    assert!(result.is_err(), "{answer:?}");
    assert_eq!((answer.len(), answer[0], answer[5]), (7, 0x15, 2), "{result:?} {answer:?}");
    answer[6]
}

/// The ServerHello's body, and everything that was sent in clear.
#[track_caller]
fn accepted(server: &Arc<ServerConfig>, hello: &Hello) -> (Vec<u8>, Vec<u8>) {
    let (result, answer) = answer(server, &hello.record());
    result.unwrap();
    assert_eq!((answer[0], answer[5]), (0x16, 2), "{answer:?}");
    let length = usize::from(u16::from_be_bytes([answer[7], answer[8]]));
    (answer[9..9 + length].to_vec(), answer)
}

fn one() -> Arc<ServerConfig> {
    served(&[certificate(&["a.fr"])])
}

#[test]
fn a_sound_hello_is_answered() {
    let (hello, _) = accepted(&one(), &Hello::new());
    assert_eq!(hello[..2], [3, 3]);
    let session = usize::from(hello[34]);
    assert_eq!(hello[35 + session..38 + session], [0xc0, 0x2b, 0], "the suite, no compression");
}

#[test]
fn a_client_that_could_have_had_tls_1_3_is_told_that_it_did_not() {
    // RFC 8446 4.1.3: the last eight bytes of the random, which the signature of the key exchange covers.
    let (hello, _) = accepted(&one(), &Hello::new());
    assert_eq!(hello[26..34], *b"DOWNGRD\x01");
}

#[test]
fn older_versions_are_refused() {
    let server = one();
    for version in [[3, 0], [3, 1], [3, 2], [2, 0], [0, 2]] {
        let hello = Hello { version, ..Hello::new() };
        assert_eq!(alert(&server, &hello.record()), PROTOCOL_VERSION, "{version:?}");
        let old = Hello { extensions: Vec::new(), suites: vec![0xc013, 0x2f], ..hello };
        assert!(matches!(
            alert(&server, &old.record()),
            PROTOCOL_VERSION | HANDSHAKE_FAILURE | ILLEGAL_PARAMETER
        ));
    }
    // SSL 2.0, which has no records: CLIENT-HELLO with one cipher and a challenge.
    let body = [&[1, 3, 1, 0, 3, 0, 0, 0, 16, 7, 0, 0xc0][..], &[7; 16]].concat();
    let hello = [&[0x80, u8::try_from(body.len()).unwrap()], &body[..]].concat();
    let (result, answer) = answer(&server, &hello);
    assert!(result.is_err() && answer.first().is_none_or(|kind| *kind == 0x15), "{answer:?}");
}

#[test]
fn suites_without_forward_secrecy_or_authenticated_encryption_are_refused() {
    let server = one();
    for (suite, name) in [
        (0x0000, "NULL"),
        (0x0001, "RSA_WITH_NULL_MD5"),
        (0x0004, "RSA_WITH_RC4_128_MD5"),
        (0x0005, "RSA_WITH_RC4_128_SHA"),
        (0x000a, "RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x0017, "DH_anon_EXPORT_WITH_RC4_40_MD5"),
        (0x002f, "RSA_WITH_AES_128_CBC_SHA"),
        (0x0033, "DHE_RSA_WITH_AES_128_CBC_SHA"),
        (0x009c, "RSA_WITH_AES_128_GCM_SHA256"),
        (0x009d, "RSA_WITH_AES_256_GCM_SHA384"),
        (0x009e, "DHE_RSA_WITH_AES_128_GCM_SHA256"),
        (0x00a8, "PSK_WITH_AES_128_GCM_SHA256"),
        (0xc007, "ECDHE_ECDSA_WITH_RC4_128_SHA"),
        (0xc009, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
        (0xc013, "ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        (0xc018, "ECDH_anon_WITH_AES_128_CBC_SHA"),
        (0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
        (0xc02d, "ECDH_ECDSA_WITH_AES_128_GCM_SHA256"),
        (0xc0ac, "ECDHE_ECDSA_WITH_AES_128_CCM"),
        (0x00ff, "EMPTY_RENEGOTIATION_INFO_SCSV"),
        // Those of TLS 1.3 are none under TLS 1.2.
        (0x1301, "AES_128_GCM_SHA256"),
    ] {
        let hello = Hello { suites: vec![suite], ..Hello::new() };
        assert_eq!(alert(&server, &hello.record()), HANDSHAKE_FAILURE, "{name}");
        // Beside a good one it is passed over.
        accepted(&server, &Hello { suites: vec![suite, 0xc02b], ..Hello::new() });
    }
    let none = Hello { suites: Vec::new(), ..Hello::new() };
    assert!(matches!(alert(&server, &none.record()), HANDSHAKE_FAILURE | DECODE_ERROR | ILLEGAL_PARAMETER));
}

#[test]
fn nothing_is_compressed() {
    let server = one();
    for compressions in [vec![1], vec![1, 64]] {
        let hello = Hello { compressions, ..Hello::new() };
        assert_eq!(alert(&server, &hello.record()), ILLEGAL_PARAMETER);
    }
    accepted(&server, &Hello { compressions: vec![1, 0], ..Hello::new() });
}

#[test]
fn bytes_that_are_no_record_are_refused() {
    let hello = Hello::new().record();
    let server = one();
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: a.fr\r\n\r\n".to_vec(),
        // Longer than a record may be (RFC 8446 5.1), empty, of no kind, of data before there are keys.
        [&[0x16, 3, 1, 0x48, 1], &[1; 64][..]].concat(),
        [&[0x16, 3, 1, 0, 0], &hello[..]].concat(),
        [&[0x63, 3, 3, 0, 1, 0], &hello[..]].concat(),
        vec![0x17, 3, 3, 0, 2, b'h', b'i'],
        vec![0x14, 3, 3, 0, 1, 1],
        // A message that announces more than any hello may have.
        vec![0x16, 3, 1, 0, 5, 1, 0xff, 0xff, 0xff, 3],
        // A ServerHello, a Finished.
        vec![0x16, 3, 3, 0, 4, 2, 0, 0, 0],
        vec![0x16, 3, 3, 0, 4, 20, 0, 0, 0],
    ] {
        let (result, answer) = answer(&server, &bytes);
        assert!(result.is_err(), "{bytes:?}");
        assert!(answer.first().is_none_or(|kind| *kind == 0x15), "{bytes:?}: {answer:?}");
    }
}

#[test]
fn a_hello_in_any_number_of_records_is_one() {
    let server = one();
    let message = Hello::new().message();
    for size in [1, 5, 64] {
        let records: Vec<u8> =
            message.chunks(size).flat_map(|piece| [&[0x16, 3, 1], &prefixed(piece)[..]].concat()).collect();
        let (result, answer) = answer(&server, &records);
        result.unwrap();
        assert_eq!((answer[0], answer[5]), (0x16, 2));
    }
}

#[test]
fn server_names_are_read_in_one_way() {
    let certificates = [certificate(&["a.fr"]), certificate(&["b.fr", "*.c.fr"])];
    let server = served(&certificates);
    let long = [b"b.fr.".as_slice(), &[b'x'; 300]].concat();
    for (names, expected) in [
        (&[&b"a.fr"[..]][..], Some(0)),
        (&[b"b.fr"], Some(1)),
        (&[b"B.Fr"], Some(1)),
        (&[b"x.c.fr"], Some(1)),
        (&[b"unknown.org"], Some(0)),
        (&[b"x.y.c.fr"], Some(0)),
        (&[b"*.c.fr"], None),
        // The library takes the dot of the root away.
        (&[b"b.fr."], Some(1)),
        (&[b"b.fr.."], None),
        (&[b"192.0.2.1"], Some(0)),
        (&[b"::1"], Some(0)),
        (&[b"[::1]"], None),
        (&[b"b.fr\0"], None),
        (&[b"b.fr\0.evil.org"], None),
        (&[b"b.fr:443"], None),
        (&[b" b.fr"], None),
        (&[b"b..fr"], None),
        (&[b".b.fr"], None),
        (&[b"\xc3\xa9.fr"], None),
        (&[b""], None),
        (&[b"a.fr", b"b.fr"], None),
        (&[&long], None),
        (&[], None),
    ] {
        let hello = Hello::new().naming(names);
        let (result, answer) = answer(&server, &hello.record());
        let shown = certificates
            .iter()
            .position(|one| answer.windows(one.chain[0].len()).any(|bytes| bytes == &*one.chain[0]));
        let told: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
        assert_eq!(shown, expected, "{told:?}: {result:?}");
        assert_eq!(result.is_ok(), expected.is_some(), "{told:?}");
    }
    let (_, answer) = accepted(&server, &Hello::new());
    assert!(answer.windows(certificates[0].chain[0].len()).any(|bytes| bytes == &*certificates[0].chain[0]));
}

#[test]
fn a_protocol_is_agreed_on_or_the_handshake_fails() {
    let server = one();
    for (protocols, agreed) in [
        (&["h2"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["h2", "http/1.1"], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.0", "h2c", "http/1.1"], Some("http/1.1")),
    ] {
        let (hello, _) = accepted(&server, &Hello::new().speaking(protocols));
        let agreed = agreed.unwrap_or_default().as_bytes();
        let extension =
            [&[0, 16], &prefixed(&prefixed(&[&[u8::try_from(agreed.len()).unwrap()], agreed].concat()))[..]]
                .concat();
        assert!(hello.windows(extension.len()).any(|bytes| bytes == extension), "{protocols:?}");
    }
    for protocols in [&["spdy/3"][..], &["h2c"], &["H2"], &["HTTP/1.1"], &["http/1.0", "h3"]] {
        let hello = Hello::new().speaking(protocols);
        assert_eq!(alert(&server, &hello.record()), NO_APPLICATION_PROTOCOL, "{protocols:?}");
    }
    // Without the extension a client speaks HTTP/1.1.
    let (hello, _) = accepted(&server, &Hello::new());
    assert!(!hello.windows(2).any(|bytes| bytes == [0, 16]), "nothing is answered that nobody asked");
    for broken in [vec![0, 0], vec![0, 1, 0], vec![0, 2, 5, b'h']] {
        let hello = Hello::new().with(ALPN, broken);
        assert!(matches!(alert(&server, &hello.record()), DECODE_ERROR | ILLEGAL_PARAMETER));
    }
}

#[test]
fn an_extension_twice_is_refused() {
    let hello = Hello::new().speaking(&["h2"]).speaking(&["http/1.1"]);
    assert!(matches!(alert(&one(), &hello.record()), DECODE_ERROR | ILLEGAL_PARAMETER));
}
