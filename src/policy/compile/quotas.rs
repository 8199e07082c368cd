//! `gateway.quotas` → [`Quota`]s.

use std::time::Duration;

use http::{HeaderName, header};

use super::{
    context::{At, Context},
    gateway::network,
};
use crate::policy::{
    document::{Entries, QuotaDocument, QuotaKeyDocument, Section, WordOr},
    set::{IdentityProvider, Quota, QuotaKey, Rate},
};

/// Most quotas of a policy: a journal record has one bit for each.
const QUOTAS: usize = 64;
const BY: &str = "`by: address`, `subject`, `recipient`, `claim`, or `{ header: X-Api-Key }`";
const AMOUNT: &str =
    "`count: 600, per: 1 min` for requests over time, `concurrency: 10` for requests at a time";
const WORDS: [(&str, QuotaKey); 4] = [
    ("address", QuotaKey::Address),
    ("subject", QuotaKey::Subject),
    ("recipient", QuotaKey::Recipient),
    ("claim", QuotaKey::Claim),
];

/// Compiles the quotas, in the file's order.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Entries<Section<QuotaDocument>>>,
    providers: &[IdentityProvider],
) -> Vec<Quota> {
    let at = at.key("quotas");
    let mut quotas = Vec::new();
    for (name, entry) in written.iter().flat_map(|entries| &entries.0) {
        let at = at.key(name);
        context.name(&at, name);
        if quotas.len() == QUOTAS {
            context.error_at_key(&at, "there are more than 64 quotas", None);
            break;
        }
        // A malformed one keeps its name, so that the routes that refer to it are not blamed.
        let empty = Section::default();
        quotas.push(quota(context, &at, name, entry.as_ref().unwrap_or(&empty), entry.is_some(), providers));
    }
    quotas
}

fn quota(
    context: &mut Context<'_>,
    at: &At,
    name: &str,
    entry: &QuotaDocument,
    sound: bool,
    providers: &[IdentityProvider],
) -> Quota {
    let by = if sound { key(context, at, entry, providers) } else { QuotaKey::Address };
    let rate = rate(context, at, entry);
    let concurrency = entry
        .concurrency
        .map(|count| context.within(&at.key("concurrency"), count.into(), 1..=1_000_000) as u32);
    if sound && rate.is_none() && concurrency.is_none() && entry.count.is_none() && entry.per.is_none() {
        context.error_at_key(at, "the quota limits nothing", AMOUNT);
    }
    let mut exempt = Vec::new();
    for (index, text) in entry.exempt.iter().flatten().enumerate() {
        let (Some(text), at) = (text, at.key("exempt").item(index)) else { continue };
        let help = "remove the quota from the routes instead";
        exempt.extend(network(context, &at, text, "would exempt everybody", help));
    }
    Quota { name: name.to_owned(), by, rate, concurrency, shadow: entry.shadow.unwrap_or(false), exempt }
}

/// GCRA knows one number of requests that may come at once and how long they take to come back: that of the burst.
fn rate(context: &mut Context<'_>, at: &At, entry: &QuotaDocument) -> Option<Rate> {
    if entry.count.is_none() && entry.per.is_none() {
        if entry.burst.is_some() {
            context.need(at, "count", &entry.count, AMOUNT);
        }
        return None;
    }
    let count = context
        .need(at, "count", &entry.count, AMOUNT)
        .map(|&count| context.within(&at.key("count"), count.into(), 1..=1_000_000) as u32);
    context.need(at, "per", &entry.per, AMOUNT);
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(31 * 86_400));
    let per = context.duration(&at.key("per"), &entry.per, least, least..=most);
    let count = count.filter(|&count| count > 0)?;
    let burst = match entry.burst {
        Some(burst) => context.within(&at.key("burst"), burst.into(), 1..=1_000_000) as u32,
        None => return Some(Rate { count, per }),
    };
    Some(Rate { count: burst, per: per / count * burst })
}

fn key(
    context: &mut Context<'_>,
    at: &At,
    entry: &QuotaDocument,
    providers: &[IdentityProvider],
) -> QuotaKey {
    let nobody = QuotaKey::Address;
    let Some(by) = context.need(at, "by", &entry.by, BY) else { return nobody };
    let at = at.key("by");
    match by {
        WordOr::Word(word) => {
            let places = [0, 1, 2, 3].map(|place: usize| (WORDS[place].0, place));
            let Some(place) = context.choice(&at, "something to count by", word, &places) else {
                return nobody;
            };
            let key = WORDS[place].1.clone();
            if key == QuotaKey::Claim && providers.iter().all(|provider| provider.claims.quota.is_none()) {
                let help = "say which claim in `gateway.identity[].claims`: `quota: $.tenant`";
                context.error(&at, "no identity provider says what to count by", help);
            }
            if matches!(key, QuotaKey::Subject | QuotaKey::Recipient) && providers.is_empty() {
                let help = "declare who can say who the caller is, in gateway.identity";
                context.error(&at, "nobody can identify a caller", help);
            }
            key
        }
        WordOr::Mapping(mapping) => header_name(context, &at, mapping).map_or(nobody, QuotaKey::Header),
    }
}

fn header_name(context: &mut Context<'_>, at: &At, written: &QuotaKeyDocument) -> Option<HeaderName> {
    let text = context.text(at, "header", &written.header, BY)?;
    let at = at.key("header");
    let Ok(name) = HeaderName::try_from(text) else {
        context.error(&at, format!("`{text}` is not the name of a header"), None);
        return None;
    };
    // One value of these says nothing about whose request it is, or changes with every request.
    let unfit = [header::COOKIE, header::HOST, header::CONTENT_LENGTH, header::DATE, header::USER_AGENT];
    if unfit.contains(&name) {
        let help = "a header that holds a key of the caller, such as `X-Api-Key` or `Authorization`";
        context.error(&at, format!("`{text}` does not say whose request it is"), help);
        return None;
    }
    Some(name)
}
