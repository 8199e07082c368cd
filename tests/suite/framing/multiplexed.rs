//! HTTP/2 in front of a platform that speaks HTTP/1.

use super::*;

/// A stream of HTTP/2: its head, its content, its trailers.
struct Asked {
    name: String,
    head: Vec<u8>,
    body: Vec<u8>,
    trailers: Option<Vec<u8>>,
    expected: streams::Got,
}

fn asked_in_h2() -> Vec<Asked> {
    let sound = [
        (&b":method"[..], &b"POST"[..]),
        (b":scheme", b"https"),
        (b":path", b"/a"),
        (b":authority", b"ecole.example"),
    ];
    let mut asked = Vec::new();
    let mut add = |name: &str, head: Vec<u8>, body: &[u8], trailers: Option<Vec<u8>>, expected| {
        asked.push(Asked { name: name.into(), head, body: body.to_vec(), trailers, expected });
    };
    for (name, fields, body, expected) in streams::FIELDS {
        add(name, frames::fields(sound.iter().chain(*fields).copied()), body, None, *expected);
    }
    for (name, fields, body, expected) in streams::HEADS {
        add(name, frames::fields(fields.iter().copied()), body, None, *expected);
    }
    for (name, fields, expected) in streams::TRAILERS {
        let head = frames::fields(sound.iter().copied().chain([(&b"trailer"[..], &b"X-Sum"[..])]));
        add(name, head, b"abc", Some(frames::fields(fields.iter().copied())), *expected);
    }
    asked
}

/// Sends one stream, and another one behind it; says what is wrong with what comes back.
async fn ask_in_h2(client: &Client, tls: ClientConfig, asked: &Asked, mark: &str) -> Result<(), String> {
    let mut stream = client.handshake(tls).await.map_err(|error| error.to_string())?;
    let marked = |block: &[u8]| [block, &frames::fields([(&b"x-case"[..], mark.as_bytes())])].concat();
    let end = |is_last: bool| if is_last { frames::END_STREAM } else { 0 };
    let (has_body, has_trailers) = (!asked.body.is_empty(), asked.trailers.is_some());
    let mut wire = frames::PREFACE.to_vec();
    let flags = frames::END_HEADERS | end(!has_body && !has_trailers);
    wire.extend(frames::frame(frames::HEADERS, flags, 1, &marked(&asked.head)));
    if has_body {
        wire.extend(frames::frame(frames::DATA, end(!has_trailers), 1, &asked.body));
    }
    if let Some(trailers) = &asked.trailers {
        let flags = frames::END_HEADERS | frames::END_STREAM;
        wire.extend(frames::frame(frames::HEADERS, flags, 1, trailers));
    }
    let next = frames::fields([
        (&b":method"[..], &b"GET"[..]),
        (b":scheme", b"https"),
        (b":path", b"/next"),
        (b":authority", b"ecole.example"),
    ]);
    let flags = frames::END_HEADERS | frames::END_STREAM;
    wire.extend(frames::frame(frames::HEADERS, flags, 3, &marked(&next)));
    // Whoever ends the connection early may not read all of it.
    let _sent = stream.write_all(&wire).await;

    let (mut got, mut text, mut followed) = (None, Vec::new(), false);
    let mut is_over = [false; 2];
    while is_over != [true; 2] {
        let Some(frame) = timeout(PATIENCE, frames::next(&mut stream)).await.map_err(|_| "no end")? else {
            break;
        };
        let is_first = frame.stream == 1;
        match frame.kind {
            frames::HEADERS if is_first && got.is_none() => got = Some(frames::status(&frame.payload)),
            frames::HEADERS if frame.stream == 3 => followed = frames::status(&frame.payload) == 200,
            frames::DATA if is_first => text.extend(&frame.payload),
            // Above 399: an error.
            frames::RST_STREAM if is_first => got = got.or(Some(999)),
            frames::GOAWAY if frame.payload[4..8] != [0; 4] => {
                got = got.or(Some(999));
                break;
            }
            _ => {}
        }
        let ends = frame.kind == frames::RST_STREAM
            || (matches!(frame.kind, frames::HEADERS | frames::DATA)
                && frame.flags & frames::END_STREAM != 0);
        if ends {
            is_over[usize::from(!is_first)] = true;
        }
    }
    let (got, text) = (got.unwrap_or(999), String::from_utf8_lossy(&text).into_owned());
    let is_right = match asked.expected {
        streams::Got::Refused => got >= 400,
        streams::Got::Status(status) => got == status && followed,
        streams::Got::Reached(line, _, body) => {
            got == 200 && followed && text == format!("{mark} {line} {}", body.len())
        }
    };
    if is_right { Ok(()) } else { Err(format!("{got} {text}, the next one: {followed}")) }
}

#[tokio::test]
async fn nothing_of_http_2_means_something_else_in_http_1() {
    let (recorder, gateway, client) = start();
    let tls = client.tls(&[b"h2"]);
    let all = asked_in_h2();
    println!("{} streams", all.len());
    let mut wrong: Vec<String> = stream::iter(all.iter().enumerate())
        .map(async |(place, asked)| {
            let got = ask_in_h2(&client, tls.clone(), asked, &format!("h2-{place}")).await;
            got.err().map(|wrong| format!("{}: {wrong}", asked.name))
        })
        .buffer_unordered(16)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    stop(gateway).await;
    let of = |mark: &str| mark.strip_prefix("h2-").and_then(|place| all.get(place.parse::<usize>().ok()?));
    let may_break =
        |mark: &str| of(mark).is_some_and(|asked| matches!(asked.expected, streams::Got::Refused));
    let (mut arrived, _, strange) = read_again(&recorder, may_break);
    wrong.extend(strange);
    for (place, asked) in all.iter().enumerate() {
        let mut got = arrived.remove(&format!("h2-{place}")).unwrap_or_default();
        // Where the connection ended it did not get there.
        got.retain(|message| message.asked() != "GET /next");
        let outcomes = match asked.expected {
            streams::Got::Reached(line, fields, body) => vec![reached(line, fields, body)],
            // A platform that has no WebSocket is asked for one all the same.
            streams::Got::Status(502) => {
                vec![reached("GET /socket", &["upgrade: websocket", "!sec-websocket-extensions"], b"")]
            }
            _ => Vec::new(),
        };
        let case = Case { name: asked.name.clone(), wire: Vec::new(), outcomes };
        if let Err(error) = check(&case, &got) {
            wrong.push(format!("{}: at the platform: {error}", asked.name));
        }
    }
    wrong.extend(arrived.into_values().map(|stray| format!("of nobody: {stray:?}")));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
