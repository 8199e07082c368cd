//! Whether a name of a plan may begin in a text: nearly no word of a text begins as one.

/// Letters of a name that are remembered.
const LETTERS: usize = 3;
/// Bits of a letter: letters that share them are taken for one.
const BITS: u32 = 5;

/// The first letters of names: one of them, two and three.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// One bit for each row of letters; empty where there are no names.
    rows: Vec<u64>,
    /// A name has no letter at all.
    any: bool,
}

impl Starts {
    /// Remembers a folded name.
    pub(super) fn learn(&mut self, folded: &str) {
        let mut letters = folded.chars().skip_while(|&char| !is_letter(char)).peekable();
        self.any |= letters.peek().is_none();
        let mut row = Row::default();
        for letter in letters.take_while(|&char| is_letter(char)).take(LETTERS) {
            row.push(letter);
            let (word, bit) = row.place();
            self.rows.resize(1 << (BITS as usize * LETTERS + 1 - 6), 0);
            self.rows[word] |= bit;
        }
    }

    /// Whether one of the names may begin somewhere in a text: where it does, or behind what is no letter.
    pub(super) fn may_begin(&self, text: &str) -> bool {
        if self.any {
            return true;
        }
        if self.rows.is_empty() {
            return false;
        }
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&first) = bytes.get(at) {
            if first.is_ascii() && !first.is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            // A word, or a sign that is no letter.
            let mut row = Row::default();
            let begun = at;
            loop {
                let letter = match bytes.get(at) {
                    Some(byte) if byte.is_ascii() => char::from(*byte),
                    Some(_) => text[at..].chars().next().unwrap_or_default(),
                    None => break,
                };
                if !is_letter(letter) {
                    break;
                }
                if row.length < LETTERS as u32 && !row.push(letter) {
                    return true;
                }
                at += letter.len_utf8();
            }
            if begun == at {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
            let (word, bit) = row.place();
            if self.rows[word] & bit != 0 {
                return true;
            }
        }
        false
    }
}

/// The first letters of a word.
#[derive(Clone, Copy, Default)]
struct Row {
    code: u32,
    length: u32,
}

impl Row {
    /// Whether it is one letter in lower case too.
    fn push(&mut self, letter: char) -> bool {
        let small = if letter.is_ascii() {
            letter.to_ascii_lowercase()
        } else {
            let mut small = letter.to_lowercase();
            match (small.next(), small.next()) {
                (Some(one), None) => one,
                _ => return false,
            }
        };
        self.code = self.code << BITS | (u32::from(small) & ((1 << BITS) - 1));
        self.length += 1;
        true
    }

    /// Rows of different length stand apart: above all shorter ones.
    fn place(self) -> (usize, u64) {
        let bit = 1 << (BITS * self.length) | self.code;
        ((bit >> 6) as usize, 1 << (bit & 63))
    }
}

/// Whether it is a letter or a digit.
fn is_letter(char: char) -> bool {
    match char {
        '\0'..='\x7f' => char.is_ascii_alphanumeric(),
        // Nearly all letters of Europe.
        '\u{c0}'..='\u{24f}' => !matches!(char, '×' | '÷'),
        _ => char.is_alphanumeric(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::set::fold_field_name;

    #[test]
    fn letters_are_those_of_unicode() {
        assert!(
            (0..0x1_0000).filter_map(char::from_u32).all(|char| is_letter(char) == char.is_alphanumeric())
        );
    }

    #[test]
    fn most_texts_begin_no_name() {
        let mut starts = Starts::default();
        assert!(!starts.may_begin("nom"));
        ["nom", "prénom", "id", "datedenaissance"].iter().for_each(|name| starts.learn(name));
        for text in ["Nom : x", "le no-m", "(PRÉNOM)", "un I_D", "d'une date", "x/id", "n"] {
            assert!(starts.may_begin(text), "{text}");
        }
        for text in ["", "un surnom", "Idée", "de la nuit", "prune", "été 12"] {
            assert!(!starts.may_begin(text), "{text}");
        }
        starts.learn("?!");
        assert!(starts.may_begin("été"));
    }

    proptest! {
        #[test]
        fn no_name_is_overlooked(
            name in "[a-cAé_İß$. -]{0,6}",
            before in "([xé]{0,3}[ :.+é])?",
            behind in "([ ,:;(].{0,3})?",
        ) {
            let mut starts = Starts::default();
            starts.learn(&fold_field_name(&name));
            let last = before.chars().last();
            // Within a word nobody looks for a name.
            if !(last.is_some_and(char::is_alphanumeric) && name.starts_with(char::is_alphanumeric)) {
                let text = before + &name + &behind;
                prop_assert!(starts.may_begin(&text), "{text}");
            }
        }
    }
}
