//! The values that a line of text holds: behind names in it, behind a name in the line before, and in elements that name them.

use super::attributes::value_of;
use super::beside::{As, Beside, Said, beside, holds_value};
use super::element::Role;
use super::entity::escape;
use super::grid::{Spelt, names};
use super::page::Page;
use super::prose::Mark;
use super::run::Line;
use super::shown::is_invitation;
use super::tag::Tag;
use crate::policy::set::CategoryId;
use crate::redact::place::Named;

/// Longest line that can be a name, and longest text of one that is looked at for names without a colon.
const SHORT: usize = 160;
/// Fields that labels are remembered for.
const MOST_LABELLED: usize = 1024;

/// A name that ended its line: its value stands behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) category: CategoryId,
    /// It had a colon.
    has_colon: bool,
    /// A part of its value was met; it goes on behind `<br>`.
    begun: bool,
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// `<br>`
    Break,
    Block,
    /// Nothing: it is only long.
    None,
}

impl Page {
    /// What a text says as a name.
    pub(super) fn said(&mut self, text: &str, how: As) -> Said {
        if !holds_value(text) {
            return Said::Nothing;
        }
        if !self.place.may_name(text) {
            return Said::Nothing;
        }
        let names = names(text);
        if !names.iter().any(|name| self.place.knows_all(name)) {
            return Said::Nothing;
        }
        let spelt = |name: String| Spelt { named: [self.place.resolve(&name), Named::default()], name };
        let names: Vec<Spelt> = names.into_iter().map(spelt).collect();
        let is_name = match how {
            As::Whole => self.is_name(&names),
            As::First => {
                names.get(1).is_some_and(|first| first.is_known() && self.place.knows_all(&first.name))
            }
        };
        if !is_name {
            return Said::Nothing;
        }
        let named: Vec<Named> = names.iter().map(|spelt| spelt.named[0]).collect();
        self.strictest(&named).and_then(|field| field.category()).map_or(Said::Open, Said::Hidden)
    }

    /// A text without tags, without the values that stand behind hidden names in it. Counts.
    pub(super) fn without_values(&mut self, text: &str) -> Option<String> {
        if !self.hides || !text.contains([':', '：', '=']) {
            return None;
        }
        let Beside { values, .. } = beside(text, &[], false, |name, how| self.said(name, how));
        let mut left = String::new();
        let mut from = 0;
        for (value, category) in values {
            left.push_str(&text[from..value.start]);
            self.tally.redacted(category);
            self.memory.note(category, &text[value.clone()]);
            let stand_in = self.judge.stand_in(category, &text[value.clone()]);
            left.push_str(stand_in.as_deref().unwrap_or_default());
            from = value.end;
        }
        (from > 0).then(|| left + &text[from..])
    }

    /// Takes the hidden values out of the line that was read.
    pub(super) fn judge_line(&mut self, end: End) {
        if !self.hides || self.swallow.is_some() || self.quiet || !self.prose.has_text() {
            return;
        }
        let waits = self.pending.is_some() || self.scope.is_some() || self.prose.waits();
        let may_hold = || self.prose.may_name(SHORT) && self.prose.may_hold(|text| self.place.may_name(text));
        if !(waits || may_hold()) {
            return;
        }
        let Some(line) = self.prose.line() else { return };
        let whole = line.text.trim();
        if whole.is_empty() {
            return;
        }
        let mut values: Vec<(std::ops::Range<usize>, CategoryId)> = Vec::new();
        let all = self.scope.as_ref().map(|scope| scope.category).or(self.pending.map(|one| one.category));
        let start = line.text.len() - line.text.trim_start().len();
        let is_whole = |said: Said| said != Said::Nothing;
        let name = if whole.len() <= SHORT { self.said(whole, As::Whole) } else { Said::Nothing };
        let mut pending = None;
        let leads_elsewhere = self.remember_labels(&line);
        match all {
            Some(category) if !is_whole(name) && holds_value(whole) => {
                values.push((start..start + whole.len(), category));
                pending = self.pending.map(|pending| Pending { begun: true, ..pending });
            }
            _ => {
                let leads = whole.len() <= 4 * SHORT
                    && !line.edges.is_empty()
                    && line.is_whole
                    && !line.starts_in(&["a", "button"]);
                let Beside { values: found, open } =
                    beside(&line.text, &line.edges, leads, |name, how| self.said(name, how));
                values = found;
                pending = match (open, name) {
                    (Some(category), _) => Some(Pending { category, has_colon: true, begun: false }),
                    (None, Said::Hidden(category)) if self.is_label(&line) && !leads_elsewhere => {
                        Some(Pending { category, has_colon: whole.ends_with([':', '：']), begun: false })
                    }
                    _ => pending,
                };
            }
        }
        for mark in self.prose.marks() {
            let Mark { category, is_link, .. } = mark;
            let Some(part) = line.inside(mark) else { continue };
            let text = &line.text[part.clone()];
            if holds_value(text)
                && self.said(text, As::Whole) == Said::Nothing
                && !(is_link && is_invitation(text))
            {
                values.push((part, category));
            }
        }
        if let Some((from, category)) = line.open {
            // It goes on to the next name.
            let next = values.iter().map(|(value, _)| value.start).filter(|start| *start >= from).min();
            let next = next.unwrap_or(line.text.len());
            if holds_value(&line.text[from..next]) {
                values.push((from..next, category));
            }
        }
        let last = values.iter().find(|(value, _)| !holds_value(&line.text[value.end..]));
        let goes_on = last.filter(|_| end == End::None).map(|(_, category)| *category);
        self.withhold_values(&line, values);
        self.prose.go_on(goes_on);
        self.pending = match (pending, end) {
            (Some(Pending { begun: true, .. }), End::Block) => None,
            (pending, _) => pending,
        };
    }

    /// Puts stand-ins in the place of these parts of a line.
    fn withhold_values(&mut self, line: &Line, mut values: Vec<(std::ops::Range<usize>, CategoryId)>) {
        if values.is_empty() {
            return;
        }
        values.sort_by_key(|(value, _)| (value.start, std::cmp::Reverse(value.end)));
        // Where two overlap they are one.
        values.dedup_by(|(later, _), (before, _)| {
            let overlaps = later.start < before.end;
            if overlaps {
                before.end = before.end.max(later.end);
            }
            overlaps
        });
        let mut parts = Vec::new();
        for (value, category) in values {
            let mut stand_in = Vec::new();
            self.tally.redacted(category);
            let text = line.text[value.clone()].split_whitespace().collect::<Vec<_>>().join(" ");
            self.memory.note(category, &text);
            if text.len() <= crate::redact::MAX_VALUE
                && let Some(text) = self.judge.stand_in(category, &text)
            {
                escape(&text, &mut stand_in);
            }
            parts.push((line.place(value), stand_in));
        }
        self.prose.substitute(&parts);
    }

    /// Whether a line that is nothing but a name is the name of what stands behind it.
    fn is_label(&self, line: &Line) -> bool {
        line.text.trim_end().ends_with([':', '：'])
            || (!line.starts_in(&["a", "button"])
                && (self.is_box || line.starts_in(&["label", "b", "strong", "dfn"])))
    }

    /// `<label for=x>Nom</label>`: what stands in the element `x` has this name. Says whether there is such a label.
    fn remember_labels(&mut self, line: &Line) -> bool {
        let mut leads = false;
        for (place, raw) in self.prose.starts_of(b"label", line) {
            let mut tag = Tag::default();
            if tag.read(&raw, false).is_err() {
                continue;
            }
            leads |= value_of(&tag, &raw, b"for").is_some_and(|id| !id.trim().is_empty());
            let ids = [&b"for"[..], b"id"].into_iter().filter_map(|name| value_of(&tag, &raw, name));
            let ids: Vec<String> = ids.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
            let inside = line.element(place);
            let text = line.text[inside].trim();
            if let Said::Hidden(category) = self.said(text, As::Whole)
                && self.labelled.len() < MOST_LABELLED
            {
                self.labelled.extend(ids.into_iter().map(|id| (id, category)));
            }
        }
        leads
    }

    /// The category that a label gave to an element.
    pub(super) fn named_by_label(&self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        if self.labelled.is_empty() {
            return None;
        }
        let of = |id: &str| self.labelled.get(id).copied().filter(|one| !self.visible.contains(*one));
        let id = value_of(tag, raw, b"id").and_then(|id| of(id.trim()));
        let by = || value_of(tag, raw, b"aria-labelledby");
        id.or_else(|| by().and_then(|ids| ids.split_whitespace().find_map(of)))
    }

    /// A start tag follows the line: whether what it said still waits for its value.
    pub(super) fn settle(&mut self, tag: &Tag, is_plain: bool) {
        let name = &tag.name[..];
        if let Some(scope) = &mut self.scope
            && !(is_plain && scope.goes_on_behind(tag))
        {
            self.scope = None;
        }
        let waits = match self.pending {
            Some(Pending { has_colon: true, .. }) => {
                matches!(name, b"div" | b"p" | b"br" | b"img" | b"li" | b"ul" | b"ol" | b"address" | b"pre")
            }
            Some(_) => matches!(name, b"div" | b"p" | b"br" | b"img" | b"address" | b"pre"),
            None => return,
        };
        let is_control = matches!(name, b"input" | b"textarea" | b"output");
        if !waits && !is_control && !tag.element.is_inline {
            self.pending = None;
        }
    }

    /// An end tag followed it.
    pub(super) fn ended(&mut self, tag: &Tag) {
        let (name, role) = (&tag.name[..], tag.element.role);
        if let Some(scope) = &mut self.scope
            && !scope.goes_on_after(tag)
        {
            self.scope = None;
        }
        if self.pending.is_none() {
            return;
        }
        let is_text = tag.element.is_inline
            || matches!(name, b"div" | b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6");
        let is_item = matches!(name, b"li") && self.pending.is_some_and(|pending| pending.has_colon);
        if role != Role::Plain || !(is_text || is_item) {
            self.pending = None;
        }
    }
}
