//! Rows of the catalogue: what a platform sends, and what each audience may read of it.

use std::{fs, path::Path};

use rempart::gateway::coding::{Coding, Encoder};
use serde::Deserialize;

use super::canary::{Canary, Needle, Part, parts};
use crate::support::upstream::{Answer, Step, head};

/// Who asks: the learner L1, the teacher of group 6A (of L1 and L2, not of L9), the marketing service, anybody.
pub const AUDIENCES: [&str; 4] = ["learner", "teacher", "marketing", "anonymous"];
/// Content codings of the platform's answer.
pub const CODINGS: [&str; 5] = ["identity", "gzip", "br", "zstd", "deflate"];
/// How its body is cut: not at all, small, at random.
pub const CUTS: [&str; 3] = ["whole", "small", "random"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    theme: String,
    /// The media type of the rows that name none.
    #[serde(rename = "type")]
    media_type: Option<String>,
    #[serde(default)]
    view: View,
    rows: Vec<Row>,
}

/// What comes in, and what each audience gets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Unique.
    pub name: String,
    /// What it is about.
    pub why: String,
    /// The theme of its file.
    #[serde(skip)]
    pub theme: String,
    /// First segment of the path: the route.
    #[serde(default = "deny")]
    pub route: String,
    #[serde(default)]
    pub query: String,
    /// What is asked for in GraphQL, and which operation of it.
    graphql: Option<String>,
    operation: Option<String>,
    #[serde(default = "get")]
    pub method: String,
    #[serde(default = "ok")]
    status: u16,
    /// Reason phrase.
    pub reason: Option<String>,
    /// `Content-Type`; `none` for none.
    #[serde(rename = "type")]
    media_type: Option<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    trailers: Vec<String>,
    /// Header fields of a 103 in front of the answer.
    #[serde(default)]
    pub interim: Vec<String>,
    #[serde(default)]
    body: String,
    /// More of it: `item` so many `times`, then `end`.
    repeat: Option<Repeat>,
    #[serde(default)]
    charset: Charset,
    /// The codings that it is about, if not all.
    #[serde(default = "all_codings")]
    pub codings: Vec<String>,
    /// Instead of the true `Content-Encoding`.
    coding_said: Option<String>,
    /// Bytes missing at the end of the coded body.
    #[serde(default)]
    missing: usize,
    /// More of the body, coded for itself behind it.
    #[serde(default)]
    member: String,
    /// Bytes behind the coded body.
    #[serde(default)]
    behind: String,
    /// How the platform breaks off.
    fate: Option<Fate>,
    /// `Content-Length` is wrong by so much.
    length_off: Option<isize>,

    /// Canaries that stand there in another spelling.
    #[serde(default)]
    spelt: Vec<String>,
    /// Whose records count.
    view: Option<View>,
    /// What everybody reads.
    #[serde(default)]
    keep: Vec<String>,
    /// What these read besides; instead of the view.
    learner: Option<Vec<String>>,
    teacher: Option<Vec<String>>,
    /// Why nobody gets it.
    pub refused: Option<String>,
    /// Why it is refused, or cut where something had been sent.
    pub cut: Option<String>,
}

/// How an answer breaks off behind its body.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Fate {
    /// A chunk whose size is none.
    Chunk,
    /// The end of the connection.
    Close,
    /// A reset.
    Reset,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    item: String,
    times: usize,
    #[serde(default)]
    end: String,
}

/// What the records of a row mean.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum View {
    /// The learner reads their own, the teacher names, accounts and results of the group.
    #[default]
    Records,
    /// Nobody reads anything of anybody.
    Nobody,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Charset {
    #[default]
    Utf8,
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
    Latin1,
}

/// What an audience gets of a row.
pub struct Expected {
    /// Status of the answer.
    pub status: u16,
    /// Texts that are there.
    pub texts: Vec<String>,
    /// Canaries that are there.
    pub seen: Vec<Needle>,
    /// Canaries that must not be.
    pub hidden: Vec<Needle>,
}

fn deny() -> String {
    "deny".into()
}

fn get() -> String {
    "GET".into()
}

fn ok() -> u16 {
    200
}

fn all_codings() -> Vec<String> {
    // `deflate` only where a row is about codings.
    CODINGS[..4].iter().map(|&name| name.to_owned()).collect()
}

/// Every row, file after file.
pub fn rows() -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalogue");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut rows: Vec<Row> = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let file: File =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for mut row in file.rows {
            assert!(!rows.iter().any(|other| other.name == row.name), "twice: {}", row.name);
            row.theme.clone_from(&file.theme);
            row.media_type = row.media_type.or_else(|| file.media_type.clone());
            row.view = row.view.or(Some(file.view));
            rows.push(row);
        }
    }
    rows
}

impl Row {
    /// What stands behind the path.
    pub fn asked(&self) -> String {
        let Some(document) = &self.graphql else { return self.query.clone() };
        let mut query = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
        query.append_pair("query", document);
        query.extend_pairs(self.operation.iter().map(|name| ("operationName", name)));
        query.finish()
    }

    /// The platform's answer, coded and cut.
    pub fn answer(&self, number: usize, coding: &str, cut: &str) -> Answer {
        let body = self.coded(coding);
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        if let Some(media_type) = self.media_type.as_ref().filter(|name| *name != "none") {
            fields.push(("Content-Type".into(), bytes(media_type)));
        }
        let said = self.coding_said.clone().or((coding != "identity").then(|| coding.to_owned()));
        if let Some(said) = said {
            fields.push(("Content-Encoding".into(), said.into()));
        }
        fields.extend(self.headers.iter().map(|line| field(line)));
        let mut raw = Vec::new();
        if !self.interim.is_empty() {
            let interim: Vec<_> = self.interim.iter().map(|line| field(line)).collect();
            raw.extend(head_of(103, &interim));
        }
        let bodiless = self.method == "HEAD" || matches!(self.status, 204 | 304);
        if bodiless {
            raw.extend(self.head(&fields));
            return Answer::raw(raw);
        }
        let as_one = cut == "whole" && self.trailers.is_empty() && self.fate.is_none();
        if self.length_off.is_some() || as_one {
            let length = body.len().saturating_add_signed(self.length_off.unwrap_or(0));
            fields.push(("Content-Length".into(), length.to_string().into_bytes()));
            raw.extend(self.head(&fields));
            raw.extend(&body);
            let answer = Answer::raw(raw);
            return if self.length_off.is_some() { answer.then(Step::Close) } else { answer };
        }
        fields.push(("Transfer-Encoding".into(), b"chunked".to_vec()));
        raw.extend(self.head(&fields));
        let mut rest = &body[..];
        let mut sizes = sizes(cut, number);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(sizes().min(rest.len()));
            raw.extend(format!("{:x}\r\n", piece.len()).bytes());
            raw.extend(piece);
            raw.extend(b"\r\n");
            rest = behind;
        }
        match self.fate {
            None => {}
            Some(Fate::Chunk) => {
                raw.extend(b"zz\r\nzz\r\n0\r\n\r\n");
                return Answer::raw(raw);
            }
            Some(Fate::Close) => return Answer::raw(raw).then(Step::Close),
            Some(Fate::Reset) => return Answer::raw(raw).then(Step::Reset),
        }
        raw.extend(b"0\r\n");
        for line in &self.trailers {
            let (name, value) = field(line);
            raw.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
        }
        raw.extend(b"\r\n");
        Answer::raw(raw)
    }

    fn head(&self, fields: &[(String, Vec<u8>)]) -> Vec<u8> {
        let raw = head_of(self.status, fields);
        let Some(reason) = &self.reason else { return raw };
        let line = format!("HTTP/1.1 {} ", self.status).into_bytes();
        let end = raw.iter().position(|&byte| byte == b'\r').unwrap();
        [&line, &bytes(reason)[..], &raw[end..]].concat()
    }

    fn coded(&self, coding: &str) -> Vec<u8> {
        let mut body = bytes(&self.body);
        if let Some(Repeat { item, times, end }) = &self.repeat {
            body.extend(bytes(item).repeat(*times));
            body.extend(bytes(end));
        }
        let body = self.charset.encode(body);
        let mut coded = Self::encoded(coding, body);
        if !self.member.is_empty() {
            coded.extend(Self::encoded(coding, bytes(&self.member)));
        }
        coded.truncate(coded.len().saturating_sub(self.missing));
        coded.extend(bytes(&self.behind));
        coded
    }

    fn encoded(coding: &str, body: Vec<u8>) -> Vec<u8> {
        let mut coded = Vec::new();
        match coding {
            "identity" => coded = body,
            name => {
                let coding = match name {
                    "gzip" => Coding::Gzip,
                    "br" => Coding::Brotli,
                    "deflate" => Coding::Deflate,
                    _ => Coding::Zstd,
                };
                let mut encoder = Encoder::new(coding);
                encoder.encode(&body, &mut coded).unwrap();
                encoder.finish(&mut coded).unwrap();
            }
        }
        coded
    }

    /// What an audience gets.
    pub fn expected(&self, audience: &str) -> Expected {
        let said = match audience {
            "learner" => &self.learner,
            "teacher" => &self.teacher,
            _ => &None,
        };
        let planted = self.planted();
        let (mut texts, mut seen) = (Vec::new(), Vec::new());
        if self.refused.is_none() && self.cut.is_none() {
            for text in self.keep.iter().chain(said.iter().flatten()) {
                let canaries = parts(text).into_iter().filter_map(|part| match part {
                    Part::Canary(canary) => Some(canary),
                    _ => None,
                });
                seen.extend(canaries);
                texts.push(String::from_utf8(bytes(text)).unwrap());
            }
            if said.is_none() && self.view == Some(View::Records) {
                seen.extend(planted.iter().filter(|canary| canary.is_seen_by(audience)).cloned());
            }
        }
        let hidden = planted.into_iter().filter(|canary| !seen.contains(canary));
        Expected {
            status: if self.refused.is_some() { 502 } else { self.status },
            texts,
            hidden: hidden.map(Needle::new).collect(),
            seen: seen.into_iter().map(Needle::new).collect(),
        }
    }

    /// Every canary that the answer holds.
    pub fn planted(&self) -> Vec<Canary> {
        let repeat = self.repeat.iter().flat_map(|repeat| [&repeat.item, &repeat.end]);
        let texts = [&self.body, &self.behind, &self.member].into_iter().chain(repeat).chain(&self.spelt);
        let lines = self
            .headers
            .iter()
            .chain(&self.trailers)
            .chain(&self.interim)
            .chain(&self.media_type)
            .chain(&self.reason);
        let mut planted = Vec::new();
        for text in texts.chain(lines) {
            for part in parts(text) {
                if let Part::Canary(canary) = part
                    && !planted.contains(&canary)
                {
                    planted.push(canary);
                }
            }
        }
        planted
    }

    /// What an audience gets, in a few words.
    pub fn told(&self, audience: &str) -> String {
        match (&self.refused, &self.cut) {
            (Some(why), _) => return format!("refused: {why}"),
            (None, Some(why)) => return format!("refused, or cut where it was under way: {why}"),
            (None, None) => {}
        }
        let Expected { status, seen, hidden, .. } = self.expected(audience);
        let mut told: Vec<String> = Vec::new();
        for needle in &seen {
            let text = needle.canary.to_string();
            if !told.contains(&text) {
                told.push(text);
            }
        }
        let told = match (told.is_empty(), hidden.is_empty()) {
            (true, true) => "all of it".into(),
            (true, false) => "nothing of anybody".into(),
            (false, _) => told.join(", "),
        };
        if status == 200 { told } else { format!("{status}: {told}") }
    }
}

impl Charset {
    fn encode(self, text: Vec<u8>) -> Vec<u8> {
        let utf8 = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
        match self {
            Self::Utf8 => text,
            Self::Utf16Le => utf8(&text).encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => utf8(&text).encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Utf32Le => utf8(&text).chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
            Self::Utf32Be => utf8(&text).chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
            Self::Latin1 => utf8(&text).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
        }
    }
}

/// A text with everything planted.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => out.extend(text.bytes()),
            Part::Canary(canary) => out.extend(canary.value().bytes()),
            Part::Bytes(bytes) => out.extend(bytes),
        }
    }
    out
}

fn field(line: &str) -> (String, Vec<u8>) {
    let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field: {line}"));
    (name.to_owned(), bytes(value))
}

fn head_of(status: u16, fields: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut raw = head(status, &[]);
    raw.truncate(raw.len() - 2);
    for (name, value) in fields {
        raw.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    raw.extend(b"\r\n");
    raw
}

/// Sizes of pieces: one byte at a time and seven at the beginning of a body, or any by a fixed seed; larger behind.
fn sizes(cut: &str, seed: usize) -> impl FnMut() -> usize {
    let random = cut == "random";
    let mut state = seed as u64 + 1;
    let mut given = 0;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = match given {
            _ if cut == "whole" => usize::MAX,
            0..2048 if random => 1 + (state >> 33) as usize % 60,
            0..96 => 1,
            96..2048 => 7,
            _ => 1021 + (state >> 33) as usize % 4096,
        };
        given += size.min(1 << 20);
        size
    }
}
