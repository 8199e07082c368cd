//! What `gateway.upstreams` says of endpoints in trouble → [`Resilience`].

use std::{ops::RangeInclusive, time::Duration};

use http::{HeaderValue, StatusCode, uri::PathAndQuery};

use super::{
    amount,
    context::{At, Context},
};
use crate::policy::{
    document::{
        AffinityDocument, Amount, ConcurrencyDocument, HealthDocument, List, OutliersDocument,
        RetriesDocument, UpstreamDocument, WordOr,
    },
    set::{Concurrency, ConcurrencyLimit, CookieRule, HealthCheck, Outliers, Resilience, Retries},
};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What holds where nothing is written.
pub(super) fn standard() -> Resilience {
    Resilience {
        outliers: Some(Outliers {
            failures: 5,
            rate: 0.5,
            requests: 20,
            statuses: Vec::new(),
            eject: SECOND * 10,
            longest: SECOND * 300,
            at_most: 0.5,
        }),
        retries: Some(Retries {
            connect: true,
            reset: true,
            timeout: false,
            unavailable: false,
            attempts: 3,
            budget: 0.2,
            least: 10,
            try_timeout: None,
        }),
        ..Resilience::default()
    }
}

/// Compiles what is written of one upstream.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    entry: &UpstreamDocument,
    cookies: Option<&[CookieRule]>,
) -> Resilience {
    let mut compiled = standard();
    if entry.timeout.is_some() {
        let at = at.key("timeout");
        compiled.timeout = Some(context.duration(&at, &entry.timeout, HOUR, MILLISECOND * 100..=HOUR * 24));
    }
    if let Some(written) = entry.affinity.as_deref() {
        compiled.affinity = affinity(context, &at.key("affinity"), written, cookies);
    }
    match &entry.outliers {
        None => {}
        Some(WordOr::Word(word)) => none(context, &at.key("outliers"), word, &mut compiled.outliers),
        Some(WordOr::Mapping(written)) => {
            let at = at.key("outliers");
            compiled.outliers = compiled.outliers.map(|base| outliers(context, &at, written, base));
        }
    }
    match &entry.retries {
        None => {}
        Some(WordOr::Word(word)) => none(context, &at.key("retries"), word, &mut compiled.retries),
        Some(WordOr::Mapping(written)) => {
            let at = at.key("retries");
            compiled.retries = compiled.retries.map(|base| retries(context, &at, written, base));
        }
    }
    compiled.health = entry.health.as_deref().and_then(|written| health(context, &at.key("health"), written));
    compiled.concurrency = entry
        .concurrency
        .as_deref()
        .and_then(|written| concurrency(context, &at.key("concurrency"), written));
    compiled
}

/// A word in the place of a section: `none`, and nothing is done.
fn none<T>(context: &mut Context<'_>, at: &At, word: &str, section: &mut Option<T>) {
    if word != "none" {
        context.error(at, format!("`{word}` is not `none`"), "`none`, or a mapping of settings");
    }
    *section = None;
}

fn affinity(
    context: &mut Context<'_>,
    at: &At,
    written: &AffinityDocument,
    cookies: Option<&[CookieRule]>,
) -> Option<String> {
    let help = "the cookie that says whose endpoint it is: `affinity: { cookie: sessionid }`";
    let name = context.text(at, "cookie", &written.cookie, help)?;
    let kept = |rules: &[CookieRule]| {
        rules.iter().find(|rule| rule.pattern.matches(name.as_bytes())).is_some_and(|rule| !rule.own)
    };
    if cookies.is_some_and(|rules| !kept(rules)) {
        let help =
            "list it in the charter's `cookies`, where article 8.2 allows it (`class: load_balancing`)";
        context.error(&at.key("cookie"), format!("the charter keeps no cookie `{name}`"), help);
    }
    Some(name.to_owned())
}

fn outliers(context: &mut Context<'_>, at: &At, written: &OutliersDocument, base: Outliers) -> Outliers {
    let failures = context.count(&at.key("failures"), written.failures, base.failures.into(), 1..=1000);
    let requests = context.count(&at.key("requests"), written.requests, base.requests.into(), 1..=10_000);
    let eject = context.duration(&at.key("eject"), &written.eject, base.eject, MILLISECOND * 100..=HOUR);
    let longest =
        context.duration(&at.key("longest"), &written.longest, base.longest.max(eject), SECOND..=HOUR);
    if longest < eject {
        let help = format!("from `eject` on, which is {}", amount::written(eject));
        context.error(&at.key("longest"), "an endpoint would be back before its time", help);
    }
    Outliers {
        failures: failures as u32,
        rate: share(context, &at.key("rate"), &written.rate, base.rate, 1..=100),
        requests: requests as u32,
        statuses: statuses(context, &at.key("statuses"), &written.statuses, 500..=599),
        eject,
        longest,
        at_most: share(context, &at.key("at_most"), &written.at_most, base.at_most, 0..=100),
    }
}

fn health(context: &mut Context<'_>, at: &At, written: &HealthDocument) -> Option<HealthCheck> {
    let help = "what every endpoint answers while it is well: `health: { path: /healthz }`";
    let text = context.text(at, "path", &written.path, help)?;
    let path: Option<PathAndQuery> =
        text.parse().ok().filter(|_| text.starts_with('/') && !text.contains('#'));
    if path.is_none() {
        context.error(&at.key("path"), format!("`{text}` is not a path"), help);
    }
    let host = written.host.as_ref().and_then(|text| {
        let host = text.parse::<http::uri::Authority>().ok().filter(|_| !text.contains('@'));
        if host.is_none() {
            context.error(
                &at.key("host"),
                format!("`{text}` is not a host"),
                "a name, with its port if need be",
            );
        }
        HeaderValue::from_str(host?.as_str()).ok()
    });
    let interval =
        context.duration(&at.key("interval"), &written.interval, SECOND * 5, MILLISECOND * 250..=HOUR);
    let timeout = context.duration(&at.key("timeout"), &written.timeout, SECOND, MILLISECOND * 10..=HOUR);
    let healthy = context.count(&at.key("healthy"), written.healthy, 2, 1..=100) as u32;
    let unhealthy = context.count(&at.key("unhealthy"), written.unhealthy, 3, 1..=100) as u32;
    let statuses = statuses(context, &at.key("status"), &written.status, 200..=599);
    Some(HealthCheck { path: path?, host, interval, timeout, healthy, unhealthy, statuses })
}

fn retries(context: &mut Context<'_>, at: &At, written: &RetriesDocument, base: Retries) -> Retries {
    let mut retries = base.clone();
    if let Some(list) = &written.on {
        const CAUSES: [(&str, usize); 4] = [("connect", 0), ("reset", 1), ("timeout", 2), ("503", 3)];
        let mut on = [false; 4];
        for (index, text) in list.iter().enumerate() {
            let Some(Amount(text)) = text else { continue };
            let at = at.key("on").item(index);
            if let Some(cause) = context.choice(&at, "a reason to try again", text, &CAUSES) {
                on[cause] = true;
            }
        }
        [retries.connect, retries.reset, retries.timeout, retries.unavailable] = on;
    }
    retries.attempts =
        context.count(&at.key("attempts"), written.attempts, base.attempts.into(), 1..=10) as u32;
    retries.budget = share(context, &at.key("budget"), &written.budget, base.budget, 0..=100);
    retries.least = context.count(&at.key("least"), written.least, base.least.into(), 0..=1000) as u32;
    if written.try_timeout.is_some() {
        let at = at.key("try_timeout");
        let bounds = MILLISECOND * 10..=HOUR;
        retries.try_timeout = Some(context.duration(&at, &written.try_timeout, SECOND * 5, bounds));
        if !retries.timeout {
            let help = "`on: [connect, reset, timeout]`";
            context.error(&at, "nothing is tried again after this time", help);
        }
    } else if retries.timeout {
        let help = "`try_timeout: 5 s`: how long one endpoint has";
        context.error(&at.key("on"), "`timeout` needs a `try_timeout`", help);
    }
    retries
}

fn concurrency(context: &mut Context<'_>, at: &At, written: &ConcurrencyDocument) -> Option<Concurrency> {
    let queue = context.count(&at.key("queue"), written.queue, 128, 0..=100_000) as usize;
    let wait =
        context.duration(&at.key("wait"), &written.wait, MILLISECOND * 500, MILLISECOND * 10..=SECOND * 60);
    let limit = match (written.most, written.adaptive.as_deref()) {
        (Some(most), None) => {
            ConcurrencyLimit::Fixed(context.within(&at.key("most"), most, 1..=1_000_000) as usize)
        }
        (None, Some(adaptive)) => {
            let at = at.key("adaptive");
            let least = context.count(&at.key("least"), adaptive.least, 8, 1..=100_000) as usize;
            let most = context.count(&at.key("most"), adaptive.most, 1000, 1..=1_000_000) as usize;
            if most < least {
                let help = format!("from `least` on, which is {least}");
                context.error_at_key(&at, "the highest limit is below the lowest one", help);
            }
            ConcurrencyLimit::Adaptive { least, most }
        }
        _ => {
            let help = "`{ most: 200 }` for a number, or `{ adaptive: { most: 1000 } }`";
            context.error_at_key(at, "one of `most` and `adaptive` says how many", help);
            return None;
        }
    };
    Some(Concurrency { limit, queue, wait })
}

/// `50 %`, as a share of one.
fn share(
    context: &mut Context<'_>,
    at: &At,
    value: &Option<Amount>,
    default: f64,
    bounds: RangeInclusive<u64>,
) -> f64 {
    let Some(Amount(text)) = value else { return default };
    match amount::percent(text) {
        Ok(percent) if bounds.contains(&percent) => percent as f64 / 100.0,
        Ok(_) => {
            let help = format!("from {} % to {} %", bounds.start(), bounds.end());
            context.error(at, format!("`{text}` is out of bounds"), help);
            default
        }
        Err(message) => {
            context.error(at, message, None);
            default
        }
    }
}

fn statuses(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<List<u64>>,
    bounds: RangeInclusive<u64>,
) -> Vec<StatusCode> {
    let mut list = Vec::new();
    for (index, code) in written.iter().flatten().enumerate() {
        let Some(code) = *code else { continue };
        let sound = context.within(&at.item(index), code, bounds.clone());
        list.extend(u16::try_from(sound).ok().and_then(|code| StatusCode::from_u16(code).ok()));
    }
    list
}
