//! What the data-protection officer decided: purposes, categories, who sees what, cookies.

use std::time::Duration;

use super::DetectorKinds;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u8);

        impl $name {
            /// The place in its list.
            pub fn index(self) -> usize {
                usize::from(self.0)
            }
        }
    };
}

id!(
    /// A category of personal data: its place in [`Charter::categories`], below 64.
    CategoryId
);
id!(
    /// A recipient: its place in [`Charter::recipients`], below 64.
    RecipientId
);
id!(
    /// A purpose: its place in [`Charter::purposes`].
    PurposeId
);

/// A set of categories, one bit each; bits beyond the charter's categories mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CategorySet(pub u64);

impl CategorySet {
    /// Every category that a charter can have.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether the category is in the set.
    pub fn contains(self, category: CategoryId) -> bool {
        self.0 & (1 << category.0) != 0
    }

    /// Adds a category.
    pub fn insert(&mut self, category: CategoryId) {
        self.0 |= 1 << category.0;
    }

    /// Both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The charter as data.
#[derive(Debug)]
pub struct Charter {
    /// Title of the text that these rules enforce.
    pub title: String,
    /// Its version, as the text states it (a date).
    pub version: String,
    /// Purposes of processing (article 1, Annex 1).
    pub purposes: Vec<Purpose>,
    /// Categories of personal data (article 2).
    pub categories: Vec<Category>,
    /// Who may see what (article 3).
    pub recipients: Vec<Recipient>,
    /// The recipient of an unknown caller; its view is the least.
    pub anonymous: RecipientId,
    /// Cookies that may pass (article 8.2); every other one is dropped.
    pub cookies: Vec<CookieRule>,
}

impl Charter {
    /// The view of a caller who is several recipients at once: the union of what each sees, each in its own relation.
    pub fn sees(&self, recipients: &[RecipientId]) -> Sees {
        recipients.iter().filter_map(|id| self.recipients.get(id.index())).fold(
            Sees::default(),
            |all, one| Sees {
                any: all.any.union(one.sees.any),
                own: all.own.union(one.sees.own),
                group: all.group.union(one.sees.group),
                ward: all.ward.union(one.sees.ward),
            },
        )
    }
}

/// Why data is processed.
#[derive(Debug)]
pub struct Purpose {
    /// Name used by routes.
    pub name: String,
    /// GDPR article 6(1).
    pub basis: LegalBasis,
    /// Charter article.
    pub article: String,
    /// How long the data of this purpose is kept, in months.
    pub retention_months: u32,
}

/// GDPR article 6(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegalBasis {
    /// 6(1)(a)
    Consent,
    /// 6(1)(b)
    Contract,
    /// 6(1)(c)
    LegalObligation,
    /// 6(1)(e)
    PublicTask,
    /// 6(1)(f)
    LegitimateInterest,
}

/// A category of personal data.
#[derive(Debug)]
pub struct Category {
    /// Name used by routes and recipients.
    pub name: String,
    /// Charter article.
    pub article: String,
    /// Field names that mean this category wherever they stand, compared as [`fold_field_name`] writes them.
    pub fields: Vec<String>,
    /// What of it is looked for in free text.
    pub detect: DetectorKinds,
    /// What those who may not see it get instead.
    pub otherwise: Action,
}

/// The form in which field names are compared: lower case, without `_`, `-` and spaces, so that `birthDate`,
/// `birth_date` and `Birth-Date` are one name.
pub fn fold_field_name(name: &str) -> String {
    name.chars().filter(|&c| !is_unseen(c)).flat_map(char::to_lowercase).collect()
}

/// What stands between the words of a name, or cannot be seen in it: a name with a zero-width space reads as the same.
fn is_unseen(c: char) -> bool {
    matches!(c, '_' | '-' | ' ' | '\u{a0}' | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
        || c.is_control()
}

/// What replaces a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The member or element disappears.
    Remove,
    /// `null`.
    Null,
    /// `"***"` for a text, whatever its length; `null` for a number or boolean.
    Mask,
    /// A mask that leaves a little of a text to be recognised by.
    MaskPart(Shown),
    /// This text.
    Replace(String),
    /// A keyed HMAC in the format of the value: the same value gives the same pseudonym, nobody without the key can go
    /// back.
    Pseudonym,
    /// The same, always in this format.
    PseudonymAs(Shape),
    /// A coarser value.
    Generalise(Generalisation),
    /// A token that only the gateway can turn back into the value, and does where the client sends it back.
    Tokenise,
}

/// What a mask leaves of a text; of a short one less, so that half of it and three characters are always hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Characters at the beginning.
    pub first: u8,
    /// Characters at the end.
    pub last: u8,
    /// The domain of an e-mail address; the other two then count in the part before it.
    pub domain: bool,
}

/// The format of a pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `p_` and 32 hexadecimal digits.
    Token,
    /// An address under a name that can never exist (RFC 2606).
    Email,
    /// A UUID of version 8 (RFC 9562).
    Uuid,
    /// A made-up first and last name.
    Alias,
    /// A whole number that a double holds exactly.
    Number,
}

/// How a value is made coarser.
#[derive(Clone, Debug, PartialEq)]
pub enum Generalisation {
    /// A date or timestamp becomes its year.
    Year,
    /// A date or timestamp becomes `YYYY-MM`.
    Month,
    /// A date of birth, a year of birth or an age becomes a band of ages.
    AgeBand,
    /// An IP address becomes its network: /24 or /48.
    Ip,
    /// A French postal code becomes its department.
    PostalCode,
    /// A number becomes the band that it falls into: these bounds, ascending, each belonging to the band above it.
    Score(Vec<f64>),
    /// A coordinate keeps so many decimals.
    Coordinate(u8),
}

/// Who asks, as the charter sees them.
#[derive(Debug)]
pub struct Recipient {
    /// Name used by identity providers' role tables.
    pub name: String,
    /// Charter article, where the charter names the recipient.
    pub article: Option<String>,
    /// What they see, by relation to the person.
    pub sees: Sees,
}

/// The categories seen in each relation to the person whose record it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sees {
    /// Of anybody.
    pub any: CategorySet,
    /// Of oneself.
    pub own: CategorySet,
    /// Of members of one's groups.
    pub group: CategorySet,
    /// Of the children one answers for.
    pub ward: CategorySet,
}

/// A cookie that may pass.
#[derive(Clone, Debug)]
pub struct CookieRule {
    /// Which names, byte for byte.
    pub pattern: CookiePattern,
    /// What it is for.
    pub class: CookieClass,
    /// Charter article or stated exemption.
    pub basis: CookieBasis,
    /// Whether the officer must look at it: exempt by the CNIL but not named in the charter.
    pub finding: bool,
    /// Whether the page's script reads it, which `HttpOnly` would break.
    pub script_readable: bool,
    /// `SameSite` where the platform set none, or a weaker one.
    pub same_site: SameSite,
    /// Longest life; session-class cookies have none (`Expires` and `Max-Age` are removed).
    pub max_age: Option<Duration>,
    /// Whether it is the gateway's own: the platform neither gets nor sets it. Such rules come first.
    pub own: bool,
}

/// Names of cookies: bytes, with `*` for any run of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookiePattern {
    /// The text between the stars; one part means an exact name.
    parts: Vec<Box<[u8]>>,
}

impl CookiePattern {
    /// A pattern from its text.
    pub fn new(pattern: &str) -> Self {
        Self { parts: pattern.split('*').map(|part| part.as_bytes().into()).collect() }
    }

    /// Whether a cookie of this name may pass.
    pub fn matches(&self, name: &[u8]) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|exact| **exact == *name);
        };
        let Some(mut rest) = name.strip_prefix(&**first) else { return false };
        for part in middle {
            if part.is_empty() {
                continue;
            }
            match memchr::memmem::find(rest, part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// What a cookie is for: charter 8.2 and the CNIL's list of exempt trackers (délib. 2020-091).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CookieClass {
    /// Session and single sign-on (charter 8.2).
    Session,
    /// Shopping basket (charter 8.2).
    Cart,
    /// Authentication security, such as CSRF tokens.
    Security,
    /// The record of a choice about trackers.
    Consent,
    /// Interface preferences that the user asked for.
    Interface,
    /// Load balancing.
    LoadBalancing,
    /// Strictly necessary audience measurement.
    Audience,
}

/// Why a cookie may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieBasis {
    /// An article of the charter.
    Article(String),
    /// Exempt from consent by the CNIL, in words, though the charter does not name it.
    Exempt(String),
}

/// RFC 6265bis `SameSite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SameSite {
    /// Sent on every cross-site request; only with `Secure`.
    None,
    /// Sent on top-level navigation.
    Lax,
    /// Never sent cross-site.
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_patterns_match_bytes() {
        for (pattern, name, expected) in [
            ("kolibri", "kolibri", true),
            ("kolibri", "kolibri_csrftoken", false),
            ("kolibri", "Kolibri", false),
            ("*_csrftoken", "kolibri_csrftoken", true),
            ("*_csrftoken", "_csrftoken", true),
            ("*_csrftoken", "kolibri_csrftoken2", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(CookiePattern::new(pattern).matches(name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn field_names_fold_to_one_form() {
        for name in ["birthDate", "birth_date", "Birth-Date", "BIRTH DATE"] {
            assert_eq!(fold_field_name(name), "birthdate");
        }
    }
}
