//! What was taken out, in numbers only.

use crate::policy::set::{CategoryId, Trail};

/// Different places of unclassified fields that are told of one body.
pub const MAX_PLACES: usize = 8;

/// How many fields were redacted: what the journal and the metrics may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Redacted fields by [`CategoryId`]; a field counts once, however many values it holds.
    pub by_category: [u32; 64],
    /// Fields that nobody classified: passed where the route reports them, removed where it denies them.
    pub unknown: u32,
    /// Where the first of them stood that stood in different places.
    places: [Trail; MAX_PLACES],
    told: u8,
}

impl Tally {
    /// One more field of this category was redacted.
    pub(super) fn redacted(&mut self, category: CategoryId) {
        if let Some(count) = self.by_category.get_mut(category.index()) {
            *count = count.saturating_add(1);
        }
    }

    /// One more field that nobody classified, and nothing to tell it by.
    pub(super) fn unclassified(&mut self) {
        self.unknown = self.unknown.saturating_add(1);
    }

    /// One more field that nobody classified, and where it stands.
    pub(super) fn unclassified_at(&mut self, place: impl FnOnce() -> Option<Trail>) {
        self.unclassified();
        if usize::from(self.told) < MAX_PLACES
            && let Some(place) = place()
        {
            self.tell(place);
        }
    }

    fn tell(&mut self, place: Trail) {
        if !self.places().contains(&place)
            && let Some(free) = self.places.get_mut(usize::from(self.told))
        {
            *free = place;
            self.told += 1;
        }
    }

    /// Where fields stood that nobody classified: each place once, and no more than [`MAX_PLACES`].
    pub fn places(&self) -> &[Trail] {
        &self.places[..usize::from(self.told)]
    }

    /// Adds what a part of the body gave.
    pub(super) fn add(&mut self, part: &Self) {
        for (count, more) in self.by_category.iter_mut().zip(part.by_category) {
            *count = count.saturating_add(more);
        }
        self.unknown = self.unknown.saturating_add(part.unknown);
        part.places().iter().for_each(|place| self.tell(*place));
    }

    /// Redacted fields of all categories.
    pub fn total(&self) -> u64 {
        self.by_category.iter().copied().map(u64::from).sum()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { by_category: [0; 64], unknown: 0, places: [Trail::ROOT; MAX_PLACES], told: 0 }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::set::Unknown;
    use crate::redact::trial::{self, Trial};
    use crate::redact::{Charset, Format, Header};

    /// Where the unclassified fields of a body stood, however it is cut.
    #[track_caller]
    fn places(unknown: Unknown, format: &Format, body: &str) -> Vec<String> {
        let trial = Trial::declared(unknown, &[("ok", None)]);
        trial.redact(format, body).unwrap();
        let (_, _, tally) = trial.run(format, body.as_bytes(), &[]);
        tally.places().iter().map(|place| trial::lexicon().text(place)).collect()
    }

    #[test]
    fn formats_of_their_own_tell_the_last_name_alone() {
        let table = Format::Table { separator: None, charset: Charset::Utf8, header: Header::Present };
        let xml = "<users><row><birthDate>2011</birthDate><mdupont count='1'>x</mdupont></row></users>";
        let page = r#"<form><input name="birthDate" value="2011"><input name="mdupont" value="1"></form>"#;
        let html = Format::Html(Charset::Utf8);
        for unknown in [Unknown::Report, Unknown::Deny] {
            assert_eq!(places(unknown, &html, page), ["…birthDate", "…?"]);
            assert_eq!(places(unknown, &Format::Form, "ok=1&birthDate=2011&mdupont=1"), ["…birthDate", "…?"]);
            assert_eq!(
                places(unknown, &table, "ok,birthDate,Jean\r\n1,2011,3\r\n4,2012,5\r\n"),
                ["…birthDate", "…?"]
            );
            assert_eq!(places(unknown, &Format::Xml, xml), ["…birthDate", "…count", "…?"]);
        }
        assert!(places(Unknown::Pass, &Format::Xml, xml).is_empty());
    }

    #[test]
    fn bodies_of_several_documents_tell_each_place_once() {
        let lines = "{\"users\":[{\"count\":1}]}\n{\"users\":[{\"count\":2,\"mdupont\":3}]}\n";
        assert_eq!(places(Unknown::Report, &Format::Lines, lines), ["$.users[*].count", "$.users[*].?"]);
        let events = "data: {\"count\":1}\n\ndata: {\"count\":2}\n\ndata: Jean\n\n";
        assert_eq!(places(Unknown::Report, &Format::Events, events), ["$.count"]);
    }
}
