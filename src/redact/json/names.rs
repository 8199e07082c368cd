//! Which names of members may be values: addresses and numbers of people, people's names.

/// Digits of the shortest number that a detector finds by itself.
const DIGITS: usize = 6;

/// Whether a name that nobody knows is worth a look.
pub(super) fn is_odd(name: &[u8]) -> bool {
    !is_word(name) || may_be_found(name)
}

/// Whether a name looks like one that programmers gave: ASCII without spaces, also as an address (`urn:oid:2.5.4.42`).
pub(super) fn is_word(name: &[u8]) -> bool {
    name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"_-.$:/#~+".contains(&byte))
}

/// Whether a detector could find something in it.
pub(in crate::redact) fn may_be_found(name: &[u8]) -> bool {
    let mut digits = 0;
    name.iter().any(|&byte| {
        digits += usize::from(byte.is_ascii_digit());
        // Beyond ASCII are other digits, and signs that are read as `@`.
        digits == DIGITS || !byte.is_ascii() || matches!(byte, b'@' | b'%' | b'&' | b'[' | b'(')
    })
}
