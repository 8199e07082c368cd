//! `routes[].authentication`, as written by the platform teams.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Amount, List, Section, Texts, WordOr};

/// `routes[].authentication`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthenticationDocument {
    /// `login`, `reset`, `registration` or `second_factor`. Default: `login`.
    pub(crate) kind: Option<String>,
    /// Body fields (JSON path or form field) that hold the account. Mandatory for `login` and `reset`.
    pub(crate) account: Option<Texts>,
    /// Body fields that hold the secret; a request without one is a probe. Default: none, every request is a guess.
    pub(crate) secret: Option<Texts>,
    /// Cookies that name the session of a second factor. Default: none.
    pub(crate) session: Option<Texts>,
    /// What means a failed guess: statuses, or a section. Default: every 4xx but 408, 425 and 429.
    pub(crate) failure: Option<FailureChoice>,
    /// What an account may fail: `cnil-backoff`, `cnil-block`, or a section that is stricter. Default: `cnil-backoff`.
    pub(crate) per_account: Option<WordOr<AccountLimitDocument>>,
    /// Failures per address. Default: 150 per 10 min (a class of thirty behind one address).
    pub(crate) per_address: Option<Section<RateDocument>>,
    /// Failures per IPv6 /48. Default: 600 per 10 min.
    pub(crate) per_network: Option<Section<RateDocument>>,
    /// A cookie by which devices that signed in before keep a counter of their own: its name, or a section. Default: none.
    pub(crate) device_cookie: Option<WordOr<DeviceCookieDocument>>,
    /// When unusually many attempts fail.
    pub(crate) alarm: Option<Section<AlarmDocument>>,
    /// Routes on which a success here ends the wait of the account. Default: none.
    pub(crate) lifts: Option<Texts>,
    /// One answer for accounts that exist and for those that do not: `text`, or a path to go to. Default: the platform's own.
    pub(crate) uniform: Option<String>,
    /// Longest body read to find the account. Default: 64 KiB.
    pub(crate) peek: Option<Amount>,
}

/// `routes[].authentication.failure`: a list of statuses, or a section.
#[derive(Debug)]
pub(crate) enum FailureChoice {
    Statuses(List<u16>),
    Signs(FailureDocument),
}

impl<'de> Deserialize<'de> for FailureChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choose;

        impl<'de> Visitor<'de> for Choose {
            type Value = FailureChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of statuses, or a mapping of `status`, `location` and `body`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<FailureChoice, A::Error> {
                let mut statuses = Vec::new();
                while let Some(status) = seq.next_element()? {
                    statuses.push(status);
                }
                Ok(FailureChoice::Statuses(statuses))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FailureChoice, A::Error> {
                FailureDocument::deserialize(MapAccessDeserializer::new(map)).map(FailureChoice::Signs)
            }
        }

        deserializer.deserialize_any(Choose)
    }
}

/// `routes[].authentication.failure` where it is more than statuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FailureDocument {
    /// Statuses. Default: every 4xx but 408, 425 and 429.
    pub(crate) status: Option<List<u16>>,
    /// Where a redirect leads: path and query, `*` for any run of characters. Default: none.
    pub(crate) location: Option<Texts>,
    /// What the body says. Default: it is not read.
    pub(crate) body: Option<Section<FailureBodyDocument>>,
}

/// `routes[].authentication.failure.body`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FailureBodyDocument {
    /// Fields of a JSON answer that are there only after a failure.
    pub(crate) path: Option<Texts>,
    /// What the field says then. Default: anything but `null`, `false`, `0` and what is empty.
    pub(crate) equals: Option<String>,
    /// Texts that are there only after a failure.
    pub(crate) text: Option<Texts>,
}

/// `routes[].authentication.per_account`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccountLimitDocument {
    /// `cnil-backoff` or `cnil-block`, which the other keys make stricter. Default: `cnil-backoff`.
    pub(crate) preset: Option<String>,
    /// Failures in a row. Default: 5 before a wait, 10 before a block; these are the most.
    pub(crate) failures: Option<u32>,
    /// The first wait, which doubles. Default: 61 s, which is the least.
    pub(crate) delay: Option<Amount>,
    /// The longest wait. Default: 1 h.
    pub(crate) longest: Option<Amount>,
    /// How long a block lasts. Default: 24 h.
    pub(crate) block: Option<Amount>,
    /// Failures in any 24 hours. Default: 25, which is the most.
    pub(crate) per_day: Option<u32>,
}

/// `routes[].authentication.device_cookie`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DeviceCookieDocument {
    /// Its name, `__Host-…`. Mandatory.
    pub(crate) name: Option<String>,
    /// How long a device is known after a success. Default: 90 days.
    pub(crate) life: Option<Amount>,
}

/// `routes[].authentication.alarm`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AlarmDocument {
    /// Over how long attempts are looked at. Default: 10 min.
    pub(crate) window: Option<Amount>,
    /// How many there must be. Default: 100.
    pub(crate) attempts: Option<u32>,
    /// How many of a hundred must fail. Default: 50.
    pub(crate) percent: Option<u32>,
    /// Failures of all unknown devices together while it lasts. Default: 60 per minute.
    pub(crate) limit: Option<Section<RateDocument>>,
    /// Whether that limit refuses: `shadow` (it is counted only) or `enforce`. Default: `shadow`.
    pub(crate) mode: Option<String>,
}

/// `{ count: 10, per: 10 min }`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RateDocument {
    /// Mandatory.
    pub(crate) count: Option<u32>,
    /// Mandatory.
    pub(crate) per: Option<Amount>,
}
