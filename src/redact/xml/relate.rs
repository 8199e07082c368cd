//! Learns whose each record is, one step ahead of the emitter.
//!
//! Whose a record is may stand at its end, behind the fields that depend on it. So this walks first, the bytes of the
//! outermost undecided record wait, and the emitter follows. A record longer than its bound is nobody's.

use std::sync::Arc;

use super::emit::{Emitter, Related};
use super::name::{decoded, local, trim};
use super::walker::{Element, Role, Visit, Walker};
use crate::policy::set::CategorySet;
use crate::redact::place::Field;
use crate::redact::plan::Plan;
use crate::redact::whose::{Inside, Relation, Whose, settle};
use crate::redact::{Audience, MAX_VALUE, RedactError};

/// A record whose end has not come.
struct Open {
    at: u64,
    depth: usize,
    whose: Whose,
    /// It grew beyond its bound: nobody's already.
    decided: bool,
    /// Where its decision goes among those of the records inside it.
    place: usize,
    /// Elements in it that name somebody.
    people: Vec<Person>,
}

/// An element in a record that is no record, and may be somebody else's.
struct Person {
    at: u64,
    end: u64,
    depth: usize,
    whose: Whose,
}

impl Inside for Person {
    fn extent(&self) -> (u64, u64) {
        (self.at, self.end)
    }

    fn whose(&self) -> &Whose {
        &self.whose
    }
}

/// The text of an element that says whose the record around it is.
struct Watch {
    depth: usize,
    /// What is said by it, and the depth of the element of which it is a member.
    fields: Vec<(Field, usize)>,
    text: Vec<u8>,
    /// Its text can be compared: it holds no elements, and is not too long.
    sound: bool,
}

/// See the module.
pub(super) struct Relater {
    walker: Walker,
    records: Records,
    /// Bytes that the emitter has not seen; they begin at `waiting_from`.
    waiting: Vec<u8>,
    waiting_from: u64,
}

struct Records {
    plan: Arc<Plan>,
    audience: Arc<Audience>,
    depth: usize,
    open: Vec<Open>,
    /// Open elements that are no records, in undecided ones.
    inside: Vec<Person>,
    decided: Vec<Related>,
    watch: Option<Watch>,
    room: Vec<u8>,
}

impl Relater {
    pub(super) fn new(plan: Arc<Plan>, audience: Arc<Audience>) -> Self {
        let records = Records {
            plan: plan.clone(),
            audience,
            depth: 0,
            open: Vec::new(),
            inside: Vec::new(),
            decided: Vec::new(),
            watch: None,
            room: Vec::new(),
        };
        Self { walker: Walker::new(plan), records, waiting: Vec::new(), waiting_from: 0 }
    }

    pub(super) fn push(
        &mut self,
        input: &[u8],
        emitter: &mut Emitter,
        out: &mut Vec<u8>,
    ) -> Result<(), RedactError> {
        let base = self.walker.position();
        self.walker.walk(input, &mut self.records)?;
        let known = self.records.known_up_to(self.walker.settled());
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
        self.walker.finish()?;
        self.release(self.walker.position(), emitter);
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
        self.walker.capacity() + self.waiting.capacity() + self.records.room.capacity()
    }
}

impl Records {
    /// The place up to which every record is decided, when everything up to `end` was walked.
    fn known_up_to(&mut self, end: u64) -> u64 {
        let bound = self.plan.record_bytes();
        for record in &mut self.open {
            record.decided |= end.saturating_sub(record.at) > bound;
            if !record.decided {
                return record.at;
            }
        }
        end
    }

    /// The innermost open record names a subject or a group.
    fn named(&mut self, fields: &[(Field, usize)], value: Option<&[u8]>) {
        let Some(record) = self.open.last_mut() else { return };
        let people = self.plan.people();
        for &(field, depth) in fields {
            record.whose.named(field, value, &self.plan, &self.audience);
            for (steps, subject) in [
                (people.steps_from_subject().filter(|_| field.is_inner_subject()), true),
                (people.steps_from_group().filter(|_| field.is_inner_group()), false),
            ] {
                let at = steps.and_then(|steps| (depth + 1).checked_sub(steps));
                let person = self.inside.iter_mut().rfind(|person| Some(person.depth) == at);
                if let Some(person) = person {
                    let relation = Relation { subject, group: !subject };
                    person.whose.named(relation, value, &self.plan, &self.audience);
                }
            }
        }
    }

    fn close(&mut self, end: u64) {
        let Some(mut record) = self.open.pop() else { return };
        if record.decided || end - record.at > self.plan.record_bytes() {
            return;
        }
        let visible = record.whose.visible(&self.audience);
        if visible != CategorySet(self.audience.sees.any.0) {
            // In the order of start tags: in front of the records inside it.
            let place = record.place.min(self.decided.len());
            self.decided.insert(place, Related { at: record.at, visible });
            let decided = &mut self.decided;
            settle(&mut record.people, &record.whose, visible, &self.audience, |person, outside, inside| {
                if inside != outside {
                    let place = decided.partition_point(|related| related.at < person.at);
                    decided.insert(place, Related { at: person.at, visible: inside });
                }
            });
        }
    }

    /// The watched element ends, or something stands in it that is no text.
    fn settle(&mut self) {
        let Some(watch) = self.watch.take() else { return };
        let value = watch.sound.then(|| trim(&watch.text));
        self.named(&watch.fields, value);
    }
}

impl Visit for Records {
    fn start(&mut self, element: &Element<'_>) -> Result<(), RedactError> {
        if let Some(watch) = &mut self.watch {
            watch.sound = false;
            self.settle();
        }
        let around = self.depth;
        self.depth += 1;
        let is_record = element.field.is_record();
        if !is_record && self.plan.people().any() && self.open.last().is_some_and(|record| !record.decided) {
            let (at, depth) = (element.tag.at, self.depth);
            self.inside.push(Person { at, end: at, depth, whose: Whose::default() });
        }
        let mut fields: Vec<(Field, usize)> = Vec::new();
        if element.field.relates() {
            fields.push((element.field, around));
        }
        let depths = element
            .named
            .iter()
            .enumerate()
            .map(|(place, &field)| (field, if place < element.beside { around } else { self.depth }));
        let named: Vec<(Field, usize)> = depths.filter(|(field, _)| field.relates()).collect();
        let value = element.members().find(|member| {
            local(&element.tag.raw[member.attribute.name.clone()]).eq_ignore_ascii_case(b"value")
        });
        match value {
            // `<property name="id" value="7"/>`
            Some(member) if !named.is_empty() => {
                let mut room = std::mem::take(&mut self.room);
                self.named(&named, Some(trim(decoded(element.raw(member.attribute), &mut room))));
                self.room = room;
            }
            _ => fields.extend(named),
        }
        if is_record {
            let place = self.decided.len();
            let (at, depth) = (element.tag.at, self.depth);
            let (whose, people) = (Whose::default(), Vec::new());
            self.open.push(Open { at, depth, whose, decided: false, place, people });
        }
        for member in
            element.members().filter(|member| member.field.relates() && member.role != Role::Grammar)
        {
            let mut room = std::mem::take(&mut self.room);
            self.named(
                &[(member.field, self.depth)],
                Some(trim(decoded(element.raw(member.attribute), &mut room))),
            );
            self.room = room;
        }
        if !fields.is_empty() {
            self.watch = Some(Watch { depth: self.depth, fields, text: Vec::new(), sound: true });
        }
        Ok(())
    }

    fn end(&mut self, _: &[u8], behind: u64) -> Result<(), RedactError> {
        if self.open.last().is_some_and(|record| record.depth == self.depth) {
            self.close(behind);
        }
        if self.watch.as_ref().is_some_and(|watch| watch.depth == self.depth) {
            self.settle();
        }
        if let Some(person) = self.inside.pop_if(|person| person.depth == self.depth)
            && person.whose.is_named()
            && let Some(record) = self.open.last_mut()
        {
            record.people.push(Person { end: behind, ..person });
        }
        self.depth -= 1;
        Ok(())
    }

    fn text(&mut self, _: &[u8], text: &[u8]) -> Result<(), RedactError> {
        if let Some(watch) = &mut self.watch {
            if watch.text.len() + text.len() > MAX_VALUE {
                watch.sound = false;
            } else {
                watch.text.extend_from_slice(text);
            }
        }
        Ok(())
    }

    fn around(&mut self, _: &[u8]) {}
}
