use proptest::prelude::*;

use super::*;
use crate::policy::set::Unknown;
use crate::redact::trial::{EMAIL, NAME, NOTE, Trial};

fn mixed() -> Format {
    Format::Multipart { boundary: "b1".into(), form: false }
}

fn form() -> Format {
    Format::Multipart { boundary: "b1".into(), form: true }
}

/// Parts of these heads and contents.
fn body(parts: &[(&str, &str)]) -> String {
    let parts: String =
        parts.iter().map(|(head, content)| format!("--b1\r\n{head}\r\n\r\n{content}\r\n")).collect();
    format!("{parts}--b1--\r\n")
}

const JSON: &str = "Content-Type: application/json";
const CSV: &str = "Content-Type: text/csv";

#[test]
fn each_part_is_read_by_its_own_type() {
    let nested = "--in\r\nContent-Type: text/csv\r\n\r\nid,nom\r\n1,Jean\r\n\r\n--in--\r\n";
    let hidden = nested.replace("Jean", "***");
    let outer = "Content-Type: multipart/alternative; boundary=\"in\"";
    let document = body(&[
        (JSON, "{\"nom\":\"Jean\", \"a\": 1}"),
        (CSV, "id;nom\n1;Jean\n"),
        ("Content-Type: application/x-www-form-urlencoded", "nom=Jean"),
        (outer, nested),
        ("Content-ID: <a@b>", "{\"nom\": \"Jean\"}"),
        ("Content-Type: image/png", "\u{89}PNG"),
    ]);
    let expected = body(&[
        (JSON, "{\"nom\":\"***\", \"a\": 1}"),
        (CSV, "id;nom\n1;***\n"),
        ("Content-Type: application/x-www-form-urlencoded", "nom=***"),
        (outer, &hidden),
        ("Content-ID: <a@b>", "{\"nom\": \"***\"}"),
        ("Content-Type: image/png", "\u{89}PNG"),
    ]);
    let around = format!("for those who cannot read parts: Jean\r\n{document}Jean\r\n--b1 Jean");
    assert_eq!(Trial::undeclared().redact(&mixed(), &document).as_deref(), Ok(expected.as_str()));
    assert_eq!(Trial::undeclared().redact(&mixed(), around).as_deref(), Ok(expected.as_str()));
    let (_, _, tally) = Trial::undeclared().run(&mixed(), document.as_bytes(), &[5]);
    assert_eq!(tally.total(), 5);
}

#[test]
fn charsets_and_heads_of_parts() {
    let trial = Trial::undeclared();
    let mut document = b"--b1 \t\r\nContent-Type: text/csv; charset=latin1; name=\"Jean\"\r\nX-Author: Jean\r\n\r\npr\xe9nom;nom\n".to_vec();
    document.extend(b"\r\n--b1--");
    assert_eq!(
        trial.redact(&mixed(), document).as_deref(),
        Ok("--b1\r\nContent-Type: text/csv; charset=\"utf-8\"\r\n\r\nprénom;nom\n\r\n--b1--\r\n")
    );
    let strict = Trial::declared(Unknown::Deny, &[]);
    let attached =
        "Content-Disposition: attachment; filename=\"jean petit.csv\"; size=3\r\nContent-Type: text/csv";
    assert_eq!(
        strict.redact(&mixed(), body(&[(attached, "id\n1\n")])).as_deref(),
        Ok(body(&[(
            "Content-Disposition: attachment; filename=\"file.csv\"\r\nContent-Type: text/csv",
            "id\n1\n"
        )])
        .as_str())
    );
    let extended = "Content-Disposition: attachment; filename*=UTF-8''jean.csv\r\nContent-Type: text/csv";
    let got = strict.redact(&mixed(), body(&[(extended, "id\n1\n")])).unwrap();
    assert!(!got.contains("jean") && got.contains("filename=\"file.csv\""), "{got}");
}

#[test]
fn fields_of_a_form_are_members() {
    let field = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let heads = ["nom", "user[nom]", "NOM", "note", "x", "profil"].map(field);
    let upload =
        "Content-Disposition: form-data; name=\"photo\"; filename=\"jean.png\"\r\nContent-Type: image/png";
    let table =
        "Content-Disposition: form-data; name=\"liste\"; filename=\"jean.csv\"\r\nContent-Type: text/csv";
    let document = body(&[
        (&heads[0], "Jean"),
        (&heads[1], "Jean\r\n"),
        (&heads[2], "Jean"),
        (&heads[3], "12"),
        (&heads[4], "kept\r\nas it is"),
        (&heads[5], "{\"nom\":\"Jean\"}"),
        (upload, "PNG"),
        (table, "id,nom\n1,Jean\n"),
    ]);
    let expected = body(&[
        (&heads[0], "***"),
        (&heads[1], "***"),
        (&heads[2], "***"),
        (&heads[4], "kept\r\nas it is"),
        (&heads[5], "{\"nom\":\"***\"}"),
        (upload, "PNG"),
        (table, "id,nom\n1,***\n"),
    ]);
    assert_eq!(Trial::undeclared().redact(&form(), &document).as_deref(), Ok(expected.as_str()));
    let strict = Trial::declared(Unknown::Deny, &[("nom", Some(NAME))]);
    assert_eq!(strict.redact(&form(), &document), Err(RedactError::Opaque));
    let strict = Trial::declared(Unknown::Deny, &[("nom", Some(NAME)), ("photo", None)]);
    let named = |head: &str| head.replace("jean.", "file.");
    let expected = body(&[
        (&heads[0], "***"),
        (&heads[1], "***"),
        (&heads[2], "***"),
        (&named(upload), "PNG"),
        (&named(table), "id,nom\n1,***\n"),
    ]);
    assert_eq!(strict.redact(&form(), &document).as_deref(), Ok(expected.as_str()));
    // A file in a category that is hidden goes whole.
    let portrait = "Content-Disposition: form-data; name=\"courriel\"; filename=\"a.json\"\r\nContent-Type: application/json";
    let hidden = Trial::declared(Unknown::Pass, &[("courriel", Some(EMAIL)), ("n", Some(NOTE))]);
    assert_eq!(
        hidden.redact(&form(), body(&[(portrait, "{\"a\":\"Zephyrine\"}")])).as_deref(),
        Ok("--b1--\r\n")
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    let (open, strict) = (Trial::undeclared(), Trial::declared(Unknown::Pass, &[]));
    for (document, only_strict) in [
        (body(&[("Content-Type: image/png", "PNG")]), true),
        (body(&[("Content-Type: text/plain", "Jean")]), true),
        (body(&[("Content-Type: application/http", "HTTP/1.1 200\r\n\r\n{\"nom\":\"Jean\"}")]), false),
        (body(&[("Content-Type: message/rfc822", "Subject: Jean")]), false),
        (body(&[("Content-Type: multipart/digest; boundary=x", "Jean")]), false),
        (body(&[("Content-Type: multipart/mixed", "Jean")]), false),
        (
            body(&[(
                "Content-Type: application/json\r\nContent-Transfer-Encoding: base64",
                "eyJub20iOiJKZWFuIn0=",
            )]),
            false,
        ),
        (body(&[("Content-Type: application/json\r\nContent-Encoding: gzip", "x")]), false),
        (body(&[("Content-Type: application/json\r\nContent-Type: text/plain", "{}")]), false),
        (body(&[("Content-Type: application/json;\r\n charset=utf-8", "{}")]), false),
        (body(&[("Content-Type: application/json; charset=utf-16", "{}")]), false),
        (body(&[("Content-Type : application/json", "{}")]), false),
        (body(&[("no head", "{}")]), false),
        (body(&[(JSON, "{\"nom\":\"Jean\"")]), false),
        (body(&[(JSON, "")]), false),
        (body(&[(JSON, "{}\n--b1\r\n")]), false),
        (body(&[(JSON, "{} --b1")]), false),
        (body(&[(JSON, "{\"a\":\"--b1x\"}")]), false),
        (format!("--b1\r\n{JSON}\r\n\r\n{{}}\r\n--b1\r\n"), false),
        (format!("--b1\r\n{JSON}\r\n\r\n{{}}"), false),
        ("--b1\r\n".into(), false),
        ("--b1\n\n{}\n--b1--".into(), false),
        ("".into(), false),
        ("nothing".into(), false),
        (format!("--b1\r\nX: {}\r\n\r\n{{}}\r\n--b1--", "x".repeat(MAX_PART_HEAD)), false),
        (format!("--b1{}\r\n\r\n\r\n--b1--", " ".repeat(MAX_PADDING + 1)), false),
    ] {
        assert!(strict.redact(&mixed(), &document).is_err(), "{document}");
        assert_eq!(open.redact(&mixed(), &document).is_ok(), only_strict, "{document}");
    }
    for head in [
        "Content-Disposition: form-data",
        "Content-Disposition: attachment; name=\"nom\"",
        "Content-Disposition: form-data; name=\"x\"; name=\"nom\"",
        "Content-Disposition: form-data; name=\"x\"; name*=UTF-8''nom",
        "Content-Disposition: form-data; name=\"_charset_\"",
        "Content-Disposition: form-data; name=\"no\u{301}m",
        "X: y",
    ] {
        assert_eq!(open.redact(&form(), body(&[(head, "Jean")])), Err(RedactError::Malformed), "{head}");
    }
    let long = "x".repeat(MAX_FORM_FIELD + 1);
    let long = body(&[("Content-Disposition: form-data; name=\"x\"", &long)]);
    assert_eq!(open.run(&form(), long.as_bytes(), &[1000]).0, Err(RedactError::TooLong));
}

#[test]
fn depth_is_bounded() {
    let wrap = |inner: &str, boundary: &str, own: &str| {
        format!(
            "--{boundary}\r\nContent-Type: multipart/mixed; boundary=\"{own}\"\r\n\r\n{inner}\r\n--{boundary}--\r\n"
        )
    };
    let inner = "--i\r\nContent-Type: application/json\r\n\r\n{}\r\n--i--\r\n";
    let two = wrap(inner, "b1", "i");
    assert_eq!(Trial::undeclared().redact(&mixed(), &two).as_deref(), Ok(two.as_str()));
    let three = wrap(&wrap(inner, "m", "i"), "b1", "m");
    assert_eq!(Trial::undeclared().redact(&mixed(), three), Err(RedactError::TooDeep));
}

#[test]
fn no_boundary_is_made_by_what_goes() {
    let mut boundary = Boundary::new("b1");
    let mut out = Vec::new();
    boundary.open(b"", &mut out).unwrap();
    for piece in [&b"-"[..], b"-", b"b"] {
        boundary.pass(piece, &mut out).unwrap();
    }
    assert_eq!(boundary.pass(b"1", &mut out), Err(RedactError::Malformed));
    assert_eq!(Boundary::new("b1").pass(b"x--b1", &mut out), Err(RedactError::Malformed));
    assert_eq!(Boundary::new("b1").open(b"filename=--b1", &mut out), Err(RedactError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn chunking_never_shows_and_no_canary_survives(
        parts in prop::collection::vec((0..4_usize, "[a-z\\r\\n-]{0,8}"), 0..4),
        cut in 1..9_usize,
        strict in any::<bool>(),
    ) {
        let parts: Vec<(&str, String)> = parts
            .iter()
            .map(|(kind, text)| match kind {
                0 => (JSON, format!("{{\"nom\":\"Zephyrine\",\"a\":{:?}}}", text.replace('\r', ""))),
                1 => (CSV, format!("id,nom\r\n\"{text}\",Zephyrine\r\n")),
                2 => ("Content-Type: text/tab-separated-values", "x\tnom\n1\tZephyrine".to_owned()),
                _ => ("Content-Type: application/x-www-form-urlencoded", "x=1&nom=Zephyrine".to_owned()),
            })
            .collect();
        let parts: Vec<(&str, &str)> = parts.iter().map(|(head, text)| (*head, text.as_str())).collect();
        let document = body(&parts);
        let trial = if strict { Trial::declared(Unknown::Deny, &[]) } else { Trial::undeclared() };
        let whole = trial.run(&mixed(), document.as_bytes(), &[]);
        prop_assert_eq!(&whole, &trial.run(&mixed(), document.as_bytes(), &[cut]));
        prop_assert_eq!(whole.0, Ok(()));
        prop_assert!(!String::from_utf8_lossy(&whole.1).contains("Zephyrine"));
        // What leaves is a body of parts again, with nothing left to hide.
        let again = trial.run(&mixed(), &whole.1, &[]);
        prop_assert_eq!((again.0, &again.1), (Ok(()), &whole.1));
        let all = Trial::undeclared().sees_all().run(&mixed(), document.as_bytes(), &[cut]);
        prop_assert_eq!((all.0, all.1), (Ok(()), document.into_bytes()));
    }

    #[test]
    fn any_bytes_give_one_verdict(
        parts in prop::collection::vec(
            prop::sample::select(vec!["--b1", "\r\n", "\r", "\n", "--", "-", JSON, "{}", "\r\n\r\n", " ", "x"]),
            0..16,
        ),
        cut in 1..5_usize,
    ) {
        let document = parts.concat();
        let whole = Trial::undeclared().run(&mixed(), document.as_bytes(), &[]);
        let cut = Trial::undeclared().run(&mixed(), document.as_bytes(), &[cut]);
        prop_assert_eq!(whole.0.is_ok(), cut.0.is_ok());
        prop_assert!(whole.0.is_err() || whole.1 == cut.1);
    }
}
