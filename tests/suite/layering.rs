//! Imports flow one way (ARCHITECTURE.md): `cli → server → gateway → {policy, identity, limit, redact, upstream,
//! journal} → telemetry`. The modules in braces do not import each other; everything may read the compiled policy
//! (`policy::set`) and `secret`, which are leaves. The redactor is pure: bytes in, bytes out.
//!
//! Sources are read as tokens, so that comments and texts do not count, and grouped imports do. Test code obeys as well.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A room and the rooms that it may import. `policy::set` is a room of its own inside `policy`.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "server",
            "gateway",
            "policy",
            "identity",
            "limit",
            "redact",
            "upstream",
            "journal",
            "telemetry",
            "policy::set",
            "secret",
            "demo",
        ],
    ),
    ("demo", &["telemetry", "secret"]),
    (
        "server",
        &[
            "gateway",
            "policy",
            "identity",
            "limit",
            "redact",
            "upstream",
            "journal",
            "telemetry",
            "policy::set",
            "secret",
        ],
    ),
    (
        "gateway",
        &[
            "policy",
            "identity",
            "limit",
            "redact",
            "upstream",
            "journal",
            "telemetry",
            "policy::set",
            "secret",
        ],
    ),
    ("policy", &["telemetry", "policy::set", "secret"]),
    ("identity", &["telemetry", "policy::set", "secret"]),
    ("limit", &["telemetry", "policy::set", "secret"]),
    ("redact", &["telemetry", "policy::set", "secret"]),
    ("upstream", &["telemetry", "policy::set", "secret"]),
    ("journal", &["telemetry", "policy::set", "secret"]),
    ("telemetry", &["policy::set", "secret"]),
    ("policy::set", &["secret"]),
    ("secret", &[]),
];

/// What a redactor must not reach: networks, files, clocks and the environment.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "hyper_util",
    "http",
    "http_body",
    "http_body_util",
    "std::fs",
    "std::net",
    "std::time",
    "std::env",
    "std::process",
    "std::thread",
];

#[test]
fn imports_flow_one_way() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&sources, &mut files).unwrap();
    assert!(files.len() > 10, "the sources were not found");
    let mut faults = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let modules = module_path(file.strip_prefix(&sources).unwrap());
        for fault in faults_of(&modules, &text) {
            faults.push(format!("{}: {fault}", file.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The test is worth something only if it can fail: each of these samples must be found, and each good one must not.
#[test]
fn planted_faults_are_found() {
    for (module, text) in [
        ("redact::json", "use crate::identity::Caller;"),
        ("redact::json", "use crate::{secret::Sensitive, policy::source::watch};"),
        ("redact::json", "use crate::{policy::{set::Charter, compile}};"),
        ("redact", "fn f() { let _ = crate::journal::Record::begin(); }"),
        ("redact", "use crate::policy;"),
        ("redact", "use crate::*;"),
        ("redact", "use super::identity;"),
        ("redact", "use super::*;"),
        ("redact::json", "use super::super::limit::Limits;"),
        ("redact::detect", "use tokio::io::AsyncRead;"),
        ("redact", "use tokio as runtime;"),
        ("redact", "use std::{collections::HashMap, time::Instant};"),
        ("redact", "fn f() { ::std::env::var(\"X\"); }"),
        ("redact", "fn f(name: http::HeaderName) {}"),
        ("redact", "use std::*;"),
        ("redact", "extern crate hyper;"),
        ("redact", "#[cfg(test)] mod tests { use std::fs; }"),
        ("identity", "use crate::limit;"),
        ("telemetry", "use crate::journal::Journal;"),
        ("policy::set", "use crate::telemetry;"),
        ("policy::set::route", "use crate::policy::compile::Error;"),
        ("policy::set::route", "use super::super::compile::Error;"),
        ("secret", "use crate::policy::set::Charter;"),
        ("gateway", "use crate::server;"),
        ("server", "use crate::cli::serve;"),
        ("server", "use crate::demo;"),
        ("gateway", "use rempart::server;"),
        ("newcomer", "fn f() {}"),
    ] {
        assert!(!faults_of(&split(module), text).is_empty(), "not found in {module}: {text}");
    }
    for (module, text) in [
        (
            "redact::json",
            "use crate::{policy::set::{Charter, Category}, secret::Sensitive, redact::plan::Plan};",
        ),
        ("redact::json", "use super::plan::Plan; mod tests { use super::*; use super::super::action; }"),
        (
            "redact",
            "// use crate::identity;\n/* use tokio::net; /* nested */ */ /// [`crate::gateway`]\nfn f() {}",
        ),
        ("redact", "const T: &str = \"use crate::identity;\"; const R: &str = r#\"use \"tokio::fs\"\"#;"),
        ("redact", "fn f<'a>(x: &'a str) -> char { let q = '\"'; let e = '\\''; q }"),
        ("redact", "use std::{borrow::Cow, fmt}; fn f(seconds: u64) { let time = seconds; }"),
        ("secret", "mod tests { use super::*; }"),
        ("policy", "use self::set::Charter; use super::telemetry; use crate::policy::compile;"),
        ("policy::compile", "use super::set::Charter; use super::document;"),
        ("policy::set::route", "use super::Charter; use crate::secret;"),
        ("gateway::exchange", "use crate::{identity::Identity, journal, redact::Plan, upstream};"),
        ("cli::demo", "use crate::{demo, server};"),
        ("main", "use rempart::cli;"),
        ("lib", "pub mod cli; pub mod server;"),
    ] {
        assert_eq!(faults_of(&split(module), text), [""; 0], "{module}: {text}");
    }
}

fn split(module: &str) -> Vec<String> {
    module.split("::").map(str::to_owned).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// `redact/detect/nir.rs` → `redact::detect::nir`; `redact/mod.rs` → `redact`.
fn module_path(file: &Path) -> Vec<String> {
    let mut modules: Vec<String> = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if modules.last().is_some_and(|last| last == "mod") {
        modules.pop();
    }
    modules
}

/// The room of a module or of a path from the crate's root.
fn room(path: &[String]) -> String {
    match path {
        [policy, set, ..] if policy == "policy" && set == "set" => "policy::set".to_owned(),
        [first, ..] => first.clone(),
        [] => String::new(),
    }
}

fn faults_of(module: &[String], text: &str) -> Vec<String> {
    let own = room(module);
    // The crate's roots see everything: they only name the rooms.
    let is_root = matches!(own.as_str(), "main" | "lib");
    let allowed = ROOMS.iter().find(|(name, _)| *name == own).map(|(_, allowed)| *allowed);
    let Some(allowed) = allowed.or(is_root.then_some(&["cli"] as &[&str])) else {
        return vec![format!("`{own}` has no place in the table of this test")];
    };
    let mut faults = Vec::new();
    for (depth, path) in paths(&tokens(text)) {
        if let Some(target) = from_root(module, &path) {
            let target = room(&target);
            let known = ROOMS.iter().any(|(name, _)| *name == target);
            // Inside braces `super::*` is what a test module says, and stays within the file.
            let glob = target == "*" && (depth == 0 || path[0] != "super");
            if (known || glob) && target != own && !allowed.contains(&target.as_str()) {
                faults.push(format!("`{own}` imports `{target}` ({})", path.join("::")));
            }
        } else if own == "redact" {
            let joined = path.join("::");
            let impure =
                IMPURE.iter().any(|root| joined == *root || joined.starts_with(&format!("{root}::")));
            if impure || joined == "std::*" {
                faults.push(format!("`redact` must stay pure ({joined})"));
            }
        }
    }
    faults
}

/// A path as seen from the crate's root; `None` where it begins outside the crate or at something local.
///
/// `super` may go up from an inline module, whose depth is not known here: only a `super` that can leave the file's
/// own room counts, and then the next name must be a room to be a fault.
fn from_root(module: &[String], path: &[String]) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        "crate" | "rempart" => Some(path[1..].to_vec()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let mut base = module[..module.len().saturating_sub(ups)].to_vec();
            base.extend_from_slice(&path[ups..]);
            Some(base)
        }
        _ => None,
    }
}

/// Identifiers, `::` and single characters; comments, texts, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['r', '"' | '#', ..] | ['b', 'r', '"' | '#', ..] if raw_text(rest).is_some() => {
                raw_text(rest).unwrap_or(1)
            }
            ['"', ..] => quoted(rest),
            ['\'', '\\', ..] => 3 + rest[3..].iter().position(|c| *c == '\'').unwrap_or(0) + 1,
            ['\'', _, '\'', ..] => 3,
            ['\'', ..] => 1 + rest[1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
            [':', ':', ..] => {
                found.push("::".to_owned());
                2
            }
            [first, ..] if first.is_alphabetic() || *first == '_' => {
                let word: String = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                let length = word.chars().count();
                found.push(word);
                length
            }
            [first, ..] => {
                if !first.is_whitespace() {
                    found.push(first.to_string());
                }
                1
            }
            [] => 1,
        };
    }
    found
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of `r#"…"#`, if that is what stands here (and not a raw identifier).
fn raw_text(rest: &[char]) -> Option<usize> {
    let open = rest.iter().position(|c| !matches!(c, 'b' | 'r' | '#')).filter(|at| rest[*at] == '"')?;
    let hashes = rest[..open].iter().filter(|c| **c == '#').count();
    let mut close = vec!['"'];
    close.resize(1 + hashes, '#');
    let length = rest[open + 1..].windows(close.len()).position(|window| window == close)?;
    Some(open + 1 + length + close.len())
}

/// Every path of two or more parts, and every path of a `use` or `extern crate`, with the number of braces around it;
/// groups are spelled out.
fn paths(tokens: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let (mut at, mut depth) = (0, 0_usize);
    while at < tokens.len() {
        let token = tokens[at].as_str();
        let imported = token == "use" || token == "crate" && at > 0 && tokens[at - 1] == "extern";
        let mut named = Vec::new();
        if imported {
            at = tree(tokens, at + 1, &[], &mut named);
        } else if is_word(token) && tokens.get(at + 1).is_some_and(|next| next == "::") {
            at = tree(tokens, at, &[], &mut named);
            named.retain(|path| path.len() > 1);
        } else {
            match token {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        found.extend(named.into_iter().map(|path| (depth, path)));
    }
    found
}

fn is_word(token: &str) -> bool {
    token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// Reads one path or group at `at`, adds what it names behind `prefix`, and returns the place behind it.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("::") => at += 1,
            Some("*") => {
                path.push("*".to_owned());
                at += 1;
                break;
            }
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let before = at;
                    at = tree(tokens, at, &path, found);
                    // A name given with `as`, and the comma.
                    while tokens.get(at).is_some_and(|token| token != "," && token != "}") {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                    if at == before {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some(word) if is_word(word) => {
                // `self` in a group is the group's own path.
                if word != "self" || path.is_empty() {
                    path.push(word.to_owned());
                }
                at += 1;
                if tokens.get(at).is_none_or(|next| next != "::") {
                    break;
                }
            }
            _ => break,
        }
    }
    if !path.is_empty() {
        found.push(path);
    }
    at
}
