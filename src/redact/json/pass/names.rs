//! Names of members that are values themselves: `{"jean@x.fr": …}`.
//!
//! Such a name gets a stand-in of its own, so that the names of an object stay apart.

use super::{Pass, Scope, Site, Start};
use crate::policy::set::CategoryId;
use crate::redact::action::{Kind, MASK, Means, Remedy, quote};
use crate::redact::detect::Detectors;
use crate::redact::json::names;
use crate::redact::plan::CATEGORY;

impl Pass<'_> {
    /// Judges the name of the member at hand, whose value begins at `at`: `false` where the member goes with it. Where
    /// something stands for the name, the member begins with that from here on. Counts.
    #[inline(never)]
    pub(super) fn name_leaves(
        &mut self,
        at: usize,
        start: &mut Start,
        parent: &mut Scope,
        site: Site,
    ) -> bool {
        let is_unknown = site.class == 0 && !parent.known && self.state.name_class == 0;
        let hidden = self.hidden_category(parent);
        if let Some(category) = hidden {
            self.state.tally.redacted(category);
            if self.plan.remedy(category).removes() {
                return false;
            }
            let name = self.stand_in(category, parent);
            self.rename(at, start, &name);
            return true;
        }
        if self.state.deny && is_unknown && !names::is_word(&self.state.name) {
            // No name that a programmer gives, and nobody said what it is.
            self.state.tally.unclassified();
            return false;
        }
        true
    }

    /// The category of the name, if it may not be seen here.
    fn hidden_category(&self, parent: &Scope) -> Option<CategoryId> {
        if let Some(category) = self.state.name_class.checked_sub(CATEGORY).map(CategoryId) {
            return (!parent.visible.contains(category)).then_some(category);
        }
        let kinds = self.plan.detected(parent.visible);
        if kinds.is_empty() || !names::may_be_found(&self.state.name) {
            return None;
        }
        let mut spans = Vec::new();
        Detectors::new(kinds).find(&self.state.name, &mut spans);
        let found = || spans.iter().filter_map(|span| self.plan.category_of(span.kind));
        found().find(|&category| self.plan.remedy(category).removes()).or_else(|| found().next())
    }

    /// What stands for the name: no other name of the object has it.
    fn stand_in(&self, category: CategoryId, parent: &mut Scope) -> String {
        let remedy = self.plan.remedy(category);
        let means = Means { key: &self.state.key, today: self.state.today };
        let own = match remedy {
            Remedy::Pseudonym { .. } | Remedy::Tokenise(_) => {
                let name = String::from_utf8_lossy(&self.state.name);
                remedy.stand_in(means, &name, Kind::Text).into_text().map(|text| text.into_owned())
            }
            _ => None,
        };
        own.unwrap_or_else(|| {
            parent.masked = parent.masked.saturating_add(1);
            let mask = MASK.trim_matches('"');
            if parent.masked == 1 { mask.into() } else { format!("{mask} {}", parent.masked) }
        })
    }

    /// The member begins with another name.
    fn rename(&mut self, at: usize, start: &mut Start, name: &str) {
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
        start.at = 0;
    }
}
