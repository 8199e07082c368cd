//! Every name that a plan knows, as a small number.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::policy::set::{Charter, fold_field_name};

/// A name as the automaton reads it: its place in [`Names::symbols`]; 0 is any name that the plan does not know.
pub(in crate::redact) type Symbol = u32;

/// What stands behind a symbol.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spelling {
    /// The name itself, where a path spells it so.
    pub(super) exact: Option<u32>,
    /// Its folded form.
    pub(super) fold: Option<u32>,
    /// The charter's category for it: 0 for none, otherwise its number plus [`super::CATEGORY`].
    pub(super) charter: u8,
}

/// The names of a route's paths and of the charter, found by decoded key.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<Box<[u8]>, Symbol>,
    folded: HashMap<Box<[u8]>, Symbol>,
    folds: HashMap<String, u32>,
    pub(super) symbols: Vec<Spelling>,
}

impl Names {
    /// The charter's field names; where two categories claim one name, the first keeps it.
    pub(super) fn of(charter: &Charter) -> Self {
        let mut names = Self { symbols: vec![Spelling::default()], ..Self::default() };
        for (category, code) in charter.categories.iter().zip(super::CATEGORY..) {
            for field in &category.fields {
                let symbol = names.fold(&fold_field_name(field)) as usize;
                if names.symbols[symbol].charter == 0 {
                    names.symbols[symbol].charter = code;
                }
            }
        }
        names
    }

    /// Makes a path's name known: the numbers of its spelling and of its folded form.
    pub(super) fn learn(&mut self, name: &str) -> (u32, u32) {
        let folded = self.fold(&fold_field_name(name));
        let mut spelling = self.symbols[folded as usize];
        let next = self.symbols.len() as Symbol;
        let symbol = *self.exact.entry(name.as_bytes().into()).or_insert(next);
        spelling.exact = Some(symbol);
        if symbol == next {
            self.symbols.push(spelling);
        }
        (symbol, folded)
    }

    /// The symbol of every name that folds so.
    fn fold(&mut self, folded: &str) -> Symbol {
        if let Some(&symbol) = self.folds.get(folded) {
            return symbol;
        }
        let symbol = self.symbols.len() as Symbol;
        self.symbols.push(Spelling { fold: Some(symbol), ..Spelling::default() });
        self.folds.insert(folded.to_owned(), symbol);
        self.folded.insert(folded.as_bytes().into(), symbol);
        symbol
    }

    /// The symbol of a decoded key: its own spelling first, then its folded form.
    pub(super) fn symbol(&self, key: &[u8]) -> Symbol {
        if let Some(&symbol) = self.exact.get(key) {
            return symbol;
        }
        let folded: Cow<'_, [u8]> = match std::str::from_utf8(key) {
            Ok(key) => fold_field_name(key).into_bytes().into(),
            // Keys are decoded from UTF-8; nothing else comes here.
            Err(_) => key.into(),
        };
        self.folded.get(&*folded).copied().unwrap_or(0)
    }
}
