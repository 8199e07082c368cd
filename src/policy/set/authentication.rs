//! How a route that checks a credential is protected (charter 6; CNIL délib. 2022-100).

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::{CookiePattern, JsonPath, SameSite};

/// A route that checks a credential.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// What the route is for, which says what counts there.
    pub kind: AuthenticationKind,
    /// Names of the body fields (JSON path or form field) that hold the account; compared without case.
    pub account: Vec<JsonPath>,
    /// Names of the body fields that hold the secret: without one the request is a probe, not a guess.
    pub secret: Vec<JsonPath>,
    /// Cookies that name the session of a second factor, where the request names no account.
    pub session: Vec<String>,
    /// What of the platform's answer means a failed guess.
    pub failure: Failure,
    /// What an account, a device and a session may fail each.
    pub per_account: AccountLimit,
    /// Failures allowed per address (IPv4, or the /64 of IPv6).
    pub per_address: Rate,
    /// Failures allowed per IPv6 /48.
    pub per_network: Rate,
    /// The cookie by which a device that signed in before keeps its own counter.
    pub device_cookie: Option<DeviceCookie>,
    /// What is unusual for the route as a whole.
    pub alarm: Alarm,
    /// Routes on which a success here ends the wait or the block of the account.
    pub lifts: Vec<String>,
    /// What stands in for the platform's own answers that could tell accounts apart.
    pub uniform: Option<Uniform>,
    /// Longest body that is read to find the account; a longer one is refused.
    pub peek_bytes: usize,
}

impl Authentication {
    /// Whether every request counts, whatever becomes of it; elsewhere failures do.
    pub fn counts_every_request(&self) -> bool {
        match self.kind {
            AuthenticationKind::Login | AuthenticationKind::SecondFactor => false,
            AuthenticationKind::Registration => true,
            // Asking for a reset is never a failure; a secret makes it the step that ends one.
            AuthenticationKind::Reset => self.secret.is_empty(),
        }
    }
}

/// What a route that checks a credential is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthenticationKind {
    /// Account and secret.
    #[default]
    Login,
    /// Asking for a new secret, or (where a secret is named) setting one.
    Reset,
    /// A new account: each request counts, by address only.
    Registration,
    /// A code after the secret.
    SecondFactor,
}

/// What of an answer means a failed guess; any of it.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    /// Statuses; empty for every 4xx that speaks of the request (not 408, 425 and 429).
    pub status: Vec<StatusCode>,
    /// Where a redirect leads.
    pub location: Vec<LocationPattern>,
    /// Fields of a JSON answer that are there, and neither `false`, `null`, `0` nor empty; with a text: that are this.
    pub fields: Vec<(JsonPath, Option<String>)>,
    /// Texts in the answer.
    pub texts: Vec<String>,
}

impl Failure {
    /// Whether the answer's body says it, too.
    pub fn reads_body(&self) -> bool {
        !self.fields.is_empty() || !self.texts.is_empty()
    }
}

/// Where a redirect leads: path and query, with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationPattern(CookiePattern);

impl LocationPattern {
    /// A pattern from its text.
    pub fn new(pattern: &str) -> Self {
        Self(CookiePattern::new(pattern))
    }

    /// Whether a `Location` leads there, whatever host it names.
    pub fn matches(&self, location: &[u8]) -> bool {
        let path = match memchr::memmem::find(location, b"//") {
            Some(at)
                if location[..at].iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'+')) =>
            {
                let rest = &location[at + 2..];
                rest.iter().position(|&b| b == b'/').map_or(&b"/"[..], |slash| &rest[slash..])
            }
            _ => location,
        };
        self.0.matches(path)
    }
}

/// What an account may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLimit {
    /// Failures in a row before it has to wait, or is blocked.
    pub failures: u32,
    /// What comes then.
    pub then: Then,
    /// Failures in any 24 hours.
    pub per_day: u32,
}

/// What comes after failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// A wait that doubles with each further failure.
    BackOff {
        /// The first.
        delay: Duration,
        /// No wait is longer.
        longest: Duration,
    },
    /// Nothing for so long, or until a success of a route that lifts it.
    Block(Duration),
}

impl AccountLimit {
    /// CNIL délib. 2022-100, first way: more than a minute after five failures, and 25 failures in 24 hours at most.
    pub const CNIL_BACKOFF: Self = Self {
        failures: 5,
        then: Then::BackOff { delay: Duration::from_secs(61), longest: Duration::from_secs(3600) },
        per_day: 25,
    };
    /// CNIL délib. 2022-100, second way: a block after ten failures in a row at most.
    pub const CNIL_BLOCK: Self =
        Self { failures: 10, then: Then::Block(Duration::from_secs(86_400)), per_day: 25 };
}

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many may come at once; they come back one by one over the period.
    pub count: u32,
    /// The period.
    pub per: Duration,
}

/// The gateway's own cookie for a device that signed in before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCookie {
    /// Its name, which begins with `__Host-`.
    pub name: String,
    /// How long a device is known after a success.
    pub life: Duration,
    /// `Lax` or `Strict`, as the charter says.
    pub same_site: SameSite,
}

/// When so many attempts on a route fail that somebody tries stolen passwords, each account once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Over how long attempts are looked at.
    pub window: Duration,
    /// How many there must be.
    pub attempts: u32,
    /// How many of a hundred fail.
    pub percent: u32,
    /// What all unknown devices together may fail while it lasts.
    pub limit: Rate,
    /// Whether that limit refuses anybody; otherwise what it would refuse is counted.
    pub enforce: bool,
}

/// One answer for accounts that exist and for those that do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uniform {
    /// A fixed text of the gateway.
    Text,
    /// A page of the platform.
    Page(HeaderValue),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_compared_without_their_host() {
        let pattern = LocationPattern::new("/login?error*");
        for (location, expected) in [
            ("/login?error=1", true),
            ("https://ecole.example.fr/login?error", true),
            ("//ecole.example.fr/login?error=a/b", true),
            ("/login", false),
            ("/home?next=//x/login?error", false),
            ("https://ecole.example.fr", false),
        ] {
            assert_eq!(pattern.matches(location.as_bytes()), expected, "{location}");
        }
        assert!(LocationPattern::new("/").matches(b"https://ecole.example.fr"));
    }
}
