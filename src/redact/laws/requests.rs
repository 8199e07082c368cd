//! What is promised of the way back.

use super::scenario::{CANARY, Plant, Scenario, document, is_classified, key};
use super::source::Source;
use crate::policy::set::{PersonalData, WayBack};
use crate::redact::{RequestPlan, Sender};

/// Nobody writes what they may not see into a record, whatever the record looks like.
///
/// # Panics
/// If they may.
pub fn nothing_hidden_is_written(data: &[u8]) {
    let (choices, rest) = data.split_at(data.len() / 4);
    let scenario = Scenario::with_canaries(choices);
    let body = document(&mut Source(rest), Plant::Values);
    let judged = judge(&scenario, |plan, sender| plan.json(sender, &body).is_ok());
    if matches!(scenario.data, PersonalData::Declared(_)) {
        let writes = memchr::memmem::find(&body, CANARY.as_bytes()).is_some();
        assert!(!writes || judged == Some(false), "{}", String::from_utf8_lossy(&body));
    }
    // Of any bytes only that they are judged.
    judge(&scenario, |plan, sender| plan.json(sender, rest).is_ok());
}

/// Nobody asks by what they may not see.
///
/// # Panics
/// If they may.
pub fn nothing_hidden_is_asked_for(data: &[u8]) {
    let (choices, rest) = data.split_at(data.len() / 4);
    let scenario = Scenario::with_canaries(choices);
    let mut source = Source(rest);
    let name = source.pick(&super::scenario::NAMES);
    let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let written = match source.below(10) {
        0 => format!("x.{name}"),
        1 => format!("filter[{name}][gte]"),
        2 => format!("{name}__in"),
        3 => encoded,
        4 => name.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        5 => format!("sort={encoded}&x"),
        6 => format!("order_by=-{encoded}&x"),
        7 => format!("c[0][key]={encoded}&c[0][value]"),
        8 => format!("value[0]=x&field={encoded}&values[1]"),
        _ => name.to_owned(),
    };
    let before = source.pick(&["", "a=1&", "&&", "a;b&"]);
    let query = format!("{before}{written}={CANARY}");
    let judged = judge(&scenario, |plan, sender| plan.query(sender, &query).is_ok());
    assert!(!is_classified(name) || judged == Some(false), "{query}");
    // Of any text only that it is judged.
    judge(&scenario, |plan, sender| plan.query(sender, &String::from_utf8_lossy(rest)).is_ok());
}

/// What becomes of a request of someone who may see, ask for and write nothing.
fn judge(scenario: &Scenario, judge: impl Fn(&RequestPlan, Sender<'_>) -> bool) -> Option<bool> {
    let key = key()?;
    let plan = RequestPlan::compile(&scenario.charter, &scenario.data, &WayBack::default());
    Some(judge(&plan, Sender { audience: &scenario.audience, key: &key }))
}
