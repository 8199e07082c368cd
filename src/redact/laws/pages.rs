//! Pages made from choices, sound and broken, and what holds of them.

use std::sync::Arc;

use super::scenario::key;
use super::source::Source;
use crate::policy::set::{
    Action, Category, CategorySet, Charter, Classification, DetectorKind, DetectorKinds, FieldClass,
    FieldRule, LooseFormat, PersonalData, RecipientId, Sees, Unknown,
};
use crate::redact::{Audience, Charset, Format, Plan, RedactError, Tally, Task};
use crate::secret::Sensitive;

const CANARY: &str = "CANARY";

/// Names of fields: not personal, personal, known to nobody.
const OPEN: [&str; 3] = ["id", "titre", "classe"];
const HIDDEN: [&str; 5] = ["Nom", "pr&eacute;nom", "courriel", "e_mail", "T&#233;l&eacute;phone"];
const STRANGE: [&str; 3] = ["ville", "x", "Remarque"];

/// How a page is cut never shows: neither in what leaves, nor in what is counted; whatever is broken in it.
///
/// # Panics
/// If it does.
pub fn page_chunking_never_shows(data: &[u8]) {
    let mut source = Source(data);
    let Some(task) = task(&mut source, true) else { return };
    let breaks = source.one_in(2);
    let mut page = page(&mut source, Plant::Anything);
    if breaks {
        break_at(&mut source, &mut page);
    }
    let sizes = [1, 1 + source.below(40), 1 + source.below(7)];
    let whole = redact(&task, &page, page.len());
    for size in sizes {
        let cut = redact(&task, &page, size);
        let shown = String::from_utf8_lossy(&page);
        assert_eq!(cut.0.is_ok(), whole.0.is_ok(), "{shown} by {size}: {:?} {:?}", cut.0, whole.0);
        if whole.0.is_ok() {
            assert_eq!(
                String::from_utf8_lossy(&cut.1),
                String::from_utf8_lossy(&whole.1),
                "{shown} by {size}"
            );
            assert_eq!(cut.2, whole.2, "{shown} by {size}");
        }
    }
}

/// What a page holds under a classified name, in a classified column or in a form that detectors know never leaves to
/// someone who may see nothing; under `deny` nor does what has a name that nobody classified.
///
/// # Panics
/// If it does, or if the page is refused.
pub fn no_canary_survives_in_a_page(data: &[u8]) {
    let mut source = Source(data);
    let Some(task) = task(&mut source, false) else { return };
    let plant = if task.plan.denies_unknown(&task.audience.sees) { Plant::Strange } else { Plant::Hidden };
    let page = page(&mut source, plant);
    let (result, out, _) = redact(&task, &page, 1 + source.below(60));
    let shown = String::from_utf8_lossy(&page);
    assert_eq!(result, Ok(()), "{shown}");
    assert!(!shows(&out), "{shown}\nbecame\n{}", String::from_utf8_lossy(&out));
}

/// A page that is broken in one place is refused, or hides all the same what stood under a name. Where a table ended too
/// early, its refusal may come behind text that browsers show outside of it.
///
/// # Panics
/// If a canary leaves.
pub fn no_canary_survives_in_a_broken_page(data: &[u8]) {
    let mut source = Source(data);
    let Some(mut task) = task(&mut source, false) else { return };
    task.plan = Arc::new(plan(Unknown::Deny, 2));
    let mut page = page(&mut source, Plant::Structured);
    break_at(&mut source, &mut page);
    let (result, out, _) = redact(&task, &page, 1 + source.below(60));
    assert!(
        result.is_err() || !shows(&out),
        "{}\nbecame\n{}",
        String::from_utf8_lossy(&page),
        String::from_utf8_lossy(&out)
    );
}

/// What a page hides once does not stand in its text, before or behind.
///
/// # Panics
/// If it does.
pub fn a_hidden_value_stands_nowhere_in_a_page(data: &[u8]) {
    let mut source = Source(data);
    let Some(task) = task(&mut source, false) else { return };
    let mut around = || {
        let page = page(&mut source, Plant::Nothing);
        let spelt = source.pick(&[
            "Canary Dupont",
            "CANARY&nbsp;dupont",
            "Canary <b>Dupont</b>",
            "C&#97;nary\nDupont",
        ]);
        let text = source.pick(&[
            "<p>De SPELT.</p>",
            "<h1>SPELT</h1>",
            "<li><i>SPELT</i> : 12",
            "<p>a <i>b</i> SPELT",
            "<img alt='CANARY dupont, vu'>",
        ]);
        (page, text.replace("SPELT", spelt))
    };
    let ((first, before), (last, behind)) = (around(), around());
    let name = source.pick(&HIDDEN);
    let field = source.pick(&[
        "<input name='NAME' value='Canary Dupont'>",
        "<table><tr><th>NAME<tr><td>Canary <b>Dupont</b></table>",
        "<dl><dt>NAME<dd>Canary Dupont</dl>",
        "<p>NAME : Canary Dupont</p>",
        "<textarea name=NAME>Canary Dupont</textarea>",
    ]);
    let field = field.replace("NAME", name);
    let page =
        [&first[..], before.as_bytes(), field.as_bytes(), behind.as_bytes(), &last[..]].join(&b"<hr>"[..]);
    let (result, out, _) = redact(&task, &page, 1 + source.below(60));
    let shown = String::from_utf8_lossy(&page);
    assert_eq!(result, Ok(()), "{shown}");
    let left = String::from_utf8_lossy(&out).to_lowercase();
    assert!(!left.contains("canary") && !left.contains("dupont"), "{shown}\nbecame\n{left}");
}

/// A page in which nothing has a name, and nothing is found, leaves as it came.
///
/// # Panics
/// If a byte changes.
pub fn page_without_names_is_identical(data: &[u8]) {
    let mut source = Source(data);
    let Some(mut task) = task(&mut source, false) else { return };
    task.plan = Arc::new(plan(Unknown::Pass, 2));
    let page = page(&mut source, Plant::Nothing);
    let (result, out, tally) = redact(&task, &page, 1 + source.below(60));
    assert_eq!(result, Ok(()), "{}", String::from_utf8_lossy(&page));
    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&page));
    assert_eq!(tally, Tally::default());
}

fn redact(task: &Task, page: &[u8], size: usize) -> (Result<(), RedactError>, Vec<u8>, Tally) {
    let mut redactor = Format::Html(Charset::Utf8).redactor(task.clone());
    let mut out = Vec::new();
    let pushed = page.chunks(size.max(1)).try_for_each(|chunk| redactor.push(chunk, &mut out));
    let result = pushed.and_then(|()| redactor.finish(&mut out));
    (result, out, redactor.tally())
}

/// Whether a canary can be read, escaped or not.
fn shows(out: &[u8]) -> bool {
    let text = String::from_utf8_lossy(out).replace("&#67;", "C").replace("&#x41;", "A").replace("%43", "C");
    text.contains(CANARY)
}

fn task(source: &mut Source<'_>, sees: bool) -> Option<Task> {
    let unknown = source.pick(&[Unknown::Deny, Unknown::Deny, Unknown::Report, Unknown::Pass]);
    let plan = plan(unknown, source.below(4));
    let mut audience = Audience::default();
    if sees {
        let mut set = || CategorySet(source.below(4) as u64);
        audience.sees = Sees { any: set(), own: set(), group: set(), ..Sees::default() };
        audience.subject = Some(Sensitive::new("7".into()));
        audience.groups = vec![Sensitive::new("6A".into())];
    }
    Some(Task { plan: Arc::new(plan), audience: Arc::new(audience), key: key()? })
}

fn plan(unknown: Unknown, action: usize) -> Plan {
    let kind = |kind| DetectorKinds::NONE.with(kind);
    let actions = [Action::Remove, Action::Replace("r\"é<&'".into()), Action::Mask, Action::Pseudonym];
    let category = |name: &str, fields: &[&str], detect, place: usize| Category {
        name: name.into(),
        article: "2".into(),
        detect,
        fields: fields.iter().map(|&field| field.into()).collect(),
        otherwise: actions[(action + place) % 4].clone(),
    };
    let charter = Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", &["nom", "prénom"], DetectorKinds::NONE, 0),
            category("email", &["courriel", "email"], kind(DetectorKind::Email), 1),
            category("phone", &["téléphone"], kind(DetectorKind::Phone), 2),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    };
    let path = |path: &str| path.parse().ok();
    let rule = |name: &&str| Some(FieldRule { path: path(name)?, class: FieldClass::NotPersonal });
    let data = Classification {
        records: ["$", "$[*]"].into_iter().filter_map(path).collect(),
        subject: path("id"),
        group: path("classe"),
        fields: OPEN.iter().filter_map(rule).collect(),
        formats: vec![LooseFormat::Html],
        unknown,
        record_bytes: 1024,
        ..Classification::default()
    };
    Plan::compile(&charter, &PersonalData::Declared(data))
}

/// What a page is made with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plant {
    /// Values of all kinds.
    Anything,
    /// Canaries under every hidden name, and in forms that detectors know.
    Hidden,
    /// The same, and under names that nobody knows.
    Strange,
    /// The same, in fields and tables only.
    Structured,
    /// No names at all.
    Nothing,
}

struct Maker<'a, 'b> {
    source: &'a mut Source<'b>,
    plant: Plant,
    out: String,
    depth: usize,
}

fn page(source: &mut Source<'_>, plant: Plant) -> Vec<u8> {
    let mut maker = Maker { source, plant, out: String::new(), depth: 0 };
    if maker.source.one_in(2) {
        maker.out.push_str("<!DOCTYPE html>\n<html><head><meta charset=utf-8><title>a &amp; b</title></head><body class='c'>");
    }
    for _ in 0..1 + maker.source.below(5) {
        maker.block();
    }
    maker.out.into_bytes()
}

impl Maker<'_, '_> {
    fn put(&mut self, from: &[&str]) {
        let text = self.source.pick(from);
        self.out.push_str(text);
    }

    fn one_of(&mut self, from: &[&'static str]) -> &'static str {
        self.source.pick(from)
    }

    fn has_names(&self) -> bool {
        self.plant != Plant::Nothing
    }

    /// A name, and what stands under it.
    fn name(&mut self) -> (&'static str, &'static str) {
        let kind = self.source.below(3);
        let canary = |plant: Plant, strange: bool| match plant {
            Plant::Hidden if !strange => true,
            Plant::Strange | Plant::Structured => true,
            _ => false,
        };
        let plain = ["7", "8", "6A", "Lyon", "", "a &lt; b"];
        match kind {
            0 => (self.one_of(&OPEN), self.one_of(&plain)),
            1 => {
                let name = self.one_of(&HIDDEN);
                let value = if canary(self.plant, false) { "CANARY" } else { self.one_of(&plain) };
                (name, value)
            }
            _ => {
                let name = self.one_of(&STRANGE);
                let value = if canary(self.plant, true) { "CANARY" } else { self.one_of(&plain) };
                (name, value)
            }
        }
    }

    fn block(&mut self) {
        self.depth += 1;
        let choice = if self.depth > 3 { self.source.below(3) } else { self.source.below(13) };
        match choice {
            0 => self.text(),
            1 => {
                self.put(&["<p>", "<div class='a b'>", "<ul><li>", "<P CLASS=x>", "<br/>", "<hr>"]);
                self.text();
                self.put(&["</p>", "</div>", "", "</ul>", "</span>"]);
            }
            2 if self.has_names() => self.field(),
            3 | 4 if self.has_names() => self.table(),
            5 if self.has_names() => self.list(),
            6 if self.has_names() => self.vertical(),
            7 => self.put(&[
                "<svg viewBox='0 0 1 1'><path d='M1 2'/><g><text>t</text></g></svg>",
                "<noscript><img src=x></noscript>",
                "<style>b>a{c:d}</style>",
                "<script>var a = '<b>';</script>",
                "<template><b>x</b></template>",
                "<script type='application/json'>{\"a\":\"<b>\"}</script>",
            ]),
            8 if self.plant == Plant::Hidden || self.plant == Plant::Strange => self.planted(),
            10 | 11 if self.has_names() && self.plant != Plant::Structured => self.line(),
            12 if self.has_names() => {
                self.put(&[
                    "<form>",
                    "<form method=post><input type=hidden name=id value=7>",
                    "<form><fieldset>",
                ]);
                for _ in 0..1 + self.source.below(3) {
                    self.field();
                }
                self.put(&["</form>", "<input name=id value=7></form>", "</fieldset></form>", ""]);
            }
            9 if self.has_names() => self.put(&["<!-- a -->", "<!-- CANARY -->", "<?x?>", "<!---->"]),
            _ => self.text(),
        }
        self.depth -= 1;
    }

    fn text(&mut self) {
        self.put(&[
            "Un texte",
            "a &amp; b",
            "x < y",
            "<b>gras</b> et <i>fin",
            "R&D",
            "é€😀 ",
            " \n",
            "<a href='/x?a=1&b=2'>lien</a>",
        ]);
    }

    /// What detectors and names know, wherever it stands.
    fn planted(&mut self) {
        self.put(&[
            " CANARY@x.fr ",
            " CANARY&#64;x.fr ",
            " CANARY@<b>x.fr</b> ",
            " CAN<i>ARY</i>&commat;x&period;fr ",
            " CANARY<!-- c -->@x.fr ",
            " <a href='mailto:CANARY@x.fr?subject=a'>a</a> ",
            "<a href=/x?nom=CANARY&id=7>a</a>",
            "<img alt=\"CANARY@x.fr\">",
            "<p data-nom='CANARY' data-x='{\"nom\":\"CANARY\"}'>",
            "<p data-x='{&quot;n&#111;m&quot;:[&quot;CANARY&quot;]}'>",
            "<script type='application/ld+json'>{\"nom\":\"CANARY\"}</script>",
            "<script type='application/json'>{\"a\":\"CANARY@x.fr\"}</script>",
            "<script>var u = {nom: 'CANARY'};</script>",
            "<span itemprop=nom>a<b>CANARY</b></span>",
            "<meta name='email' content='CANARY'>",
            "<output name=nom>CANARY</output>",
            "<iframe srcdoc='CANARY'>CANARY</iframe>",
            "<svg><text>CANARY@x.fr</text></svg>",
            "<title>CANARY@x.fr</title>",
            "<noscript><p title='CANARY@x.fr'>CANARY@x.fr</noscript>",
        ]);
    }

    fn field(&mut self) {
        let (name, value) = self.name();
        let value = value.replacen('C', self.one_of(&["C", "C", "&#67;"]), 1);
        let quote =
            if value.contains([' ', '&']) || value.is_empty() { "'" } else { self.one_of(&["'", "\""]) };
        let by = self.one_of(&["name", "name", "id", "NAME"]);
        match self.source.below(6) {
            0 | 1 => {
                let order = self.source.one_in(2);
                let (named, valued) =
                    (format!("{by}={quote}{name}{quote}"), format!("value={quote}{value}{quote}"));
                let (first, second) = if order { (valued, named) } else { (named, valued) };
                self.out += &format!("<input type=text {first} {second}>");
            }
            2 => {
                self.out += &format!("<input {by}='{name}' type=radio value={quote}{value}{quote} checked />")
            }
            3 => self.out += &format!("<textarea {by}=\"{name}\" rows=3>{value}</textarea>"),
            4 => {
                self.out += &format!(
                    "<select {by}='{name}'><option>-<option value='{value}' selected>{value}</select>"
                )
            }
            _ => {
                self.out += &format!(
                    "<button type=submit>ok</button><input {by}='{name}' value={quote}{value}{quote}>"
                )
            }
        }
    }

    /// A name that is hidden or not beside a value, in a line, or in the line behind it.
    fn line(&mut self) {
        let (name, value) = match self.source.below(4) {
            0 => (self.one_of(&OPEN), "Lyon"),
            _ => (self.one_of(&HIDDEN), if self.plant == Plant::Anything { "Jean" } else { CANARY }),
        };
        let value = match self.source.below(4) {
            0 => format!("<b>{value}</b>"),
            1 => format!("de {value} <i title='{value}'>fin</i>"),
            2 => value.replacen('C', "&#67;", 1),
            _ => value.to_owned(),
        };
        let (open, close) = self.source.pick(&[
            ("<p>", "</p>"),
            ("<li>", ""),
            ("<div class=c>", "</div>"),
            ("<h2>", "</h2>"),
        ]);
        let class = self.one_of(&["nom", "user-email", "courriel", "prénom"]);
        self.out += &match self.source.below(9) {
            0 => format!("{open}{name} : {value}{close}"),
            1 => format!("{open}<b>{name} :</b> {value}<br>"),
            2 => format!("{open}<b>{name}</b> {value}{close}"),
            3 => format!("{open}<label>{name} <span>{value}</span></label>{close}"),
            4 => format!("{open}<span class=label>{name}</span><span>{value}</span>{close}"),
            5 => format!("<div>{name}</div><div>{value}</div>"),
            6 => format!("{open}{name} :{close}<p>{value}</p>"),
            7 => format!("{open}<span class='x {class}'>{value}</span> fin{close}"),
            _ => format!("<div class='{class}'>{value}</div>"),
        };
        self.put(&["", "<hr>"]);
    }

    /// Names above, values below.
    fn table(&mut self) {
        let tidy = self.source.one_in(2);
        let columns: Vec<_> = (0..1 + self.source.below(4)).map(|_| self.name()).collect();
        let head = self.one_of(&["th", "th", "TH scope=col"]);
        let end = |name: &str| if tidy { format!("</{name}>") } else { String::new() };
        self.put(&["<table>", "<table class='t'>", "<TABLE>\n"]);
        self.put(&["", "<caption>Liste</caption>", "<colgroup><col><col></colgroup>"]);
        let grouped = tidy && self.source.one_in(2);
        self.out += if grouped { "<thead>" } else { "" };
        self.out += "<tr>";
        for (name, _) in &columns {
            let close = head.split(' ').next().unwrap_or_default();
            self.out += &format!("<{head}>{name}{}", end(close));
        }
        self.out += &end("tr");
        self.out += if grouped { "</thead><tbody>" } else { "" };
        let mut carried: usize = 0;
        for _ in 0..1 + self.source.below(3) {
            self.put(&["<tr>", "<tr class=r>", "\n<TR>"]);
            let skip = usize::from(carried > 0);
            carried = carried.saturating_sub(1);
            for (place, (_, value)) in columns.iter().enumerate().skip(skip) {
                let tall = place == 0 && skip == 0 && columns.len() > 1 && self.source.one_in(4);
                let span = if tall { " rowspan=2" } else { "" };
                carried = if tall { 1 } else { carried };
                let inside = match self.source.below(4) {
                    0 => format!("<b>{value}</b>"),
                    1 => format!("<p>{value}<br>"),
                    2 if self.depth < 3 && !value.is_empty() => {
                        format!("<span title='{value}'>{value}</span>")
                    }
                    _ => (*value).to_owned(),
                };
                // Of a column that is not personal the text is not looked at; elsewhere the whole cell goes.
                self.out += &format!("<td{span}>{inside}{}", end("td"));
            }
            self.out += &end("tr");
        }
        self.out += if grouped { "</tbody>" } else { "" };
        self.out += "</table>";
    }

    /// Names beside values.
    fn vertical(&mut self) {
        let tidy = self.source.one_in(2);
        let end = |name: &str| if tidy { format!("</{name}>") } else { String::new() };
        self.out += "<table>";
        for _ in 0..1 + self.source.below(3) {
            let (name, value) = self.name();
            self.out += &format!("<tr><th>{name}{}<td>{value}{}{}", end("th"), end("td"), end("tr"));
        }
        self.out += "</table>";
    }

    fn list(&mut self) {
        self.put(&["<dl>", "<dl class=d>"]);
        for _ in 0..1 + self.source.below(3) {
            let (name, value) = self.name();
            let colon = self.one_of(&["", " :", "*"]);
            self.out += &format!("<dt>{name}{colon}</dt><dd><i>{value}</i></dd>\n");
        }
        self.out += "</dl>";
    }
}

const FAULTS: [&str; 56] = [
    "",
    "<",
    ">",
    "/",
    "&",
    ";",
    "\"",
    "'",
    "=",
    " ",
    "\n",
    "!",
    "-",
    "<!--",
    "-->",
    "--!>",
    "<!",
    "<?",
    "</",
    "]]>",
    "<![CDATA[",
    "<td>",
    "</td>",
    "<th>",
    "</th>",
    "<tr>",
    "</tr>",
    "<tbody>",
    "</thead>",
    "<table>",
    "</table>",
    "<caption>",
    "<b>",
    "</b>",
    "<p>",
    "</p>",
    "<script>",
    "</script>",
    "<style>",
    "<title>",
    "<textarea>",
    "</textarea>",
    "<select>",
    "</select>",
    "<option>",
    "<svg>",
    "<math>",
    "<template>",
    "<noscript>",
    "<xmp>",
    "<dl>",
    "</dl>",
    "<dt>",
    "<dd>",
    "</dd>",
    "<plaintext>",
];

/// Damages a page in one place.
fn break_at(source: &mut Source<'_>, page: &mut Vec<u8>) {
    let place = usize::from(source.byte()) << 8 | usize::from(source.byte());
    let at = place % (page.len() + 1);
    let end = (at + source.below(4)).min(page.len());
    let fault = source.pick(&FAULTS);
    page.splice(at..end, fault.bytes());
}
