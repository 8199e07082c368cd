use std::{sync::Mutex, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::policy::set::FrameRates;

#[derive(Default)]
struct Heard(Mutex<Vec<Flood>>);

impl Observe for Heard {
    fn flooded(&self, kind: Flood) {
        self.0.lock().unwrap().push(kind);
    }
}

fn limits(a_second: u32) -> ClientLimits {
    ClientLimits {
        header_count: 100,
        header_bytes: 1 << 15,
        uri_bytes: 1 << 13,
        body_bytes: 0,
        body_rate: 0,
        connections: 1,
        connections_per_address: 1,
        handshakes: 1,
        handshakes_per_address: 1,
        requests_per_connection: None,
        exchanges: 1,
        h2_streams: 10,
        h2_continuations: 5,
        h2_frames: FrameRates::all(a_second),
        decoded_bytes: 0,
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
    let mut bytes = (payload as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(vec![b'x'; payload]);
    bytes
}

struct Scene {
    watch: FrameWatch,
    heard: Arc<Heard>,
    second: f64,
    served: Served,
}

impl Scene {
    fn new(a_second: u32) -> Self {
        let heard = Arc::new(Heard::default());
        let mut scene = Self {
            watch: FrameWatch::new(&limits(a_second), heard.clone()),
            heard,
            second: 0.0,
            served: Served::default(),
        };
        assert!(scene.passes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        scene
    }

    /// Whether all of these bytes pass.
    fn passes(&mut self, bytes: &[u8]) -> bool {
        let now = Instant::after(Duration::from_secs_f64(self.second));
        self.watch.read(bytes, now, self.served) == bytes.len() && !self.watch.is_over()
    }

    /// How many of these frames pass, a hundred thousand at the most.
    fn count(&mut self, bytes: &[u8]) -> usize {
        (0..100_000).take_while(|_| self.passes(bytes)).count()
    }

    fn heard(&self) -> Vec<Flood> {
        self.heard.0.lock().unwrap().clone()
    }
}

/// One frame of each kind that has a budget, and the place of that budget.
fn kinds() -> Vec<(Vec<u8>, Flood)> {
    vec![
        (frame(6, 0, 0, 8), Flood::Ping),
        (frame(6, 1, 0, 8), Flood::Ping),
        (frame(4, 0, 0, 6), Flood::Settings),
        (frame(4, 1, 0, 0), Flood::Settings),
        (frame(2, 0, 1, 5), Flood::Priority),
        (frame(3, 0, 1, 4), Flood::RstStream),
        (frame(0, 0, 1, 0), Flood::EmptyData),
        (frame(8, 0, 1, 4), Flood::WindowUpdate),
        (frame(5, 4, 1, 4), Flood::Other),
        (frame(7, 0, 0, 8), Flood::Other),
        (frame(0x10, 0, 0, 20), Flood::Other),
        (frame(0xfa, 0, 1, 16_384), Flood::Other),
    ]
}

#[test]
fn each_kind_has_a_budget_of_its_own_that_fills_with_time() {
    for (bytes, kind) in kinds() {
        let mut scene = Scene::new(7);
        assert_eq!(scene.count(&bytes), 70, "{kind:?}");
        assert_eq!(scene.heard(), [kind]);
        // Once over, over.
        scene.second = 1000.0;
        assert!(!scene.passes(&frame(0, 1, 1, 0)));
        let mut scene = Scene::new(7);
        for tick in 0..400 {
            scene.second = f64::from(tick) / 4.0;
            // Seven a second in a burst each second: never over.
            let frames = if tick % 4 == 0 { 7 } else { 0 };
            assert!((0..frames).all(|_| scene.passes(&bytes)), "{kind:?} at {tick}");
        }
        assert_eq!(scene.heard(), []);
    }
}

#[test]
fn one_kind_does_not_pay_for_another() {
    let mut scene = Scene::new(7);
    for (bytes, kind) in kinds() {
        if kind != Flood::Other && kind != Flood::Ping && kind != Flood::Settings {
            assert!((0..70).all(|_| scene.passes(&bytes)), "{kind:?}");
        }
    }
}

#[test]
fn data_and_requests_that_are_answered_cost_nothing() {
    let mut scene = Scene::new(1);
    for request in 0..10_000 {
        scene.served.exchanges = request.into();
        assert!(scene.passes(&frame(1, 4, request * 2 + 1, 30)));
        assert!(scene.passes(&frame(0, 0, request * 2 + 1, 100)));
        assert!(scene.passes(&frame(0, 1, request * 2 + 1, 0)));
    }
}

#[test]
fn what_a_download_needs_is_earned_by_it() {
    let mut scene = Scene::new(1);
    scene.served.exchanges = 1;
    // A hundred megabytes, with two WINDOW_UPDATEs for each four kilobytes (Go).
    for _ in 0..100 << 20 >> 12 {
        scene.served.bytes += 4096;
        assert!(scene.passes(&frame(8, 0, 1, 4)) && scene.passes(&frame(8, 0, 0, 4)));
    }
    // Increments of one byte are answered by frames of one byte, which are some forty with TLS.
    let mut scene = Scene::new(1);
    let passed = (0..10_000).take_while(|_| {
        scene.served.bytes += 40;
        scene.passes(&frame(8, 0, 1, 4))
    });
    assert!(passed.count() < 20);
}

#[test]
fn what_grpc_needs_is_earned_by_its_messages() {
    let mut scene = Scene::new(1);
    for message in 0..10_000 {
        // A small message in a stream, and the PING that measures its way.
        scene.served.pieces = message;
        assert!(scene.passes(&frame(6, 0, 0, 8)) || message < 1);
    }
    let mut scene = Scene::new(1);
    for answered in 0..10_000 {
        scene.served.whole = answered;
        assert!(scene.passes(&frame(3, 0, 1, 4)), "a browser that goes elsewhere");
    }
}

#[test]
fn streams_that_become_no_exchange_are_counted() {
    let mut scene = Scene::new(1);
    let passed = (0..1000).take_while(|number| scene.passes(&frame(1, 5, number * 2 + 1, 30))).count();
    // As many as may be open could still become one.
    assert_eq!(passed, 10 + 10);
    assert_eq!(scene.heard(), [Flood::RefusedHeaders]);
}

#[test]
fn trailers_open_no_stream() {
    let mut scene = Scene::new(1);
    scene.passes(&frame(1, 4, 1, 30));
    assert!((0..1000).all(|_| scene.passes(&frame(1, 5, 1, 30))));
}

#[test]
fn a_header_block_has_so_many_continuations() {
    let mut scene = Scene::new(1);
    assert!(scene.passes(&frame(1, 0, 1, 30)));
    assert!(scene.watch.is_in_block());
    for _ in 0..4 {
        assert!(scene.passes(&frame(9, 0, 1, 30)));
    }
    assert!(scene.passes(&frame(9, 4, 1, 30)));
    assert!(!scene.watch.is_in_block());
    // The next block begins anew.
    assert!(scene.passes(&frame(1, 0, 3, 30)));
    assert_eq!(scene.count(&frame(9, 0, 3, 0)), 5);
    assert_eq!(scene.heard(), [Flood::Continuation]);
}

#[test]
fn half_a_header_block_is_seen_wherever_it_stands() {
    let whole = frame(1, 4, 1, 30);
    for length in HEADER..whole.len() {
        let mut scene = Scene::new(1);
        assert!(scene.passes(&whole[..length]));
        assert!(scene.watch.is_in_block(), "{length}");
        assert!(scene.passes(&whole[length..]));
        assert!(!scene.watch.is_in_block(), "{length}");
    }
    let heard = Arc::new(Heard::default());
    let mut watch = FrameWatch::new(&limits(1), heard);
    assert!(!watch.is_in_block());
    watch.read(b"PRI * ", Instant::after(Duration::ZERO), Served::default());
    assert!(watch.is_in_block());
}

#[test]
fn the_farewell_is_more_continuation_than_any_library_takes() {
    for (begun, first) in [(vec![], 1), (frame(1, 0, 5, 3), 9)] {
        let mut scene = Scene::new(1);
        assert!(scene.passes(&begun));
        let kind = if first == 1 { frame(6, 0, 0, 8) } else { frame(9, 0, 5, 0) };
        scene.count(&kind);
        let mut all = Vec::new();
        let mut room = [0; 7];
        loop {
            let written = scene.watch.farewell(&mut room);
            all.extend_from_slice(&room[..written]);
            if written < room.len() {
                break;
            }
        }
        assert_eq!(all.len(), FAREWELL * HEADER);
        let kinds: Vec<u8> = all.chunks(HEADER).map(|frame| frame[3]).collect();
        assert_eq!(kinds[0], first);
        assert!(kinds[1..].iter().all(|kind| *kind == CONTINUATION));
        assert_eq!(scene.watch.farewell(&mut room), 0);
    }
}

proptest! {
    #[test]
    fn the_verdict_is_the_same_however_the_bytes_come(
        frames in prop::collection::vec((0u8..12, any::<u8>(), 0u32..9, 0usize..40), 0..60),
        cuts in prop::collection::vec(1usize..50, 1..200),
    ) {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (kind, flags, stream, length) in frames {
            bytes.extend(frame(kind, flags, stream, length));
        }
        let now = Instant::after(Duration::ZERO);
        let judge = |pieces: &mut dyn Iterator<Item = usize>| {
            let heard = Arc::new(Heard::default());
            let mut watch = FrameWatch::new(&limits(1), heard.clone());
            let (mut rest, mut passed) = (&bytes[..], 0);
            while !rest.is_empty() && !watch.is_over() {
                let (piece, behind) = rest.split_at(pieces.next().unwrap().min(rest.len()));
                passed += watch.read(piece, now, Served::default());
                rest = behind;
            }
            let heard = heard.0.lock().unwrap().clone();
            (passed, watch.is_over(), watch.is_in_block(), heard)
        };
        let whole = judge(&mut std::iter::repeat(bytes.len()));
        prop_assert_eq!(whole, judge(&mut cuts.iter().copied().cycle()));
    }
}
