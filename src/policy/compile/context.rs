//! What the parts of the compiler share: places, messages, and the reading of single values.

use std::{ops::RangeInclusive, time::Duration};

use super::{Options, amount};
use crate::policy::{
    document::{Amount, Contents, Fault, Part, Step, Texts, locate},
    report::{Diagnostic, Report},
    set::JsonPath,
    source::Sources,
    suggest::{listed, nearest},
};

/// Most messages worked out; looking for positions takes time, and nobody reads more.
const MESSAGES_MAX: usize = 300;

/// A place in a file.
#[derive(Clone, Debug)]
pub(super) struct At {
    file: usize,
    steps: Vec<Step>,
}

impl At {
    pub(super) fn root(file: usize) -> Self {
        Self { file, steps: Vec::new() }
    }

    pub(super) fn key(&self, key: &str) -> Self {
        let mut inner = self.clone();
        inner.steps.push(Step::Key(key.to_owned()));
        inner
    }

    pub(super) fn item(&self, index: usize) -> Self {
        let mut inner = self.clone();
        inner.steps.push(Step::Index(index));
        inner
    }
}

/// Names that something may refer to; the place of a name is its id.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) list: Vec<String>,
    /// Whether the section that declares them was malformed: then an unknown name may be a consequence of that.
    pub(super) incomplete: bool,
}

impl Names {
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|known| known == name)
    }
}

/// The state of one compilation.
pub(super) struct Context<'s> {
    pub(super) sources: &'s Sources,
    pub(super) options: &'s Options,
    files: Vec<Contents>,
    report: Report,
}

impl<'s> Context<'s> {
    pub(super) fn new(sources: &'s Sources, options: &'s Options) -> Self {
        Self { sources, options, files: Vec::new(), report: Report::default() }
    }

    pub(super) fn finish(self) -> Report {
        self.report.settle()
    }

    pub(super) fn push_error(&mut self, diagnostic: Diagnostic) {
        self.report.errors.push(diagnostic);
    }

    pub(super) fn push_finding(&mut self, diagnostic: Diagnostic) {
        self.report.findings.push(diagnostic);
    }

    /// Takes a file in, with the faults of its notation and shape; its root.
    pub(super) fn admit(&mut self, mut contents: Contents) -> At {
        let faults = std::mem::take(&mut contents.faults);
        let file = self.files.len();
        self.files.push(contents);
        for Fault { steps, part, message, help, .. } in faults {
            let diagnostic = self.diagnostic(&At { file, steps }, part, message, help);
            self.report.errors.push(diagnostic);
        }
        At::root(file)
    }

    fn diagnostic(&self, at: &At, part: Part, message: String, help: Option<String>) -> Diagnostic {
        let file = &self.files[at.file];
        if self.report.errors.len() + self.report.findings.len() >= MESSAGES_MAX {
            return Diagnostic::whole_file(&file.name, "there are more messages than these", None);
        }
        Diagnostic::at(&file.name, &file.text, locate(&file.text, &at.steps, part), message, help)
    }

    /// Where a value stands, as messages about other places say it: `charter.yaml:5:12`.
    pub(super) fn position(&self, at: &At) -> String {
        let found = self.diagnostic(at, Part::Value, String::new(), None);
        format!("{}:{}:{}", found.file, found.line, found.column)
    }

    /// Something wrong with a value.
    pub(super) fn error(&mut self, at: &At, message: impl Into<String>, help: impl Into<Help>) {
        let diagnostic = self.diagnostic(at, Part::Value, message.into(), help.into().0);
        self.report.errors.push(diagnostic);
    }

    /// Something wrong with an entry as a whole; its name is shown.
    pub(super) fn error_at_key(&mut self, at: &At, message: impl Into<String>, help: impl Into<Help>) {
        let diagnostic = self.diagnostic(at, Part::Key, message.into(), help.into().0);
        self.report.errors.push(diagnostic);
    }

    /// Something wrong with a value that must not be shown.
    pub(super) fn secret_error(&mut self, at: &At, message: impl Into<String>, help: impl Into<Help>) {
        let mut diagnostic = self.diagnostic(at, Part::Value, message.into(), help.into().0);
        diagnostic.snippet = None;
        self.report.errors.push(diagnostic);
    }

    /// Something to look at.
    pub(super) fn finding(&mut self, at: &At, message: impl Into<String>, help: impl Into<Help>) {
        let diagnostic = self.diagnostic(at, Part::Value, message.into(), help.into().0);
        self.report.findings.push(diagnostic);
    }

    /// Whether a place was malformed and has its message already.
    pub(super) fn dropped(&self, at: &At) -> bool {
        let dropped = &self.files[at.file].dropped;
        !dropped.is_empty() && (0..=at.steps.len()).any(|length| dropped.contains(&at.steps[..length]))
    }

    /// A mandatory field of the entry at `at`.
    pub(super) fn need<'d, T>(
        &mut self,
        at: &At,
        field: &str,
        value: &'d Option<T>,
        help: &str,
    ) -> Option<&'d T> {
        if value.is_none() && !self.dropped(&at.key(field)) {
            self.error_at_key(at, format!("`{field}` is missing"), help);
        }
        value.as_ref()
    }

    /// A mandatory text, not blank.
    pub(super) fn text<'d>(
        &mut self,
        at: &At,
        field: &str,
        value: &'d Option<String>,
        help: &str,
    ) -> Option<&'d str> {
        let text = self.need(at, field, value, help)?;
        if text.trim().is_empty() {
            self.error(&at.key(field), format!("`{field}` is empty"), help);
            return None;
        }
        if text.chars().any(char::is_control) {
            self.error(
                &at.key(field),
                format!("`{field}` holds a control character"),
                "write it on one line",
            );
            return None;
        }
        Some(text)
    }

    /// The charter article that an entry serves; empty where the message is already there.
    pub(super) fn article(&mut self, at: &At, value: &Option<String>) -> String {
        let help = "every rule names the charter article that it serves: `article: \"2\"`";
        self.text(at, "article", value, help).unwrap_or_default().to_owned()
    }

    /// A name that stands in metrics and in the journal.
    pub(super) fn name(&mut self, at: &At, name: &str) {
        let sound = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if !sound {
            self.error_at_key(
                at,
                format!("`{name}` cannot be a name"),
                "names are made of up to 64 letters (without accents), digits, `_`, `-` and `.`",
            );
        }
    }

    /// The id of something that a text refers to.
    pub(super) fn refer(
        &mut self,
        at: &At,
        names: &Names,
        kind: &str,
        where_: &str,
        text: &str,
    ) -> Option<usize> {
        let found = names.find(text);
        if found.is_none() && !names.incomplete {
            let known: Vec<&str> = names.list.iter().map(String::as_str).collect();
            let help = match nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => format!("{where_} declares none"),
                None => format!("{where_} declares {}", listed(&known)),
            };
            self.error(at, format!("there is no {kind} `{text}`"), help);
        }
        found
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        at: &At,
        what: &str,
        text: &str,
        table: &[(&str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = table.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
        let help = match nearest(text, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? The choices are {}", listed(&words)),
            None => format!("the choices are {}", listed(&words)),
        };
        self.error(at, format!("`{text}` is not {what}"), help);
        None
    }

    /// A duration within bounds.
    pub(super) fn duration(
        &mut self,
        at: &At,
        value: &Option<Amount>,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(Amount(text)) = value else { return default };
        match amount::duration(text) {
            Ok(duration) if bounds.contains(&duration) => duration,
            Ok(_) => {
                let (least, most) = (amount::written(*bounds.start()), amount::written(*bounds.end()));
                self.error(
                    at,
                    format!("`{text}` is out of bounds"),
                    format!("from {least} to {most}; {} where nothing is written", amount::written(default)),
                );
                default
            }
            Err(message) => {
                self.error(at, message, None);
                default
            }
        }
    }

    /// A size within bounds.
    pub(super) fn size(
        &mut self,
        at: &At,
        value: &Option<Amount>,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> u64 {
        let Some(Amount(text)) = value else { return default };
        match amount::size(text) {
            Ok(size) if bounds.contains(&size) => size,
            Ok(_) => {
                let (least, most) =
                    (amount::written_size(*bounds.start()), amount::written_size(*bounds.end()));
                self.error(
                    at,
                    format!("`{text}` is out of bounds"),
                    format!(
                        "from {least} to {most}; {} where nothing is written",
                        amount::written_size(default)
                    ),
                );
                default
            }
            Err(message) => {
                self.error(at, message, None);
                default
            }
        }
    }

    /// A mandatory number, within bounds.
    pub(super) fn within(&mut self, at: &At, count: u64, bounds: RangeInclusive<u64>) -> u64 {
        if !bounds.contains(&count) {
            let help = format!("from {} to {}", bounds.start(), bounds.end());
            self.error(at, format!("{count} is out of bounds"), help);
        }
        count
    }

    /// A number within bounds.
    pub(super) fn count(
        &mut self,
        at: &At,
        value: Option<u64>,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> u64 {
        match value {
            Some(count) if !bounds.contains(&count) => {
                self.error(
                    at,
                    format!("{count} is out of bounds"),
                    format!(
                        "from {} to {}; {default} where nothing is written",
                        bounds.start(),
                        bounds.end()
                    ),
                );
                default
            }
            count => count.unwrap_or(default),
        }
    }

    /// A JSON path.
    pub(super) fn json_path(&mut self, at: &At, text: &str) -> Option<JsonPath> {
        match text.parse::<JsonPath>() {
            Ok(path) => Some(path),
            Err(error) => {
                let help = "for example `full_name`, `$.results[*]`, `profile.email`, `$..email`";
                self.error(at, format!("`{text}` is not a JSON path: {error}"), help);
                None
            }
        }
    }

    /// The sound items of a text or list of texts, with their places.
    pub(super) fn items<'d>(&self, at: &At, texts: &'d Option<Texts>) -> Vec<(At, &'d str)> {
        let Some(texts) = texts else { return Vec::new() };
        let place = |index| if texts.list { at.item(index) } else { at.clone() };
        texts
            .items
            .iter()
            .enumerate()
            .filter_map(|(index, text)| text.as_deref().map(|text| (place(index), text)))
            .collect()
    }

    /// Says so where everybody on this machine can read a file with a secret in it.
    pub(super) fn is_private(&mut self, at: &At, name: &str) {
        if self.sources.mode(name).is_some_and(|mode| mode & 0o004 != 0) {
            let help = "it holds a secret: mode 0400, or 0440 for a group of its own";
            self.finding(at, format!("everybody on this machine can read `{name}`"), help);
        }
    }

    /// The bytes of a referenced file; in a check, an absolute name that this machine lacks is only a finding.
    pub(super) fn file(&mut self, at: &At, name: &str) -> Option<Vec<u8>> {
        match self.sources.file(name) {
            Ok(bytes) => Some(bytes.into_owned()),
            Err(error) if self.options.absent_files_pass && name.starts_with('/') => {
                let message = format!("`{name}` is not readable here: {error}");
                self.finding(at, message, "its content is checked where the gateway runs");
                None
            }
            Err(error) => {
                let help = "names of files are relative to the policy folder, unless they start with `/`";
                self.error(at, format!("`{name}` cannot be read: {error}"), help);
                None
            }
        }
    }
}

/// The second half of a message, or none.
pub(super) struct Help(pub(super) Option<String>);

impl From<Option<String>> for Help {
    fn from(help: Option<String>) -> Self {
        Self(help)
    }
}

impl From<String> for Help {
    fn from(help: String) -> Self {
        Self(Some(help))
    }
}

impl From<&str> for Help {
    fn from(help: &str) -> Self {
        Self(Some(help.to_owned()))
    }
}
