//! What the school world calls its roles, as data: what `vocabulary: sdet` on an identity provider means.
//!
//! Each is a YAML file beside this one: a role's text → a recipient of `policies/charter.yaml`, or `none` where the charter has
//! no recipient that the role evidently is. Such a role is known and adds nothing, until a policy's own `roles` says what it is.
//! A new vocabulary is a file and a line in `FILES`.

use super::document::{self, VocabularyFile};

macro_rules! files {
    ($($name:literal)*) => {
        /// Every vocabulary: its name, and its file.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!($name, ".yaml")))),*];
    };
}

files! {
    "canvas"
    "educonnect"
    "kolibri"
    "lis"
    "moodle"
    "oneroster"
    "openedx"
    "sdet"
    "supann"
}

/// The roles of one platform or standard.
#[derive(Debug)]
pub struct Vocabulary {
    /// What identity providers call it.
    pub name: &'static str,
    /// Whose roles, and where they stand.
    pub title: String,
    /// A role's text, and the shipped charter's recipient; `None` for a role that adds nothing.
    pub roles: Vec<(String, Option<String>)>,
}

impl Vocabulary {
    /// The recipients that the charter must have, or that a provider must map, in the order of the file.
    pub fn recipients(&self) -> Vec<&str> {
        let mut recipients = Vec::new();
        for name in self.roles.iter().filter_map(|(_, recipient)| recipient.as_deref()) {
            if !recipients.contains(&name) {
                recipients.push(name);
            }
        }
        recipients
    }
}

/// The names of all vocabularies, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// Reads the vocabulary of this name.
///
/// # Errors
/// What is wrong with the name or with the file; every shipped file is read by a test.
pub fn read(name: &str) -> Result<Vocabulary, String> {
    let (name, text) = FILES.iter().find(|(known, _)| *known == name).ok_or("there is no such vocabulary")?;
    parse(name, text).map_err(|fault| format!("the vocabulary `{name}` is broken: {fault}"))
}

fn parse(name: &'static str, text: &str) -> Result<Vocabulary, String> {
    let (file, contents) =
        document::open::<VocabularyFile>(name, text.as_bytes()).map_err(|fault| fault.message)?;
    if let Some(fault) = contents.faults.first() {
        return Err(fault.message.clone());
    }
    let entries = file.roles.ok_or("it has no roles")?.0;
    let roles = entries.into_iter().map(|(role, to)| (role, to.filter(|to| to != "none"))).collect();
    Ok(Vocabulary { name, title: file.title.ok_or("it has no title")?, roles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_vocabulary_is_sound() {
        assert!(names().is_sorted());
        for name in names() {
            let vocabulary = read(name).unwrap_or_else(|fault| panic!("{fault}"));
            assert!(vocabulary.recipients().contains(&"learner"), "{name} has no learner");
            assert!(vocabulary.roles.iter().all(|(role, _)| role.trim() == role && !role.is_empty()));
            for recipient in vocabulary.recipients() {
                assert!(["learner", "guardian", "teacher", "administrator"].contains(&recipient), "{name}");
            }
        }
    }

    #[test]
    fn a_broken_vocabulary_is_named() {
        for (text, fault) in [
            ("title: x", "no roles"),
            ("roles: { a: learner }", "no title"),
            ("title: x\nroles: { a: learner, a: teacher }", "written twice"),
            ("title: x\nrole: {}", "not a field here"),
        ] {
            let found = parse("x", text).unwrap_err();
            assert!(found.contains(fault), "{text}: {found}");
        }
        assert!(read("x").is_err());
    }
}
