//! Choices read from bytes: the same for a property test and a fuzzer, and 0 is always the simplest choice.

/// A run of choices; behind its end every choice is 0.
pub(crate) struct Source<'a>(pub(crate) &'a [u8]);

impl Source<'_> {
    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// True once in `in_` choices or so.
    pub(crate) fn one_in(&mut self, in_: usize) -> bool {
        self.below(in_) == in_ - 1
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
