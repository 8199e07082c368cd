//! The device cookie: who signed in on a device before keeps a counter of their own there, whatever others do to the
//! account from elsewhere (OWASP, *Slow Down Online Guessing Attacks with Device Cookies*).
//!
//! The cookie is a list of sealed entries, one for each account that signed in on the device, the last one first. An entry
//! holds when it ends, a keyed hash of the account and a random number; sealed, no two of them have anything in common, so that
//! neither the account nor that two devices have the same one can be read from it. It is bound to its name, the host and the
//! upstream: an account of the same name on another platform proves nothing here.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::secret::DomainKey;

/// Accounts that one device keeps; beyond them the one that signed in longest ago is forgotten.
const ACCOUNTS_MAX: usize = 8;
/// When it ends, the account, the number.
const ENTRY: usize = 8 + HASH + NUMBER;
const HASH: usize = 16;
const NUMBER: usize = 16;

/// Where a device cookie means something.
#[derive(Clone, Copy, Debug)]
pub struct DevicePlace<'a> {
    /// Its name.
    pub cookie: &'a str,
    /// The host that it was set by.
    pub host: &'a str,
    /// The platform behind it.
    pub upstream: &'a str,
    /// How long a device is known.
    pub life: Duration,
}

/// A device on which an account signed in before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Device {
    number: [u8; NUMBER],
}

impl Device {
    /// What its counter is named by.
    pub(super) fn number(&self) -> &[u8] {
        &self.number
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Device([redacted])")
    }
}

/// One entry, opened.
struct Entry<'v> {
    sealed: &'v str,
    account: [u8; HASH],
    number: [u8; NUMBER],
}

/// The key of device cookies.
pub(super) struct Devices(pub(super) DomainKey);

impl Devices {
    /// The device, if one of these cookie values says that this (folded) account signed in on it. Whatever else a value is
    /// (foreign, forged, ended, sealed by an earlier secret), it makes nobody known and is no error.
    pub(super) fn recognise(
        &self,
        place: &DevicePlace<'_>,
        values: &[&[u8]],
        account: &str,
        now: SystemTime,
    ) -> Option<Device> {
        let account = self.account(place, account);
        let found = self.entries(place, values, now).find(|entry| entry.account == account)?;
        Some(Device { number: found.number })
    }

    /// The value of the cookie after a success: a new entry for this account before those of others. `None` where the system
    /// gives no randomness.
    pub(super) fn remember(
        &self,
        place: &DevicePlace<'_>,
        values: &[&[u8]],
        account: &str,
        now: SystemTime,
    ) -> Option<String> {
        let account = self.account(place, account);
        let mut entry = [0; ENTRY];
        let ends = seconds(now).saturating_add(place.life.as_secs());
        entry[..8].copy_from_slice(&ends.to_be_bytes());
        entry[8..8 + HASH].copy_from_slice(&account);
        rand::fill(&mut entry[8 + HASH..]).ok()?;
        let mut value = BASE64_URL_SAFE_NO_PAD.encode(self.0.seal(&self.context(place), &entry)?);
        let others = self.entries(place, values, now).filter(|other| other.account != account);
        for other in others.take(ACCOUNTS_MAX - 1) {
            value.push('.');
            value.push_str(other.sealed);
        }
        Some(value)
    }

    /// The entries that count now; no more of them are looked at than a cookie of ours has.
    fn entries<'v>(
        &self,
        place: &DevicePlace<'_>,
        values: &[&'v [u8]],
        now: SystemTime,
    ) -> impl Iterator<Item = Entry<'v>> {
        let (context, now) = (self.context(place), seconds(now));
        let latest = now.saturating_add(place.life.as_secs());
        let texts = values.iter().filter_map(|value| std::str::from_utf8(value).ok());
        let sealed: Vec<&'v str> = texts.flat_map(|text| text.split('.')).take(ACCOUNTS_MAX).collect();
        sealed.into_iter().filter_map(move |sealed| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
            let opened = self.0.open(&context, &bytes).ok()?;
            let opened: &[u8; ENTRY] = opened.expose().as_slice().try_into().ok()?;
            let (ends, rest) = opened.split_first_chunk::<8>()?;
            let (account, number) = rest.split_first_chunk::<HASH>()?;
            // A shorter life after a reload counts at once.
            let lives = (now + 1..=latest).contains(&u64::from_be_bytes(*ends));
            lives.then_some(Entry { sealed, account: *account, number: number.try_into().ok()? })
        })
    }

    fn account(&self, place: &DevicePlace<'_>, account: &str) -> [u8; HASH] {
        let tag =
            self.0.tag(&[b"account", place.cookie.as_bytes(), place.host.as_bytes(), account.as_bytes()]);
        let mut hash = [0; HASH];
        hash.copy_from_slice(&tag[..HASH]);
        hash
    }

    fn context(&self, place: &DevicePlace<'_>) -> [u8; 32] {
        let (cookie, host, upstream) = (place.cookie, place.host, place.upstream);
        self.0.tag(&[b"context", cookie.as_bytes(), host.as_bytes(), upstream.as_bytes()])
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::secret::{Domain, MasterSecret};

    const DAY: Duration = Duration::from_secs(86_400);
    const PLACE: DevicePlace<'_> = DevicePlace {
        cookie: "__Host-device",
        host: "ecole.example",
        upstream: "school",
        life: Duration::from_secs(90 * 86_400),
    };

    fn devices(secret: u8) -> Devices {
        Devices(MasterSecret::from_bytes(&[secret; 32]).unwrap().derive(Domain::Device, ""))
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    #[test]
    fn a_device_is_known_for_its_account_in_its_place_and_time() {
        let devices = devices(7);
        let value = devices.remember(&PLACE, &[], "alix", now()).unwrap();
        let known = |place: &DevicePlace<'_>, value: &str, account: &str, at: SystemTime| {
            devices.recognise(place, &[value.as_bytes()], account, at).is_some()
        };
        assert!(known(&PLACE, &value, "alix", now()));
        assert!(known(&PLACE, &value, "alix", now() + 89 * DAY));
        assert!(!known(&PLACE, &value, "alix", now() + 90 * DAY), "ended");
        assert!(!known(&PLACE, &value, "alix", now() - DAY), "longer than any");
        assert!(!known(&PLACE, &value, "bob", now()), "another account");
        for place in [
            DevicePlace { cookie: "__Host-other", ..PLACE },
            DevicePlace { host: "other.example", ..PLACE },
            DevicePlace { upstream: "other", ..PLACE },
            DevicePlace { life: 2 * DAY, ..PLACE },
        ] {
            assert!(!known(&place, &value, "alix", now()), "{place:?}");
        }
        let rotated = super::tests::devices(8);
        assert!(rotated.recognise(&PLACE, &[value.as_bytes()], "alix", now()).is_none(), "another secret");
    }

    #[test]
    fn what_is_no_cookie_of_ours_makes_nobody_known() {
        let devices = devices(7);
        let value = devices.remember(&PLACE, &[], "alix", now()).unwrap();
        let mut forged: Vec<Vec<u8>> = vec![
            vec![],
            b".".to_vec(),
            b"alix".to_vec(),
            vec![0xff; 79],
            vec![b'.'; 5000],
            format!("\"{value}\"").into(),
        ];
        for place in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            forged.push(bytes);
            forged.push(value.as_bytes()[..place].to_vec());
        }
        for bytes in forged {
            assert!(devices.recognise(&PLACE, &[&bytes], "alix", now()).is_none(), "{bytes:?}");
            // Nor does it stand in the way of a new one.
            let new = devices.remember(&PLACE, &[&bytes], "alix", now()).unwrap();
            assert!(devices.recognise(&PLACE, &[new.as_bytes()], "alix", now()).is_some());
        }
        assert!(devices.recognise(&PLACE, &[b"x", value.as_bytes()], "alix", now()).is_some(), "the second");
    }

    #[test]
    fn a_device_of_several_keeps_the_last_eight() {
        let devices = devices(7);
        let mut value = String::new();
        for number in 0..12 {
            value = devices.remember(&PLACE, &[value.as_bytes()], &format!("p{number}"), now()).unwrap();
        }
        assert!(value.len() < 700, "{}", value.len());
        for number in 0..12 {
            let known = devices.recognise(&PLACE, &[value.as_bytes()], &format!("p{number}"), now());
            assert_eq!(known.is_some(), number >= 4, "{number}");
        }
        let again = devices.remember(&PLACE, &[value.as_bytes()], "p11", now()).unwrap();
        assert_eq!(again.split('.').count(), 8, "one entry for one account");
    }

    #[test]
    fn nothing_can_be_read_from_it_and_nothing_be_joined() {
        let devices = devices(7);
        let values: Vec<String> = (0..50)
            .map(|number| devices.remember(&PLACE, &[], ["alix", "bob"][number % 2], now()).unwrap())
            .collect();
        // The first four characters name the key and are the same for everybody.
        for place in 4..values[0].len() - 4 {
            let pieces: HashSet<&str> = values.iter().map(|value| &value[place..place + 4]).collect();
            assert!(pieces.len() > 40, "{place}");
        }
        let numbers: HashSet<Vec<u8>> = values
            .iter()
            .filter_map(|value| devices.recognise(&PLACE, &[value.as_bytes()], "alix", now()))
            .map(|device| device.number().to_vec())
            .collect();
        assert_eq!(numbers.len(), 25, "each success has a counter of its own");
    }
}
