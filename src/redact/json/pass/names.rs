//! Names of members that are values themselves: `{"jean@x.fr": …}`.
//!
//! Such a name gets a stand-in of its own, so that the names of an object stay apart.

use super::texts::Spot;
use super::{Pass, Scope, Site, Start};
use crate::policy::set::CategoryId;
use crate::redact::action::{MASK, Means, quote};
use crate::redact::json::names;
use crate::redact::nested::Nested;
use crate::redact::plan::CATEGORY;

impl Pass<'_> {
    /// Judges the name of the member at hand, whose value begins at `at`: where the member begins from here on, `None` where
    /// it goes with its name. Counts.
    #[inline(never)]
    pub(super) fn name_leaves(
        &mut self,
        at: usize,
        start: Start,
        parent: &mut Scope,
        site: Site,
    ) -> Option<Start> {
        let hidden = match self.category(parent) {
            Some(category) if parent.visible.contains(category) => return Some(start),
            Some(category) => {
                self.state.tally.redacted(category);
                if self.plan.remedy(category).removes() {
                    return None;
                }
                self.stand_in(category, parent)
            }
            None if self.holds_document(parent, site) => Self::mask(parent),
            None if self.state.deny
                && site.class() == 0
                && !parent.known
                && !names::is_word(&self.state.name) =>
            {
                // No name that a programmer gives, and nobody said what it is.
                self.unclassified(parent, site);
                return None;
            }
            None => return Some(start),
        };
        Some(self.rename(at, start, &hidden))
    }

    /// The category of the name.
    fn category(&self, parent: &Scope) -> Option<CategoryId> {
        match self.state.name_class.checked_sub(CATEGORY) {
            Some(category) => Some(CategoryId(category)),
            None if names::may_be_found(&self.state.name) => {
                self.plan.found_in_name(&self.state.name, parent.visible)
            }
            None => None,
        }
    }

    /// Whether the name is a document of which something would have to go: a body that was read as a form.
    fn holds_document(&mut self, parent: &Scope, site: Site) -> bool {
        let name = std::mem::take(&mut self.state.name);
        let spot = Spot { state: site.state(), visible: parent.visible };
        let nested = match self.may_hide(parent.visible) {
            true => self.nested(&name, spot, false),
            false => Nested::Text,
        };
        self.state.name = name;
        matches!(nested, Nested::Redacted(_) | Nested::Unreadable)
    }

    /// What stands for the name: no other name of the object has it.
    fn stand_in(&self, category: CategoryId, parent: &mut Scope) -> String {
        let means = Means { key: &self.state.key, today: self.state.today };
        let name = String::from_utf8_lossy(&self.state.name);
        let own = self.plan.name_stand_in(category, means, &name);
        own.unwrap_or_else(|| Self::mask(parent))
    }

    fn mask(parent: &mut Scope) -> String {
        parent.masked = parent.masked.saturating_add(1);
        let mask = MASK.trim_matches('"');
        if parent.masked == 1 { mask.into() } else { format!("{mask} {}", parent.masked) }
    }

    /// The member begins with another name.
    fn rename(&mut self, at: usize, start: Start, name: &str) -> Start {
        if let Some(from) = self.here(start.at) {
            self.flush(from);
        }
        let carried = &mut self.state.carried;
        carried.clear();
        carried.extend_from_slice(if start.comma { b"," } else { b"" });
        carried.extend(quote(name));
        carried.push(b':');
        self.run = at;
        // As if it had begun in an earlier chunk: its beginning is what is carried.
        Start { at: 0, ..start }
    }
}
