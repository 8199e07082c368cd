//! `charter.yaml`, as written by the data-protection officer.

use serde::Deserialize;

use super::{Amount, Entries, List, Section, Texts, WordOr};

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CharterFile {
    pub(crate) charter: Option<Section<CharterDocument>>,
}

/// `charter`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CharterDocument {
    /// Title of the text that the rules enforce. Mandatory.
    pub(crate) title: Option<String>,
    /// Its date, `2025-09-10`. Mandatory.
    pub(crate) version: Option<String>,
    /// Why data is processed (article 1, Annex 1), by name. Mandatory.
    pub(crate) purposes: Option<Entries<Section<PurposeDocument>>>,
    /// Kinds of personal data (article 2), by name; at most 64. Mandatory.
    pub(crate) categories: Option<Entries<Section<CategoryDocument>>>,
    /// Who may see what (article 3), by name; at most 64, `anonymous` among them. Mandatory.
    pub(crate) recipients: Option<Entries<Section<RecipientDocument>>>,
    /// Cookies that may pass (article 8.2). Default: none, every cookie is dropped.
    pub(crate) cookies: Option<List<Section<CookieDocument>>>,
}

/// `charter.purposes.NAME`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PurposeDocument {
    /// `consent`, `contract`, `legal_obligation`, `public_task` or `legitimate_interest`. Mandatory.
    pub(crate) basis: Option<String>,
    /// Charter article. Mandatory.
    pub(crate) article: Option<String>,
    /// How long the data is kept: `36 months`, `3 years`. Mandatory.
    pub(crate) retention: Option<Amount>,
}

/// `charter.categories.NAME`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CategoryDocument {
    /// Charter article. Mandatory.
    pub(crate) article: Option<String>,
    /// Field names that mean this category wherever they stand; compared without case, `_`, `-` and spaces, and
    /// belonging to one category only. Default: none, the category is only used by routes.
    pub(crate) fields: Option<List<String>>,
    /// What of this category is looked for in free text: names of [detectors](#detectors), each in one category only.
    /// Default: nothing.
    pub(crate) detect: Option<List<String>>,
    /// What those who may not see it get. Mandatory.
    pub(crate) otherwise: Option<WordOr<ActionDocument>>,
}

/// `otherwise: { … }`; the plain words are `remove`, `null`, `mask`, `pseudonym` and `tokenise`. Exactly one of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ActionDocument {
    /// A mask that leaves a part.
    pub(crate) mask: Option<Section<MaskDocument>>,
    /// This text in its place.
    pub(crate) replace: Option<String>,
    /// A pseudonym of one format.
    pub(crate) pseudonym: Option<Section<PseudonymDocument>>,
    /// A coarser value: `year`, `month`, `age_band`, `ip`, `postal_code`, or a section.
    pub(crate) generalise: Option<WordOr<GeneraliseDocument>>,
}

/// `mask: { … }`; one of them at least.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MaskDocument {
    /// Characters that stay at the beginning. Default: 0.
    pub(crate) first: Option<u64>,
    /// Characters that stay at the end. Default: 0.
    pub(crate) last: Option<u64>,
    /// `keep`: the domain of an e-mail address stays. Default: it goes with the rest.
    pub(crate) domain: Option<String>,
}

/// `pseudonym: { … }`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PseudonymDocument {
    /// `auto`, `token`, `email`, `uuid`, `alias` or `number`. Mandatory.
    #[serde(rename = "as")]
    pub(crate) shape: Option<String>,
}

/// `generalise: { … }`; exactly one of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GeneraliseDocument {
    /// Where bands of a number begin, ascending.
    pub(crate) score: Option<List<f64>>,
    /// Decimals that a coordinate keeps.
    pub(crate) coordinate: Option<u64>,
}

/// `charter.recipients.NAME`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RecipientDocument {
    /// Charter article, where the charter names this recipient.
    pub(crate) article: Option<String>,
    /// What they see. Mandatory; `{}` for nothing.
    pub(crate) sees: Option<Section<SeesDocument>>,
}

/// `sees`: categories by relation to the person; `all` for every category. Default of each: none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SeesDocument {
    /// Of anybody.
    pub(crate) any: Option<Texts>,
    /// Of oneself.
    pub(crate) own: Option<Texts>,
    /// Of the members of one's groups.
    pub(crate) group: Option<Texts>,
    /// Of the children one answers for.
    pub(crate) ward: Option<Texts>,
}

/// `charter.cookies[]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CookieDocument {
    /// Name, byte for byte; `*` for any run of characters. Mandatory.
    pub(crate) name: Option<String>,
    /// `session`, `cart`, `security`, `consent`, `interface`, `load_balancing` or `audience`. Mandatory.
    pub(crate) class: Option<String>,
    /// Charter article. Mandatory, unless `exempt` stands in its place.
    pub(crate) article: Option<String>,
    /// Why the CNIL exempts it though the charter does not name it; then `finding: true` is mandatory.
    pub(crate) exempt: Option<String>,
    /// Shown to the officer at every check.
    pub(crate) finding: Option<bool>,
    /// The page's script reads it: no `HttpOnly`. Default: false.
    pub(crate) script: Option<bool>,
    /// `strict`, `lax` or `none`: what a cookie without `SameSite`, or with a weaker one, gets. Default: `lax`.
    pub(crate) same_site: Option<String>,
    /// Longest life, at most 400 days (RFC 6265bis), 390 days (13 months) for `audience`, 180 days for `consent`; these are
    /// the defaults. None for `session`, which ends with the browser.
    pub(crate) max_age: Option<Amount>,
}
