//! Lines of a name and a value (vCard, iCalendar, LDIF, YAML), which are not rewritten here: they pass as long as no name
//! is one of a hidden category, and are refused from there.

use memchr::memchr;

use super::judge::{Judge, Refused};
use super::{Redact, RedactError, Tally, Task};
use crate::policy::set::CategoryId;

/// What the lines are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Properties {
    /// vCard (RFC 6350).
    Card,
    /// iCalendar (RFC 5545).
    Calendar,
    /// LDIF (RFC 2849).
    Directory,
    /// YAML 1.2.
    Yaml,
}

/// Longest line of YAML, and longest name of a property.
const MAX_LINE: usize = 64 * 1024;

/// Names of the standards, and those by which a charter would know the same.
const MEANINGS: [(&str, &[&str]); 13] = [
    ("fn", &["full_name", "nom_complet", "nom"]),
    ("n", &["family_name", "nom_famille", "nom"]),
    ("cn", &["full_name", "nom_complet", "nom"]),
    ("nickname", &["nick_name"]),
    ("bday", &["birth_date", "date_naissance"]),
    ("adr", &["postal_address", "adresse_postale"]),
    ("tel", &["phone", "telephone"]),
    ("impp", &["email"]),
    ("telephonenumber", &["phone", "telephone"]),
    ("homephone", &["phone", "telephone"]),
    ("uid", &["login", "username"]),
    ("attendee", &["email", "courriel"]),
    ("organizer", &["email", "courriel"]),
];

impl Properties {
    /// Whether a media type may name them.
    pub fn suits(self, essence: &str) -> bool {
        let word = match self {
            Self::Card => &["vcard", "directory"][..],
            Self::Calendar => &["calendar"],
            Self::Directory => &["ldif"],
            Self::Yaml => &["yaml"],
        };
        word.iter().any(|word| essence.contains(word))
    }

    /// Names that mean something else here than in a charter.
    fn is_technical(self, name: &str) -> bool {
        match self {
            // Identifiers of cards and of appointments.
            Self::Card | Self::Calendar => name.eq_ignore_ascii_case("uid"),
            Self::Directory | Self::Yaml => name.eq_ignore_ascii_case("user-agent"),
        }
    }
}

/// Passes lines until one names what may not be seen.
pub(super) struct PropertiesGuard {
    properties: Properties,
    judge: Judge,
    refused: Refused,
    /// The line that is not whole: all of it in YAML, elsewhere up to the end of its name.
    held: Vec<u8>,
    /// The rest of the line is a value.
    in_value: bool,
}

impl PropertiesGuard {
    pub(super) fn new(task: Task, properties: Properties) -> Self {
        Self {
            properties,
            judge: Judge::new(task),
            refused: Refused::default(),
            held: Vec::new(),
            in_value: false,
        }
    }

    /// Whether the charter calls it so, or calls so what it means, and this reader does not see that.
    fn hides(&self, name: &str) -> Option<CategoryId> {
        let name = name.trim();
        if self.properties.is_technical(name) {
            return None;
        }
        let Task { plan, audience, .. } = &self.judge.task;
        let meant = MEANINGS
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known) && self.properties != Properties::Yaml);
        let meant = meant.into_iter().flat_map(|(_, words)| words.iter().copied());
        let steps = name.split(['.', '/']).chain([name]);
        steps
            .chain(meant)
            .filter_map(|name| plan.charter_category(name))
            .find(|category| !audience.sees.any.contains(*category))
    }

    fn check(&mut self, name: &str) -> Result<(), RedactError> {
        match self.hides(name) {
            None => Ok(()),
            Some(category) => {
                let mut tally = Tally::default();
                tally.redacted(category);
                self.judge.add(&tally);
                Err(RedactError::Opaque)
            }
        }
    }

    /// The name of a property, and those of its parameters, which may hold a person's name (`CN=`).
    fn property(&mut self, head: &[u8]) -> Result<(), RedactError> {
        let head = String::from_utf8_lossy(head).into_owned();
        for (at, part) in head.split(';').enumerate() {
            let name = part.split('=').next().unwrap_or_default();
            // `item1.EMAIL`: a group in front.
            let name = if at == 0 { name.rsplit('.').next().unwrap_or_default() } else { name };
            self.check(name)?;
        }
        Ok(())
    }

    fn yaml(&mut self, line: &[u8]) -> Result<(), RedactError> {
        // A key with escapes is another than it seems.
        if memchr(b'\\', line).is_some() && line.trim_ascii_start().starts_with(b"\"") {
            return Err(RedactError::Opaque);
        }
        if let Some(key) = line.trim_ascii_start().strip_prefix(b"? ") {
            self.check(&String::from_utf8_lossy(key))?;
        }
        super::sniff::keys(line).try_for_each(|key| self.check(key.trim_start_matches(['-', '?', ' '])))
    }

    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.judge.is_declared() || memchr(0, input).is_some() {
            return Err(RedactError::Opaque);
        }
        for &byte in input {
            let ends = matches!(byte, b'\n' | b'\r');
            if self.in_value && !ends {
                out.push(byte);
                continue;
            }
            if ends && self.properties != Properties::Yaml && !self.held.is_empty() {
                // A name may be folded: it goes on behind the line end and a blank (RFC 6350 3.2).
                self.held.push(byte);
                continue;
            }
            if ends {
                let line = std::mem::take(&mut self.held);
                self.yaml(&line)?;
                out.extend_from_slice(&line);
                out.push(byte);
                self.in_value = false;
                continue;
            }
            self.held.push(byte);
            if self.held.len() > MAX_LINE {
                return Err(RedactError::TooLong);
            }
            if self.properties != Properties::Yaml {
                self.line(byte, out)?;
            }
        }
        Ok(())
    }

    /// One more byte of the name of a property.
    fn line(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let blank = matches!(byte, b' ' | b'\t');
        let begins = self.held.len() == 1
            || self.held[self.held.len() - 2..].first().is_some_and(|b| matches!(b, b'\n' | b'\r'));
        if blank && self.held.len() == 1 {
            // A value goes on.
            out.append(&mut self.held);
            self.in_value = true;
            return Ok(());
        }
        if begins && !blank && self.held.len() > 1 {
            // The line before had no value: it was none.
            let last = self.held.pop();
            let head = std::mem::take(&mut self.held);
            self.property(head.trim_ascii())?;
            out.extend_from_slice(&head);
            self.held.extend(last);
            return Ok(());
        }
        if byte == b':' {
            let head = std::mem::take(&mut self.held);
            let unfolded: Vec<u8> = head[..head.len() - 1]
                .iter()
                .copied()
                .filter(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t'))
                .collect();
            self.property(&unfolded)?;
            out.extend_from_slice(&head);
            self.in_value = true;
        }
        Ok(())
    }
}

impl Redact for PropertiesGuard {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let mut refused = self.refused;
        let result = Refused::guard(&mut refused, || self.push(input, out));
        self.refused = refused;
        result
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let mut refused = self.refused;
        let result = Refused::guard(&mut refused, || {
            let held = std::mem::take(&mut self.held);
            if self.properties == Properties::Yaml {
                self.yaml(&held)?;
            } else {
                self.property(held.trim_ascii())?;
            }
            out.extend_from_slice(&held);
            Ok(())
        });
        refused.end();
        self.refused = refused;
        result
    }

    fn tally(&self) -> Tally {
        self.judge.tally().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{EMAIL, Trial};
    use super::*;
    use crate::redact::Format;

    #[test]
    fn lines_pass_until_one_names_what_is_hidden() {
        use Properties::{Calendar, Card, Directory, Yaml};
        let nobody = Trial::undeclared();
        for (properties, text, passes) in [
            (Card, "BEGIN:VCARD\r\nVERSION:4.0\r\nORG:x\r\nUID:7\r\nEND:VCARD\r\n", true),
            (Card, "BEGIN:VCARD\nFN:Jean\n", false),
            (Card, "BEGIN:VCARD\nX-A:FN:\n FN:x\nEND:VCARD", true),
            (Card, "BEGIN:VCARD\nitem1.Email;TYPE=home:x", false),
            (Card, "BEGIN:VCARD\r\nEM\r\n AIL:x", false),
            (Card, "BEGIN:VCARD\nEMAIL", false),
            (Card, "BEGIN:VCARD\nEMAIL\nX:y", false),
            (Card, "BEGIN:VCARD\n\n\nTEL:x", false),
            (Calendar, "BEGIN:VCALENDAR\nUID:a@b\nSUMMARY:FN:x\nEND:VCALENDAR\n", true),
            (Calendar, "BEGIN:VCALENDAR\nX;CN=Jean:x\n", false),
            (Calendar, "BEGIN:VCALENDAR\nORGANIZER:mailto:x\n", false),
            (Directory, "dn: o=x\nobjectClass: y\n", true),
            (Directory, "dn: o=x\ncn:: Jean\n", false),
            (Directory, "dn: o=x\ncourriel;lang-fr: x\n", false),
            (Yaml, "a: 1\nb:\n  - c: \"nom\"\n", true),
            (Yaml, "a: 1\n- - 'nom' : x\n", false),
            (Yaml, "a: {b: [1, {nom: x}]}\n", false),
            (Yaml, "a: 1\n\"n\\x6fm\": x\n", false),
            (Yaml, "a: 1\n? nom\n: x\n", false),
            (Yaml, "nom: x", false),
            (Yaml, "a: \0", false),
        ] {
            let result = nobody.redact(&Format::Properties(properties), text);
            match passes {
                true => assert_eq!(result.as_deref(), Ok(text)),
                false => assert_eq!(result, Err(RedactError::Opaque), "{text}"),
            }
        }
        let reader = Trial::undeclared().sees_all();
        assert_eq!(
            reader.redact(&Format::Properties(Card), "BEGIN:VCARD\nFN:x\n").as_deref(),
            Ok("BEGIN:VCARD\nFN:x\n")
        );
        let declared = Trial::declared(crate::policy::set::Unknown::Pass, &[("x", Some(EMAIL))]);
        assert!(declared.redact(&Format::Properties(Card), "BEGIN:VCARD\n").is_err());
    }
}
