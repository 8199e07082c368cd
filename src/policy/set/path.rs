//! The part of JSONPath (RFC 9535) that policies use.

use std::{fmt, str::FromStr};

/// A path into a JSON document, from its root (`$…`) or from a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// Whether it starts at the document's root.
    pub absolute: bool,
    /// The steps, outermost first.
    pub segments: Vec<Segment>,
}

/// One step of a [`JsonPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// `.name` or `['name']`: the member whose decoded key is exactly this.
    Name(String),
    /// `[*]` or `.*`: every element and every member value.
    Any,
    /// `[n]`: the element at this place.
    Index(usize),
    /// `..`: zero or more steps of any kind.
    Descend,
}

/// Why a text is not a path.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// Nothing to select.
    #[error("an empty path selects nothing")]
    Empty,
    /// Something that the subset has no meaning for.
    #[error("unexpected `{found}` at character {at}; a path is made of names, `[*]`, `[0]`, `.*` and `..`")]
    Unexpected {
        /// The character.
        found: char,
        /// Its place, counted from 1.
        at: usize,
    },
    /// A bracket or quote that nothing closes.
    #[error("a bracket or quote is not closed")]
    Unclosed,
    /// `..` with nothing behind it.
    #[error("`..` needs a name behind it")]
    DanglingDescend,
}

impl FromStr for JsonPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let chars: Vec<char> = text.trim().chars().collect();
        if chars.is_empty() {
            return Err(PathError::Empty);
        }
        let absolute = chars[0] == '$';
        let mut at = usize::from(absolute);
        let mut segments = Vec::new();
        // A relative path begins with a bare name.
        let mut name_allowed = !absolute;
        while at < chars.len() {
            match chars[at] {
                '.' if chars.get(at + 1) == Some(&'.') => {
                    segments.push(Segment::Descend);
                    at += 2;
                    if at >= chars.len() {
                        return Err(PathError::DanglingDescend);
                    }
                    name_allowed = chars[at] != '[';
                }
                '.' if !name_allowed => {
                    at += 1;
                    name_allowed = true;
                    if at >= chars.len() {
                        return Err(PathError::Unexpected { found: '.', at });
                    }
                }
                '[' => {
                    let (segment, next) = bracket(&chars, at)?;
                    segments.push(segment);
                    at = next;
                    name_allowed = false;
                }
                '*' if name_allowed => {
                    segments.push(Segment::Any);
                    at += 1;
                    name_allowed = false;
                }
                found if name_allowed && !matches!(found, ']' | '\'' | '"' | '.' | '*') => {
                    let start = at;
                    while at < chars.len() && !matches!(chars[at], '.' | '[') {
                        if matches!(chars[at], ']' | '\'' | '"' | '*' | '$') {
                            return Err(PathError::Unexpected { found: chars[at], at: at + 1 });
                        }
                        at += 1;
                    }
                    segments.push(Segment::Name(chars[start..at].iter().collect()));
                    name_allowed = false;
                }
                found => return Err(PathError::Unexpected { found, at: at + 1 }),
            }
        }
        Ok(Self { absolute, segments })
    }
}

/// `[*]`, `[3]`, `['name']` or `["name"]` at `open`; the segment and the place behind it.
fn bracket(chars: &[char], open: usize) -> Result<(Segment, usize), PathError> {
    let inside = open + 1;
    match chars.get(inside) {
        Some('*') => match chars.get(inside + 1) {
            Some(']') => Ok((Segment::Any, inside + 2)),
            Some(&found) => Err(PathError::Unexpected { found, at: inside + 2 }),
            None => Err(PathError::Unclosed),
        },
        Some(&quote @ ('\'' | '"')) => {
            let length = chars[inside + 1..].iter().position(|&c| c == quote).ok_or(PathError::Unclosed)?;
            let end = inside + 1 + length;
            match chars.get(end + 1) {
                Some(']') => Ok((Segment::Name(chars[inside + 1..end].iter().collect()), end + 2)),
                Some(&found) => Err(PathError::Unexpected { found, at: end + 2 }),
                None => Err(PathError::Unclosed),
            }
        }
        Some(digit) if digit.is_ascii_digit() => {
            let length =
                chars[inside..].iter().position(|c| !c.is_ascii_digit()).ok_or(PathError::Unclosed)?;
            let digits: String = chars[inside..inside + length].iter().collect();
            let index =
                digits.parse().map_err(|_| PathError::Unexpected { found: *digit, at: inside + 1 })?;
            match chars[inside + length] {
                ']' => Ok((Segment::Index(index), inside + length + 1)),
                found => Err(PathError::Unexpected { found, at: inside + length + 1 }),
            }
        }
        Some(&found) => Err(PathError::Unexpected { found, at: inside + 1 }),
        None => Err(PathError::Unclosed),
    }
}

impl JsonPath {
    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Name(name) => Some(name.as_str()),
            Segment::Any | Segment::Index(_) | Segment::Descend => None,
        })
    }
}

impl Segment {
    /// Writes the step; `bare` where no dot stands in front of a name.
    pub(super) fn write(&self, to: &mut impl fmt::Write, bare: bool) -> fmt::Result {
        match self {
            Self::Name(name) if name.contains(['.', '[', ']', '\'', '"', '*', '$', ' ']) => {
                write!(to, "['{name}']")
            }
            Self::Name(name) => write!(to, "{}{name}", if bare { "" } else { "." }),
            Self::Any => to.write_str("[*]"),
            Self::Index(index) => write!(to, "[{index}]"),
            Self::Descend => to.write_str(".."),
        }
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.absolute { "$" } else { "" })?;
        let mut bare = !self.absolute;
        for segment in &self.segments {
            segment.write(f, bare)?;
            bare = matches!(segment, Segment::Descend);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_parse_and_print_back() {
        for text in [
            "$",
            "$[*]",
            "$.results[*]",
            "full_name",
            "classrooms[*]",
            "$..email",
            "a.b[0].c",
            "..email",
            "['a.b'].c",
        ] {
            assert_eq!(text.parse::<JsonPath>().unwrap().to_string(), text);
        }
        assert_eq!(
            "$.a.*".parse::<JsonPath>().unwrap().segments,
            vec![Segment::Name("a".into()), Segment::Any]
        );
        assert_eq!("extra.*".parse::<JsonPath>().unwrap().to_string(), "extra[*]");
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for text in
            ["", "$.", "$..", "a[", "a['b", "a[*", "a]b", "$x", "a..", "a[-1]", "a[?(@.b)]", "$.a b'c"]
        {
            assert!(text.parse::<JsonPath>().is_err(), "{text}");
        }
    }
}
