//! Whether a body begins as XML, or as a page.

use super::{Hints, LOOK, Opaque, Seen, Verdict, json::trim_start};
use crate::redact::Format;

/// Elements of HTML, obsolete ones included: a page, or a piece of one, begins with these.
const HTML: &str = " a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink \
    blockquote body br button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir \
    div dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup \
    hr html i iframe image img input ins isindex kbd keygen label legend li link main map mark marquee menu menuitem \
    meta meter nav nobr noembed noframes noscript object ol optgroup option output p param picture plaintext portal pre \
    progress q rb rp rt rtc ruby s samp script search section select slot small source spacer span strike strong style \
    sub summary sup table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr xmp ";

/// Those of them that documents of elements begin with as well.
const BOTH: &str =
    "address article data details dir form main map menu object section summary table title track";

/// `<?xml` in EBCDIC.
const EBCDIC: &[u8] = b"\x4c\x6f\xa7\x94";

/// Looks for XML: a declaration, or an element that is not HTML with an element behind its tag or its own end.
pub(super) fn markup(start: &[u8], hints: Hints<'_>) -> Verdict {
    let xml = || Verdict::from(Format::Xml);
    let page = Verdict::Is(Seen::Opaque(Opaque::Page));
    // A text that is not known to go on as XML is none, unless it goes on without end.
    let perhaps = || Verdict::Perhaps((start.len() >= LOOK).then_some(Seen::Format(Format::Xml)));
    if start.starts_with(EBCDIC) {
        return xml();
    }
    let (mut text, mut declared) = (trim_start(start), false);
    loop {
        text = trim_start(text);
        // What is left out: declarations and instructions, comments.
        let end = match text {
            [] | [b'<'] => {
                return if declared { Verdict::Perhaps(Some(Seen::Format(Format::Xml))) } else { perhaps() };
            }
            [b'<', b'?', rest @ ..] => {
                let word = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
                declared |= rest[..word].eq_ignore_ascii_case(b"xml");
                if !rest.is_empty() && (word == 0 || rest[..word].eq_ignore_ascii_case(b"php")) {
                    // `<?php`: a program.
                    return Verdict::No;
                }
                memchr::memmem::find(text, b"?>").map(|at| at + 2)
            }
            [b'<', b'!', b'-', b'-', ..] => memchr::memmem::find(text, b"-->").map(|at| at + 3),
            [b'<', b'!', rest @ ..] => {
                const DOCTYPE: &[u8] = b"doctype";
                let word = &rest[..rest.len().min(DOCTYPE.len())];
                if !DOCTYPE[..word.len()].eq_ignore_ascii_case(word) {
                    return if b"--".starts_with(word) { perhaps() } else { Verdict::No };
                }
                let root = trim_start(&rest[word.len()..]);
                let end = root.iter().position(|byte| !is_in_name(*byte));
                let root = &root[..end.unwrap_or(root.len())];
                return match root {
                    _ if word.len() < DOCTYPE.len() || end.is_none() => perhaps(),
                    _ if root.eq_ignore_ascii_case(b"html") || is_svg(root) => page,
                    _ => xml(),
                };
            }
            [b'<', ..] => return element(&text[1..], declared, hints, perhaps),
            _ => return Verdict::No,
        };
        match end {
            Some(end) => text = &text[end..],
            None if declared => return Verdict::Perhaps(Some(Seen::Format(Format::Xml))),
            None => return perhaps(),
        }
    }
}

/// The root element, without its bracket.
fn element(text: &[u8], declared: bool, hints: Hints<'_>, perhaps: impl Fn() -> Verdict) -> Verdict {
    let xml = || Verdict::from(Format::Xml);
    let Some(length) = text.iter().position(|byte| !is_in_name(*byte)) else {
        return if text.len() > 256 { Verdict::No } else { perhaps() };
    };
    let name = String::from_utf8_lossy(&text[..length]);
    if length == 0 || name.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')) {
        return Verdict::No;
    }
    let local = name.rsplit(':').next().unwrap_or_default();
    if is_svg(local.as_bytes()) {
        return Verdict::Is(Seen::Opaque(Opaque::Media));
    }
    if is_html(&name) && (!declared || name.eq_ignore_ascii_case("html")) {
        let page = Seen::Opaque(Opaque::Page);
        return match BOTH.split_ascii_whitespace().any(|both| both == name) {
            true if names(text, hints, true) => xml(),
            true => Verdict::Perhaps(Some(page)),
            false => Verdict::Is(page),
        };
    }
    let Some(end) = tag_end(&text[length..]) else {
        // No tag: `<VirtualHost *:80>`, `a < b`.
        return Verdict::No;
    };
    let Some(end) = end.map(|end| length + end) else { return perhaps() };
    if local == "Workbook" && memchr::memmem::find(&text[..end], b"office:spreadsheet").is_some() {
        return Verdict::Is(Seen::Opaque(Opaque::Office));
    }
    if declared {
        return xml();
    }
    let behind = &text[end..];
    let goes_on = if text[..end].ends_with(b"/>") {
        // Nothing may follow but what is left out.
        match trim_start(behind) {
            [] => return Verdict::Perhaps(Some(Seen::Format(Format::Xml))),
            [b'<', ..] => true,
            _ => false,
        }
    } else {
        match trim_start(behind) {
            [] | [b'<'] => return perhaps(),
            [b'<', next, ..] => is_in_name(*next) || matches!(next, b'/' | b'!' | b'?'),
            text => {
                let closing = [b"</", name.as_bytes()].concat();
                match memchr::memmem::find(text, &closing) {
                    Some(_) => true,
                    None => return perhaps(),
                }
            }
        }
    };
    match goes_on {
        // A custom element of a page, unless a name of the charter is an element or attribute.
        true if local.contains('-') && !names(text, hints, false) => Verdict::Perhaps(None),
        true => xml(),
        false => Verdict::No,
    }
}

/// Behind the tag that goes on here, 0 for more is needed; `None` where this is no tag of XML.
fn tag_end(attributes: &[u8]) -> Option<Option<usize>> {
    let mut rest = attributes;
    let at = |rest: &[u8]| attributes.len() - rest.len();
    loop {
        let blank = rest.len() - rest.trim_ascii_start().len();
        rest = &rest[blank..];
        match rest {
            [] | [b'/'] => return Some(None),
            [b'>', ..] => return Some(Some(at(rest) + 1)),
            [b'/', b'>', ..] => return Some(Some(at(rest) + 2)),
            [first, ..] if blank > 0 && is_in_name(*first) => {}
            _ => return None,
        }
        rest = &rest[rest.iter().position(|byte| !is_in_name(*byte)).unwrap_or(rest.len())..];
        rest = match rest.trim_ascii_start() {
            [] => return Some(None),
            [b'=', value @ ..] => value.trim_ascii_start(),
            _ => return None,
        };
        rest = match rest {
            [] => return Some(None),
            [quote @ (b'"' | b'\''), value @ ..] => match memchr::memchr(*quote, value) {
                None => return Some(None),
                Some(end) => &value[end + 1..],
            },
            _ => return None,
        };
    }
}

/// Whether the charter has a field of the name of an element, or of any word, that is not one of HTML's.
fn names(text: &[u8], hints: Hints<'_>, elements: bool) -> bool {
    let mut at = 0;
    while let Some(length) = text[at..].iter().position(|byte| is_in_name(*byte)) {
        let start = at + length;
        let end = text[start..].iter().position(|byte| !is_in_name(*byte)).map_or(text.len(), |n| start + n);
        let word = String::from_utf8_lossy(&text[start..end]);
        let word = word.rsplit(':').next().unwrap_or_default();
        let counts = !elements || text[..start].ends_with(b"<");
        if counts && word.len() > 1 && !is_html(word) && hints.knows(word) {
            return true;
        }
        at = end;
    }
    false
}

fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | 0x80..)
}

/// Whether HTML has an element of this name.
pub(in crate::redact) fn is_html(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HTML.split_ascii_whitespace().any(|known| known == name)
}

fn is_svg(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"svg")
}
