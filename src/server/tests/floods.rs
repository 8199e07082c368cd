use super::{frames::*, *};
use crate::policy::set::FrameRates;

const FEW: ClientLimits = ClientLimits { h2_frames: FrameRates::all(20), ..LIMITS };

/// Floods of one kind each, and the word for it in the metric.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let open = request("GET", "/gate", 1, false);
    let opened = |frame: Vec<u8>| [open.clone(), frame.repeat(300)].concat();
    vec![
        ("ping", frame(PING, 0, 0, b"pingpong").repeat(300)),
        ("ping", frame(PING, 1, 0, b"pingpong").repeat(300)),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(300)),
        ("priority", opened(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 5]))),
        ("rst_stream", opened(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]))),
        ("empty_data", opened(frame(DATA, 0, 1, &[]))),
        ("window_update", opened(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]))),
        ("other", frame(0xfb, 0, 0, &[0; 100]).repeat(300)),
        ("other", frame(0x10, 0, 0, b"\0\0\0\x01u=1").repeat(300)),
        ("continuation", [frame(HEADERS, 0, 1, &[]), frame(CONTINUATION, 0, 1, &[]).repeat(300)].concat()),
    ]
}

#[tokio::test]
async fn a_flood_of_frames_ends_its_connection_with_enhance_your_calm() {
    let running = serve(FEW, timeouts());
    let mut bystander = RawH2::open(&running).await;
    for (name, bytes) in floods() {
        let before = running.notes.count(&format!("flooded {name}"));
        let client = RawH2::open(&running).await;
        let last = client.flood(&bytes).await.unwrap_or_else(|| panic!("{name}: no frame"));
        assert_eq!((last.kind, last.error()), (GOAWAY, ENHANCE_YOUR_CALM), "{name}");
        assert_eq!(running.notes.count(&format!("flooded {name}")), before + 1, "{name}");
    }
    bystander.send(&request("GET", "/about", 1, true)).await;
    assert_eq!(bystander.answer(1).await.status(), Some(200));
    running.stop();
}

/// Every stream opened and made to be reset by the server: for it no RST_STREAM of the client's counts (CVE-2025-8671).
#[tokio::test]
async fn streams_that_the_server_is_made_to_reset_are_bounded() {
    let running = serve(limits(), timeouts());
    for break_it in [
        |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]),
        |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]),
        |stream: u32| frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[1]].concat()),
        |stream| frame(DATA, END_STREAM, stream, b"x"),
        |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x82]),
    ] {
        let mut client = RawH2::open(&running).await;
        let mut resets = 0;
        let farewell = 'streams: loop {
            // As many at a time as may be open.
            let streams = (resets..resets + LIMITS.h2_streams).map(|number| number * 2 + 1);
            let asked: Vec<u8> =
                streams.clone().flat_map(|stream| request("GET", "/gate", stream, true)).collect();
            client.send(&asked).await;
            for _ in streams.clone() {
                running.waits().await;
            }
            client.send(&streams.clone().flat_map(break_it).collect::<Vec<u8>>()).await;
            for _ in streams {
                loop {
                    match client.next().await {
                        Some(frame) if frame.kind == RST_STREAM => break,
                        Some(frame) if frame.kind == GOAWAY => break 'streams frame.error(),
                        Some(_) => {}
                        None => panic!("no reason"),
                    }
                }
                resets += 1;
            }
            assert!(resets <= 300, "without end");
        };
        // What is no error of one stream only ends the connection at once.
        assert!(resets == 0 || farewell == ENHANCE_YOUR_CALM, "{farewell} after {resets}");
    }
    running.stop();
}

#[tokio::test]
async fn requests_that_are_refused_are_bounded() {
    let few = FrameRates { refused_headers: 1, ..FEW.h2_frames };
    let running = serve(ClientLimits { h2_frames: few, ..FEW }, timeouts());
    // A field of 20 KB in a list that may have 16: each is answered 431.
    let mut large = block("GET", "/about");
    large.extend([&b"\x00\x01a\x7f\xa1\x9b\x01"[..], &[b'b'; 20_000]].concat());
    let mut bytes = Vec::new();
    for stream in (1..1000).step_by(2) {
        let (first, rest) = large.split_at(16_000);
        bytes.extend(frame(HEADERS, END_STREAM, stream, first));
        bytes.extend(frame(CONTINUATION, END_HEADERS, stream, rest));
    }
    let last = RawH2::open(&running).await.flood(&bytes).await.expect("no frame");
    assert_eq!((last.kind, last.error()), (GOAWAY, ENHANCE_YOUR_CALM));
    assert_eq!(running.notes.count("flooded refused_headers"), 1);
    // More streams than may be open at a time.
    let bytes: Vec<u8> =
        (1..2000).step_by(2).flat_map(|stream| request("POST", "/gate", stream, false)).collect();
    let last = RawH2::open(&running).await.flood(&bytes).await.expect("no frame");
    assert_eq!((last.kind, last.error()), (GOAWAY, ENHANCE_YOUR_CALM));
    assert_eq!(running.notes.count("flooded refused_headers"), 2);
    running.stop();
}

/// A field of four kilobytes in the table, named a thousand times by a byte each (CVE-2016-6581).
#[tokio::test]
async fn a_bomb_in_the_header_table_does_not_go_off() {
    let running = serve(limits(), timeouts());
    let mut bomb = block("GET", "/about");
    // RFC 7541 5.1, 6.2.1: a literal that enters the table, of 4000 bytes.
    bomb.extend([&b"\x40\x01a\x7f\xa1\x1e"[..], &[b'b'; 4000]].concat());
    bomb.extend([0xbe; 10_000]);
    let mut client = RawH2::open(&running).await;
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb)).await;
    let last = client.last().await.expect("no frame");
    assert_eq!((last.kind, last.error()), (GOAWAY, ENHANCE_YOUR_CALM));
    running.notes.hears("broken enhance_your_calm").await;
    // Some of it is more than a list may have and no bomb: 431, and the connection is as good as before.
    let mut large = block("GET", "/about");
    large.extend([&b"\x40\x01a\x7f\xa1\x1e"[..], &[b'b'; 4000]].concat());
    large.extend([0xbe; 5]);
    let mut client = RawH2::open(&running).await;
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &large)).await;
    assert_eq!(client.answer(1).await.status(), Some(431));
    client.send(&request("GET", "/about", 3, true)).await;
    assert_eq!(client.answer(3).await.status(), Some(200));
    running.stop();
}
