//! Tokens that stand for a client address or a subject in the journal (R5, R13; EDPB 01/2025).
//!
//! A token is `p1.2026w47.<16 hexadecimal digits>`: the scheme, the epoch (an ISO week, UTC) and the first 64 bits of
//! an HMAC-SHA-256. Its key is derived from the deployment's secret for the journal's domain and for that epoch, so
//! that within a week the acts of one person can be followed (charter 6: traceability), while tokens of two weeks, or
//! of the journal and of API answers, cannot be joined by anybody who has not the secret. Who holds it can derive a
//! person's tokens again for each epoch: that is how article 5's right of access is served.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwapOption;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::{Timestamp, civil::ISOWeekDate, tz::TimeZone};

use crate::{
    policy::set::AddressMode,
    secret::{Domain, DomainKey, MasterSecret},
};

/// The period over which tokens of one person are equal: one ISO 8601 week, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch {
    year: i16,
    week: i8,
}

impl Epoch {
    /// The epoch of a moment.
    pub fn of(now: Timestamp) -> Self {
        let date = now.to_zoned(TimeZone::UTC).date().iso_week_date();
        Self { year: date.year(), week: date.week() }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}w{:02}", self.year, self.week)
    }
}

/// A keyed pseudonym of one epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    epoch: Epoch,
    tag: [u8; 8],
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p1.{}.{:016x}", self.epoch, u64::from_be_bytes(self.tag))
    }
}

impl Token {
    /// The same text without the machinery of formatting, for the journal; it has one length while years have four
    /// digits, which [`Timestamp`]'s do from now on.
    pub(super) fn text(self) -> [u8; 27] {
        let mut text = *b"p1.0000w00.0000000000000000";
        let mut year = self.epoch.year.unsigned_abs();
        for place in text[3..7].iter_mut().rev() {
            *place = b'0' + (year % 10) as u8;
            year /= 10;
        }
        let week = self.epoch.week.unsigned_abs();
        (text[8], text[9]) = (b'0' + week / 10 % 10, b'0' + week % 10);
        for (place, byte) in text[11..].chunks_exact_mut(2).zip(self.tag) {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
            place.copy_from_slice(&[digit(byte >> 4), digit(byte)]);
        }
        text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A client address as the journal writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressToken {
    /// HMAC of the whole address.
    Pseudonym(Token),
    /// The /24 (IPv4) or /48 (IPv6) that it is in.
    Prefix(IpNet),
}

impl fmt::Display for AddressToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pseudonym(token) => token.fmt(f),
            Self::Prefix(net) => net.fmt(f),
        }
    }
}

/// A subject as the journal writes it; the record's provider says whose subject it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubjectToken(Token);

impl SubjectToken {
    pub(super) fn text(self) -> [u8; 27] {
        self.0.text()
    }
}

impl fmt::Display for SubjectToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The first /24 or /48 prefix of an address, or the same address everywhere else: an IPv4 client that came through
/// a dual-stack socket is an IPv4 client.
fn prefix(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Net::new(v4, 24).unwrap_or(Ipv4Net::from(v4)).trunc().into(),
        IpAddr::V6(v6) => Ipv6Net::new(v6, 48).unwrap_or(Ipv6Net::from(v6)).trunc().into(),
    }
}

/// The key of one epoch, and the seconds since 1970 between which it holds.
struct EpochKey {
    epoch: Epoch,
    from: i64,
    until: i64,
    key: DomainKey,
    recent: Mutex<Box<[Recent; RECENT]>>,
}

/// Tokens kept at hand: a client and its subject come again with every request of a page.
const RECENT: usize = 256;

/// Longest value, in bytes, whose token is kept at hand.
const RECENT_BYTES: usize = 46;

/// A value whose token was made a moment ago; zeroes are nobody.
#[derive(Clone, Copy)]
struct Recent {
    kind: u8,
    length: u8,
    value: [u8; RECENT_BYTES],
    tag: [u8; 8],
}

/// Makes tokens. Shared by the workers; the current epoch's key is derived once a week.
pub struct Pseudonyms {
    master: MasterSecret,
    current: ArcSwapOption<EpochKey>,
}

impl Pseudonyms {
    /// Tokens keyed by this secret.
    pub fn new(master: MasterSecret) -> Self {
        Self { master, current: ArcSwapOption::empty() }
    }

    /// The token of a client address. An IPv4-mapped IPv6 address is the IPv4 address.
    pub fn address(&self, address: IpAddr, mode: AddressMode, now: Timestamp) -> AddressToken {
        match mode {
            AddressMode::Prefix => AddressToken::Prefix(prefix(address)),
            AddressMode::Pseudonym => AddressToken::Pseudonym(match address.to_canonical() {
                IpAddr::V4(v4) => self.token(b"address", &v4.octets(), now),
                IpAddr::V6(v6) => self.token(b"address", &v6.octets(), now),
            }),
        }
    }

    /// The token of a subject, byte for byte as the provider named it.
    pub fn subject(&self, subject: &str, now: Timestamp) -> SubjectToken {
        SubjectToken(self.token(b"subject", subject.as_bytes(), now))
    }

    /// `kind` keeps a subject that reads like an address apart from the address.
    fn token(&self, kind: &[u8], value: &[u8], now: Timestamp) -> Token {
        let second = now.as_second();
        let current = self.current.load();
        match current.as_deref() {
            Some(key) if (key.from..key.until).contains(&second) => key.token(kind, value),
            _ => {
                let key = self.derive(now);
                let token = key.token(kind, value);
                self.current.store(Some(Arc::new(key)));
                token
            }
        }
    }

    fn derive(&self, now: Timestamp) -> EpochKey {
        let epoch = Epoch::of(now);
        let date = now.to_zoned(TimeZone::UTC).date();
        let monday = ISOWeekDate::new(epoch.year, epoch.week, jiff::civil::Weekday::Monday)
            .map_or(date, ISOWeekDate::date);
        let midnight =
            |date: jiff::civil::Date| date.to_zoned(TimeZone::UTC).map(|day| day.timestamp().as_second());
        // At the two ends of the calendar there is no such midnight: then the key holds for this second only.
        let second = now.as_second();
        let from = midnight(monday).unwrap_or(second);
        EpochKey {
            epoch,
            from,
            until: from.checked_add(7 * 24 * 3600).unwrap_or(second),
            key: self.master.derive(Domain::Journal, &epoch.to_string()),
            recent: Mutex::new(Box::new(
                [Recent { kind: 0, length: 0, value: [0; RECENT_BYTES], tag: [0; 8] }; RECENT],
            )),
        }
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms([redacted])")
    }
}

impl EpochKey {
    fn token(&self, kind: &[u8], value: &[u8]) -> Token {
        let mut padded = [0; RECENT_BYTES];
        let (Some(room), Some(&first)) = (padded.get_mut(..value.len()), kind.first()) else {
            return Token { epoch: self.epoch, tag: self.tag(kind, value) };
        };
        room.copy_from_slice(value);
        // Only where it stands; what it is, all bytes decide.
        let place = padded
            .iter()
            .fold(usize::from(first), |place, &byte| place.wrapping_mul(31).wrapping_add(usize::from(byte)));
        // A worker has its own; should another one hold it, the tag is made anew.
        let Ok(mut recent) = self.recent.try_lock() else {
            return Token { epoch: self.epoch, tag: self.tag(kind, value) };
        };
        let slot = &mut recent[place % RECENT];
        let length = value.len() as u8;
        if (slot.kind, slot.length, slot.value) != (first, length, padded) {
            *slot = Recent { kind: first, length, value: padded, tag: self.tag(kind, value) };
        }
        Token { epoch: self.epoch, tag: slot.tag }
    }

    fn tag(&self, kind: &[u8], value: &[u8]) -> [u8; 8] {
        let full = self.key.tag(&[kind, value]);
        let mut tag = [0; 8];
        tag.copy_from_slice(&full[..8]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pseudonyms() -> Pseudonyms {
        Pseudonyms::new(MasterSecret::from_bytes(&[7; 32]).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_names_scheme_and_epoch() {
        let token = pseudonyms().subject("jean", at("2026-11-20T12:00:00Z")).to_string();
        let (head, tag) = token.rsplit_once('.').unwrap();
        assert_eq!(head, "p1.2026w47");
        assert!(tag.len() == 16 && tag.bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
    }

    #[test]
    fn tokens_are_equal_within_an_epoch_and_unlinkable_across() {
        let tokens = pseudonyms();
        let monday = tokens.subject("jean", at("2026-11-16T00:00:00Z"));
        assert_eq!(monday, tokens.subject("jean", at("2026-11-22T23:59:59.999Z")));
        let next = tokens.subject("jean", at("2026-11-23T00:00:00Z"));
        assert_ne!(monday.0.tag, next.0.tag);
        assert_eq!(next.0.epoch.to_string(), "2026w48");
        // Going back gives the first token again: replicas whose clocks differ by a second agree.
        assert_eq!(monday, tokens.subject("jean", at("2026-11-18T00:00:00Z")));
        assert_eq!(monday, pseudonyms().subject("jean", at("2026-11-18T00:00:00Z")), "replicas agree");
    }

    #[test]
    fn the_turn_of_the_year_follows_iso_weeks() {
        for (moment, epoch) in [
            ("2027-01-03T23:59:59Z", "2026w53"),
            ("2027-01-04T00:00:00Z", "2027w01"),
            ("2024-12-30T00:00:00Z", "2025w01"),
        ] {
            assert_eq!(Epoch::of(at(moment)).to_string(), epoch, "{moment}");
        }
    }

    #[test]
    fn other_secrets_kinds_and_values_give_other_tokens() {
        let now = at("2026-11-20T12:00:00Z");
        let tokens = pseudonyms();
        let other = Pseudonyms::new(MasterSecret::from_bytes(&[8; 32]).unwrap());
        assert_ne!(tokens.subject("jean", now), other.subject("jean", now));
        assert_ne!(tokens.subject("jean", now), tokens.subject("Jean", now));
        let address = tokens.address("97.98.99.100".parse().unwrap(), AddressMode::Pseudonym, now);
        assert_ne!(address.to_string(), tokens.subject("abcd", now).to_string());
    }

    #[test]
    fn an_address_has_one_form() {
        let now = at("2026-11-20T12:00:00Z");
        let tokens = pseudonyms();
        for mode in [AddressMode::Pseudonym, AddressMode::Prefix] {
            let plain = tokens.address("203.0.113.77".parse().unwrap(), mode, now);
            assert_eq!(plain, tokens.address("::ffff:203.0.113.77".parse().unwrap(), mode, now));
            assert!(!plain.to_string().contains("77"), "{plain}");
        }
        for (address, expected) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:aaaa:bbbb:cccc::1", "2001:db8:aaaa::/48"),
            ("::1", "::/48"),
        ] {
            let token = tokens.address(address.parse().unwrap(), AddressMode::Prefix, now);
            assert_eq!(token.to_string(), expected);
        }
    }

    #[test]
    fn the_ends_of_the_calendar_do_not_panic() {
        for now in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            assert_eq!(pseudonyms().subject("a", now), pseudonyms().subject("a", now));
        }
    }

    #[test]
    fn the_journal_writes_what_display_says() {
        for moment in ["2026-11-20T12:00:00Z", "2027-01-04T00:00:00Z", "1970-01-01T00:00:00Z"] {
            let token = pseudonyms().subject("jean", at(moment));
            assert_eq!(token.text(), token.to_string().as_bytes(), "{moment}");
        }
    }

    #[test]
    fn tokens_at_hand_are_those_that_are_made() {
        let now = at("2026-11-20T12:00:00Z");
        let tokens = pseudonyms();
        let long = "x".repeat(RECENT_BYTES);
        for number in 0..3 * RECENT {
            let subjects =
                [number.to_string(), format!("{number}\0"), format!("{long}{number}"), long.clone()];
            for subject in &subjects {
                let made = pseudonyms().subject(subject, now);
                assert_eq!(tokens.subject(subject, now), made);
                assert_eq!(tokens.subject(subject, now), made);
            }
        }
    }

    #[test]
    fn nothing_prints_the_secret() {
        assert_eq!(format!("{:?}", pseudonyms()), "Pseudonyms([redacted])");
    }

    proptest! {
        /// The cached interval and the calendar agree at every moment.
        #[test]
        fn the_cache_never_gives_a_key_of_another_epoch(first in 0i64..4_000_000_000, step in -1_300_000i64..1_300_000) {
            let tokens = pseudonyms();
            let first = Timestamp::from_second(first).unwrap();
            let second = Timestamp::from_second((first.as_second() + step).max(0)).unwrap();
            tokens.subject("jean", first);
            prop_assert_eq!(tokens.subject("jean", second).0.epoch, Epoch::of(second));
        }
    }
}
