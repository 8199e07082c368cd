//! The inside of a tag (WHATWG HTML 13.2.5.6 to 13.2.5.40), without what readers read in two ways.

use std::ops::Range;

use super::element::Element;
use crate::redact::RedactError;

/// Most attributes of one element.
pub(super) const MAX_ATTRIBUTES: usize = 256;

/// Longest name of an element or attribute, in bytes.
pub(super) const MAX_NAME: usize = 256;

/// One attribute, as places in its tag.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    /// Where the white space in front of it begins.
    pub(super) from: usize,
    pub(super) name: Range<usize>,
    /// Its value as it is written, without quotes; `None` where it has none.
    pub(super) value: Option<Range<usize>>,
    /// Behind its value and quote.
    pub(super) to: usize,
}

/// A tag, whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Tag {
    /// In lower case.
    pub(super) name: Vec<u8>,
    pub(super) attributes: Vec<Attribute>,
    /// `/>`
    pub(super) closes: bool,
    /// What its name says.
    pub(super) element: Element,
    /// One bit for each attribute, by its [`shape`]: most tags have none of those that are asked for.
    shapes: u64,
    /// Two attributes have one shape.
    twins: bool,
}

/// A bit by the length and the first letter of an attribute's name, in upper or lower case.
#[inline(always)]
fn shape(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, |first| usize::from(first | 0x20));
    1 << ((name.len() * 11 + first) % 64)
}

/// White space of HTML.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

impl Tag {
    /// Reads a start tag, or an end tag, from its `<` to its `>`.
    ///
    /// # Errors
    /// [`RedactError::Malformed`] for what readers read in two ways, [`RedactError::TooLong`].
    pub(super) fn read(&mut self, raw: &[u8], is_end: bool) -> Result<(), RedactError> {
        self.attributes.clear();
        self.closes = false;
        (self.shapes, self.twins) = (0, false);
        let end = raw.len() - 1;
        let from = 1 + usize::from(is_end);
        let ends_name = |byte: &u8| is_blank(*byte) || matches!(byte, b'/' | b'>' | b'=');
        let length = raw[from..].iter().position(|byte| is_blank(*byte) || matches!(byte, b'/' | b'>'));
        let mut at = from + length.unwrap_or(end - from);
        self.name.clear();
        self.name.extend(raw[from..at].iter().map(u8::to_ascii_lowercase));
        if self.name.len() > MAX_NAME {
            return Err(RedactError::TooLong);
        }
        if !self
            .name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.'))
        {
            return Err(RedactError::Malformed);
        }
        self.element = Element::of(&self.name);
        let mut slash = false;
        loop {
            let before = at;
            while at < end && is_blank(raw[at]) {
                at += 1;
            }
            if at == end {
                return Ok(());
            }
            if raw[at] == b'/' {
                at += 1;
                self.closes = at == end;
                slash = true;
                continue;
            }
            // Without what stands behind it, a slash would close the element.
            if slash {
                return Err(RedactError::Malformed);
            }
            let start = at;
            at += raw[at..].iter().position(ends_name).unwrap_or(end - at);
            let name = start..at;
            if name.is_empty() || !raw[name.clone()].iter().all(|byte| is_in_name(*byte)) {
                return Err(RedactError::Malformed);
            }
            // The end of a comment (`<p -- text -->`), whose text would leave as names.
            if !is_end && raw[start] == b'-' {
                return Err(RedactError::Malformed);
            }
            if name.len() > MAX_NAME || self.attributes.len() == MAX_ATTRIBUTES {
                return Err(RedactError::TooLong);
            }
            let mut behind = at;
            while behind < end && is_blank(raw[behind]) {
                behind += 1;
            }
            let mut value = None;
            if raw[behind] == b'=' {
                at = behind + 1;
                while at < end && is_blank(raw[at]) {
                    at += 1;
                }
                let range = match raw[at] {
                    quote @ (b'"' | b'\'') => {
                        let start = at + 1;
                        let length = memchr::memchr(quote, &raw[start..end]).ok_or(RedactError::Malformed)?;
                        at = start + length + 1;
                        start..start + length
                    }
                    _ => {
                        let start = at;
                        at += raw[at..end].iter().position(|byte| is_blank(*byte)).unwrap_or(end - at);
                        let odd = |byte: &u8| matches!(byte, b'"' | b'\'' | b'<' | b'`' | b'>');
                        if start == at || raw[start..at].iter().any(odd) {
                            return Err(RedactError::Malformed);
                        }
                        start..at
                    }
                };
                value = Some(range);
            }
            let shape = shape(&raw[name.clone()]);
            self.twins |= self.shapes & shape != 0;
            self.shapes |= shape;
            self.attributes.push(Attribute { from: before, name, value, to: at });
        }
    }

    /// Whether it has no attribute of this name, as far as that is known at once.
    #[inline(always)]
    pub(super) fn lacks(&self, name: &[u8]) -> bool {
        self.shapes & shape(name) == 0
    }

    /// Whether an attribute is named twice.
    pub(super) fn repeats(&self, raw: &[u8], one_of: impl Fn(&[u8]) -> bool) -> bool {
        self.twins
            && self.attributes.iter().enumerate().any(|(place, attribute)| {
                let name = &raw[attribute.name.clone()];
                one_of(name)
                    && self.attributes[..place]
                        .iter()
                        .any(|other| raw[other.name.clone()].eq_ignore_ascii_case(name))
            })
    }
}

/// What names of attributes are seen to hold, those of frameworks included: `@click`, `:class`, `[prop]`, `(event)`.
fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:@[]()#*$".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, attributes, and whether it closes itself.
    type Read = (String, Vec<(String, Option<String>)>, bool);

    fn read(raw: &str) -> Result<Read, RedactError> {
        let mut tag = Tag::default();
        tag.read(raw.as_bytes(), raw.starts_with("</"))?;
        let attributes = tag.attributes.iter().map(|attribute| {
            let value = attribute.value.clone().map(|value| raw[value].to_owned());
            (raw[attribute.name.clone()].to_owned(), value)
        });
        Ok((String::from_utf8(tag.name).unwrap(), attributes.collect(), tag.closes))
    }

    #[test]
    fn sloppy_tags_are_read() {
        let value = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let bare = |name: &str| (name.to_owned(), None);
        for (raw, name, attributes, closes) in [
            ("<P>", "p", vec![], false),
            ("<br/>", "br", vec![], true),
            ("<br / >", "br", vec![], false),
            (
                "<input NAME=nom value='a > b' checked>",
                "input",
                vec![value("NAME", "nom"), value("value", "a > b"), bare("checked")],
                false,
            ),
            ("<a href=/x/?a=1/>", "a", vec![value("href", "/x/?a=1/")], false),
            (
                "<a href=\"x\"class = y\nz>",
                "a",
                vec![value("href", "x"), value("class", "y"), bare("z")],
                false,
            ),
            ("<x-é>", "", vec![], false),
            (
                "<div @click.prevent=\"f('<')\" :a='' >",
                "div",
                vec![value("@click.prevent", "f('<')"), value(":a", "")],
                false,
            ),
            (
                "<a v-if=x x-data *ngIf=y (click)=z [prop]=z #ref :-->",
                "a",
                vec![
                    value("v-if", "x"),
                    bare("x-data"),
                    value("*ngIf", "y"),
                    value("(click)", "z"),
                    value("[prop]", "z"),
                    bare("#ref"),
                    bare(":--"),
                ],
                false,
            ),
            ("</td class=x -->", "td", vec![value("class", "x"), bare("--")], false),
        ] {
            if name.is_empty() {
                assert_eq!(read(raw), Err(RedactError::Malformed), "{raw}");
                continue;
            }
            assert_eq!(read(raw), Ok((name.into(), attributes, closes)), "{raw}");
        }
        for refused in [
            "<div<p>",
            "<a =x>",
            "<a 'x'>",
            "<a b=>",
            "<a b=c'd'>",
            "<a b=`c`>",
            "<a b<c>",
            "<a \"b\">",
            "<a b=c<d>",
            "<a b/c>",
            "<a -- b>",
            "<a class='c'-- b -->",
        ] {
            assert_eq!(read(refused), Err(RedactError::Malformed), "{refused}");
        }
    }
}
