//! Peak memory of a process that redacts one body of 1 MB, 100 MB or 1 GB, in each format, in chunks of 16 KB.
//!
//! `cargo bench --bench memory`; names of formats behind `--` choose among them. Fails where the largest body takes 2 MB
//! more than the smallest. Linux only: `VmHWM` of `/proc/self/status`.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run should say so")]

use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use rempart::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, DetectorKinds, FieldClass, FieldRule,
    PersonalData, RecipientId, Sees, Unknown,
};
use rempart::redact::{Audience, Charset, Format, Plan, Task};
use rempart::secret::{Domain, MasterSecret};

const CHUNK: usize = 16 * 1024;
const SIZES: [usize; 3] = [1 << 20, 100 << 20, 1 << 30];
/// What a gigabyte may take more than a megabyte, in KB.
const SLACK: u64 = 2048;

/// A body: what it begins with, its records, what it ends with.
struct Body {
    name: &'static str,
    format: Format,
    begin: &'static str,
    record: fn(usize, &mut String),
    end: &'static str,
}

fn json(number: usize, out: &mut String) {
    let _ = write!(
        out,
        r#"{{"title":"Fractions, première partie","full_name":"Élève {number}","progress":0.5,"note":"appeler le 06 12 34 56 78","id":"L{}"}}"#,
        number % 7
    );
}

fn item(number: usize, out: &mut String) {
    out.push_str(if number == 0 { "" } else { "," });
    json(number, out);
}

fn line(number: usize, out: &mut String) {
    json(number, out);
    out.push('\n');
}

fn sequence(number: usize, out: &mut String) {
    out.push('\u{1e}');
    line(number, out);
}

fn event(number: usize, out: &mut String) {
    out.push_str("event: progress\ndata: ");
    json(number, out);
    out.push_str("\n\n");
}

fn row(number: usize, out: &mut String) {
    let _ = write!(out, "L{};\"Élève {number}\";Fractions, première partie;0,5;terminé\r\n", number % 7);
}

fn pair(number: usize, out: &mut String) {
    let _ = write!(out, "full_name=%C3%89l%C3%A8ve+{number}&title=Fractions&progress=0.5&");
}

fn part(number: usize, out: &mut String) {
    out.push_str("--b1\r\nContent-Type: application/json\r\n\r\n");
    json(number, out);
    out.push_str("\r\n");
}

fn element(number: usize, out: &mut String) {
    let _ = writeln!(
        out,
        "<personne><titre>Fractions</titre><full_name>Élève {number}</full_name><id>L{}</id></personne>",
        number % 7
    );
}

fn table(number: usize, out: &mut String) {
    if number.is_multiple_of(100) {
        out.push_str("</table><p>Nom : <b>x</b><table><tr><th>id<th>full_name<th>title</tr>");
    }
    let _ = writeln!(
        out,
        "<tr><td>L{}<td>Élève {number}<td>Fractions <i>&amp;</i> <input name=contact value='a{number}@x.fr'>",
        number % 7
    );
}

fn prose(number: usize, out: &mut String) {
    let _ = writeln!(out, "Rendez-vous le mardi avec l'élève {number}, ou écrire à e{number}@ecole.example.");
}

fn bodies() -> Vec<Body> {
    let body = |name, format, begin, record, end| Body { name, format, begin, record, end };
    let parts = Format::Multipart { boundary: "b1".into(), form: false };
    vec![
        body("json", Format::Json, "[", item as fn(usize, &mut String), "]"),
        body("lines", Format::Lines, "", line, ""),
        body("sequence", Format::Sequence, "", sequence, ""),
        body("texts", Format::Texts, "", line, ""),
        body("call", Format::Wrapped, "callback([", item, "]);"),
        body("events", Format::Events, "", event, ""),
        body("csv", Format::table(None), "id;full_name;title;progress;state\r\n", row, ""),
        body("form", Format::Form, "", pair, "x=1"),
        body("parts", parts, "", part, "--b1--\r\n"),
        body("xml", Format::Xml, "<personnes>", element, "</personnes>"),
        body("html", Format::Html(Charset::Utf8), "<title>6A</title><table><tr><td>x", table, "</table>"),
        body("text", Format::Text(Charset::Utf8), "", prose, ""),
    ]
}

/// For a learner, who sees more of their own record: what depends on it waits. A form's whole is one record, which its
/// bound refuses: it is nobody's here.
fn task(body: &Body) -> Task {
    let category = |name: &str, field: &str, detect| Category {
        name: name.into(),
        article: "2".into(),
        detect,
        fields: vec![field.into()],
        otherwise: Action::Mask,
    };
    let charter = Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", "full_name", DetectorKinds::NONE),
            category("contact", "contact", DetectorKinds::ALL),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    };
    let path = |text: &str| text.parse().expect("a path");
    let records = ["$", "$[*]", "$.personne"];
    let data = PersonalData::Declared(Classification {
        records: records[usize::from(body.format == Format::Form)..].iter().map(|text| path(text)).collect(),
        subject: Some(path("id")),
        fields: vec![FieldRule { path: path("$..note"), class: FieldClass::FreeText }],
        unknown: Unknown::Pass,
        record_bytes: 1 << 16,
        ..Classification::default()
    });
    let own = Sees { own: CategorySet(1 << CategoryId(0).0), ..Sees::default() };
    Task {
        plan: Arc::new(Plan::compile(&charter, &data)),
        audience: Arc::new(Audience {
            sees: own,
            subject: Some(Box::<str>::from("L3").into()),
            ..Audience::default()
        }),
        key: Arc::new(MasterSecret::from_bytes(&[7; 32]).expect("long enough").derive(Domain::Api, "")),
    }
}

/// Redacts one body as it is made, and says the peak of this process in KB.
fn run(body: &Body, size: usize) {
    let mut redactor = body.format.redactor(task(body));
    let (mut made, mut out) = (String::from(body.begin), Vec::new());
    let (mut pushed, mut number) = (0, 0);
    while pushed < size {
        while made.len() < CHUNK {
            (body.record)(number, &mut made);
            number += 1;
        }
        out.clear();
        redactor.push(made.as_bytes(), &mut out).expect("accepted");
        pushed += made.len();
        made.clear();
    }
    out.clear();
    redactor.push(body.end.as_bytes(), &mut out).expect("accepted");
    redactor.finish(&mut out).expect("whole");
    assert!(redactor.tally().total() > 0, "nothing was redacted");
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux");
    println!("{}", peak.trim().trim_end_matches(" kB"));
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let bodies = bodies();
    if let [name, size] = words.as_slice()
        && let Ok(size) = size.parse()
    {
        bodies.iter().filter(|body| body.name == name).for_each(|body| run(body, size));
        return ExitCode::SUCCESS;
    }
    println!("{:<10}{:>12}{:>12}{:>12}   peak, KB", "format", "1 MB", "100 MB", "1 GB");
    let mut flat = true;
    for body in bodies.iter().filter(|body| words.is_empty() || words.iter().any(|word| word == body.name)) {
        let peaks = SIZES.map(|size| {
            let mut child = Command::new(std::env::current_exe().expect("itself"));
            let done = child.args([body.name, &size.to_string()]).output().expect("started");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8_lossy(&done.stdout).trim().parse::<u64>().expect("a number")
        });
        println!("{:<10}{:>12}{:>12}{:>12}", body.name, peaks[0], peaks[1], peaks[2]);
        flat &= peaks[2] <= peaks[0] + SLACK;
    }
    if flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
