//! A form is a record: what its fields say of whose it is counts for all of them.

use std::collections::HashSet;

use super::attributes::value_of;
use super::page::{Frame, Page};
use super::tag::Tag;
use crate::policy::set::CategorySet;
use crate::redact::detect::Kinds;
use crate::redact::whose::Whose;

/// A form that is open.
#[derive(Debug, Default)]
pub(super) struct Form {
    whose: Whose,
    bytes: u64,
    /// Names of its fields, as they are sent.
    fields: HashSet<String>,
    /// A form in it, or a personal field twice: it could be of two persons.
    is_disputed: bool,
    /// Values that were hidden in it as anybody's.
    noted: Vec<u64>,
    /// What is visible in it, as far as that is known.
    visible: CategorySet,
}

/// What was visible around a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    visible: CategorySet,
    kinds: Kinds,
    quiet: bool,
    own: bool,
    noted: usize,
}

impl Page {
    /// A form begins.
    pub(super) fn open_form(&mut self) {
        match &mut self.form {
            // Readers part on what stands in a form in a form.
            Some(form) => form.is_disputed = true,
            None if self.relates && self.place.root().is_record() => {
                let any = self.judge.task.audience.sees.any;
                let visible = self.forms.get(self.memory.known.forms.len()).copied().unwrap_or(any);
                self.form = Some(Form { visible, ..Form::default() });
            }
            None => {}
        }
    }

    /// It ends, or the page does.
    pub(super) fn close_form(&mut self) {
        let Some(Form { whose, bytes, is_disputed, noted, .. }) = self.form.take() else { return };
        let bound = self.judge.task.plan.record_bytes();
        let audience = &self.judge.task.audience;
        let is_whole = bytes <= bound && !is_disputed;
        let visible = if is_whole { whose.visible(audience) } else { audience.sees.any };
        if visible != audience.sees.any {
            // The page is read again, and they are hidden no more.
            self.memory.forget_all(&noted);
        }
        self.memory.known.forms.push(visible);
    }

    /// Bytes of the form that is open.
    pub(super) fn count_form(&mut self, bytes: usize) {
        if let Some(form) = &mut self.form
            && !self.again
        {
            form.bytes += bytes as u64;
        }
    }

    /// A field is judged as one of its form, if it is: not in a table with names of columns, where each row is a record.
    pub(super) fn enter_field(&mut self, tag: &Tag, raw: &[u8]) -> Around {
        let around = self.around();
        if !self.is_in_form() || value_of(tag, raw, b"form").is_some() {
            return around;
        }
        let name = value_of(tag, raw, b"name").unwrap_or_default();
        let kind = value_of(tag, raw, b"type").unwrap_or_default().trim().to_ascii_lowercase();
        let is_choice = matches!(&*kind, "radio" | "checkbox");
        let value = value_of(tag, raw, b"value").filter(|_| tag.name == b"input" && !is_choice);
        let named = self.place.resolve(name.trim());
        let (plan, audience) = (&self.judge.task.plan, &self.judge.task.audience);
        let Some(form) = &mut self.form else { return around };
        if named.relates() {
            let value = value.as_deref().map(|value| value.trim().as_bytes());
            form.whose.named(named.relation, value, plan, audience);
        }
        if named.field.is_personal() && !is_choice {
            form.is_disputed |= !form.fields.insert(name.trim().to_ascii_lowercase());
        }
        let visible = around.visible.union(form.visible);
        if visible != around.visible {
            self.set_visible(visible);
        }
        around
    }

    fn is_in_form(&self) -> bool {
        let is_row = |frame: &Frame| matches!(frame, Frame::Table(table) if table.headed);
        self.form.is_some() && !self.frames.iter().any(is_row)
    }

    /// A cell or term beside a name is judged as one of the form that it stands in.
    pub(super) fn enter_form(&mut self) -> Around {
        match &self.form {
            Some(form) if self.is_in_form() => self.see(self.visible.union(form.visible)),
            _ => self.around(),
        }
    }

    /// The text of a field is read with what was visible when it began.
    pub(super) fn see(&mut self, visible: CategorySet) -> Around {
        let around = self.around();
        if visible != around.visible {
            self.set_visible(visible);
        }
        around
    }

    fn around(&self) -> Around {
        Around {
            visible: self.visible,
            kinds: self.kinds,
            quiet: self.quiet,
            own: self.own,
            noted: self.memory.mark(),
        }
    }

    /// The field was judged.
    pub(super) fn leave_field(&mut self, around: Around) {
        if self.visible != around.visible {
            self.set_visible(around.visible);
        }
        (self.kinds, self.quiet, self.own) = (around.kinds, around.quiet, around.own);
        if self.is_in_form()
            && let Some(form) = &mut self.form
        {
            form.noted.extend_from_slice(self.memory.since(around.noted));
        }
    }
}
