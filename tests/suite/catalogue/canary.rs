//! Planted values, and every form in which one could be seen again.

use std::{borrow::Cow, fmt, sync::LazyLock};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use memchr::memmem;
use percent_encoding::percent_decode_str;
use regex::{Captures, Regex};

/// A value of one category of one person: `{EMAIL.L1}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    category: String,
    person: String,
}

/// A piece of a row's text.
pub enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// `{NAME.L1}`
    Canary(Canary),
    /// `{0xff 0xfe}`
    Bytes(Vec<u8>),
}

static PLACEHOLDER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{(?:([A-Z]+)\.(L[129])|((?:0x[0-9a-f]{2} ?)+))\}").unwrap());

/// A text by its placeholders.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut at = 0;
    for found in PLACEHOLDER.captures_iter(text) {
        let whole = found.get_match();
        parts.push(Part::Text(&text[at..whole.start()]));
        at = whole.end();
        parts.push(match (found.get(1), found.get(2), found.get(3)) {
            (Some(category), Some(person), _) => Part::Canary(Canary {
                category: category.as_str().to_owned(),
                person: person.as_str().to_owned(),
            }),
            (.., digits) => Part::Bytes(
                digits
                    .map_or("", |digits| digits.as_str())
                    .split(' ')
                    .map(|digits| u8::from_str_radix(&digits[2..], 16).unwrap())
                    .collect(),
            ),
        });
    }
    parts.push(Part::Text(&text[at..]));
    parts
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.category.to_lowercase(), self.person)
    }
}

impl Canary {
    /// What stands in the platform's answer.
    pub fn value(&self) -> String {
        let person = self.person.as_str();
        let pick = |values: [&str; 3]| {
            values[["L1", "L2", "L9"].iter().position(|id| *id == person).unwrap()].to_owned()
        };
        match self.category.as_str() {
            "NAME" => format!("CnryName{person}"),
            "LOGIN" => format!("cnrylogin{person}"),
            "EMAIL" => format!("cnrymail{person}@ecole.example"),
            "BIRTH" => pick(["2013-05-04", "2012-11-23", "2011-08-17"]),
            "PHONE" => pick(["0612345798", "0698745632", "0677889921"]),
            "GENDER" => format!("CnryGender{person}"),
            "INE" => pick(["0912345678V", "0823456789K", "0734567891D"]),
            "RESULT" => format!("CnryResult{person}"),
            "MARK" => pick(["13.0725914", "11.8362047", "8.4519273"]),
            "IP" => pick(["203.0.113.71", "203.0.113.82", "203.0.113.99"]),
            "PASSWORD" => format!("CnryPassword{person}"),
            "SECRET" => format!("CnrySecret{person}"),
            other => panic!("{other} is no category of canaries"),
        }
    }

    /// Whether the shipped charter lets an audience see it in a record of this person: own categories, group's categories.
    pub fn is_seen_by(&self, audience: &str) -> bool {
        match (audience, self.person.as_str()) {
            ("learner", "L1") => ["NAME", "LOGIN", "EMAIL", "BIRTH", "PHONE", "GENDER", "RESULT", "MARK"]
                .contains(&&*self.category),
            ("teacher", "L1" | "L2") => ["NAME", "LOGIN", "RESULT", "MARK"].contains(&&*self.category),
            _ => false,
        }
    }
}

/// What a canary is looked for by.
pub struct Needle {
    /// Whose.
    pub canary: Canary,
    core: String,
    base64: [String; 3],
}

impl Needle {
    /// Every form of a canary.
    pub fn new(canary: Canary) -> Self {
        let value = canary.value();
        // The domain of an address is no secret.
        let core = value.split('@').next().unwrap();
        let base64 = base64_forms(core);
        Self { core: core.to_lowercase(), base64, canary }
    }
}

/// What came, in every spelling in which a canary may hide.
pub struct Haystack {
    raw: String,
    read: Vec<String>,
}

impl Haystack {
    /// Reads a text also without NULs, escapes of JSON and CSS, percent escapes and entities, one behind the other.
    pub fn new(text: &[u8]) -> Self {
        let raw = String::from_utf8_lossy(text).into_owned();
        let mut read = vec![raw.to_lowercase()];
        if text.contains(&0) {
            let dense: Vec<u8> = text.iter().copied().filter(|&byte| byte != 0).collect();
            read.push(String::from_utf8_lossy(&dense).to_lowercase());
        }
        let mut plain = raw.clone();
        for _ in 0..3 {
            let next = unescaped(&plain);
            if next == plain {
                break;
            }
            read.push(next.to_lowercase());
            plain = next;
        }
        Self { raw, read }
    }

    /// Whether a canary can be found.
    pub fn shows(&self, needle: &Needle) -> bool {
        self.read.iter().any(|text| find(text, &needle.core))
            || needle.base64.iter().any(|form| find(&self.raw, form))
    }

    /// Whether a text stands there as it is.
    pub fn holds(&self, text: &str) -> bool {
        find(&self.raw, text)
    }

    /// The beginning, for messages.
    pub fn start(&self) -> String {
        self.raw.chars().take(600).collect()
    }
}

/// `str::contains`, which is slow without optimisation.
fn find(text: &str, what: &str) -> bool {
    memmem::find(text.as_bytes(), what.as_bytes()).is_some()
}

/// Base64 of a text wherever it stands: without what depends on its neighbours.
fn base64_forms(core: &str) -> [String; 3] {
    [0, 1, 2].map(|offset| {
        let text = [&b"\0\0"[..offset], core.as_bytes()].concat();
        let coded = BASE64_STANDARD_NO_PAD.encode(&text);
        let end = text.len() / 3 * 4;
        coded[if offset == 0 { 0 } else { 4 }..end].to_owned()
    })
}

fn unescaped(text: &str) -> String {
    static ESCAPES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|&#x([0-9a-f]{1,6});?|&#([0-9]{1,7});?|\\([/@.])")
            .unwrap()
    });
    let text: Cow<'_, str> = if text.contains(['\\', '&']) {
        ESCAPES.replace_all(text, |found: &Captures<'_>| {
            let code = match (found.get(1).or(found.get(2)).or(found.get(3)), found.get(4)) {
                (Some(hex), _) => u32::from_str_radix(hex.as_str(), 16).ok(),
                (None, Some(decimal)) => decimal.as_str().parse().ok(),
                (None, None) => return found[5].to_owned(),
            };
            code.and_then(char::from_u32).unwrap_or('\u{fffd}').to_string()
        })
    } else {
        text.into()
    };
    if text.contains('%') {
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_spelling() {
        let Some(Part::Canary(canary)) = parts("{NAME.L1}").into_iter().nth(1) else { panic!("no canary") };
        let needle = Needle::new(canary);
        for text in [
            "x CnryNameL1 y",
            "CNRYNAMEL1",
            "cNRYnAMEl1",
            r"\u0043nryN\u0061meL1",
            "%43nryName%4C1",
            "&#67;nryName&#x4c;1",
            "%26%2367%3BnryNameL1",
            "c\0n\0r\0y\0n\0a\0m\0e\0l\0\x31\0",
            &BASE64_STANDARD_NO_PAD.encode("CnryNameL1"),
            &BASE64_STANDARD_NO_PAD.encode("aCnryNameL1 x"),
            &BASE64_STANDARD_NO_PAD.encode("aaCnryNameL1 x"),
        ] {
            assert!(Haystack::new(text.as_bytes()).shows(&needle), "{text}");
        }
        assert!(!Haystack::new(b"CnryName L1, CnryNameL2, ***").shows(&needle));
    }
}
