//! The fields of the standards, as data: what `preset: xapi` on a route means.
//!
//! Each is a YAML file beside this one, in the language of a route's `personal_data`, with the category names of
//! `policies/charter.yaml`. It names every ordinary field of the standard's documents, personal or not, so that routes can deny
//! what nobody has classified. A new preset is a file, a line in `FILES`, and samples under `tests/presets/`.

use std::sync::LazyLock;

use super::{
    document::{self, PresetFile},
    set::JsonPath,
};

macro_rules! files {
    ($($name:literal)*) => {
        /// Every preset: its name, and its file.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!($name, ".yaml")))),*];
    };
}

files! {
    "caliper"
    "canvas"
    "canvas-conversations"
    "canvas-coursework"
    "educonnect"
    "gar"
    "kolibri"
    "kolibri-logs"
    "lti-ags"
    "lti-launch"
    "lti-nrps"
    "moodle"
    "moodle-coursework"
    "moodle-messages"
    "oneroster"
    "oneroster-gradebook"
    "openedx"
    "openedx-discussion"
    "scim"
    "supann"
    "xapi"
    "xapi-documents"
}

/// The fields of one standard.
#[derive(Debug)]
pub struct Preset {
    /// What routes call it.
    pub name: &'static str,
    /// The standard, its versions, and which of its documents.
    pub title: String,
    /// Where a person's record is; never empty.
    pub records: Vec<JsonPath>,
    /// Inside a record: whose it is.
    pub subject: Option<JsonPath>,
    /// Inside a record: its groups.
    pub group: Option<JsonPath>,
    /// Where, and the shipped charter's category; `None` for what is not personal. The first that matches counts.
    pub fields: Vec<(JsonPath, Option<String>)>,
}

impl Preset {
    /// The categories that the charter must have, or that a route must map, in the order of the file.
    pub fn categories(&self) -> Vec<&str> {
        let mut categories = Vec::new();
        for name in self.fields.iter().filter_map(|(_, category)| category.as_deref()) {
            if !categories.contains(&name) {
                categories.push(name);
            }
        }
        categories
    }

    /// The names in its paths.
    fn spelt(&self) -> impl Iterator<Item = &str> {
        let fields = self.fields.iter().map(|(path, _)| path);
        self.records.iter().chain(&self.subject).chain(&self.group).chain(fields).flat_map(JsonPath::names)
    }
}

/// The names of all presets, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// Reads the preset of this name.
///
/// # Errors
/// What is wrong with the name or with the file; every shipped file is read by a test.
pub fn read(name: &str) -> Result<Preset, String> {
    let (name, text) = FILES.iter().find(|(known, _)| *known == name).ok_or("there is no such preset")?;
    parse(name, text).map_err(|fault| format!("the preset `{name}` is broken: {fault}"))
}

/// What interfaces call their technical members everywhere, one name a line.
const EVERYDAY: &str = include_str!("everyday.txt");

/// The names that the standards spell, and those of every day: no person's, whoever is asked about.
pub fn vocabulary<'a>() -> impl Iterator<Item = &'a str> {
    static STANDARDS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let presets = names().filter_map(|name| read(name).ok());
        let mut all: Vec<String> =
            presets.flat_map(|preset| preset.spelt().map(str::to_owned).collect::<Vec<_>>()).collect();
        all.sort_unstable();
        all.dedup();
        all
    });
    STANDARDS.iter().map(String::as_str).chain(EVERYDAY.lines().filter(|line| !line.starts_with('#')))
}

fn parse(name: &'static str, text: &str) -> Result<Preset, String> {
    let (file, contents) =
        document::open::<PresetFile>(name, text.as_bytes()).map_err(|fault| fault.message)?;
    if let Some(fault) = contents.faults.first() {
        return Err(fault.message.clone());
    }
    let path = |text: &str| text.parse::<JsonPath>().map_err(|error| format!("`{text}`: {error}"));
    let inside = |text: Option<String>| {
        let path = text.map(|text| path(&text)).transpose()?;
        match path {
            Some(path) if path.absolute => Err(format!("`{path}` starts at the document's root")),
            path => Ok(path),
        }
    };
    let records = file.record.ok_or("it has no record")?;
    let records: Result<Vec<_>, _> = records.items.iter().flatten().map(|text| path(text)).collect();
    let mut fields: Vec<(JsonPath, Option<String>)> = Vec::new();
    for (text, category) in file.fields.ok_or("it classifies nothing")?.0 {
        let path = path(&text)?;
        if fields.iter().any(|(known, _)| *known == path) {
            return Err(format!("`{text}` is classified twice"));
        }
        fields.push((path, category.filter(|category| category != "not_personal")));
    }
    Ok(Preset {
        name,
        title: file.title.ok_or("it has no title")?,
        records: records?,
        subject: inside(file.subject)?,
        group: inside(file.group)?,
        fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_preset_is_sound() {
        assert!(names().is_sorted());
        for name in names() {
            let preset = read(name).unwrap_or_else(|fault| panic!("{fault}"));
            assert!(!preset.categories().is_empty(), "{name} protects nothing");
            let records = || preset.records.iter();
            assert!(records().count() > 0);
            assert!(records().all(|record| record.absolute), "{name}: a record starts at the root");
            assert!(records().all(|one| records().filter(|other| *other == one).count() == 1), "{name}");
        }
    }

    #[test]
    fn the_vocabulary_is_names_of_members() {
        let everyday: Vec<_> = EVERYDAY.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(everyday.is_sorted() && everyday.len() > 200);
        for name in everyday {
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        }
        for name in ["created_at", "createdAt", "full_name", "mbox_sha1sum"] {
            assert!(vocabulary().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn a_broken_preset_is_named() {
        for (text, fault) in [
            ("title: x\nfields: { a: name }", "no record"),
            ("title: x\nrecord: $", "classifies nothing"),
            ("record: $\nfields: { a: name }", "no title"),
            ("title: x\nrecord: $\nfields: { 'a[': name }", "`a[`"),
            ("title: x\nrecord: $\nfields: { a.b: name, \"a['b']\": name }", "classified twice"),
            ("title: x\nfields: { a: name, a: name }", "written twice"),
            ("title: x\nrecord: $\nsubject: $.id\nfields: { a: name }", "document's root"),
            ("title: x\nfield: { a: name }", "not a field here"),
            ("title: [", "not YAML"),
        ] {
            let found = parse("x", text).unwrap_err();
            assert!(found.contains(fault), "{text}: {found}");
        }
        assert!(read("x").is_err());
    }
}
