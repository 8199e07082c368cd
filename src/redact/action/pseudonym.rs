//! Pseudonyms: keyed, one-way, in a format that the platform's clients accept, and known again by the gateway.
//!
//! Each carries a keyed check of itself, so that a value that only looks like one is never taken for one.

use std::borrow::Cow;

use super::{Kind, StandIn, alias};
use crate::policy::set::Shape;
use crate::secret::DomainKey;

/// Bytes that tell two values apart (96 bits: no two of a billion values meet by chance).
const ID: usize = 12;
/// Bytes of the check behind them.
const CHECK: usize = 4;
/// Never a real domain (RFC 2606 section 2).
const DOMAIN: &str = "@pseudonyme.invalid";
/// Beginning of a token.
const MARK: &str = "p_";
/// xAPI writes addresses as URIs.
const MAILTO: &str = "mailto:";
/// Numbers of ours are from here to the last that a double holds exactly: above identifiers and microseconds since 1970.
const FIRST_NUMBER: u64 = 1 << 52;
/// Bits of a number's check; 36 tell values apart.
const NUMBER_CHECK: u32 = 16;

/// The pseudonym of a value: the same for the same decoded text or the same number.
pub(super) fn stand_in<'a>(
    key: &DomainKey,
    category: &str,
    shape: Option<Shape>,
    value: &str,
    kind: Kind,
) -> StandIn<'a> {
    let tag = key.tag(&[category.as_bytes(), value.as_bytes()]);
    let text = match shape.unwrap_or_else(|| shape_of(value, kind)) {
        Shape::Token => token(key, &tag),
        Shape::Email => {
            let scheme = value.get(..MAILTO.len()).filter(|scheme| scheme.eq_ignore_ascii_case(MAILTO));
            [scheme.unwrap_or_default(), &token(key, &tag), DOMAIN].concat()
        }
        Shape::Uuid => uuid(key, &tag, !value.is_empty() && !value.contains('-') && is_uuid(value)),
        Shape::Alias => alias::of(key, number_of(&tag)),
        Shape::Number => {
            let number = Cow::Owned(number(key, number_of(&tag) >> 28).to_string());
            return if kind == Kind::Number { StandIn::Number(number) } else { StandIn::Text(number) };
        }
    };
    StandIn::Text(Cow::Owned(text))
}

/// Whether a value is a pseudonym of ours.
pub(super) fn is_ours(key: &DomainKey, value: &str) -> bool {
    let value = value.trim();
    let bare = value.get(..MAILTO.len()).filter(|scheme| scheme.eq_ignore_ascii_case(MAILTO));
    let bare = bare.map_or(value, |scheme| &value[scheme.len()..]);
    let at = bare.len().checked_sub(DOMAIN.len());
    // Nobody has an address there, whoever wrote it.
    at.and_then(|at| bare.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(DOMAIN))
        || is_token(key, value)
        || is_our_uuid(key, value)
        || is_our_number(key, value)
        || alias::is_ours(key, value)
}

/// The format of a value.
fn shape_of(value: &str, kind: Kind) -> Shape {
    let digits = (1..=18).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    if kind == Kind::Number || digits {
        Shape::Number
    } else if is_uuid(value) {
        Shape::Uuid
    } else if is_address(value) {
        Shape::Email
    } else {
        Shape::Token
    }
}

fn is_address(value: &str) -> bool {
    value.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && domain.contains('.')
            && !domain.contains('@')
            && !value.contains(char::is_whitespace)
    })
}

/// With its hyphens, or without, as Kolibri writes them.
fn is_uuid(value: &str) -> bool {
    let hyphens = |at: usize| value.len() == 36 && matches!(at, 8 | 13 | 18 | 23);
    matches!(value.len(), 32 | 36)
        && value
            .bytes()
            .enumerate()
            .all(|(at, b)| if hyphens(at) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// The keyed check of what tells a value apart.
pub(super) fn check(key: &DomainKey, id: &[u8]) -> [u8; 32] {
    key.tag(&[b"\0check", id])
}

/// An identifier and its check, as hexadecimal digits.
fn marked(key: &DomainKey, id: &[u8]) -> String {
    let check = check(key, id);
    let mut digits = String::with_capacity(2 * (ID + CHECK));
    for byte in id.iter().chain(&check[..CHECK]) {
        for half in [byte >> 4, byte & 15] {
            digits.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
    }
    digits
}

/// Whether hexadecimal digits are an identifier and its check.
fn is_marked(key: &DomainKey, digits: &str) -> bool {
    let digits = digits.to_ascii_lowercase();
    digits.is_ascii()
        && digits.len() == 2 * (ID + CHECK)
        && unhex(&digits[..2 * ID]).is_some_and(|id| marked(key, &id) == digits)
}

fn unhex(digits: &str) -> Option<[u8; ID]> {
    let mut id = [0; ID];
    for (byte, pair) in id.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(id)
}

fn token(key: &DomainKey, tag: &[u8; 32]) -> String {
    [MARK, &marked(key, &tag[..ID])].concat()
}

fn is_token(key: &DomainKey, value: &str) -> bool {
    let mark = value.get(..MARK.len()).filter(|mark| mark.eq_ignore_ascii_case(MARK));
    mark.is_some_and(|mark| is_marked(key, &value[mark.len()..]))
}

/// Version 8 (RFC 9562 section 5.8), so that it is never one that a platform made.
fn uuid(key: &DomainKey, tag: &[u8; 32], bare: bool) -> String {
    let mut id = [0; ID];
    id.copy_from_slice(&tag[..ID]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let digits = marked(key, &id);
    if bare {
        return digits;
    }
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

fn is_our_uuid(key: &DomainKey, value: &str) -> bool {
    is_uuid(value) && is_marked(key, &value.replace('-', ""))
}

fn number_of(tag: &[u8; 32]) -> u64 {
    tag[..8].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn number(key: &DomainKey, id: u64) -> u64 {
    let check = number_of(&check(key, &id.to_be_bytes())) >> (64 - NUMBER_CHECK);
    FIRST_NUMBER | id << NUMBER_CHECK | check
}

fn is_our_number(key: &DomainKey, value: &str) -> bool {
    let digits = value.len() == 16 && value.bytes().all(|b| b.is_ascii_digit());
    digits
        && value.parse().is_ok_and(|sent: u64| {
            (FIRST_NUMBER..FIRST_NUMBER << 1).contains(&sent)
                && number(key, (sent ^ FIRST_NUMBER) >> NUMBER_CHECK) == sent
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Domain, MasterSecret};

    const SHAPES: [Option<Shape>; 6] = [
        None,
        Some(Shape::Token),
        Some(Shape::Email),
        Some(Shape::Uuid),
        Some(Shape::Alias),
        Some(Shape::Number),
    ];

    fn key(byte: u8) -> DomainKey {
        MasterSecret::from_bytes(&[byte; 32]).unwrap().derive(Domain::Api, "")
    }

    fn of(key: &DomainKey, category: &str, shape: Option<Shape>, value: &str) -> String {
        stand_in(key, category, shape, value, Kind::Text).into_text().unwrap().into_owned()
    }

    #[test]
    fn the_format_of_the_value_is_kept() {
        let key = key(7);
        let of = |value| of(&key, "account", None, value);
        let address = of("jean@x.fr");
        assert!(address.starts_with("p_") && address.ends_with("@pseudonyme.invalid"), "{address}");
        assert!(address.len() <= 254 && address.find('@').unwrap() <= 64, "RFC 5321 4.5.3.1");
        assert!(of("mailto:jean@x.fr").starts_with("mailto:p_"));
        let uuid = of("0b8a4e1c-9f5d-4b5e-8c11-7a8e3f0c2d4b");
        assert!(is_uuid(&uuid) && uuid.len() == 36 && &uuid[14..15] == "8", "{uuid}");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        let bare = of("0b8a4e1c9f5d4b5e8c117a8e3f0c2d4b");
        assert!(is_uuid(&bare) && bare.len() == 32, "{bare}");
        let number: u64 = of("0612345678").parse().unwrap();
        assert!((1 << 52..1 << 53).contains(&number));
        for value in ["jean.dupont", "", "a@b", "jean dupont@x.fr", "12345678901234567890", "-12"] {
            let token = of(value);
            assert!(token.starts_with("p_") && token.len() == 2 + 2 * (ID + CHECK), "{value} {token}");
        }
        let number = stand_in(&key, "account", None, "12", Kind::Number);
        assert!(matches!(number, StandIn::Number(_)), "a number stays a number");
    }

    #[test]
    fn they_are_stable_and_kept_apart_by_category_and_key() {
        for shape in SHAPES {
            let one = of(&key(7), "email", shape, "jean@x.fr");
            assert_eq!(one, of(&key(7), "email", shape, "jean@x.fr"));
            assert_ne!(one, of(&key(7), "name", shape, "jean@x.fr"));
            assert_ne!(one, of(&key(8), "email", shape, "jean@x.fr"));
            assert_ne!(one, of(&key(7), "email", shape, "jeanne@x.fr"));
        }
    }

    #[test]
    fn the_gateway_knows_its_own_and_no_others() {
        let (ours, other) = (key(7), key(8));
        for shape in SHAPES {
            for value in ["jean@x.fr", "12", "0b8a4e1c9f5d4b5e8c117a8e3f0c2d4b", "Jean Dupont"] {
                let made = of(&ours, "email", shape, value);
                assert!(is_ours(&ours, &made), "{made}");
                assert!(is_ours(&ours, &format!(" {} ", made.to_uppercase())), "{made}");
                // One alias in sixty-four passes for another key's; nobody has an address in the domain.
                if shape != Some(Shape::Alias) {
                    assert_eq!(is_ours(&other, &made), made.contains('@'), "{made}");
                }
            }
        }
        for value in [
            "",
            "jean@x.fr",
            "jean@notpseudonyme.invalid",
            "p_",
            "p_0123456789abcdef0123456789abcdef",
            "0b8a4e1c-9f5d-4b5e-8c11-7a8e3f0c2d4b",
            "0b8a4e1c-9f5d-8b5e-8c11-7a8e3f0c2d4b",
            "4503599627370496",
            "9007199254740991",
            "1763890923000000",
            "0612345678",
            "Camille Martin",
            "Dominique Dupont-Durand",
            "é€😀é€😀é€😀é€😀é€😀",
        ] {
            assert!(!is_ours(&ours, value), "{value}");
        }
    }
}
