//! Masks.

use crate::policy::set::Shown;

/// What a masked text becomes in JSON, quotes included.
pub const MASK: &str = "\"***\"";
/// The same without them. Three stars whatever the length, which would say something.
pub(super) const WHOLE: &str = "***";

/// A mask with a little of the value: never more than half of its characters, and never all but two.
pub(super) fn part(shown: Shown, value: &str) -> String {
    match value.rsplit_once('@').filter(|(_, domain)| shown.domain && is_domain(domain)) {
        Some((local, domain)) => format!("{}@{domain}", around(shown, local)),
        None => around(shown, value),
    }
}

fn around(shown: Shown, text: &str) -> String {
    let length = text.chars().count();
    let most = length.saturating_sub(length.div_ceil(2).max(3));
    let first = usize::from(shown.first).min(most);
    let last = usize::from(shown.last).min(most - first);
    let beginning = text.chars().take(first);
    beginning.chain(WHOLE.chars()).chain(text.chars().skip(length - last)).collect()
}

/// Whether a text is such a mask.
pub(super) fn is_part(shown: Shown, value: &str) -> bool {
    let masked = match value.rsplit_once('@').filter(|(_, domain)| shown.domain && is_domain(domain)) {
        Some((local, _)) => local,
        None => value,
    };
    masked.split_once(WHOLE).is_some_and(|(first, last)| {
        first.chars().count() <= usize::from(shown.first) && last.chars().count() <= usize::from(shown.last)
    })
}

fn is_domain(text: &str) -> bool {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(first: u8, last: u8, domain: bool) -> Shown {
        Shown { first, last, domain }
    }

    #[test]
    fn half_and_three_characters_are_always_hidden() {
        for (first, last, domain, value, expected) in [
            (1, 0, false, "Jean", "J***"),
            (1, 1, false, "Jeanne", "J***e"),
            (1, 1, false, "Jean", "J***"),
            (1, 1, false, "Luc", "***"),
            (1, 1, false, "", "***"),
            (8, 8, false, "Jean Dupont", "Jean ***"),
            (0, 2, false, "0612345678", "***78"),
            (0, 8, false, "0612345678", "***45678"),
            (2, 0, false, "Éloïse", "Él***"),
            (1, 0, false, "日本語版", "日***"),
            (1, 0, true, "jean@lycee.fr", "j***@lycee.fr"),
            (0, 0, true, "jean@lycee.fr", "***@lycee.fr"),
            (0, 0, true, "a@b@lycee.fr", "***@lycee.fr"),
            (0, 0, true, "jean", "***"),
            (0, 0, true, "jean@Jean Dupont", "***"),
            (0, 0, true, "jean@dupont", "***"),
            (0, 0, true, "jean@", "***"),
            (0, 0, true, "jean@x..fr", "***"),
        ] {
            let masked = part(shown(first, last, domain), value);
            assert_eq!(masked, expected, "{value}");
            assert!(is_part(shown(first, last, domain), &masked), "{value}");
        }
        for value in ["Jean", "J**n", "Jeanne", "jean@lycee.fr", "Jea***", "***nne"] {
            assert!(!is_part(shown(1, 1, true), value), "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_value_is_shown_by_half(value in "\\PC{0,24}", first in 0u8..=8, last in 0u8..=8) {
            let masked = part(shown(first, last, false), &value);
            let length = value.chars().count();
            let left = masked.chars().count() - 3;
            proptest::prop_assert!(left <= length / 2 && (left == 0 || length - left >= 3));
        }
    }
}
