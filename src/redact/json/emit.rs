//! Writes what may leave, and holds back what is not decided.
//!
//! Where a view depends on whose each record is ([`super::relate`]), the bytes of the outermost undecided record wait,
//! and so does what was written of it; where its guess was wrong, it is written again from them.

use std::sync::Arc;

use super::RedactError;
use super::pass::{Pass, Scope, State};
use super::relate::Records;
use super::walker::{Walked, Walker};
use crate::redact::keys::Keys;
use crate::redact::nested::Inside;
use crate::redact::plan::Plan;
use crate::redact::{Answers, Audience, Tally};
use crate::secret::DomainKey;

/// See the module.
pub(super) struct Emitter {
    plan: Arc<Plan>,
    walker: Walker<Scope>,
    state: State,
    /// Bytes of the outermost undecided record, from its opening brace on, that came in earlier chunks.
    waiting: Vec<u8>,
    /// What was written while a record was undecided.
    ahead: Vec<u8>,
    /// What cannot be looked at before more comes, and how much that has to be.
    rest: Vec<u8>,
    enough: usize,
}

impl Emitter {
    pub(super) fn new(
        plan: Arc<Plan>,
        audience: Arc<Audience>,
        key: Arc<DomainKey>,
        answers: Option<Arc<Answers>>,
    ) -> Self {
        let relates = plan.has_records() && plan.related_matters(audience.by_relation(), &audience.sees);
        let around = Scope::around(audience.sees.any);
        let records = relates.then(|| Records::new(plan.clone(), audience.clone()));
        // Errors and extensions of an answer are free texts.
        let has_free_text = plan.has_free_text() || answers.is_some();
        Self {
            state: State::new(&plan, &audience, key, records, has_free_text),
            walker: Walker::new(plan.clone(), around, answers),
            plan,
            waiting: Vec::new(),
            ahead: Vec::new(),
            rest: Vec::new(),
            enough: 0,
        }
    }

    /// For a document inside a text: whose it is, the record around it said, unless it holds records of its own.
    pub(super) fn inside(place: &Inside<'_>) -> Self {
        let (plan, root) = place.plan.inside(place.state);
        let around = Scope::around_nested(place.visible);
        let related = place.related.filter(|_| plan.has_records());
        let records = related.map(|audience| Records::inside(plan.clone(), audience.clone(), place.visible));
        Self {
            state: State::inside(place, records),
            walker: Walker::inside(plan.clone(), around, root),
            plan,
            waiting: Vec::new(),
            ahead: Vec::new(),
            rest: Vec::new(),
            enough: 0,
        }
    }

    pub(super) fn set_keys(&mut self, keys: Keys) {
        self.walker.keys = keys;
    }

    pub(super) fn into_keys(self) -> Keys {
        self.walker.keys
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.state.tally
    }

    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.rest.is_empty() {
            return self.take(input, out);
        }
        self.rest.extend_from_slice(input);
        if self.rest.len() < self.enough { Ok(()) } else { self.take_rest(out) }
    }

    fn take_rest(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let rest = std::mem::take(&mut self.rest);
        self.take(&rest, out)
    }

    fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.state.records.is_none() {
            return self.pass(input, out).map(|_| ());
        }
        self.speculate(out, |emitter, ahead| emitter.push_related(input, ahead))
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if !self.rest.is_empty() {
            self.take_rest(out)?;
        }
        if self.state.records.is_none() {
            return self.end(out);
        }
        self.speculate(out, Self::end)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let base = self.walker.position();
        let mut pass = Pass { plan: &self.plan, input: &[], base, out, run: 0, state: &mut self.state };
        self.walker.finish(&mut pass)
    }

    fn pass(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Walked, RedactError> {
        let (base, written) = (self.walker.position(), out.len());
        let mut pass = Pass { plan: &self.plan, input, base, out, run: 0, state: &mut self.state };
        let walked = self.walker.walk(input, &mut pass)?;
        if let Walked::Waits(at) = walked {
            let (before, rest) = input.split_at(at);
            pass.input = before;
            self.rest = rest.to_vec();
            // Looked through again each time, a byte is not looked at more than a few times.
            self.enough = rest.len() + rest.len() / 8 + 1;
        }
        if walked != Walked::Stopped {
            pass.carry(self.walker.held());
        }
        if self.state.failed {
            out.truncate(written);
            return Err(RedactError::Opaque);
        }
        Ok(walked)
    }

    /// Writes ahead, and lets go what is decided, whatever came of it.
    fn speculate(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        let mut ahead = std::mem::take(&mut self.ahead);
        let result = write(self, &mut ahead);
        if let Some(records) = &mut self.state.records {
            let decided = match records.undecided() {
                Some((opening, _)) => {
                    if result.is_err() {
                        self.state.tally.clone_from(&opening.tally);
                    }
                    opening.written
                }
                None => ahead.len(),
            };
            out.extend_from_slice(&ahead[..decided]);
            ahead.drain(..decided);
            records.left(decided);
        }
        self.ahead = ahead;
        result
    }

    fn push_related(&mut self, input: &[u8], ahead: &mut Vec<u8>) -> Result<(), RedactError> {
        let base = self.walker.position();
        let mut at = 0;
        while self.pass(&input[at..], ahead)? == Walked::Stopped {
            at = self.again(base, ahead)?;
        }
        let end = self.walker.position();
        self.wait(&input[..(end - base) as usize], base);
        while self.state.records.as_mut().is_some_and(|records| records.outgrow(end)) {
            self.again(end, ahead)?;
        }
        self.wait(&[], end);
        Ok(())
    }

    /// Keeps the bytes of the outermost undecided record; `input` begins at `base` and is what they lack.
    fn wait(&mut self, input: &[u8], base: u64) {
        let undecided = self.state.records.as_ref().and_then(Records::undecided);
        let Some((opening, _)) = undecided else { return self.waiting.clear() };
        match opening.at.checked_sub(base) {
            Some(from) => {
                self.waiting.clear();
                self.waiting.extend_from_slice(&input[from as usize..]);
            }
            None => {
                let decided = opening.at - (base - self.waiting.len() as u64);
                self.waiting.drain(..decided as usize);
                self.waiting.extend_from_slice(input);
            }
        }
    }

    /// Walks the outermost undecided record again, up to `base` if it began before, and gives the place behind `base`
    /// to go on from.
    fn again(&mut self, base: u64, ahead: &mut Vec<u8>) -> Result<usize, RedactError> {
        let undecided = self.state.records.as_ref().and_then(Records::undecided);
        let Some((opening, visible)) = undecided else { return Err(RedactError::Malformed) };
        let (from, depth, doubtful) = (opening.at + 1, opening.depth, opening.doubtful.clone());
        let noted = opening.noted;
        ahead.truncate(opening.written);
        self.state.tally.clone_from(&opening.tally);
        self.state.restart(doubtful, noted);
        self.walker.again(from, depth, |scope| scope.reopen(visible));
        if from >= base {
            return Ok((from - base) as usize);
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.walker.again = true;
        let result = self.pass(&waiting[1..], ahead);
        self.walker.again = false;
        self.waiting = waiting;
        match result? {
            Walked::All => Ok(0),
            // No guess of a second walk is wrong, and if one were nothing of it may leave.
            Walked::Stopped | Walked::Waits(_) => Err(RedactError::Malformed),
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let records = self.state.records.as_ref().map_or(0, Records::capacity);
        self.state.capacity()
            + self.waiting.capacity()
            + self.ahead.capacity()
            + self.rest.capacity()
            + records
    }
}
