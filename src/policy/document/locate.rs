//! Where a place of the tree stands in the text.
//!
//! The parser gives positions only with errors, so a second reading walks down the path and stops there with one.

use std::{cell::Cell, fmt};

use serde::de::{
    self, DeserializeSeed, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::tree::{Key, Part, Step};

/// The bytes of `text` that a path leads to; the innermost enclosing value that exists, where the last steps do not
/// (a missing field, or one merged in from an anchor).
pub(crate) fn locate(text: &str, steps: &[Step], part: Part) -> (usize, usize) {
    let part = if matches!(steps.last(), Some(Step::Key(_))) { part } else { Part::Value };
    for length in (0..=steps.len()).rev() {
        let part = if length == steps.len() { part } else { Part::Value };
        let found = Cell::new(false);
        let seed = Descent { steps: &steps[..length], part, found: &found };
        let outcome = seed.deserialize(serde_yaml::Deserializer::from_str(text));
        if let (true, Err(stop)) = (found.get(), outcome)
            && let Some(at) = stop.location()
        {
            let start = byte_offset(text, at.index());
            return (start, start + extent(&text[start..], part));
        }
    }
    (0, 0)
}

/// A position that the parser gave, made safe to cut the text at.
pub(crate) fn byte_offset(text: &str, index: usize) -> usize {
    text.floor_char_boundary(index.min(text.len()))
}

/// How many bytes of the line the thing at its start takes.
fn extent(rest: &str, part: Part) -> usize {
    let line = rest.lines().next().unwrap_or("");
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    let end = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line[1..].find(quote).map(|end| end + 2),
        Some('{' | '[') => closing(line),
        _ => {
            let key = (part != Part::Value).then_some(":");
            let ends = [", ", "}", "] ", "],", "]}"].into_iter().chain(key);
            let cut = ends.filter_map(|end| line.find(end)).min();
            cut.or_else(|| (line.ends_with(']') && !line.contains('[')).then(|| line.len() - 1))
        }
    };
    let end = end.unwrap_or(line.len());
    line.get(..end).unwrap_or(line).trim_end().len().max(1).min(rest.len())
}

/// The end of the flow collection that the line begins with, where it ends in this line. Brackets inside quotes are
/// counted too: this only says how much to underline.
fn closing(line: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[derive(Clone, Copy)]
struct Descent<'a> {
    steps: &'a [Step],
    part: Part,
    found: &'a Cell<bool>,
}

impl Descent<'_> {
    fn stop<E: de::Error>(self) -> E {
        self.found.set(true);
        E::custom("here")
    }

    fn scalar<E: de::Error>(self) -> Result<(), E> {
        if self.steps.is_empty() { Err(self.stop()) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Descent<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descent<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.steps.split_first() else { return Err(self.stop()) };
        let mut at = 0;
        loop {
            let more = if *first == Step::Index(at) {
                items.next_element_seed(Descent { steps: rest, ..self })?
            } else {
                items.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if more.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.steps.split_first() else { return Err(self.stop()) };
        let mut seen = 0;
        let stop_at = match (rest.is_empty(), self.part) {
            (true, Part::Key) => Some(1),
            (true, Part::RepeatedKey) => Some(2),
            _ => None,
        };
        while let Some(wanted) =
            map.next_key_seed(KeyDescent { step: first, seen: &mut seen, stop_at, of: self })?
        {
            if wanted && stop_at.is_none() {
                map.next_value_seed(Descent { steps: rest, ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        if self.steps.is_empty() {
            return Err(self.stop());
        }
        let (IgnoredAny, content) = tagged.variant()?;
        content.newtype_variant::<IgnoredAny>()?;
        Ok(())
    }
}

/// Compares one key with the step, and stops at it when the key itself is wanted.
struct KeyDescent<'a> {
    step: &'a Step,
    seen: &'a mut usize,
    stop_at: Option<usize>,
    of: Descent<'a>,
}

impl<'de> DeserializeSeed<'de> for KeyDescent<'_> {
    type Value = bool;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl KeyDescent<'_> {
    fn compare<E: de::Error>(self, key: Option<String>) -> Result<bool, E> {
        let Step::Key(wanted) = self.step else { return Ok(false) };
        if key.as_ref() != Some(wanted) {
            return Ok(false);
        }
        *self.seen += 1;
        if self.stop_at == Some(*self.seen) { Err(self.of.stop()) } else { Ok(*self.seen == 1) }
    }
}

impl<'de> Visitor<'de> for KeyDescent<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<bool, E> {
        self.compare(Some(value.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<bool, E> {
        self.compare(Some(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<bool, E> {
        self.compare(Some(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<bool, E> {
        self.compare(Some(value.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i128<E>(self, _: i128) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u128<E>(self, _: u128) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<bool, A::Error> {
        Key.visit_seq(items).map(|_| false)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        Key.visit_map(map).map(|_| false)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<bool, A::Error> {
        Key.visit_enum(tagged).map(|_| false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(steps: &[&str]) -> Vec<Step> {
        let index = |step: &str| step.strip_prefix('#')?.parse().ok().map(Step::Index);
        steps.iter().map(|step| index(step).unwrap_or_else(|| Step::Key((*step).to_owned()))).collect()
    }

    #[test]
    fn places_are_found_whatever_stands_before_them() {
        let text = "# élèves 👩‍🎓\r\né: {a: 1, 'b c': [x, \"y\"]}\nlist:\n  - name: one # the first\n  - {name: two}\n\
                    anchor: &a {in: 1}\nuse: *a\ntwice: 1\ntwice: 2\nempty:\n7: seven\n";
        for (steps, part, expected) in [
            (&["é"][..], Part::Key, "é"),
            (&["é", "a"], Part::Value, "1"),
            (&["é", "b c"], Part::Key, "'b c'"),
            (&["é", "b c", "#0"], Part::Value, "x"),
            (&["é", "b c", "#1"], Part::Value, "\"y\""),
            (&["list", "#0", "name"], Part::Value, "one"),
            (&["list", "#0"], Part::Key, "name: one"),
            (&["list", "#1"], Part::Value, "{name: two}"),
            (&["list", "#1", "absent"], Part::Value, "{name: two}"),
            (&["use", "in"], Part::Value, "1"),
            (&["twice"], Part::RepeatedKey, "twice"),
            (&["empty"], Part::Key, "empty"),
            (&["7"], Part::Value, "seven"),
        ] {
            let (start, end) = locate(text, &path(steps), part);
            assert_eq!(&text[start..end], expected, "{steps:?}");
        }
        let (start, _) = locate(text, &path(&["twice"]), Part::RepeatedKey);
        assert_eq!(start, text.rfind("twice").unwrap());
    }
}
