//! Bands of numbers.

/// The band that a number falls into: `<10`, `10-15`, `15+`. A bound belongs to the band above it.
pub(super) fn band(bounds: &[f64], value: &str) -> Option<String> {
    let value = value.trim();
    // What Rust reads beyond a number (`inf`, `nan`, `1e999`) is none. French files write the decimal comma.
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'-' | b'+' | b'e' | b'E');
    if !value.bytes().all(plain) {
        return None;
    }
    let number: f64 = value.replacen(',', ".", 1).parse().ok().filter(|number: &f64| number.is_finite())?;
    let above = bounds.partition_point(|bound| *bound <= number);
    Some(match (above.checked_sub(1).map(|at| bounds[at]), bounds.get(above)) {
        (None, Some(first)) => format!("<{first}"),
        (Some(from), Some(to)) => format!("{from}-{to}"),
        (Some(last), None) => format!("{last}+"),
        (None, None) => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_fall_into_bands() {
        for (value, expected) in [
            ("-3", Some("<5")),
            ("4.999", Some("<5")),
            ("5", Some("5-10")),
            ("9,5", Some("5-10")),
            (" 12 ", Some("10-12.5")),
            ("12.5", Some("12.5+")),
            ("1e3", Some("12.5+")),
            ("1e999", None),
            ("inf", None),
            ("NaN", None),
            ("14/20", None),
            ("1,234,5", None),
            ("A", None),
            ("", None),
        ] {
            assert_eq!(super::band(&[5.0, 10.0, 12.5], value).as_deref(), expected, "{value}");
        }
    }
}
