//! `src/policy/presets/*.yaml`: the fields of a standard, in the language of routes.

use serde::Deserialize;

use super::{Entries, Texts};

/// A file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresetFile {
    /// The standard, its versions, and which of its documents. Mandatory.
    pub(crate) title: Option<String>,
    /// As in a route. Mandatory.
    pub(crate) record: Option<Texts>,
    /// As in a route.
    pub(crate) subject: Option<String>,
    /// As in a route.
    pub(crate) group: Option<String>,
    /// As in a route, with the category names of the shipped charter. Mandatory.
    pub(crate) fields: Option<Entries<String>>,
}
