use super::MAX_EVENT;
use crate::policy::set::Unknown;
use crate::redact::{Format, RedactError, Tally, fixture};

fn redact(body: &str) -> Result<String, RedactError> {
    let (result, out, _) = fixture::redact(&Format::Events, &fixture::task(None), body.as_bytes());
    result.map(|()| out)
}

#[test]
fn data_is_redacted_and_written_anew() {
    for (body, expected) in [
        ("data: {\"name\":\"Jean\"}\n\n", "data: {\"name\":\"***\"}\n\n"),
        ("data:{\"name\":\"Jean\"}\r\n\r\n", "data: {\"name\":\"***\"}\n\n"),
        ("data:{\"name\":\"Jean\"}\r\r", "data: {\"name\":\"***\"}\n\n"),
        ("\u{feff}data:7\n\n", "data: 7\n\n"),
        (
            "data: {\ndata:  \"name\":\ndata: \"Jean\"\ndata: }\n\n",
            "data: {\ndata:  \"name\":\ndata: \"***\"\ndata: }\n\n",
        ),
        ("data: {\"a\":1,\ndata: \"note\":\ndata: 1}\n\n", "data: {\"a\":1}\n\n"),
        (
            "data: {\"name\":\"Jean\"}\ndata: {\"name\":\"Jean\"}\n\n",
            "data: {\"name\":\"***\"}\ndata: {\"name\":\"***\"}\n\n",
        ),
        ("data\n\ndata:\ndata: \n\n", "data: \n\ndata: \ndata: \n\n"),
        (":Jean\n\n: ping Jean\r\r:\n", ":\n\n:\n\n:\n"),
        ("data: 1\n: Jean\ndata: 2\n\n", ":\ndata: 1\ndata: 2\n\n"),
        ("event: score\nid: 12\nretry: 3000\ndata: 1\n\n", "retry: 3000\nid: 12\nevent: score\ndata: 1\n\n"),
        ("event: a\nevent:\nid: 5\n\n", "id: 5\n\n"),
        ("name: Jean\nDATA: Jean\nretry: Jean\n data: Jean\n\n", "\n"),
        ("", ""),
    ] {
        assert_eq!(redact(body).unwrap(), expected, "{body:?}");
    }
}

#[test]
fn identifiers_pass_where_they_cannot_be_names() {
    for id in [
        "1",
        "0",
        "1526919030474-0",
        "9f3c-77",
        "urn:uuid:3d0f1c9e-6b2a-4c58-9d7e-0a1b2c3d4e5f",
        "12:4.7_1",
        "",
    ] {
        assert_eq!(redact(&format!("id: {id}\ndata: 1\n\n")).unwrap(), format!("id: {id}\ndata: 1\n\n"));
    }
    for id in
        ["Jean", "jean.dupont", "jean@x.fr", "Jean 1", "abe", "1\0", "{\"name\":\"Jean\"}", &"1".repeat(65)]
    {
        assert_eq!(redact(&format!("id: 7\nid: {id}\ndata: 1\n\n")).unwrap(), "data: 1\n\n", "{id}");
    }
}

#[test]
fn an_event_of_an_odd_type_is_left_out() {
    let body =
        "event: Jean D.\nid: 4\ndata: {\"name\":\"Jean\"}\n\nevent: Jean\u{e9}\ndata: 1\n\ndata: 2\n\n";
    let (result, out, tally) = fixture::redact(&Format::Events, &fixture::task(None), body.as_bytes());
    assert_eq!((result, out.as_str(), tally.unknown), (Ok(()), "id: 4\n\n\ndata: 2\n\n", 2));
}

#[test]
fn data_that_is_no_json_follows_the_route() {
    let body = "id: 1\nevent: done\ndata: [DONE]\n\ndata: hello\ndata: world\n\ndata: 3 x\n\n";
    let run = |unknown| {
        let (result, out, tally): (_, _, Tally) =
            fixture::redact(&Format::Events, &fixture::task(unknown), body.as_bytes());
        (result, out, tally.unknown)
    };
    let same = "id: 1\nevent: done\ndata: [DONE]\n\ndata: hello\ndata: world\n\ndata: 3 x\n\n".to_owned();
    assert_eq!(run(None), (Ok(()), same.clone(), 0));
    assert_eq!(run(Some(Unknown::Pass)), (Ok(()), same.clone(), 0));
    assert_eq!(run(Some(Unknown::Report)), (Ok(()), same, 3));
    assert_eq!(run(Some(Unknown::Deny)), (Ok(()), "id: 1\n\n\n\n".to_owned(), 3));
    // A scalar is JSON, and nobody classified it.
    let (_, out, tally) =
        fixture::redact(&Format::Events, &fixture::task(Some(Unknown::Deny)), b"data: 1\n\n");
    assert_eq!((out.as_str(), tally.unknown), ("data: null\n\n", 1));
}

#[test]
fn what_begins_as_json_and_breaks_is_refused() {
    for data in [
        "{\"name\":\"Jean\"",
        "{\"name\":\"Jean\"} Jean",
        "{\"name\":\"Jean\",}",
        "[{\"name\":\"Jean\"",
        "[1,{\"name\":'Jean'}]",
        "{\"\\ud800\":\"Jean\"}",
        "{",
    ] {
        let body = format!("data: 1\n\ndata: {data}\n\ndata: 2\n\n");
        let (result, out, _) = fixture::redact(&Format::Events, &fixture::task(None), body.as_bytes());
        assert!(result.is_err(), "{data}");
        assert_eq!(out, "data: 1\n\n", "{data}");
    }
    let (result, ..) = fixture::redact(&Format::Events, &fixture::task(None), b"data: caf\xe9\n\n");
    assert_eq!(result, Err(RedactError::NotUtf8));
}

#[test]
fn an_event_without_its_end_leaves_redacted_and_without_one() {
    assert_eq!(redact("data: {\"name\":\"Jean\"}\n").unwrap(), "data: {\"name\":\"***\"}\n");
    assert_eq!(
        redact("data: 1\n\ndata: {\"name\":\"Jean\"}").unwrap(),
        "data: 1\n\ndata: {\"name\":\"***\"}\n"
    );
    redact("data: 1\n\ndata: {\"name\":\"Je").unwrap_err();
}

#[test]
fn an_event_leaves_with_its_blank_line_and_a_comment_with_its_own() {
    let mut redactor = Format::Events.redactor(fixture::task(None));
    let mut out = Vec::new();
    for (piece, expected) in [
        (": pi", ""),
        ("ng\n", ":\n"),
        ("\n", "\n"),
        ("data: {\"name\":\"Je", ""),
        ("an\"}\r\n", ""),
        ("\r", "data: {\"name\":\"***\"}\n\n"),
        ("\ndata: 2\n", ""),
        ("\n", "data: 2\n\n"),
    ] {
        redactor.push(piece.as_bytes(), &mut out).unwrap();
        assert_eq!(std::str::from_utf8(&out).unwrap(), expected, "{piece:?}");
        out.clear();
    }
}

#[test]
fn events_are_bounded() {
    let run = |body: &[u8], size: usize| {
        let mut redactor = Format::Events.redactor(fixture::task(None));
        let mut out = Vec::new();
        let pushed = body.chunks(size).try_for_each(|chunk| redactor.push(chunk, &mut out));
        pushed.and_then(|()| redactor.finish(&mut out))
    };
    let text = |length: usize| format!("data:\"{}\"\n\n", "x".repeat(length - 7)).into_bytes();
    let split = |lines: usize| {
        [b"data: [\n".to_vec(), "data: \n".repeat(lines).into_bytes(), b"data: ]\n\n".to_vec()].concat()
    };
    for size in [1 << 16, usize::MAX] {
        assert_eq!(run(&text(MAX_EVENT), size), Ok(()));
        assert_eq!(run(&text(MAX_EVENT + 1), size), Err(RedactError::TooLong));
        assert_eq!(run(&vec![b':'; MAX_EVENT + 1], size), Err(RedactError::TooLong));
        // Each line is a byte of the joined data. (White space between tokens is bounded by the reader of JSON too.)
        assert_eq!(run(&split(MAX_EVENT), size), Err(RedactError::TooLong));
        assert_eq!(run(&split(1000), size), Ok(()));
    }
    // The bound is for one event: a stream may be as long as it likes.
    assert_eq!(run(&text(MAX_EVENT / 2).repeat(5), 1 << 16), Ok(()));
}
