//! What the names of attributes say by themselves.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use super::tag::Tag;

/// Attributes of HTML that hold no value of a person, and those that say how an element looks: of a hidden one they stay.
pub(super) const SAFE: List = List(
    1 << 0,
    " accept align aria-describedby aria-invalid aria-label aria-labelledby aria-required autocomplete \
    autofocus bgcolor border cellpadding cellspacing class cols colspan dir disabled for form formnovalidate headers height \
    hidden id inputmode itemprop itemscope itemtype lang list max maxlength method min minlength multiple name novalidate \
    pattern placeholder readonly required role rows rowspan scope size span spellcheck step style tabindex type valign \
    width wrap ",
);

/// Names of attributes that are HTML's own, beside those of [`SAFE`]: they are no names of fields.
const STANDARD: List = List(
    1 << 1,
    " abbr accept-charset accesskey action alt as async background charset checked cite color content \
    contenteditable controls coords crossorigin data datetime decoding default defer download draggable enctype \
    enterkeyhint fetchpriority formaction formenctype formmethod formtarget href hreflang http-equiv imagesizes \
    imagesrcset integrity is ismap itemid itemref kind label link loading loop low high media muted nomodule nonce open \
    optimum ping playsinline poster preload prefix property rel rev reversed sandbox selected shape sizes slot src srcdoc \
    srclang srcset start summary target text title translate usemap value vlink xmlns ",
);

/// Attributes in which an address stands.
pub(super) const ADDRESSES: List = List(
    1 << 2,
    " action background cite content data formaction href imagesrcset longdesc ping poster src srcset \
    xlink:href ",
);

/// What figures are drawn with: rows of digits that no person has.
pub(super) const DRAWN: List =
    List(1 << 3, " d points viewbox transform values path integrity nonce keytimes keysplines ");

/// Attributes that hold a page together, whatever words they share with a value.
pub(super) const WIRES: List = List(
    1 << 4,
    " aria-controls aria-describedby aria-labelledby aria-owns autocomplete class for form headers id itemprop \
    itemtype lang list media method name pattern property rel role sandbox scope sizes slot style target type usemap ",
);

/// Attributes whose meaning must not depend on who reads: readers take the first of two, or the last.
const TELLING: List = List(
    1 << 5,
    " name id type value itemprop property data-field autocomplete content charset http-equiv checked \
    selected colspan rowspan scope headers src href srcdoc ",
);

/// Attributes in which a sentence may stand.
const SAID: List =
    List(1 << 6, " title alt aria-label aria-description placeholder label summary content value ");

/// Attributes of HTML and of frameworks that are none of a field, beside those of [`SAFE`] and [`STANDARD`].
const OTHERS: List =
    List(1 << 7, " autocapitalize autocorrect capture dirname results v-bind v-cloak v-if v-show ");

/// Names of attributes, and the bit that stands for them.
#[derive(Clone, Copy)]
pub(super) struct List(u8, &'static str);

/// The lists in which a name is: each attribute of a page is asked for by all of them.
static LISTS: LazyLock<HashMap<&'static str, u8, BuildHasherDefault<Ends>>> = LazyLock::new(|| {
    let mut lists = HashMap::default();
    for List(bit, names) in [SAFE, STANDARD, ADDRESSES, DRAWN, WIRES, TELLING, SAID, OTHERS] {
        names.split_ascii_whitespace().for_each(|name| *lists.entry(name).or_default() |= bit);
    }
    lists
});

/// Of the two ends of a name and its length. What is in the tables is ours, so that nobody can choose names that collide.
#[derive(Default)]
pub(super) struct Ends(u64);

impl Hasher for Ends {
    fn write(&mut self, bytes: &[u8]) {
        let word = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => {
                u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
            }
            _ => bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        let mixed = word.wrapping_add(bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ mixed >> 32;
    }

    /// The end of a text, which its length says already.
    fn write_u8(&mut self, _: u8) {}

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The name of an attribute in lower case, and the lists in which it is.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    lists: u8,
}

impl<'a> Name<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, lists: LISTS.get(text).copied().unwrap_or_default() }
    }

    pub(super) fn is(self, List(bit, _): List) -> bool {
        self.lists & bit != 0
    }

    /// Whether it is one that readers know.
    pub(super) fn is_listed(self) -> bool {
        self.lists != 0
    }

    /// Whether a sentence may stand in such an attribute.
    pub(super) fn is_said(self) -> bool {
        self.is(SAID) || self.text.starts_with("data-")
    }
}

/// Whether an attribute may not be there twice.
pub(super) fn is_telling(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    std::str::from_utf8(&name).is_ok_and(|name| Name::of(name).is(TELLING) || name.starts_with("data-"))
}

/// Whether an attribute shows what its element does.
pub(super) fn repeats(name: &[u8]) -> bool {
    name.starts_with(b"data-")
        || matches!(
            name,
            b"title" | b"alt" | b"aria-label" | b"aria-description" | b"content" | b"value" | b"datetime"
        )
}

/// Whether an attribute may be named like a field: those that platforms and custom elements make up.
pub(super) fn is_field_name(tag: &Tag, name: Name<'_>) -> bool {
    if tag.name.contains(&b'-') {
        return !matches!(
            name.text,
            "id" | "class" | "style" | "slot" | "is" | "type" | "lang" | "dir" | "hidden" | "tabindex"
        );
    }
    !name.text.starts_with("aria-") && !name.is(SAFE) && !name.is(STANDARD)
}

/// Whether an attribute's name is neither of HTML nor of a framework.
pub(super) fn is_made_up(tag: &Tag, name: Name<'_>) -> bool {
    const PREFIXES: [&str; 7] = ["on", "data-", "ng-", "hx-", "x-", "v-model", "v-on"];
    is_field_name(tag, name)
        && !PREFIXES.iter().any(|prefix| name.text.starts_with(prefix))
        && !name.is(OTHERS)
        && name.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
