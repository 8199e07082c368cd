//! `gateway.listen.ticket_keys` → [`TicketKey`]s.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::context::{At, Context};
use crate::policy::{document::TicketKeysDocument, set::TicketKey};

/// Most keys of a file: each ticket that nobody opens is held against the names of all of them.
const KEYS_MAX: usize = 16;
/// Shortest and longest key, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 32..=256;

/// With `=` at the end or without: tools differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the keys by which sessions resume on every replica: one a line, in Base64, the newest first. Lines that begin with
/// `#` are comments. No message repeats anything of a line.
pub(super) fn compile(context: &mut Context<'_>, at: &At, written: &TicketKeysDocument) -> Vec<TicketKey> {
    let help = "one key a line, newest first, as `openssl rand -base64 32` makes them";
    let Some(file) = context.text(at, "file", &written.file, help) else { return Vec::new() };
    let at = at.key("file");
    let Some(bytes) = context.file(&at, file).map(Zeroizing::new) else { return Vec::new() };
    context.is_private(&at, file);
    let mut keys: Vec<(usize, TicketKey)> = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let (line, number) = (line.trim_ascii(), index + 1);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let Ok(key) = BASE64.decode(line).map(Zeroizing::new) else {
            context.error(&at, format!("line {number} of `{file}` is not Base64"), help);
            continue;
        };
        if !KEY_BYTES.contains(&key.len()) {
            let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
            let message = format!("line {number} of `{file}` has {} bytes, not {least} to {most}", key.len());
            context.error(&at, message, help);
            continue;
        }
        if let Some((first, _)) = keys.iter().find(|(_, other)| *other.expose() == key) {
            let help = "a key that comes again would live on when its first line is taken away";
            context.error(&at, format!("line {number} of `{file}` is line {first} again"), help);
        }
        keys.push((number, TicketKey::new(key)));
    }
    if keys.is_empty() {
        context.error(&at, format!("`{file}` holds no key"), help);
    }
    if keys.len() > KEYS_MAX {
        let help = "take the oldest away: tickets live for 12 hours";
        context.error(&at, format!("`{file}` holds {} keys, at most {KEYS_MAX} are kept", keys.len()), help);
    }
    keys.into_iter().map(|(_, key)| key).collect()
}
