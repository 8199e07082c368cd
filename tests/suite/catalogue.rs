//! The catalogue of leaks and refusals: every row of `tests/catalogue` in front of every audience, over both protocols, in
//! every content coding, cut in several ways. Whoever may not see a value finds it nowhere, in no spelling; what is legitimate
//! is still there.
//!
//! One gateway serves all rows; the path names the row, the coding and the cut: `/deny/17/gzip/small`.

mod canary;
pub mod row;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use http::{HeaderMap, Method};
use rempart::gateway::coding::{BLOCK, Coding, Decoder};
use tokio::{runtime::Builder, task::LocalSet};

use self::{
    canary::{Haystack, Needle},
    row::{AUDIENCES, CODINGS, CUTS, Expected, Row, rows},
};
use crate::support::{
    client::{Ask, Client, Connection, Reply, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    tokens::Tokens,
    upstream::{Answer, Recorded, Upstream},
};

const CHARTER: &str = include_str!("../../policies/charter.yaml");
const ROUTES: &str = include_str!("catalogue/routes.yaml");
/// Connections of each protocol.
const CONNECTIONS: usize = 3;

/// One exchange of the catalogue.
#[derive(Clone, Copy, Debug)]
struct Case {
    row: usize,
    coding: &'static str,
    cut: &'static str,
    audience: &'static str,
}

impl Case {
    fn path(&self, row: &Row) -> String {
        format!("/{}/{}/{}/{}{}", row.route, self.row, self.coding, self.cut, row.asked())
    }
}

/// What every thread needs.
struct Trial {
    rows: Vec<Row>,
    /// What each audience gets of each.
    expected: Vec<HashMap<&'static str, Expected>>,
    cases: Vec<Case>,
    client: Client,
    tokens: HashMap<&'static str, String>,
    failures: Mutex<Vec<String>>,
    /// Rows of which something was sent before the connection was cut.
    cut: Mutex<HashSet<usize>>,
}

/// Every row in every coding for every audience, each in one of the cuts by turns; in all of them where
/// `REMPART_CATALOGUE=whole` asks for it, which takes three times as long.
fn cases(rows: &[Row]) -> Vec<Case> {
    let whole = std::env::var_os("REMPART_CATALOGUE").is_some_and(|what| what == "whole");
    let mut cases = Vec::new();
    for (row, one) in rows.iter().enumerate() {
        for coding in CODINGS.into_iter().filter(|name| one.codings.iter().any(|said| said == name)) {
            for audience in AUDIENCES {
                let turn = cases.len() / AUDIENCES.len() + cases.len();
                let cuts = CUTS.iter().enumerate().filter(|(place, _)| whole || *place == turn % CUTS.len());
                cases.extend(cuts.map(|(_, cut)| Case { row, coding, cut, audience }));
            }
        }
    }
    cases
}

fn platform(rows: &[Row]) -> Upstream {
    let mut answers: HashMap<(usize, &str, &str), Answer> = HashMap::new();
    for case in cases(rows) {
        let make = || rows[case.row].answer(case.row, case.coding, case.cut);
        answers.entry((case.row, case.coding, case.cut)).or_insert_with(make);
    }
    Upstream::start(move |request: &Recorded| {
        let target = request.target();
        let path = target.split('?').next().unwrap();
        let mut segments = path.split('/').skip(2);
        let row = segments.next().unwrap().parse().unwrap();
        let (coding, cut) = (segments.next().unwrap(), segments.next().unwrap());
        answers[&(row, coding, cut)].clone()
    })
}

#[test]
fn nothing_leaks_and_nothing_is_refused_without_a_reason() {
    let rows = rows();
    assert!(rows.len() >= 150, "{} rows", rows.len());
    let upstream = platform(&rows);
    let tokens = Tokens::new();
    let folder = PolicyFolder::new(upstream.address, &tokens)
        .gateway("limits: { decoded_bytes: 1 MiB }")
        .routes("catalogue", ROUTES);
    folder.write("charter.yaml", CHARTER);
    let gateway = Gateway::start(folder);
    let roles = AUDIENCES.iter().filter(|audience| **audience != "anonymous");
    let trial = Arc::new(Trial {
        expected: rows.iter().map(|row| AUDIENCES.map(|name| (name, row.expected(name))).into()).collect(),
        cases: cases(&rows),
        client: Client::new(&gateway),
        tokens: roles.map(|role| (*role, tokens.role(role))).collect(),
        failures: Mutex::default(),
        cut: Mutex::default(),
        rows,
    });
    let threads = [Version::H1, Version::H2].map(|version| {
        let trial = Arc::clone(&trial);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, trial.drive(version));
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    let metrics = gateway.metrics();
    let stopped = gateway.stop();
    assert!(stopped.journal.json().len() >= 2 * trial.cases.len());
    let (journal, events) = (stopped.journal.text(), stopped.events.text());
    for (name, text) in [("journal", journal), ("operator events", events), ("metrics", metrics)] {
        let seen = Haystack::new(text.as_bytes());
        let mut planted = Vec::new();
        for canary in trial.rows.iter().flat_map(Row::planted) {
            if !planted.contains(&canary) {
                planted.push(canary);
            }
        }
        for needle in planted.into_iter().map(Needle::new).filter(|needle| seen.shows(needle)) {
            trial.failures.lock().unwrap().push(format!("the {name} shows {}", needle.canary));
        }
    }
    let cut = trial.cut.lock().unwrap();
    let mut failures = trial.failures.lock().unwrap();
    for (number, row) in trial.rows.iter().enumerate().filter(|(_, row)| row.cut.is_some()) {
        if !cut.contains(&number) {
            failures.push(format!("{} was never cut", row.name));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

impl Trial {
    /// Every case over one protocol, over a few connections side by side.
    async fn drive(self: Arc<Self>, version: Version) {
        let next = Arc::new(AtomicUsize::new(0));
        let workers = (0..CONNECTIONS).map(|_| {
            let (trial, next) = (Arc::clone(&self), Arc::clone(&next));
            tokio::task::spawn_local(async move {
                let mut connection = trial.client.connect(version).await;
                while let Some(case) = trial.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(what) = trial.ask(case, version, &mut connection).await {
                        let Case { coding, cut, audience, .. } = case;
                        let name = &trial.rows[case.row].name;
                        let line = format!("{name} · {audience} {version:?} {coding} {cut}: {what}");
                        trial.failures.lock().unwrap().push(line);
                    }
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.unwrap();
        }
    }

    async fn ask(&self, case: &Case, version: Version, connection: &mut Connection) -> Result<(), String> {
        let row = &self.rows[case.row];
        let method = Method::from_bytes(row.method.as_bytes()).unwrap();
        let mut ask = Ask::new(method, &case.path(row)).header("accept-encoding", "gzip, br, zstd");
        if let Some(token) = self.tokens.get(case.audience) {
            ask = ask.bearer(token);
        }
        let reply = match connection.try_send(&ask).await {
            Ok(reply) => reply,
            Err(error) => {
                *connection = self.client.connect(version).await;
                // Nothing came of what was cut: not even the head.
                return if row.cut.is_some() { Ok(()) } else { Err(format!("no answer: {error}")) };
            }
        };
        if !reply.complete {
            *connection = self.client.connect(version).await;
            self.cut.lock().unwrap().insert(case.row);
        }
        let expected = &self.expected[case.row][case.audience];
        check(row, expected, &reply)?;
        if (row.interim.is_empty() && row.reason.is_none()) || version == Version::H2 || case.cut != "whole" {
            return Ok(());
        }
        // What no client library shows: heads in front of the answer, and the line of its status.
        let token = self.tokens.get(case.audience).map(|token| format!("Authorization: Bearer {token}\r\n"));
        let (path, token) = (case.path(row), token.unwrap_or_default());
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: ecole.example\r\nConnection: close\r\n{token}\r\n");
        let (bytes, _) = self.client.bytes(request.as_bytes()).await;
        let shown = Haystack::new(&bytes);
        match expected.hidden.iter().find(|needle| shown.shows(needle)) {
            Some(Needle { canary, .. }) => {
                Err(format!("{canary} leaks in front of the answer: {}", shown.start()))
            }
            None => Ok(()),
        }
    }
}

fn check(row: &Row, expected: &Expected, reply: &Reply) -> Result<(), String> {
    let decoded = decode(reply)?;
    let mut text = lines(&reply.headers);
    text.extend(&decoded);
    text.extend(lines(&reply.trailers));
    let shown = Haystack::new(&text);
    if let Some(Needle { canary, .. }) = expected.hidden.iter().find(|needle| shown.shows(needle)) {
        return Err(format!("{canary} leaks: {}", shown.start()));
    }
    let status = reply.status.as_u16();
    if status != expected.status && !(row.cut.is_some() && status == 502) {
        return Err(format!("{status} instead of {}: {}", expected.status, shown.start()));
    }
    if row.refused.is_some() && reply.header("content-type") != ["application/problem+json"] {
        return Err(format!("a refusal without its problem document: {}", shown.start()));
    }
    if reply.complete == row.cut.is_some() && status != 502 {
        return Err(format!("{} bytes, complete: {}", decoded.len(), reply.complete));
    }
    if let Some(text) = expected.texts.iter().find(|text| !shown.holds(text)) {
        return Err(format!("`{text}` is gone: {}", shown.start()));
    }
    match expected.seen.iter().find(|needle| !shown.shows(needle)) {
        Some(Needle { canary, .. }) => Err(format!("{canary} is gone: {}", shown.start())),
        None => Ok(()),
    }
}

/// Header fields as text.
fn lines(headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in headers {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    text
}

/// The body without its coding, as far as it came.
fn decode(reply: &Reply) -> Result<Vec<u8>, String> {
    let coding = match Coding::of(&reply.headers) {
        Ok(Some(coding)) if !reply.body.is_empty() => coding,
        Ok(_) => return Ok(reply.body.to_vec()),
        Err(error) => return Err(format!("what leaves has {error}")),
    };
    let mut decoder = Decoder::new(coding, 1 << 30);
    decoder.feed(reply.body.clone());
    let (mut out, mut block) = (Vec::new(), vec![0; BLOCK]);
    loop {
        match decoder.decode(&mut block) {
            Ok(0) => break,
            Ok(read) => out.extend_from_slice(&block[..read]),
            Err(error) => return Err(format!("what leaves cannot be decoded: {error}")),
        }
    }
    if reply.complete
        && let Err(error) = decoder.finish()
    {
        return Err(format!("what leaves cannot be decoded: {error}"));
    }
    Ok(out)
}
