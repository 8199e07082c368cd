//! Where somebody is: addresses of the network, of the post, on the map.

use core::net::{IpAddr, Ipv6Addr};
use std::borrow::Cow;

/// The network of an IP address: /24 or /48, as the journal keeps it, written as an address.
pub(super) fn network(value: &str) -> Option<String> {
    Some(match value.trim().parse().ok()? {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0")
        }
        IpAddr::V6(address) => match (address.to_ipv4_mapped(), address.segments()) {
            (Some(inner), _) => {
                let [a, b, c, _] = inner.octets();
                format!("::ffff:{a}.{b}.{c}.0")
            }
            (None, [a, b, c, ..]) => Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string(),
        },
    })
}

/// The department of a French postal code: its number, `2A` or `2B` in Corsica, three digits overseas.
pub(super) fn department(value: &str, number: bool) -> Option<String> {
    let value = value.trim();
    // A number has lost the zero of the Ain.
    let padded = if number && value.len() == 4 { format!("0{value}") } else { value.to_owned() };
    if padded.len() != 5 || !padded.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match (&padded[..2], &padded[..3]) {
        ("00" | "96" | "99", _) => None,
        // La Poste: 200 and 201 are Corse-du-Sud, 202 and 206 Haute-Corse.
        ("20", "200" | "201") => Some("2A".to_owned()),
        ("20", "202" | "206") => Some("2B".to_owned()),
        ("20", _) => None,
        ("97" | "98", territory) => Some(territory.to_owned()),
        (department, _) => Some(department.to_owned()),
    }
}

/// A coordinate with so many decimals; the rest is cut off, so that nothing has to be rounded up into it.
pub(super) fn coordinate(value: &str, decimals: u8) -> Option<Cow<'_, str>> {
    let value = value.trim();
    let degrees: f64 = value.parse().ok().filter(|degrees: &f64| degrees.abs() <= 180.0)?;
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) {
        // An exponent: written out, once.
        let written = (digits.contains(['e', 'E'])).then(|| format!("{degrees}"))?;
        return coordinate(&written, decimals).map(|cut| Cow::Owned(cut.into_owned()));
    }
    let keep = usize::from(decimals).min(fraction.len());
    let point = usize::from(keep > 0);
    let sign = value.len() - digits.len();
    Some(Cow::Borrowed(&value[..sign + whole.len() + point + keep]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_networks() {
        for (value, expected) in [
            ("192.0.2.77", Some("192.0.2.0")),
            (" 192.0.2.77 ", Some("192.0.2.0")),
            ("2001:db8:abcd:12::1", Some("2001:db8:abcd::")),
            ("::1", Some("::")),
            ("::ffff:192.0.2.77", Some("::ffff:192.0.2.0")),
            ("192.0.2.77:443", None),
            ("192.0.2.077", None),
            ("fe80::1%eth0", None),
            ("192.0.2", None),
            ("jean", None),
            ("", None),
        ] {
            assert_eq!(network(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn postal_codes_become_departments() {
        for (value, number, expected) in [
            ("75012", false, Some("75")),
            ("01000", false, Some("01")),
            ("1000", true, Some("01")),
            ("1000", false, None),
            ("20000", false, Some("2A")),
            ("20167", false, Some("2A")),
            ("20200", false, Some("2B")),
            ("20620", false, Some("2B")),
            ("20300", false, None),
            ("97400", false, Some("974")),
            ("97600", true, Some("976")),
            ("98800", false, Some("988")),
            ("00100", false, None),
            ("99123", false, None),
            ("2A004", false, None),
            ("75 012", false, None),
            ("750120", false, None),
            ("٧٥٠١٢", false, None),
        ] {
            assert_eq!(department(value, number).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn coordinates_lose_their_decimals() {
        for (value, decimals, expected) in [
            ("48.858370", 2, Some("48.85")),
            ("-2.294481", 1, Some("-2.2")),
            ("48.858370", 0, Some("48")),
            ("48", 2, Some("48")),
            ("48.8", 2, Some("48.8")),
            ("4.885837e1", 2, Some("48.85")),
            ("2E-7", 2, Some("0.00")),
            ("181.0", 2, None),
            ("48,85837", 2, None),
            ("48.85837, 2.29", 2, None),
            ("+48.85837", 2, None),
            (".5", 2, None),
            ("nan", 2, None),
            ("inf", 2, None),
            ("", 2, None),
        ] {
            assert_eq!(coordinate(value, decimals).as_deref(), expected, "{value}");
        }
    }
}
