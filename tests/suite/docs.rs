//! The documentation is true: what it names exists, its tables are those of the code, its policy compiles.
//!
//! `REMPART_BLESS=1 cargo test --test suite docs` writes the generated tables anew.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::catalogue;
use regex::Regex;
use rempart::{
    policy::{
        compile::{self, Options},
        presets,
        set::{JsonPath, PolicySet},
        source::Sources,
        vocabularies,
    },
    telemetry::{
        labels,
        names::{Kind, METRICS},
    },
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every Markdown page of the repository.
fn pages() -> Vec<PathBuf> {
    fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let hidden = name.as_encoded_bytes().starts_with(b".") || name == "target";
            if path.is_dir() && !hidden {
                collect(&path, pages);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    collect(root(), &mut pages);
    pages.sort();
    assert!(pages.len() > 8, "{pages:?}");
    pages
}

/// A page without its fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let kept = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>()
        .replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).unwrap());
        for (_, [target]) in link.captures_iter(&text).map(|found| found.extract()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: there is no {target}", page.display());
            if !fragment.is_empty() {
                let there = prose(&fs::read_to_string(&file).unwrap());
                let found = there.lines().any(|line| line.starts_with('#') && anchor(line) == fragment);
                assert!(found, "{}: {target} has no such heading", page.display());
            }
        }
    }
}

#[test]
fn every_path_that_is_named_exists() {
    let path = Regex::new(r"`((?:src|tests|docs|policies|deploy|certs|benches|\.ci)/[\w./-]+)`").unwrap();
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).unwrap());
        for (_, [name]) in path.captures_iter(&text).map(|found| found.extract()) {
            assert!(root().join(name).exists(), "{}: there is no {name}", page.display());
        }
    }
}

#[test]
fn every_metric_that_is_named_exists() {
    let name = Regex::new(r"\brempart_[a-z_]*[a-z]").unwrap();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for found in name.find_iter(&text).map(|found| found.as_str()) {
            let known = METRICS.iter().any(|metric| {
                let rest = found.strip_prefix(metric.name);
                rest == Some("")
                    || metric.kind == Kind::Histogram && matches!(rest, Some("_bucket" | "_sum" | "_count"))
            });
            assert!(known, "{}: there is no {found}", page.display());
        }
    }
}

/// Compares what stands between two markers of a page with what the code says, or writes it there.
fn generated(page: &str, what: &str, expected: &str) {
    let text = read(page);
    let (begin, end) = (format!("<!-- {what}: generated -->\n"), format!("<!-- {what}: end -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("{page} has no {begin}")) + begin.len();
    let to = from + text[from..].find(&end).unwrap_or_else(|| panic!("{page} has no {end}"));
    if text[from..to] != *expected && std::env::var_os("REMPART_BLESS").is_some() {
        fs::write(root().join(page), format!("{}{expected}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    let advice = "run `REMPART_BLESS=1 cargo test --test suite docs`";
    assert_eq!(&text[from..to], expected, "{page} is not what the code says: {advice}");
}

#[test]
fn the_table_of_metrics_is_that_of_the_code() {
    let mut table = String::from("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for metric in METRICS {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        table.push_str(&format!(
            "| `{}` | {kind} | {} | {} |\n",
            metric.name,
            labels.join(", "),
            metric.help
        ));
    }
    generated("docs/metrics.md", "metrics", &table);
}

#[test]
fn the_words_of_labels_are_those_of_the_code() {
    macro_rules! rows {
        ($($label:literal $of:literal $name:ident;)*) => {[
            $(($label, $of, labels::$name::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>()),)*
        ]};
    }
    let rows = rows! {
        "method" "requests" MethodLabel;
        "reason" "requests refused" RefusalReason;
        "kind" "upstream errors" UpstreamError;
        "state" "upstream endpoints" EndpointState;
        "cause" "upstream ejections" EjectionCause;
        "outcome" "upstream checks" CheckOutcome;
        "outcome" "upstream resolutions" ResolutionOutcome;
        "cause" "upstream retries" RetryCause;
        "cause" "upstream queue refused" QueueRefusal;
        "version" "TLS handshakes" TlsVersion;
        "outcome" "TLS handshakes" HandshakeOutcome;
        "reason" "connections refused" ConnectionRefusal;
        "phase" "connections timed out" TimeoutPhase;
        "frame" "frame floods" Flood;
        "code" "connection errors" GoAwayCode;
        "reason" "requests shed" ShedReason;
        "priority" "requests shed" PriorityLabel;
        "scope" "limits" Scope;
        "direction" "cookies dropped" Direction;
        "outcome" "policy reloads" ReloadOutcome;
    };
    let mut table = String::from("| label | of | words |\n|---|---|---|\n");
    for (label, of, words) in rows {
        table.push_str(&format!("| `{label}` | {of} | `{}` |\n", words.join("` `")));
    }
    generated("docs/metrics.md", "labels", &table);
}

#[test]
fn the_table_of_journal_keys_is_that_of_the_code() {
    let source = read("src/journal/record.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! |"));
    let table: String = rows.map(|row| format!("|{row}\n")).collect();
    assert!(table.contains("| `schema_version` |"));
    generated("docs/journal.md", "keys", &table);
}

#[test]
fn the_table_of_presets_is_that_of_the_code() {
    let mut table =
        String::from("| preset | answers | `subject` | `group` | its categories |\n|---|---|---|---|---|\n");
    let path = |path: &Option<JsonPath>| path.as_ref().map_or("none".into(), |path| format!("`{path}`"));
    for name in presets::names() {
        let preset = presets::read(name).unwrap();
        table.push_str(&format!(
            "| `{name}` | {} | {} | {} | {} |\n",
            preset.title,
            path(&preset.subject),
            path(&preset.group),
            preset.categories().join(", "),
        ));
    }
    generated("docs/policy.md", "presets", &table);
}

#[test]
fn the_table_of_vocabularies_is_that_of_the_code() {
    let mut table = String::from("| vocabulary | roles of | what becomes of them |\n|---|---|---|\n");
    for name in vocabularies::names() {
        let vocabulary = vocabularies::read(name).unwrap();
        let mut kinds = Vec::new();
        for recipient in vocabulary.recipients().into_iter().map(Some).chain([None]) {
            let roles = vocabulary.roles.iter().filter(|(_, to)| to.as_deref() == recipient);
            let roles: Vec<_> = roles.map(|(role, _)| format!("`{role}`")).collect();
            if !roles.is_empty() {
                kinds.push(format!("{}: {}", recipient.unwrap_or("nothing"), roles.join(" ")));
            }
        }
        table.push_str(&format!("| `{name}` | {} | {} |\n", vocabulary.title, kinds.join("; ")));
    }
    generated("docs/policy.md", "vocabularies", &table);
}

#[test]
fn the_table_of_detectors_is_that_of_the_code() {
    let mut table = String::from("| kind | finds | checks | misses |\n|---|---|---|---|\n");
    for kind in rempart::redact::detect::Kind::ALL {
        let cells = [kind.finds(), kind.checks(), kind.misses()].join(" | ");
        table.push_str(&format!("| `{}` | {cells} |\n", kind.name()));
    }
    generated("docs/policy.md", "detectors", &table);
}

#[test]
fn the_catalogue_of_leaks_is_that_of_the_tests() {
    let mut table = String::new();
    let mut theme = String::new();
    for row in catalogue::row::rows() {
        if row.theme != theme {
            theme.clone_from(&row.theme);
            table.push_str(&format!(
                "\n## {theme}\n\n| what comes | why | the learner gets | the teacher gets | all others get |\n\
                 |---|---|---|---|---|\n"
            ));
        }
        let cells = [&row.name, &row.why, &row.told("learner"), &row.told("teacher"), &row.told("anonymous")];
        table.push_str(&format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")));
    }
    generated("docs/catalogue.md", "catalogue", &table);
}

/// The keys of the language, as the parser's types spell them.
fn keys() -> BTreeSet<String> {
    let field = Regex::new(r#"(?:rename = "(\w+)"\)\]\s*)?pub\(crate\) (\w+):"#).unwrap();
    let mut keys = BTreeSet::new();
    for file in [
        "authentication",
        "charter",
        "client_certificate",
        "gateway",
        "oidc",
        "relations",
        "route",
        "upstream",
    ] {
        let source = read(&format!("src/policy/document/{file}.rs"));
        keys.extend(
            field
                .captures_iter(&source)
                .map(|found| found.get(1).or(found.get(2)).map(|name| name.as_str().to_owned()).unwrap()),
        );
    }
    assert!(keys.len() > 80 && keys.contains("match") && !keys.contains("matches"), "{keys:?}");
    keys
}

#[test]
fn every_key_of_the_language_is_in_the_reference() {
    let page = read("docs/policy.md");
    let spoken_of = |key: &String| ["`", ":`"].iter().any(|end| page.contains(&format!("`{key}{end}")));
    let missing: Vec<_> = keys().into_iter().filter(|key| !spoken_of(key)).collect();
    assert!(missing.is_empty(), "docs/policy.md does not speak of {missing:?}");
}

/// The whole files of a page: blocks below `<!-- file: NAME -->`.
fn files(page: &str) -> Vec<(String, String)> {
    let block = Regex::new(r"<!-- file: (\S+) -->\n```yaml\n([\s\S]*?)```").unwrap();
    let found = |found: regex::Captures<'_>| (found[1].to_owned(), found[2].to_owned());
    block.captures_iter(&read(page)).map(found).collect()
}

#[track_caller]
fn sound(files: Vec<(String, String)>) -> PolicySet {
    let options = Options { absent_files_pass: true, now: None };
    let (policy, report) = compile::inspect(&Sources::from_memory(files), &options);
    policy.unwrap_or_else(|| panic!("{report}"))
}

const ROUTE: &str = "routes:
  - { name: all, owner: team, match: { host: '*', path: / }, upstream: platform, purpose: account }
";

/// A gateway with these keys of its own, and these of its upstream.
fn gateway(keys: &str, upstream: &str) -> String {
    format!(
        "gateway:
  listen: {{ https: '[::]:8443', admin: '[::]:9900' }}
  certificates: [{{ names: [ecole.example.fr], chain: /tls.crt, key: /tls.key }}]
  upstreams: {{ platform: {{ endpoints: 'http://platform:8080', {upstream} }} }}
{keys}"
    )
}

/// `key: default, …` of the table under a heading of the reference, where the default is a number with or without unit.
fn defaults(heading: &str) -> String {
    let page = read("docs/policy.md");
    let section = page.split(&format!("\n### {heading}\n")).nth(1).unwrap();
    let section = section.split("\n#").next().unwrap();
    let mut rows = section.lines().filter_map(|line| line.strip_prefix("| ")).map(|row| row.split(" | "));
    let place = rows.next().unwrap().position(|cell| cell == "default").unwrap();
    let amount = Regex::new(r"^[\d,]+( [A-Za-z]+)?$").unwrap();
    let written = rows.filter_map(|mut row| {
        let key = row.next()?.trim_matches('`').to_owned();
        let default = row.nth(place - 1).filter(|text| amount.is_match(text))?.replace(',', "");
        Some(format!("{key}: {default}"))
    });
    written.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_defaults_of_the_reference_are_those_of_the_code() {
    let [limits, frames, timeouts, upstream] = ["limits", "h2_frames", "timeouts", "upstreams"].map(defaults);
    assert!(frames.contains("ping: 50"), "{frames}");
    assert!(limits.contains("body_bytes: 16 MiB") && timeouts.contains("drain: 30 s"), "{limits} {timeouts}");
    let charter = files("docs/policy.md").swap_remove(0);
    let shown = |keys: &str, upstream: &str| {
        let gateway = gateway(keys, upstream);
        let route = ("routes/all.yaml".to_owned(), ROUTE.to_owned());
        let set = sound(vec![charter.clone(), ("gateway.yaml".into(), gateway), route]).gateway;
        format!("{:#?}", (set.limits, set.timeouts, set.upstreams))
    };
    let written =
        format!("  limits: {{ {limits}, h2_frames: {{ {frames} }} }}\n  timeouts: {{ {timeouts} }}\n");
    assert_eq!(shown(&written, &upstream), shown("", ""));
}

#[test]
fn the_reference_s_complete_files_are_a_policy() {
    let files = files("docs/policy.md");
    assert_eq!(files.len(), 3, "charter, gateway, routes");
    sound(files);
}

#[test]
fn the_officer_s_example_is_a_charter() {
    let mut files = files("docs/dpo.md");
    assert_eq!(files.len(), 1);
    files.push(("gateway.yaml".into(), gateway("", "")));
    files.push(("routes/all.yaml".into(), ROUTE.into()));
    sound(files);
}
