//! Tables, forms and bodies of parts, seen from outside.

use crate::support::{
    client::{Reply, Version},
    school::School,
    upstream::{Answer, gzip},
};
use http::StatusCode;

/// Learners as a French spreadsheet exports them, in the class of the teacher but for the last.
const EXPORT: &str = "id;full_name;email;birth_date;gender;ine;classrooms;results;note interne\r\n\
    L1;\"Sécret; Zoé\";secret1@x.fr;04/05/2013;F;secret-1;6A;secret 12,5;secret\r\n\
    L2;Sécret Jean;secret2@x.fr;2013-05-04;M;secret-2;6A;\"secret \"\"13\"\"\";\"sec\r\nret\"\r\n\
    L3;Sécret Léa;secret3@x.fr;;F;secret-3;5B;;\r\n";
const LATIN: (&str, &str) = ("Content-Type", "text/csv; charset=windows-1252; header=present");
const CSV: (&str, &str) = ("Content-Type", "text/csv");

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// What a role sees of a learner: its columns.
fn seen(role: &str, id: &str) -> &'static [&'static str] {
    match (role, id) {
        ("learner", "L1") => &["full_name", "email", "birth_date", "gender", "ine", "results"],
        ("teacher", "L1" | "L2") => &["full_name", "results"],
        _ => &[],
    }
}

#[track_caller]
fn check(role: &str, text: &str, context: &str) {
    let rows = |text: &str| -> Vec<Vec<String>> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(b';').has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    let (before, after) = (rows(EXPORT), rows(text));
    assert_eq!(before.len(), after.len(), "{context} {role}: {text}");
    assert_eq!(after[0][..8], before[0][..8], "{context} {role}");
    assert_eq!(after[0][8], "", "{context} {role}: nobody classified it");
    for (before, after) in before.iter().zip(&after).skip(1) {
        for (at, name) in rows(EXPORT)[0].iter().enumerate() {
            let (was, is) = (before[at].as_str(), after[at].as_str());
            let context = format!("{context}: {role} of {} reads {name}: {is}", before[0]);
            match name.as_str() {
                "id" | "classrooms" => assert_eq!(is, was, "{context}"),
                name if was.is_empty() || seen(role, &before[0]).contains(&name) => {
                    assert_eq!(is, was, "{context}")
                }
                "full_name" => assert_eq!(is, "***", "{context}"),
                "email" => assert!(is.starts_with("p_") && is.ends_with("@pseudonyme.invalid"), "{context}"),
                "birth_date" => assert_eq!(is, "2013", "{context}"),
                _ => assert_eq!(is, "", "{context}"),
            }
        }
    }
}

#[track_caller]
fn assert_refused(reply: &Reply, context: &str) {
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{context}: {}", reply.text());
    assert!(!reply.text().to_ascii_lowercase().contains("secret"), "{context}");
}

#[tokio::test]
async fn an_export_is_answered_differently_for_each_reader() {
    let school = School::start("", |_| Answer::new(200, &[LATIN], latin(EXPORT)));
    let utf16: Vec<u8> = format!("\u{feff}{}", EXPORT.replace(';', "\t").replace("t\t Zoé", "t; Zoé"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for version in [Version::H1, Version::H2] {
        let mut connection = school.client.connect(version).await;
        for (name, headers, body) in [
            ("latin", vec![LATIN], latin(EXPORT)),
            ("gzip", vec![LATIN, ("Content-Encoding", "gzip")], gzip(&latin(EXPORT))),
            ("UTF-8", vec![CSV], EXPORT.as_bytes().to_vec()),
            ("Excel", vec![("Content-Type", "application/vnd.ms-excel")], EXPORT.as_bytes().to_vec()),
        ] {
            for size in [1, 50, usize::MAX] {
                let (headers, pieces) =
                    (headers.clone(), body.chunks(size).map(<[u8]>::to_vec).collect::<Vec<_>>());
                school.script(move |_| {
                    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                    Answer::chunked(200, &headers, &pieces)
                });
                for role in ["learner", "teacher", "marketing", "anonymous"] {
                    let context = format!("{name} {version:?} in pieces of {size}");
                    let reply = connection.send(&school.ask("/api/learners", role)).await;
                    assert_eq!(reply.status, 200, "{context}: {}", reply.text());
                    check(role, &reply.text(), &context);
                    assert_eq!(reply.header("cache-control"), ["private, no-cache"], "{context}");
                    if matches!(name, "latin" | "gzip") {
                        let rewritten = "text/csv; charset=utf-8; header=present";
                        assert_eq!(reply.header("content-type"), [rewritten], "{context}");
                    }
                }
            }
        }
        school.answer(Answer::new(200, &[CSV], &utf16));
        let reply = connection.send(&school.ask("/api/learners", "teacher")).await;
        let text = reply.text();
        assert!(
            text.starts_with("\u{feff}id\tfull_name\t") && text.contains("L1\t\"Sécret; Zoé\"\tp_"),
            "{text}"
        );
        assert!(!text.contains("secret1@") && text.contains("\r\nL3\t***\tp_"), "{text}");
        // Who sees everything has the platform's bytes.
        school.answer(Answer::new(200, &[LATIN], latin(EXPORT)));
        let reply = connection.send(&school.ask("/api/learners", "administrator")).await;
        assert_eq!(
            (reply.body.to_vec(), reply.header("content-type")),
            (latin(EXPORT), vec![LATIN.1.to_owned()])
        );
    }
    school.stop().await;
}

#[tokio::test]
async fn tables_that_cannot_be_read_are_refused_or_cut() {
    let school = School::start("", |_| Answer::new(200, &[CSV], EXPORT));
    let cases: [(&str, Answer); 9] = [
        ("a row too long", Answer::new(200, &[CSV], format!("{EXPORT}1;2;3;4;5;6;7;8;9;secret\r\n"))),
        ("half a quote", Answer::new(200, &[CSV], &EXPORT[..EXPORT.find("ret\"\r\n").unwrap()])),
        ("a stray quote", Answer::new(200, &[CSV], "id;full_name\n1;sec\"ret\n")),
        ("latin-1 unsaid", Answer::new(200, &[CSV], latin(EXPORT))),
        ("another charset", Answer::new(200, &[("Content-Type", "text/csv; charset=utf-7")], EXPORT)),
        ("no names", Answer::new(200, &[("Content-Type", "text/csv; header=absent")], EXPORT)),
        ("cut gzip", Answer::new(200, &[CSV, ("Content-Encoding", "gzip")], &gzip(EXPORT.as_bytes())[..60])),
        (
            "a workbook",
            Answer::new(200, &[("Content-Type", "application/vnd.ms-excel")], b"\xd0\xcf\x11\xe0 secret"),
        ),
        (
            "a form",
            Answer::new(
                200,
                &[("Content-Type", "application/x-www-form-urlencoded")],
                "a=1;full_name=secret",
            ),
        ),
    ];
    for (name, answer) in cases {
        school.answer(answer);
        for role in ["teacher", "anonymous"] {
            assert_refused(&school.client.send(&school.ask("/api/learners", role)).await, name);
        }
    }
    // Behind what was held back, the connection is cut.
    let row = "L1;Secret;secret@x.fr;04/05/2013;F;secret;6A;secret;secret\r\n";
    let header = EXPORT.split_inclusive('\n').next().unwrap();
    let long = format!("{header}{}1;\"secret", row.repeat(4000));
    school.answer(Answer::new(200, &[CSV], long));
    for version in [Version::H1, Version::H2] {
        let reply =
            school.client.connect(version).await.send(&school.ask("/api/learners", "marketing")).await;
        assert_eq!((reply.status.as_u16(), reply.complete), (200, false), "{version:?}");
        assert!(!reply.text().to_ascii_lowercase().contains("secret") && reply.body.len() > 64 << 10);
    }
    school.stop().await;
}

#[tokio::test]
async fn charter_names_count_in_every_format_where_nothing_is_declared() {
    let parts = "--b\r\nContent-Type: application/json\r\n\r\n{\"full_name\": \"secret\"}\r\n\
        --b\r\nContent-Type: text/csv\r\n\r\nid,email\r\n7,secret@x.fr\r\n\r\n--b--\r\n";
    let fields = "--b\r\nContent-Disposition: form-data; name=\"full_name\"\r\n\r\nsecret\r\n--b--\r\n";
    let school = School::start("", |_| Answer::new(404, &[], ""));
    for (content_type, body, kept) in [
        ("text/csv", "id,page,Full-Name\n7,1,secret\n", "7,1,***"),
        ("text/tab-separated-values", "id\tuser.email\n7\tsecret\n", "7\tp_"),
        ("application/x-www-form-urlencoded", "id=7&user%5Bemail%5D=secret", "id=7&user%5Bemail%5D=p_"),
        ("multipart/mixed; boundary=b", parts, "{\"full_name\": \"***\"}"),
        ("multipart/form-data; boundary=b", fields, "\r\n\r\n***\r\n"),
    ] {
        school.answer(Answer::new(200, &[("Content-Type", content_type)], body));
        for role in ["learner", "anonymous"] {
            let reply = school.client.send(&school.ask("/free/x", role)).await;
            let text = reply.text();
            assert_eq!(reply.status, 200, "{content_type}");
            assert!(text.contains(kept) && !text.contains("secret"), "{content_type} {role}: {text}");
            assert_eq!(reply.header("content-type"), [content_type]);
            assert_eq!(reply.header("cache-control"), ["private, no-cache"], "{content_type}");
        }
        let reply = school.client.send(&school.ask("/free/x", "administrator")).await;
        assert_eq!(reply.text(), body, "{content_type}");
    }
    // A workbook passes there as other opaque files do.
    let workbook = b"\xd0\xcf\x11\xe0\xa1\xb1";
    school.answer(Answer::new(200, &[("Content-Type", "application/vnd.ms-excel")], workbook));
    let reply = school.client.send(&school.ask("/free/x", "anonymous")).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &workbook[..]));
    school.stop().await;
}
