//! Places in documents, told in names that a policy or a standard spells.
//!
//! The name of a member may be a person's (`{"mdupont": 12}`), and no rule on its spelling tells. So a place that is kept
//! beside an exchange holds no name at all: only numbers in a list that was complete before any document came.

use std::{collections::HashMap, fmt};

use super::{Classification, JsonPath, Segment};

/// One step of a [`Trail`]: a number that means something in its [`Lexicon`] alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step(u16);

impl Step {
    /// Into an element.
    pub const ELEMENT: Self = Self(0);
    /// Into a member of a name that the lexicon lacks.
    pub const UNKNOWN: Self = Self(1);
    /// The first that is a name.
    const NAMES: usize = 2;

    /// Its number, for those who pack it with others.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// That of a number; of one that no lexicon gave out, none that is told.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

/// The way to a place in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    steps: [Step; Self::MOST],
    length: u8,
    /// What is in front of the last step is not known, or is longer than what is kept of it.
    gap: bool,
}

impl Trail {
    /// Most steps that are kept: the first of a longer way, and its last.
    pub const MOST: usize = 8;

    /// The whole document.
    pub const ROOT: Self = Self { steps: [Step::ELEMENT; Self::MOST], length: 0, gap: false };

    /// Through all of `around`, and `last`.
    pub fn through(around: &[Step], last: Step) -> Self {
        let kept = around.len().min(Self::MOST - 1);
        let mut trail = Self { length: kept as u8 + 1, gap: kept < around.len(), ..Self::ROOT };
        trail.steps[..kept].copy_from_slice(&around[..kept]);
        trail.steps[kept] = last;
        trail
    }

    /// A way of which the last step alone is known.
    pub fn ending(last: Step) -> Self {
        Self { gap: true, ..Self::through(&[], last) }
    }
}

/// Every name that may be written of a document: those of the policy, of the standards, and what interfaces call their
/// technical members everywhere.
#[derive(Debug, Default)]
pub struct Lexicon {
    /// By [`Step`], from [`Step::NAMES`] on.
    names: Vec<Box<str>>,
    steps: HashMap<Box<[u8]>, Step>,
}

impl Lexicon {
    /// A list of these, each once. What has no number any more is not known.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut lexicon = Self::default();
        for name in names {
            let Ok(next) = u16::try_from(lexicon.names.len() + Step::NAMES) else { break };
            lexicon.steps.entry(name.as_bytes().into()).or_insert_with(|| {
                lexicon.names.push(name.into());
                Step(next)
            });
        }
        lexicon
    }

    /// The step into the member of this decoded name, letter by letter.
    pub fn step(&self, name: &[u8]) -> Step {
        self.steps.get(name).copied().unwrap_or(Step::UNKNOWN)
    }

    /// A trail as a path: `?` for what the lexicon lacks, `…` for what was not kept.
    pub fn text(&self, trail: &Trail) -> String {
        let mut text = String::new();
        // A string takes everything.
        let _ = self.write(trail, &mut text);
        text
    }

    fn write(&self, trail: &Trail, to: &mut impl fmt::Write) -> fmt::Result {
        let steps = &trail.steps[..usize::from(trail.length)];
        if !trail.gap || steps.len() > 1 {
            to.write_char('$')?;
        }
        for (step, left) in steps.iter().zip((0..steps.len()).rev()) {
            let bare = trail.gap && left == 0;
            if bare {
                to.write_char('…')?;
            }
            match self.names.get(usize::from(step.0).wrapping_sub(Step::NAMES)) {
                Some(name) => Segment::Name((**name).into()).write(to, bare)?,
                None if *step == Step::ELEMENT => Segment::Any.write(to, bare)?,
                None => to.write_str(if bare { "?" } else { ".?" })?,
            }
        }
        Ok(())
    }
}

impl Classification {
    /// The names in its paths.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let rules = self.fields.iter().chain(&self.keys).map(|rule| &rule.path);
        self.records.iter().chain(&self.subject).chain(&self.group).chain(rules).flat_map(JsonPath::names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_told_in_names_of_the_lexicon_alone() {
        let lexicon = Lexicon::of(["results", "birthDate", "results", "urn:oid:2.5"]);
        let step = |name: &str| lexicon.step(name.as_bytes());
        assert_eq!((step("Results"), step("mdupont")), (Step::UNKNOWN, Step::UNKNOWN));
        let list = [step("results"), Step::ELEMENT];
        for (trail, text) in [
            (Trail::ROOT, "$"),
            (Trail::through(&[], step("results")), "$.results"),
            (Trail::through(&list, step("birthDate")), "$.results[*].birthDate"),
            (Trail::through(&list, step("mdupont")), "$.results[*].?"),
            (Trail::through(&list, Step::ELEMENT), "$.results[*][*]"),
            (Trail::through(&[step("Jean")], step("urn:oid:2.5")), "$.?['urn:oid:2.5']"),
            (Trail::through(&[Step::UNKNOWN; 7], step("birthDate")), "$.?.?.?.?.?.?.?.birthDate"),
            (Trail::through(&[Step::UNKNOWN; 9], step("birthDate")), "$.?.?.?.?.?.?.?…birthDate"),
            (Trail::ending(step("birthDate")), "…birthDate"),
            (Trail::ending(step("urn:oid:2.5")), "…['urn:oid:2.5']"),
            (Trail::ending(Step::UNKNOWN), "…?"),
        ] {
            assert_eq!(lexicon.text(&trail), text);
        }
        // In another lexicon a number means something else, or nothing.
        assert_eq!(Lexicon::default().text(&Trail::through(&list, step("birthDate"))), "$.?[*].?");
    }

    #[test]
    fn what_has_no_number_is_not_known() {
        let names: Vec<String> = (0..70_000).map(|number| number.to_string()).collect();
        let lexicon = Lexicon::of(names.iter().map(String::as_str));
        assert_eq!(lexicon.text(&Trail::ending(lexicon.step(b"65533"))), "…65533");
        assert_eq!(lexicon.step(b"65534"), Step::UNKNOWN);
    }
}
