//! The part of a text that is being looked at, in units.

use super::fold;

/// The longest escape of one character.
pub(super) const ESCAPE: usize = 24;
/// How many bytes that nobody sees count with the unit before them; more than that is a sign of its own.
const UNSEEN: usize = 24;
/// The most bytes that one unit stands for.
pub(super) const WIDEST: usize = ESCAPE + UNSEEN;

/// Units, and where in the text each begins.
#[derive(Default)]
pub(super) struct Text {
    units: Vec<u8>,
    /// The first byte of each unit, counted from `origin`.
    starts: Vec<u32>,
    origin: usize,
    /// The first byte that is not folded yet.
    folded: usize,
    unseen: usize,
    /// Whether the text began before the first unit.
    begun: bool,
}

/// Bytes that are their own unit.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7F {
        plain[byte] = !matches!(byte as u8, b'%' | b'&' | b'\\');
        byte += 1;
    }
    plain
};

impl Text {
    pub(super) fn units(&self) -> &[u8] {
        &self.units
    }

    pub(super) fn folded(&self) -> usize {
        self.folded
    }

    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// Folds on, up to byte `to` at least. Behind it [`ESCAPE`] bytes must be known unless the text ends.
    pub(super) fn fold(&mut self, raw: &[u8], to: usize) {
        while self.folded < to {
            let rest = &raw[self.folded..];
            let at = self.folded.wrapping_sub(self.origin) as u32;
            let plain = rest[..to - self.folded].iter().take_while(|byte| PLAIN[usize::from(**byte)]).count();
            if plain > 0 {
                self.units.extend_from_slice(&rest[..plain]);
                self.starts.extend(at..at + plain as u32);
                self.unseen = 0;
                self.folded += plain;
                continue;
            }
            let (unit, len) = fold::unit(rest);
            self.unseen += len;
            if unit.is_some() || self.unseen > UNSEEN {
                self.units.push(unit.unwrap_or(fold::SIGN));
                self.starts.push(at);
                self.unseen = 0;
            }
            self.folded += len;
        }
    }

    /// The byte at which a unit begins; behind the last one, the first byte that is not folded; 0 where the caller has
    /// dropped it.
    pub(super) fn byte(&self, unit: usize) -> usize {
        let byte = self.starts.get(unit).map(|start| self.origin.wrapping_add(*start as usize));
        byte.map_or(self.folded, |byte| if byte > self.folded { 0 } else { byte })
    }

    /// The first `count` units are not looked at any more.
    pub(super) fn forget(&mut self, count: usize) {
        let shift = self.starts.get(count).copied().unwrap_or(self.folded.wrapping_sub(self.origin) as u32);
        self.units.drain(..count);
        self.starts.drain(..count);
        for start in &mut self.starts {
            *start -= shift;
        }
        self.origin = self.origin.wrapping_add(shift as usize);
        self.begun |= count > 0;
    }

    /// The caller dropped the first `count` bytes of the text.
    pub(super) fn shift(&mut self, count: usize) {
        self.origin = self.origin.wrapping_sub(count);
        self.folded -= count;
    }
}
