//! What is wrong with a policy, where, and what would be right.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError, MietteSpanContents,
    Severity, SourceCode, SourceSpan, SpanContents,
};

/// Longest source line that is shown; a longer one has its position only.
const SNIPPET_MAX: usize = 400;

/// One message about one place of a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, relative to the policy folder.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The offending line; `None` where it could hold a secret or is too long to show.
    pub snippet: Option<String>,
    /// Where the offending part stands in [`Diagnostic::snippet`], in bytes.
    pub(crate) span: (usize, usize),
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A message about a file as a whole.
    pub(crate) fn whole_file(file: &str, message: impl Into<String>, help: Option<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 1,
            column: 1,
            snippet: None,
            span: (0, 0),
            message: message.into(),
            help,
        }
    }

    /// A message about `start..end` (bytes) of a text.
    pub(crate) fn at(
        file: &str,
        text: &str,
        (start, end): (usize, usize),
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        let start = text.floor_char_boundary(start.min(text.len()));
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let from = (start - line_start).min(line.len());
        let to = line.floor_char_boundary(end.saturating_sub(line_start).clamp(from, line.len()));
        let printable = line.len() <= SNIPPET_MAX && !line.chars().any(|c| c.is_control() && c != '\t');
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            snippet: printable.then(|| line.to_owned()),
            span: (from, to),
            message: message.into(),
            help,
        }
    }

    fn render(&self, out: &mut String, handler: &GraphicalReportHandler, severity: Severity) {
        let mut shown = MietteDiagnostic::new(self.message.clone()).with_severity(severity);
        if let Some(help) = &self.help {
            shown = shown.with_help(help.clone());
        }
        let rendered = match &self.snippet {
            Some(line) if !line.is_empty() => {
                let (from, to) = self.span;
                let label = LabeledSpan::underline((from, to.saturating_sub(from).max(1)));
                let source =
                    Line { file: self.file.clone(), line: line.clone(), at: (self.line, self.column) };
                let report = miette::Report::new(shown.with_label(label)).with_source_code(source);
                handler.render_report(out, report.as_ref())
            }
            _ => {
                shown.message = format!("{} [{}:{}:{}]", shown.message, self.file, self.line, self.column);
                handler.render_report(out, &shown)
            }
        };
        // Writing into a String cannot fail; if the renderer does, the plain text still says it all.
        if rendered.is_err() {
            out.push_str(&format!("{}:{}:{}: {}\n", self.file, self.line, self.column, self.message));
        }
    }
}

/// One line of a file, that answers every question about the file with itself: what stands around it is not shown.
#[derive(Debug)]
struct Line {
    file: String,
    line: String,
    /// Line and column, from 1.
    at: (usize, usize),
}

impl SourceCode for Line {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            self.line.as_bytes(),
            (0, self.line.len()).into(),
            self.at.0 - 1,
            self.at.1 - 1,
            1,
        )))
    }
}

/// Everything that is to be said about a policy folder, by file and line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What makes the whole set refused.
    pub errors: Vec<Diagnostic>,
    /// What somebody should look at, though the set is sound.
    pub findings: Vec<Diagnostic>,
}

impl Report {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.findings.is_empty()
    }

    /// Sorts by file and line, and drops what is said twice about one place.
    pub(crate) fn settle(mut self) -> Self {
        for list in [&mut self.errors, &mut self.findings] {
            list.sort_by(|a, b| {
                (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
            });
            list.dedup();
        }
        self
    }

    /// The report for people; colours only where the reader is a terminal.
    pub fn render(&self, colours: bool) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(110).with_cause_chain();
        let mut out = String::new();
        for (list, severity) in [(&self.errors, Severity::Error), (&self.findings, Severity::Warning)] {
            for diagnostic in list {
                diagnostic.render(&mut out, &handler, severity);
                out.push('\n');
            }
        }
        out.push_str(&self.summary());
        out.push('\n');
        out
    }

    /// The number of errors and findings, in words.
    pub fn summary(&self) -> String {
        let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        format!("{}, {}", count(self.errors.len(), "error"), count(self.findings.len(), "finding"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_line_is_shown_with_its_number_and_the_part_underlined() {
        let text = "a: é\r\nélèves: [x, kolibry]\n";
        let start = text.find("kolibry").unwrap();
        let diagnostic = Diagnostic::at(
            "routes/a.yaml",
            text,
            (start, start + 7),
            "no",
            Some("did you mean `kolibri`?".into()),
        );
        assert_eq!((diagnostic.line, diagnostic.column), (2, 13));
        let report = Report { errors: vec![diagnostic], findings: Vec::new() };
        let expected = "  × no
   ╭─[routes/a.yaml:2:13]
 2 │ élèves: [x, kolibry]
   ·             ───────
   ╰────
  help: did you mean `kolibri`?

1 error, 0 findings
";
        assert_eq!(report.to_string(), expected);
        assert!(report.render(true).contains("\u{1b}["));
    }

    #[test]
    fn lines_that_could_disturb_a_terminal_are_not_shown() {
        let text = format!("a: \u{1b}[31m\nb: {}\n", "x".repeat(SNIPPET_MAX));
        for at in [0, text.find('b').unwrap()] {
            let diagnostic = Diagnostic::at("a.yaml", &text, (at, at + 1), "no", None);
            assert_eq!(diagnostic.snippet, None);
            let report = Report { errors: vec![diagnostic], findings: Vec::new() };
            assert!(!report.to_string().contains('\u{1b}'));
        }
    }
}
