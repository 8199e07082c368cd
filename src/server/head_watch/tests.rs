use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::gateway::connection::Clock;

fn progress() -> Arc<Progress> {
    Progress::new(Arc::<Clock>::default(), Phase::Idle)
}

/// The signs of one head that comes in pieces of this size.
fn signs(head: &str, piece: usize) -> HeadSigns {
    let (mut line, mut signs) = (Line::default(), HeadSigns::default());
    for bytes in head.as_bytes().chunks(piece) {
        line.read(bytes, &mut signs);
    }
    signs
}

#[test]
fn what_hyper_drops_is_seen_however_the_bytes_come() {
    let seen = HeadSigns { begun: true, over: true, ..HeadSigns::default() };
    for (head, expected) in [
        (
            "POST /a HTTP/1.1\r\nHost: x\r\nCONTENT-length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            HeadSigns { length: true, ..seen },
        ),
        (
            "POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            HeadSigns { length: true, lengths: true, ..seen },
        ),
        (
            "POST /a HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length:3\n\n",
            HeadSigns { length: true, bare: true, ..seen },
        ),
        ("GET /a HTTP/1.1\r\nHost: x\n\r\n", HeadSigns { bare: true, ..seen }),
        ("GET /a HTTP/1.1\r\nHost: x\r\n\n", HeadSigns { bare: true, ..seen }),
        ("\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", HeadSigns { bare: true, ..seen }),
        ("\r\n\r\nGET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", HeadSigns { fragment: true, ..seen }),
        ("GET /a HTTP/1.1\r\nReferer: /a#b\r\nX-Content-Length: 3\r\n\r\n", seen),
        ("GET /a HTTP/1.1\r\nHost: x\r\n", HeadSigns { begun: true, ..HeadSigns::default() }),
    ] {
        for piece in 1..=head.len() {
            assert_eq!(signs(head, piece), expected, "{head:?} by {piece}");
        }
    }
}

#[test]
fn only_a_head_seen_whole_is_clear() {
    let seen = HeadSigns { begun: true, over: true, ..HeadSigns::default() };
    let chunked: HeaderMap =
        [(header::TRANSFER_ENCODING, http::HeaderValue::from_static("chunked"))].into_iter().collect();
    assert!(!is_ambiguous(seen, &chunked));
    assert!(!is_ambiguous(HeadSigns { length: true, ..seen }, &HeaderMap::new()));
    assert!(is_ambiguous(HeadSigns { length: true, ..seen }, &chunked));
    assert!(is_ambiguous(HeadSigns { over: false, ..seen }, &HeaderMap::new()));
    assert!(is_ambiguous(HeadSigns::default(), &HeaderMap::new()));
}

const MESSAGES: [(&str, Framing); 5] = [
    ("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", Framing::Length(0)),
    ("POST /b HTTP/1.1\r\nContent-Length: 40\r\n\r\n", Framing::Length(40)),
    ("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked),
    ("\r\nPOST /d#e HTTP/1.1\r\nContent-Length: 1\r\n\r\n", Framing::Length(1)),
    ("GET /f HTTP/1.1\nHost: x\n\n", Framing::Length(0)),
];

fn body(framing: Framing) -> String {
    match framing {
        // Looks like another request.
        Framing::Length(length) => "GET /x#y HTTP/1.1\r\nContent-Length: 3\r\n\r\n"[..length as usize].into(),
        Framing::Chunked => "5;x\r\nGET /\r\n0\r\nA: b\r\n\r\n".into(),
    }
}

proptest! {
    /// Whatever follows what in whatever pieces: hyper is given each message by itself, and its head was seen whole.
    #[test]
    fn each_message_is_given_by_itself(
        order in prop::collection::vec(0..MESSAGES.len(), 1..8),
        pieces in prop::collection::vec(1usize..60, 1..8),
        room in 1usize..80,
    ) {
        let wire: String =
            order.iter().map(|&at| format!("{}{}", MESSAGES[at].0, body(MESSAGES[at].1))).collect();
        let progress = progress();
        let mut watch = HeadWatch::default();
        let mut rest = wire.as_bytes();
        let mut sizes = pieces.iter().cycle();
        for &at in &order {
            let (head, framing) = MESSAGES[at];
            let whole = format!("{head}{}", body(framing));
            let mut got = Vec::new();
            progress.enter(Phase::Idle);
            while got.len() < whole.len() {
                if got.len() == head.len() && progress.phase().0 != Phase::Exchange {
                    let signs = progress.take_head();
                    prop_assert!(signs.over && signs.fragment == head.contains('#'));
                    prop_assert_eq!(signs.bare, !head.contains('\r'));
                    progress.tell_framing(framing);
                    progress.enter(Phase::Exchange);
                }
                let mut room = vec![0; room];
                let mut buffer = ReadBuf::new(&mut room);
                if !watch.gives(&progress, &mut buffer).unwrap() {
                    prop_assert!(!watch.holds());
                    let count = sizes.next().unwrap().min(&rest.len()).min(&buffer.remaining()).to_owned();
                    buffer.put_slice(&rest[..count]);
                    rest = &rest[count..];
                    prop_assert!(count > 0, "everything was sent");
                    watch.take(&progress, &mut buffer, 0).unwrap();
                }
                got.extend_from_slice(buffer.filled());
            }
            prop_assert_eq!(String::from_utf8_lossy(&got), whole);
            if progress.phase().0 != Phase::Exchange {
                let _ = progress.take_head();
                progress.tell_framing(framing);
                progress.enter(Phase::Exchange);
            }
            // Nothing of the next one while this one is under way.
            let mut room = [0; 8];
            let mut buffer = ReadBuf::new(&mut room);
            prop_assert!(!watch.gives(&progress, &mut buffer).unwrap());
            prop_assert!(buffer.filled().is_empty());
        }
        prop_assert!(rest.is_empty() && !watch.holds());
    }
}

#[test]
fn a_head_whose_end_only_one_sees_is_the_end() {
    let progress = progress();
    let mut watch = HeadWatch::default();
    let mut room = [0; 64];
    let mut buffer = ReadBuf::new(&mut room);
    buffer.put_slice(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(watch.take(&progress, &mut buffer, 0).unwrap());
    // No exchange began.
    buffer.clear();
    buffer.put_slice(b"X: y\r\n\r\n");
    assert!(watch.take(&progress, &mut buffer, 0).is_err());
}

#[test]
fn a_tunnel_is_not_read_along() {
    let progress = progress();
    let mut watch = HeadWatch::default();
    let mut room = [0; 64];
    let mut buffer = ReadBuf::new(&mut room);
    buffer.put_slice(b"GET /a HTTP/1.1\r\n\r\n\x81\x05");
    assert!(watch.take(&progress, &mut buffer, 0).unwrap());
    assert_eq!(buffer.filled(), b"GET /a HTTP/1.1\r\n\r\n");
    progress.enter(Phase::Exchange);
    progress.tell_framing(Framing::Length(0));
    progress.tunnel();
    buffer.clear();
    assert!(watch.gives(&progress, &mut buffer).unwrap());
    assert_eq!(buffer.filled(), b"\x81\x05");
    buffer.clear();
    buffer.put_slice(b"\n\n\n");
    assert!(watch.take(&progress, &mut buffer, 0).unwrap());
    assert_eq!(buffer.filled(), b"\n\n\n");
}
