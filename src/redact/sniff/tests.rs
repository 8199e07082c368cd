use super::*;
use crate::redact::Header;

fn names(name: &str) -> bool {
    let folded: String = name.to_lowercase().chars().filter(|c| !"_- ".contains(*c)).collect();
    ["nom", "prénom", "prenom", "fullname", "email", "password", "useragent", "mark"]
        .contains(&folded.as_str())
}

fn look(start: &[u8]) -> Sniffed {
    sniff(start, Hints { calls: &|_| true, names: &names, charset: Charset::Unstated })
}

fn format(format: Format) -> Option<Seen> {
    Some(Seen::Format(format))
}

fn table(charset: Charset) -> Option<Seen> {
    format(Format::Table { separator: None, charset, header: Header::Present })
}

/// What a whole body is taken for.
#[track_caller]
fn is(body: impl AsRef<[u8]>, expected: Option<Seen>) {
    let body = body.as_ref();
    assert_eq!(look(body).seen, expected, "{}", String::from_utf8_lossy(body));
}

#[test]
fn json_is_seen_in_every_wrapping() {
    let texts = || format(Format::Texts);
    let wrapped = || format(Format::Wrapped);
    for (start, expected, sure) in [
        (&b"  ["[..], texts(), false),
        (b"[{", texts(), true),
        (b" {\n \"a\"", texts(), true),
        (b"\xef\xbb\xbf[]", texts(), false),
        (b"[] ", texts(), true),
        (b"[\"a\", 7]", texts(), false),
        (b"[\"a]\", 7].map(", None, true),
        (b"[\"a\"].7", texts(), true),
        (b"[{}].map(", texts(), true),
        (b"{\"use strict\"", texts(), false),
        (b"{ \"use strict\" ;", None, true),
        (b"{\"use strict\":", texts(), true),
        (b"{{name}}", None, true),
        (b"[1] see", None, false),
        (b"\xff\xfe[\0{\0", texts(), true),
        (b"[\0{\0", texts(), true),
        (b"\0[\0{", texts(), true),
        (b"{\0\0\0\"\0\0\0", texts(), false),
        (b"\0\0\0{\0\0\0\"", texts(), false),
        (b"\0{\"a\"", texts(), true),
        (b"\x01\xc2\xa0\xe2\x80\x8b{\"a\"", texts(), true),
        (b"\xef\xbb\xbf\xef\xbb\xbf {\"", texts(), false),
        (b"\x1e{\"a\"", format(Format::Sequence), true),
        (b"\n\x1e{\"a\"", texts(), true),
        (b")]}',\n{", wrapped(), true),
        (b")]", None, false),
        (b"while(1);[", wrapped(), true),
        (b"])}while(1);</x>{", wrapped(), true),
        (b"\x0c)]}'\n[", wrapped(), true),
        (b"throw 1; <dont be evil>\n{", wrapped(), true),
        (b"[1, {", texts(), true),
        (b"[-1.5e3 ,", texts(), false),
        (b"[nu", texts(), false),
        (b"[1]", None, false),
        (b"[section]\n", None, false),
        (b"cb({\"a\":1})", wrapped(), true),
        (b"cb({\"a\":1}", wrapped(), false),
        (b"/**/ typeof a.b === 'function' && a.b([{}] )", wrapped(), true),
        (b"define([\"jquery\"], function", None, false),
        (b"cb (", None, true),
        (b"7\n{\"a\":1}\n", texts(), true),
        (b"\"x\"\r\nnull\n-1.5e3\n[{", texts(), true),
        (b"\"a \\\" b\" {\"", texts(), true),
        (b"true{\"a\"", texts(), true),
        (b"7\n8\n", None, false),
        (b"7 rue Haute", None, false),
        (b"\"Bonjour\", dit-il", None, false),
        (b"{nom: 'Jean'}", texts(), true),
        (b"{'a': 1, \"nom\": 'Jean'}", texts(), true),
        (b"{ /* x */ nom: 1", texts(), true),
        (b"{ a: 1 }", None, false),
        (b"{% if email: %}", None, true),
    ] {
        // What is nothing known here may become something of another kind.
        let seen = look(start);
        let sure = if expected.is_none() { seen.sure } else { sure };
        assert_eq!(seen, Sniffed { seen: expected, sure }, "{}", String::from_utf8_lossy(start));
    }
    let few = Hints { calls: &|name| name == b"app.done", names: &names, charset: Charset::Unstated };
    assert_eq!(sniff(b"/**/ app.done({\"a\":1})", few).seen, wrapped());
    assert_eq!(sniff(b"require.config({\"a\":1});", few).seen, None);
}

#[test]
fn xml_is_told_from_pages_and_prose() {
    for body in [
        "<?xml version=\"1.0\"?><nom>x</nom>",
        " \n<!-- c --><users><user/></users>",
        "<users a=\"1\" x:b='>'>\n<user>",
        "<x:users xmlns:x=\"urn:x\">\n text</x:users>",
        "<nom>Jean</nom>",
        "<user nom=\"Jean\"/>",
        "<?xml version='1.0'?><?go on?><table><nom>",
        "<data><user><email>a</email></user></data>",
        "<user-list><user><email>a</email></user></user-list>",
        "<!DOCTYPE users [<!ENTITY a \"b\">]><users>",
        "\u{feff}<users><user>",
    ] {
        is(body, format(Format::Xml));
    }
    let wide = "<users><user>".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    is(wide, format(Format::Xml));
    for body in [
        "<!doctype html><html>",
        "<!-- x --><html lang=fr>",
        "<p>Bonjour <b>vous</b>",
        "<DIV class=x>",
        "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\">",
        "<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\">",
        "<form><input name=\"email\"><mark>x</mark></form>",
    ] {
        is(body, Some(Seen::Opaque(Opaque::Page)));
    }
    is("<svg xmlns=\"http://www.w3.org/2000/svg\">", Some(Seen::Opaque(Opaque::Media)));
    for body in [
        "<nom> doit être remplacé",
        "<VirtualHost *:80>\n ServerName x",
        "<Directory />\n Options",
        "<?php echo $nom; ?><users><user>",
        "<- back",
        "< 5 or > 7",
        "<%= nom %>",
        "<app-root></app-root>",
        "a <users><user>",
    ] {
        is(body, None);
    }
}

#[test]
fn tables_are_told_from_prose_by_a_name_and_a_row() {
    for body in [
        "id;nom\n1;Jean\n",
        "\"id\",\"Full Name\"\r\n1,Jean",
        "nom\tx\r1\t2\r",
        "\n\nuser.email|n\n\n1|2\n",
        "sep=;\r\nid;nom\r\n1;x",
        "sep=\t\nid\tnom\n1\tx",
        "id,\"a\nb, c\",nom\n1,2,3",
        "id,nom\n1\n2,x\n",
        "\u{feff}prénom;classe;Adresse électronique du responsable légal numéro 1 (obligatoire)\na;b;c",
    ] {
        is(body, table(Charset::Unstated));
    }
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    is(wide("\u{feff}nom;x\n1;2"), table(Charset::Unstated));
    is(wide("nom;x\n1;2"), table(Charset::Other(encoding_rs::UTF_16LE)));
    for body in [
        "Nom, prénom et adresse de chacun sont obligatoires.\nSans eux, rien ne va.\n",
        "nom, prénom\n\nMerci de remplir.",
        "nom;prenom\n",
        "id;titre\n1;x\n",
        "| nom | x |\n|-----|---|\n| a | b |\n",
        "Bonjour, Jean\nà demain, Marie\n",
        "email = 1, nom = 2;\nf(x, y);\n",
        "import { email, nom } from './x';\nfoo(a, b);\n",
        ".email, .nom { color: red }\na, b { }\n",
        "email, password = read()\nif email, x: pass\n",
        "body{margin:0}",
        "!function(e,t){return nom,email}(1,2)",
        "# Titre\n\nUn texte, avec nom, email.\n",
    ] {
        is(body, None);
    }
}

#[test]
fn forms_are_told_by_a_name() {
    for body in [
        "id=7&email=a%40b.fr",
        "email=a@b.fr\n",
        "a=1;nom=x",
        "user%5Bnom%5D=x&b",
        "Full+Name=x&a=1",
        "&&nom=1&",
    ] {
        is(body, format(Format::Form));
    }
    for body in [
        "a=1&b=2",
        "nom = 1",
        "nom=1\npassword=2\n",
        "nom",
        "var email=1",
        "f(nom=1)",
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        is(body, None);
    }
}

#[test]
fn events_are_told_by_their_lines() {
    for body in [
        "data: {\"a\":1}\n\n",
        ": ping\n\ndata: x\n\n",
        ":\n\ndata:[1]\n\n",
        "event: grade\r\nid: 7\r\ndata: {\r\ndata: }\r\n\r\n",
        "id: 7\rdata:{\r\r",
        "retry: 100\n\n",
        "data: {\"a\"",
    ] {
        is(body, format(Format::Events));
    }
    for body in [
        "data: rien\n\n",
        ":root { --a: 1 }",
        ":root\n",
        ":auteur: moi\n\n",
        "data:\n  a: b\n",
        "id: 7\nnomade: x\n",
        "data",
    ] {
        is(body, None);
    }
}

#[test]
fn lines_of_properties_are_told() {
    let of = |properties| format(Format::Properties(properties));
    is("BEGIN:VCARD\r\nFN:x", of(Properties::Card));
    is("\n begin:vcard\n", of(Properties::Card));
    is("BEGIN:VCALENDAR\r\n", of(Properties::Calendar));
    is("version: 1\n# x\ndn: uid=a,dc=b\n", of(Properties::Directory));
    is("dn:: dWlkPWE=\n", of(Properties::Directory));
    for body in [
        "nom: Jean\nclasse: 6A\n",
        "---\n- a: 1\n  nom: Jean\n",
        "a: 1\nusers:\n  - { nom: Jean }\n",
        "a: |\n  du texte\n  libre\n\"email\": x\n",
        "# c\n%YAML 1.2\n---\npassword: x\n",
    ] {
        is(body, of(Properties::Yaml));
    }
    for body in [
        "User-agent: *\nDisallow: /\n",
        "a: 1\nb: 2\n",
        "nom: Jean\n\nIl a dit bonjour.\n",
        "Note: email: voir plus bas",
        "title: a\n# nom\n",
        "dn est un mot",
        "version 1",
    ] {
        is(body, None);
    }
}

#[test]
fn parts_show_their_boundary() {
    let parts = |form| format(Format::Multipart { boundary: "b b".into(), form });
    is("--b b\r\nContent-Type: application/json\r\n\r\n{", parts(false));
    is("\r\n--b b \r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n", parts(true));
    for body in ["-- \r\nJean", "--\n", "-- select 1;\nselect 2", "---\ntitle: x\n---\n", "--b\r\nBonjour"] {
        is(body, None);
    }
}

#[test]
fn files_show_their_marks() {
    for (start, expected) in [
        (&b"PK\x03\x04\x14"[..], Some(Opaque::Archive)),
        (b"\x1f\x8b\x08", Some(Opaque::Gzip)),
        (b"\x28\xb5\x2f\xfd", Some(Opaque::Zstd)),
        (b"%PDF-1.7", Some(Opaque::Pdf)),
        (b"junk\n%PDF-1.7", Some(Opaque::Pdf)),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Some(Opaque::Office)),
        (b"\0\0\0\x20ftypisom", Some(Opaque::Binary)),
        (b"\0\x01\0\0\0\x0c\0\x80\0\x03\0\x40OS/2", Some(Opaque::Binary)),
        (b"\0asm\x01\0\0\0", Some(Opaque::Binary)),
        (b"\x89PNG\r\n\x1a\n", Some(Opaque::Media)),
        ("Été à Orléans".as_bytes(), None),
        (b"\xc9t\xe9 \xe0 Orl\xe9ans", None),
        ("これは日本語です".as_bytes(), None),
    ] {
        assert_eq!(look(start).seen, expected.map(Seen::Opaque), "{start:?}");
    }
    for (opaque, essence, expected) in [
        (Opaque::Pdf, "application/pdf", true),
        (Opaque::Archive, "application/pdf", false),
        (Opaque::Archive, "application/vnd.oasis.opendocument.text", true),
        (Opaque::Archive, "text/plain", false),
        (Opaque::Archive, "image/png", false),
        (Opaque::Media, "image/png", true),
        (Opaque::Page, "application/pdf", false),
        (Opaque::Page, "text/html", true),
        (Opaque::Binary, "application/pdf", false),
        (Opaque::Binary, "font/woff2", true),
        (Opaque::Office, "text/rtf", true),
    ] {
        assert_eq!(opaque.suits(essence), expected, "{opaque:?} {essence}");
    }
    for (essence, expected) in [
        ("application/pdf", false),
        ("image/png", false),
        ("image/x-portable-pixmap", true),
        ("text/vtt", true),
    ] {
        assert_eq!(may_be_unmarked(essence), expected, "{essence}");
    }
}

#[test]
fn a_beginning_never_contradicts_a_longer_one() {
    let wide: Vec<u8> = "\u{feff}nom;x\n1;2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for body in [
        &b" cb([{\"a\":[1,2,\"]})\"]}]);\n"[..],
        b")]}',\n[{\"a\":1}]",
        b"throw 1; < don't be evil' >{}",
        b"{} && [1]",
        b"\xef\xbb\xbf /**/cb({})",
        b"[1, 2]",
        b"7\n\"x\"\n{\"a\":1}",
        b"define([\"a\"], 1)",
        b"{nom: 'x'}",
        b"<?xml version=\"1.0\"?>\n<users><user/></users>",
        b"<!-- c --><users a=\"b\"><user/></users>",
        b"<nom>Jean</nom>",
        b"<!doctype html><p>",
        b"sep=;\r\nid;\"nom\"\r\n1;2\r\n",
        b"id,full name\r\n\r\n1,2\r\n",
        b"a=1&nom=2",
        b": x\r\n\r\nevent: a\r\ndata: {}\r\n\r\n",
        b"--b\r\nContent-Type: text/csv\r\n\r\na",
        b"BEGIN:VCARD\r\nFN:a",
        b"version: 1\n\ndn: a=b\n",
        b"# c\nnom: x\nb: 1\n",
        b"PK\x03\x04abc",
        b"Bonjour, nom, prenom et tous les autres.\nUne ligne, puis une autre.\n",
        &wide,
    ] {
        let whole = look(body).seen;
        for end in 0..body.len() {
            let Sniffed { seen, sure } = look(&body[..end]);
            assert!(!sure || seen == whole, "{}: {seen:?} {whole:?}", String::from_utf8_lossy(&body[..end]));
        }
    }
}

proptest::proptest! {
    /// How a body is cut never shows in the format by which it is read.
    #[test]
    fn no_beginning_contradicts_a_longer_one(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..12)) {
        let body = pieces.concat();
        let read = |seen: Option<Seen>| seen.filter(|seen| matches!(seen, Seen::Format(_)));
        let whole = read(look(&body).seen);
        for end in 0..body.len() {
            let Sniffed { seen, sure } = look(&body[..end]);
            let seen = read(seen);
            proptest::prop_assert!(!sure || seen == whole, "{:?}: {seen:?} {whole:?}", String::from_utf8_lossy(&body[..end]));
        }
    }
}

/// What bodies are made of.
const PIECES: &[&[u8]] = &[
    b"nom",
    b"email",
    b"a",
    b"7",
    b" ",
    b"\n",
    b"\r\n",
    b",",
    b";",
    b"|",
    b"\t",
    b":",
    b"=",
    b"&",
    b"\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"<",
    b">",
    b"/",
    b"</nom>",
    b"<nom>",
    b"<p>",
    b"<users>",
    b"<?xml version=\"1.0\"?>",
    b"<!--",
    b"-->",
    b"<!DOCTYPE ",
    b"html",
    b"/*",
    b"*/",
    b"//",
    b"#",
    b"data: ",
    b"event: x",
    b"id: ",
    b"-- ",
    b"--b",
    b"Content-Type: ",
    b"BEGIN:VCARD",
    b"dn: ",
    b"version: 1",
    b"---",
    b"- ",
    b"? ",
    b"sep=",
    b"PK\x03\x04",
    b"%PDF-",
    b"\x1f\x8b",
    b"\0",
    b"\x81",
    b"\xa5",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc2\xa0",
    b"null",
    b")]}'",
    b"while(1);",
    b"cb(",
    b"\x1e",
    b"<pre>",
    b"une phrase",
];
