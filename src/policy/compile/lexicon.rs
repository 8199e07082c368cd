//! The names of the routes and the shipped ones → one [`Lexicon`]. A field that the charter names is never unknown, and what
//! stands in it neither.

use std::sync::Arc;

use crate::policy::{
    presets,
    set::{Lexicon, PersonalData, RoutePolicy},
};

/// Gives every declared route the names of all.
pub(super) fn share(mut routes: Vec<RoutePolicy>) -> Vec<RoutePolicy> {
    let of_routes = routes.iter().filter_map(|route| match &route.personal_data {
        PersonalData::Declared(data) => Some(data.names()),
        PersonalData::Undeclared | PersonalData::Exempt { .. } => None,
    });
    let lexicon = Arc::new(Lexicon::of(of_routes.flatten().chain(presets::vocabulary())));
    for route in &mut routes {
        if let PersonalData::Declared(data) = &mut route.personal_data {
            data.lexicon = lexicon.clone();
        }
    }
    routes
}
