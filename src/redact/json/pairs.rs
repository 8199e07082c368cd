//! A name and its value in two members: `{"field": "email", "value": …}`.
//!
//! What stands behind the name of a hidden field is taken for that field as well: the stricter word counts.

use super::visit::Site;
use super::walker::{Level, Walker};
use crate::policy::set::fold_field_name;
use crate::redact::plan::{CATEGORY, NOT_PERSONAL, Plan, SEVERAL};

/// What a member is in such a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::redact) enum Part {
    /// None of both.
    #[default]
    Neither,
    /// Its text may be a field's name.
    Name,
    /// It may be the field's value.
    Value,
}

const NAMES: [&str; 12] = [
    "name",
    "key",
    "field",
    "fieldname",
    "property",
    "attribute",
    "path",
    "id",
    "label",
    "column",
    "columnname",
    "friendlyname",
];
const VALUES: [&str; 14] = [
    "value",
    "values",
    "text",
    "content",
    "data",
    "new",
    "old",
    "newvalue",
    "oldvalue",
    "from",
    "to",
    "before",
    "after",
    "displayvalue",
];

impl Part {
    /// That of a member of this decoded name.
    pub(in crate::redact) fn of(name: &str) -> Self {
        // The longest of them, with marks between its parts.
        if name.len() > 32 {
            return Self::Neither;
        }
        let folded = fold_field_name(name);
        match &*folded {
            name if NAMES.contains(&name) => Self::Name,
            name if VALUES.contains(&name) => Self::Value,
            _ => Self::Neither,
        }
    }
}

/// Classes of the fields that an object's members name: two at most, for a value of more is nobody's.
pub(super) type Paired = [u8; 2];

impl<S: Copy> Walker<S> {
    /// A text names what stands beside it.
    #[inline(never)]
    pub(super) fn pair(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        for name in names_in(text.trim()) {
            let symbol = self.plan.symbol(name.as_bytes());
            if symbol == 0 {
                continue;
            }
            let state = self.plan.member(self.top.state, symbol, &mut self.kept, self.stack.len());
            let class = self.site(state, self.plan.charter_class(symbol)).class;
            if (CATEGORY..SEVERAL).contains(&class) {
                pair_with(&mut self.top, class);
            }
        }
    }

    /// What the value at hand is, behind such a name.
    #[inline(never)]
    pub(super) fn paired(&self, site: Site) -> Site {
        let [one, other] = self.top.paired;
        match site.class {
            class if class == one && other == 0 => site,
            0 | NOT_PERSONAL if other == 0 => Site { class: one, ..site },
            // Of three categories it is nobody's.
            SEVERAL => Site { own: one, also: 0, ..site },
            class if other == 0 => Site { class: SEVERAL, own: class, also: one, ..site },
            _ => Site { class: SEVERAL, own: one, also: 0, ..site },
        }
    }
}

/// Whether a text is a name that the policy has.
pub(super) fn is_known(text: &[u8], plan: &Plan) -> bool {
    let text = String::from_utf8_lossy(text);
    names_in(text.trim()).any(|name| plan.symbol(name.as_bytes()) != 0)
}

fn pair_with<S>(level: &mut Level<S>, class: u8) {
    match &mut level.paired {
        [0, _] => level.paired[0] = class,
        [one, _] if *one == class => {}
        [_, other] => *other = class,
    }
}

/// A name as it is given; the first and the last part of it where it is a path or an address (`/users/0/email`,
/// `emails[type eq "work"].value`, `http://…/claims/emailaddress`).
pub(in crate::redact) fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let apart = ['/', ':', '#', '.', '['];
    let parts = || text.split(apart).filter(|part| !part.is_empty());
    let is_path =
        !text.split('[').next().unwrap_or_default().contains(char::is_whitespace) && text.contains(apart);
    let [first, last] = if is_path { [parts().next(), parts().next_back()] } else { [None, None] };
    [Some(text), first, last].into_iter().flatten()
}
