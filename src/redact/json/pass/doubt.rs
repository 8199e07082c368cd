//! Arrays and objects that nobody classified, where such do not leave: something in them may be classified.
//!
//! Where no path of the route names one, its name may be anything, a person's too. So it is held back, with what is
//! open around it, until something in it may leave; one with nothing goes without a trace.

use super::{Pass, Scope, Site, Start};
use crate::redact::MAX_HELD;

impl Pass<'_> {
    /// Whether nothing says that its name may leave.
    pub(super) fn is_doubtful(&self, parent: &Scope, site: Site) -> bool {
        self.state.deny && !parent.is_around_root() && (parent.doubt.is_some() || !site.named())
    }

    /// Holds back the beginning of an array or object; `None` where too much is held already, and it goes.
    pub(super) fn doubt(&mut self, at: usize, start: Start, parent: &Scope, site: Site) -> Option<u32> {
        let place = self.state.doubtful.len();
        let skipped = usize::from(start.comma && !parent.kept);
        let (front, input) = match self.here(start.at) {
            Some(from) => {
                self.flush(from);
                (&[][..], &self.input[from + skipped..=at])
            }
            None => (&self.state.carried[skipped..], &self.input[self.run..=at]),
        };
        if place + front.len() + input.len() > MAX_HELD {
            self.unclassified(parent, site);
            self.discard(start);
            return None;
        }
        self.state.doubtful.extend_from_slice(front);
        self.state.doubtful.extend_from_slice(input);
        self.state.carried.clear();
        self.run = at + 1;
        u32::try_from(place).ok()
    }

    /// The end of what was in doubt.
    pub(super) fn settle(&mut self, end: usize, place: u32, scope: Scope, parent: &mut Scope) {
        if scope.kept {
            parent.kept = true;
        } else {
            self.state.doubtful.truncate(place as usize);
            self.run = end;
        }
    }
}
