//! Names beside their values in a line of text: `Nom : Dupont`, `<b>Nom</b> Dupont`, `<label>Nom <i>Dupont</i></label>`.
//!
//! A name begins where the line does, behind a tag, or behind a sign that parts; a value goes on to the next name or to the end
//! of the line, whatever stands in it.

use std::ops::Range;

use crate::policy::set::CategoryId;

/// Longest text that is looked at as a name in front of a colon.
const MAX_NAME: usize = 128;
/// Places in front of a colon at which its name may begin.
const MAX_PLACES: usize = 8;

/// What a text says, read as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is none.
    Nothing,
    /// It names what is not hidden.
    Open,
    Hidden(CategoryId),
}

/// How a text must be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    /// All of it.
    Whole,
    /// It begins as one, and a colon says that it is: `Nom et commentaires :`.
    First,
}

/// What stands in a line.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Hidden values, in their order, apart.
    pub(super) values: Vec<(Range<usize>, CategoryId)>,
    /// A hidden name ends the line with its colon: its value stands elsewhere.
    pub(super) open: Option<CategoryId>,
}

/// A name in the line.
struct Label {
    from: usize,
    /// Behind it and its colon.
    to: usize,
    said: Said,
    has_colon: bool,
}

/// Reads a line. `edges` are the places of tags in it, ascending; `leads` says that a name at its beginning needs no colon,
/// if a tag ends it.
pub(super) fn beside(
    text: &str,
    edges: &[usize],
    leads: bool,
    mut said: impl FnMut(&str, As) -> Said,
) -> Beside {
    let mut labels = Vec::new();
    if leads {
        leading(text, edges, &mut labels, &mut said);
    }
    let mut floor = 0;
    let marks = text.char_indices().filter(|(_, char)| matches!(char, ':' | '：' | '='));
    for (at, char) in marks {
        let to = at + char.len_utf8();
        if text[to..].starts_with("//") {
            continue;
        }
        let name = text[..at].trim_end();
        let starts = starts(text, edges, floor, name.len());
        let label = [As::Whole, As::First].into_iter().find_map(|how| {
            starts.iter().find_map(|&from| match said(&text[from..name.len()], how) {
                Said::Nothing => None,
                said => Some(Label { from, to, said, has_colon: true }),
            })
        });
        if let Some(label) = label {
            // `<b>Nom</b> :` was read already.
            labels.retain(|before: &Label| before.from < label.from || before.to > to);
            floor = to;
            labels.push(label);
        }
    }
    labels.sort_by_key(|label| label.from);
    let mut beside = Beside::default();
    for (place, label) in labels.iter().enumerate() {
        let Said::Hidden(category) = label.said else { continue };
        let next = labels.get(place + 1).map_or(text.len(), |next| next.from);
        let value = trimmed(text, label.to..next.max(label.to));
        let shows = holds_value(&text[value.clone()])
            && said(&text[value.clone()], As::Whole) == Said::Nothing
            && (label.has_colon || !is_remark(&text[value.clone()]));
        if shows {
            beside.values.push((value, category));
        } else if label.has_colon && next == text.len() && !holds_value(&text[value]) {
            beside.open = Some(category);
        }
    }
    beside
}

/// Names that tags end: the first text of the line, and those behind it that are nothing else.
fn leading(text: &str, edges: &[usize], labels: &mut Vec<Label>, said: &mut impl FnMut(&str, As) -> Said) {
    let mut from = 0;
    for &edge in edges.iter().chain([&text.len()]) {
        let part = trimmed(text, from..edge.max(from));
        from = edge.max(from);
        if !holds_value(&text[part.clone()]) {
            continue;
        }
        let said = if part.len() > MAX_NAME { Said::Nothing } else { said(&text[part.clone()], As::Whole) };
        match (said, labels.is_empty()) {
            (Said::Nothing | Said::Open, true) => return,
            (Said::Nothing, false) => {}
            (said, _) => labels.push(Label { from: part.start, to: from, said, has_colon: false }),
        }
    }
}

/// Where a name that ends here may begin, the longest first.
fn starts(text: &str, edges: &[usize], floor: usize, end: usize) -> Vec<usize> {
    let least = floor.max(end.saturating_sub(MAX_NAME));
    let mut starts: Vec<usize> = edges.iter().copied().filter(|edge| (least..end).contains(edge)).collect();
    if floor >= least {
        starts.push(floor);
    }
    let parts = |char: char| {
        matches!(
            char,
            ',' | ';' | '|' | '·' | '•' | '–' | '—' | '(' | ')' | '/' | '\n' | '\t' | '.' | '!' | '?' | '-'
        )
    };
    let mut from = least;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    if from < end {
        starts.extend(
            text[from..end]
                .char_indices()
                .filter(|(_, char)| parts(*char))
                .map(|(at, char)| from + at + char.len_utf8()),
        );
    }
    for word in [" et ", " and ", " ou ", " or "] {
        let found = memchr::memmem::find_iter(&text.as_bytes()[from.min(end)..end], word);
        starts.extend(found.map(|at| from + at + word.len()));
    }
    starts.retain(|start| {
        *start < end && text.is_char_boundary(*start) && !text[*start..end].trim().is_empty()
    });
    starts.sort_unstable();
    starts.dedup();
    starts.split_off(starts.len().saturating_sub(MAX_PLACES))
}

/// A part without the white space and the signs around it.
fn trimmed(text: &str, part: Range<usize>) -> Range<usize> {
    let around = |char: char| char.is_whitespace() || matches!(char, ',' | ';' | '|' | '·' | '•');
    let inside = &text[part.clone()];
    let from = part.start + (inside.len() - inside.trim_start_matches(around).len());
    let to = part.start + inside.trim_end_matches(around).len();
    from..to.max(from)
}

/// Whether it is more than signs.
pub(super) fn holds_value(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// What stands behind the name of a field and is no value of it: `Nom (obligatoire)`.
fn is_remark(text: &str) -> bool {
    const WORDS: [&str; 10] = [
        "obligatoire",
        "requis",
        "requise",
        "required",
        "facultatif",
        "facultative",
        "optionnel",
        "optional",
        "champ",
        "field",
    ];
    let mut words = text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    words.all(|word| WORDS.contains(&&*word.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of a line in which `|` stands for a tag.
    fn values(line: &str) -> (Vec<String>, bool) {
        let (mut text, mut edges) = (String::new(), Vec::new());
        for part in line.split_inclusive('|') {
            text.push_str(part.trim_end_matches('|'));
            if part.ends_with('|') {
                edges.push(text.len());
            }
        }
        let said = |name: &str, how: As| {
            let name = name.trim_matches(|char: char| !char.is_alphanumeric()).to_lowercase();
            match &*name {
                "nom" | "e-mail" | "nom / prénom" => Said::Hidden(CategoryId(0)),
                "classe" => Said::Open,
                _ if how == As::First && name.starts_with("nom et ") => Said::Hidden(CategoryId(0)),
                _ => Said::Nothing,
            }
        };
        let beside = beside(&text, &edges, true, said);
        (beside.values.into_iter().map(|(value, _)| text[value].to_owned()).collect(), beside.open.is_some())
    }

    #[test]
    fn a_value_goes_on_to_the_next_name() {
        for (line, expected, open) in [
            ("Nom : Jean Dupont", &["Jean Dupont"][..], false),
            ("nom:Jean", &["Jean"], false),
            ("Nom\u{a0}：Jean", &["Jean"], false),
            ("Nom = Jean", &["Jean"], false),
            ("Bonjour. Nom : Jean, classe : 6A", &["Jean"], false),
            ("Nom : Jean E-mail : j@x", &["Jean E-mail : j@x"], false),
            ("Nom : Jean, E-mail : j@x", &["Jean", "j@x"], false),
            ("|Nom :| Jean |Classe :| 6A", &["Jean"], false),
            ("|Nom| : Jean", &["Jean"], false),
            ("|Nom| Jean", &["Jean"], false),
            (" |Nom||Jean| |Classe||6A|", &["Jean"], false),
            ("Nom |Jean|", &["Jean"], false),
            ("Nom / Prénom : Jean", &["Jean"], false),
            ("Élève (nom) : Jean", &["Jean"], false),
            ("Nom et avis : Jean", &["Jean"], false),
            ("Nom : Jean et nom : Paul", &["Jean et", "Paul"], false),
            ("Nom : |Jean, classe et avis : Paul", &["Jean, classe et avis : Paul"], false),
            ("Nom : Jean : le second", &["Jean : le second"], false),
            ("Nom :", &[], true),
            ("|Nom :|", &[], true),
            ("Nom", &[], false),
            ("Nom |*|", &[], false),
            ("Nom |(obligatoire)|", &[], false),
            ("Nom : Classe", &[], false),
            ("|Nom| / |Classe|", &[], false),
            ("Cliquez sur |Nom| pour trier", &[], false),
            ("Prénommé : Jean", &[], false),
            ("Nom Jean", &[], false),
            ("nom://x", &[], false),
            ("à 12:30, 1:2", &[], false),
            ("", &[], false),
        ] {
            let (found, is_open) = values(line);
            assert_eq!(
                (found.as_slice(), is_open),
                (expected.iter().map(|&one| one.to_owned()).collect::<Vec<_>>().as_slice(), open),
                "{line}"
            );
        }
    }
}
