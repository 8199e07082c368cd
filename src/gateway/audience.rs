//! What one caller sees of a route.

use jiff::{Timestamp, tz::Offset};

use super::snapshot::Snapshot;
use crate::{identity::Caller, policy::set::RoutePolicy, redact::Audience, secret::Sensitive};

/// Whether nothing of what passes either way on a route depends on who it is.
pub(super) fn sees_all(snapshot: &Snapshot, route: &RoutePolicy, audience: &Audience) -> bool {
    snapshot.plan(route.id).is_none_or(|plan| plan.is_identity(&audience.sees))
        && snapshot.requests(route.id).is_none_or(|plan| plan.is_open(&audience.sees))
}

/// The caller as the redactor sees them.
pub(super) fn of(snapshot: &Snapshot, caller: Caller, now: Timestamp) -> Audience {
    Audience {
        sees: snapshot.policy.charter.sees(&caller.recipients),
        subject: caller.subject,
        groups: caller.groups,
        wards: caller.wards,
        // One day for everybody: an age is a band of years.
        today: Some(Offset::UTC.to_datetime(now).date()),
    }
}

/// Names what one caller sees of one route under one policy: part of entity tags.
pub(super) fn view_tag(snapshot: &Snapshot, route: &RoutePolicy, audience: &Audience) -> String {
    let sees = &audience.sees;
    let bits: Vec<u8> =
        [sees.any, sees.own, sees.group, sees.ward].iter().flat_map(|set| set.0.to_be_bytes()).collect();
    let mut parts: Vec<&[u8]> = vec![route.name.as_bytes(), &bits];
    let texts =
        |list: &'_ [Sensitive<Box<str>>]| list.iter().map(|text| text.expose().as_bytes().to_vec()).collect();
    let lists: [Vec<Vec<u8>>; 3] =
        [texts(audience.subject.as_slice()), texts(&audience.groups), texts(&audience.wards)];
    for list in &lists {
        // An empty part between the lists keeps them apart.
        parts.push(&[]);
        parts.extend(list.iter().map(Vec::as_slice));
    }
    let day = audience.today.filter(|_| snapshot.plan(route.id).is_some_and(|plan| plan.depends_on_day()));
    let day = day.map(|day| day.to_string()).unwrap_or_default();
    parts.push(day.as_bytes());
    snapshot.tag_key.hex(&parts, 8)
}
