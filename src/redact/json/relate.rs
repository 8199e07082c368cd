//! Learns whose each record is, one step ahead of the emitter.
//!
//! Whose a record is may stand at its end, behind the fields that depend on it. So where a view depends on it, this
//! walks first; the bytes of the outermost open record wait, and the emitter follows when it is decided. A record
//! longer than its bound is nobody's, however it is cut: then the emitter follows up to the next undecided record
//! inside it.

use std::sync::Arc;

use super::RedactError;
use super::emit::{Emitter, Related};
use super::walker::{Kind, Site, Visit, Walker, Watch};
use crate::policy::set::CategorySet;
use crate::redact::Audience;
use crate::redact::plan::Plan;

/// A record whose end has not come.
struct Open {
    at: u64,
    subject: Subject,
    grouped: bool,
    /// It grew beyond its bound: nobody's already.
    decided: bool,
    /// Where its decision goes among those of the records inside it.
    place: usize,
}

/// The subject that a record names.
enum Subject {
    Unknown,
    Named {
        text: Vec<u8>,
        own: bool,
        ward: bool,
    },
    /// Several, one of them perhaps forged: nobody's.
    Disputed,
}

/// See the module.
pub(super) struct Relater {
    walker: Walker<bool>,
    records: Records,
    /// Bytes that the emitter has not seen; they begin at `waiting_from`.
    waiting: Vec<u8>,
    waiting_from: u64,
}

struct Records {
    plan: Arc<Plan>,
    audience: Arc<Audience>,
    open: Vec<Open>,
    decided: Vec<Related>,
    /// What the watched scalar is.
    watched: Option<Site>,
}

impl Relater {
    pub(super) fn new(plan: Arc<Plan>, audience: Arc<Audience>) -> Self {
        Self {
            walker: Walker::new(plan.clone()),
            records: Records { plan, audience, open: Vec::new(), decided: Vec::new(), watched: None },
            waiting: Vec::new(),
            waiting_from: 0,
        }
    }

    pub(super) fn push(
        &mut self,
        input: &[u8],
        emitter: &mut Emitter,
        out: &mut Vec<u8>,
    ) -> Result<(), RedactError> {
        let base = self.walker.position();
        self.walker.walk(input, &mut Pass { base, records: &mut self.records })?;
        let end = self.walker.position();
        let known = self.records.known_up_to(end);
        self.release(known, emitter);
        // `known` lies in what waited, or in this chunk.
        match known.checked_sub(base) {
            Some(now) => {
                if !self.waiting.is_empty() {
                    emitter.push(&self.waiting, out)?;
                    self.waiting.clear();
                }
                let (now, later) = input.split_at(now as usize);
                emitter.push(now, out)?;
                self.waiting.extend_from_slice(later);
            }
            None => {
                let now = (known - self.waiting_from) as usize;
                emitter.push(&self.waiting[..now], out)?;
                self.waiting.drain(..now);
                self.waiting.extend_from_slice(input);
            }
        }
        self.waiting_from = known;
        Ok(())
    }

    pub(super) fn finish(&mut self, emitter: &mut Emitter, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let base = self.walker.position();
        self.walker.finish(&mut Pass { base, records: &mut self.records })?;
        self.release(base, emitter);
        emitter.push(&self.waiting, out)?;
        self.waiting.clear();
        Ok(())
    }

    /// Tells the emitter of the decided records in front of `known`.
    fn release(&mut self, known: u64, emitter: &mut Emitter) {
        let count = self.records.decided.partition_point(|related| related.at < known);
        for related in self.records.decided.drain(..count) {
            emitter.relate(related);
        }
        for record in &mut self.records.open {
            record.place = record.place.saturating_sub(count);
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.waiting.capacity() + self.records.decided.capacity() * size_of::<Related>()
    }
}

impl Records {
    /// The place up to which every record is decided, when everything up to `end` was walked.
    fn known_up_to(&mut self, end: u64) -> u64 {
        for record in &mut self.open {
            record.decided |= end - record.at > self.plan.record_bytes();
            if !record.decided {
                return record.at;
            }
        }
        end
    }

    /// The innermost open record names a subject or a group.
    fn named(&mut self, site: Site, value: Option<&[u8]>) {
        let Some(record) = self.open.last_mut() else { return };
        if site.group() {
            record.grouped |= value.is_some_and(|group| self.audience.shares(group));
        }
        if !site.subject() {
            return;
        }
        let one = self.plan.subject_is_one();
        let (own, ward) = match value {
            Some(text) => (self.audience.is_self(text), self.audience.answers_for(text)),
            None => (false, false),
        };
        match (&mut record.subject, value) {
            (subject @ Subject::Unknown, Some(text)) => {
                // Where a record may name several, only whether one of them counts is remembered.
                let text = if one { text.to_vec() } else { Vec::new() };
                *subject = Subject::Named { text, own, ward };
            }
            (Subject::Named { own: any_own, ward: any_ward, .. }, _) if !one => {
                *any_own |= own;
                *any_ward |= ward;
            }
            (_, None) if !one => {}
            (Subject::Named { text, .. }, Some(value)) if text == value => {}
            (subject, _) => *subject = Subject::Disputed,
        }
    }

    fn close(&mut self, end: u64) {
        let Some(record) = self.open.pop() else { return };
        if record.decided || end - record.at > self.plan.record_bytes() {
            return;
        }
        let sees = &self.audience.sees;
        let mut visible = sees.any;
        if let Subject::Named { own, ward, .. } = record.subject {
            for (related, categories) in [(own, sees.own), (ward, sees.ward)] {
                if related {
                    visible = visible.union(categories);
                }
            }
        }
        if record.grouped {
            visible = visible.union(sees.group);
        }
        if visible != CategorySet(sees.any.0) {
            // In the order of opening braces: in front of the records inside it.
            let place = record.place.min(self.decided.len());
            self.decided.insert(place, Related { at: record.at, visible });
        }
    }
}

struct Pass<'a> {
    base: u64,
    records: &'a mut Records,
}

impl Visit for Pass<'_> {
    /// Whether it is a record.
    type Scope = bool;

    #[inline(always)]
    fn separator(&mut self, _: usize, _: bool) {}

    #[inline(always)]
    fn scalar(&mut self, _: usize, _: Option<&mut bool>, site: Site, kind: Kind) -> Watch {
        if !(site.subject() || site.group()) {
            return Watch::Nothing;
        }
        match kind {
            Kind::Text | Kind::Number => {
                self.records.watched = Some(site);
                Watch::Value
            }
            Kind::Boolean | Kind::Null => {
                self.records.named(site, None);
                Watch::Nothing
            }
        }
    }

    fn scalar_end(&mut self, _: usize, value: Option<&[u8]>) {
        if let Some(site) = self.records.watched.take() {
            self.records.named(site, value);
        }
    }

    #[inline(always)]
    fn open(&mut self, at: usize, _: Option<&mut bool>, site: Site, object: bool) -> bool {
        if site.subject() || site.group() {
            self.records.named(site, None);
        }
        let record = object && site.record();
        if record {
            let (at, place) = (self.base + at as u64, self.records.decided.len());
            self.records.open.push(Open {
                at,
                subject: Subject::Unknown,
                grouped: false,
                decided: false,
                place,
            });
        }
        record
    }

    #[inline(always)]
    fn close(&mut self, end: usize, record: bool) {
        if record {
            self.records.close(self.base + end as u64);
        }
    }
}
