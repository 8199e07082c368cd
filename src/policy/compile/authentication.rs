//! `routes[].authentication` → [`Authentication`].
//!
//! Numbers that are looser than those of CNIL délib. 2022-100 are refused, whatever the reason: no default and no key of the
//! language weakens the protection of accounts below them.

use std::{ops::RangeInclusive, time::Duration};

use http::{HeaderValue, StatusCode};

use super::{
    amount,
    context::{At, Context},
    device_cookie,
    routes::Scope,
};
use crate::policy::{
    document::{
        AccountLimitDocument, AlarmDocument, Amount, AuthenticationDocument, FailureChoice, FailureDocument,
        List, RateDocument, RoutesFile, Section, Texts, WordOr,
    },
    set::{
        AccountLimit, Alarm, Authentication, AuthenticationKind, Failure, JsonPath, LocationPattern, Rate,
        RoutePolicy, Then, Uniform,
    },
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Longest body peeked at where nothing is written.
const PEEK_BYTES: u64 = 64 * KIB;
/// A class of thirty signs in from one address, and each mistypes up to five times; then they come back one in four seconds.
const PER_ADDRESS: Rate = Rate { count: 150, per: Duration::from_secs(600) };
/// Four such classes of one /48.
const PER_NETWORK: Rate = Rate { count: 600, per: Duration::from_secs(600) };
/// What unknown devices may fail together while an alarm is raised.
const ALARM_LIMIT: Rate = Rate { count: 60, per: Duration::from_secs(60) };
/// CNIL délib. 2022-100: more than a minute.
const LEAST_DELAY: Duration = Duration::from_secs(61);

/// Compiles the protection of a route.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    written: &AuthenticationDocument,
    scope: &Scope<'_>,
) -> Authentication {
    const KINDS: [(&str, AuthenticationKind); 4] = [
        ("login", AuthenticationKind::Login),
        ("reset", AuthenticationKind::Reset),
        ("registration", AuthenticationKind::Registration),
        ("second_factor", AuthenticationKind::SecondFactor),
    ];
    let kind = written.kind.as_ref().and_then(|text| {
        context.choice(&at.key("kind"), "a kind of route that checks a credential", text, &KINDS)
    });
    let auth = Authentication {
        kind: kind.unwrap_or_default(),
        account: paths(context, at, "account", &written.account),
        secret: paths(context, at, "secret", &written.secret),
        session: session(context, &at.key("session"), &written.session),
        failure: failure(context, &at.key("failure"), written.failure.as_ref()),
        per_account: per_account(context, &at.key("per_account"), written.per_account.as_ref()),
        per_address: rate(context, &at.key("per_address"), &written.per_address, PER_ADDRESS),
        per_network: rate(context, &at.key("per_network"), &written.per_network, PER_NETWORK),
        device_cookie: device_cookie::compile(
            context,
            &at.key("device_cookie"),
            written.device_cookie.as_ref(),
            scope,
        ),
        alarm: alarm(context, &at.key("alarm"), written.alarm.as_deref()),
        lifts: context
            .items(&at.key("lifts"), &written.lifts)
            .into_iter()
            .map(|(_, name)| name.into())
            .collect(),
        uniform: uniform(context, &at.key("uniform"), written.uniform.as_deref()),
        peek_bytes: context.size(&at.key("peek"), &written.peek, PEEK_BYTES, KIB..=MIB) as usize,
    };
    suits(context, at, written, &auth);
    auth
}

/// Whether what is written has a meaning for the kind of the route.
fn suits(context: &mut Context<'_>, at: &At, written: &AuthenticationDocument, auth: &Authentication) {
    let help = "the body field that holds the account: `account: username`";
    if written.account.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(&at.key("account"), "no field holds the account", help);
    }
    let kind = auth.kind;
    match kind {
        AuthenticationKind::Login | AuthenticationKind::Reset => {
            context.need(at, "account", &written.account, help);
        }
        AuthenticationKind::SecondFactor => {
            let nothing = written.account.is_none() && written.session.is_none();
            if nothing {
                let help = "name the field of the account, or the cookie of the session that the code is for";
                context.error_at_key(at, "nothing says whose second factor is tried", help);
            } else if written.account.is_none() {
                context.finding(
                    &at.key("session"),
                    "only the session says whose second factor is tried",
                    "who knows the password can begin another session: name the account's field if the request has one, or \
                     an identity source that knows the session",
                );
            }
        }
        AuthenticationKind::Registration => {}
    }
    if written.session.is_some() && kind != AuthenticationKind::SecondFactor {
        context.error_at_key(
            &at.key("session"),
            "only a second factor belongs to a session",
            "remove the line",
        );
    }
    if written.failure.is_some() && auth.counts_every_request() {
        context.error_at_key(
            &at.key("failure"),
            "every request counts here, whatever the answer",
            "remove the line; or name the `secret`, where the request is the step that sets a new password",
        );
    }
    if kind == AuthenticationKind::Registration {
        for (key, is_written) in
            [("per_account", written.per_account.is_some()), ("lifts", written.lifts.is_some())]
        {
            if is_written {
                context.error_at_key(
                    &at.key(key),
                    "there is no account yet",
                    "a registration counts by address; remove the line",
                );
            }
        }
    }
    if written.device_cookie.is_some()
        && !matches!(kind, AuthenticationKind::Login | AuthenticationKind::Reset)
    {
        context.error_at_key(
            &at.key("device_cookie"),
            "a device that signed in before has no counter of its own here",
            "a password alone gives the cookie: it belongs to `login`, and to `reset`",
        );
    }
    if written.lifts.is_some() && (auth.secret.is_empty() || auth.account.is_empty()) {
        context.error_at_key(
            &at.key("lifts"),
            "anybody could end the wait of an account",
            "only a step that checks a secret for an account may: name `secret` and `account`",
        );
    }
}

/// The routes that `lifts` names.
pub(super) fn check_lifts(context: &mut Context<'_>, files: &[(At, RoutesFile)], routes: &[RoutePolicy]) {
    for (root, file) in files {
        for (index, entry) in file.routes.iter().flatten().enumerate() {
            let written = entry.as_ref().and_then(|entry| entry.authentication.as_deref());
            let Some(lifts) = written.map(|written| &written.lifts) else { continue };
            let at = root.key("routes").item(index).key("authentication").key("lifts");
            for (at, name) in context.items(&at, lifts) {
                let found = routes.iter().find(|route| route.name == name);
                if found.is_none_or(|route| route.authentication.is_none()) {
                    let help = "`lifts` names routes with `authentication`";
                    context.error(&at, format!("no route `{name}` protects accounts"), help);
                }
            }
        }
    }
}

fn paths(context: &mut Context<'_>, at: &At, field: &str, texts: &Option<Texts>) -> Vec<JsonPath> {
    let mut paths: Vec<JsonPath> = Vec::new();
    for (at, text) in context.items(&at.key(field), texts) {
        let Some(path) = context.json_path(&at, text) else { continue };
        // The body is one document, so that `username` and `$.username` mean the same.
        paths.push(JsonPath { absolute: true, ..path });
    }
    paths
}

fn session(context: &mut Context<'_>, at: &At, written: &Option<Texts>) -> Vec<String> {
    if written.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(at, "no cookie names the session", "`session: sessionid`");
    }
    context.items(at, written).into_iter().map(|(_, name)| name.to_owned()).collect()
}

fn failure(context: &mut Context<'_>, at: &At, written: Option<&FailureChoice>) -> Failure {
    let signs = match written {
        None => return Failure::default(),
        Some(FailureChoice::Statuses(list)) => {
            return Failure { status: statuses(context, at, Some(list)), ..Failure::default() };
        }
        Some(FailureChoice::Signs(signs)) => signs,
    };
    let FailureDocument { status, location, body } = signs;
    if status.is_none() && location.is_none() && body.is_none() {
        let help = "`status: [401]`, `location: \"/login?error*\"` or `body: { path: $.error }`";
        context.error(at, "no answer would count as a failure", help);
    }
    let mut failure =
        Failure { status: statuses(context, &at.key("status"), status.as_ref()), ..Failure::default() };
    for (at, text) in context.items(&at.key("location"), location) {
        if text.starts_with('/') || text.starts_with('*') {
            failure.location.push(LocationPattern::new(text));
        } else {
            let help = "path and query of the redirect: `/login?error*`";
            context.error(&at, format!("`{text}` does not begin with `/`"), help);
        }
    }
    if let Some(body) = body.as_deref() {
        let at = at.key("body");
        if body.path.is_none() && body.text.is_none() {
            let help = "`path: $.error`, or `text: \"Invalid login\"`";
            context.error(&at, "nothing of the body is looked for", help);
        }
        if body.equals.is_some() && body.path.is_none() {
            context.error_at_key(&at.key("equals"), "no field says this", "name it: `path: $.status`");
        }
        let fields = paths(context, &at, "path", &body.path);
        failure.fields = fields.into_iter().map(|path| (path, body.equals.clone())).collect();
        for (at, text) in context.items(&at.key("text"), &body.text) {
            if text.len() < 3 {
                context.error(&at, format!("`{text}` may stand in any answer"), "a longer text");
            }
            failure.texts.push(text.to_owned());
        }
    }
    failure
}

fn statuses(context: &mut Context<'_>, at: &At, written: Option<&List<u16>>) -> Vec<StatusCode> {
    let mut statuses = Vec::new();
    for (index, status) in written.into_iter().flatten().enumerate() {
        let (Some(status), at) = (status, at.item(index)) else { continue };
        match StatusCode::from_u16(*status) {
            Ok(code) if (200..600).contains(status) && !statuses.contains(&code) => statuses.push(code),
            Ok(code) if statuses.contains(&code) => {
                context.error(&at, format!("{status} is listed twice"), None)
            }
            _ => {
                let help = "a final status, such as 401 or 403";
                context.error(&at, format!("{status} is not the status of an answer"), help);
            }
        }
    }
    if written.is_some_and(Vec::is_empty) {
        let help = "remove the line: every 4xx but 408, 425 and 429 is meant then";
        context.error(at, "no status would count as a failure", help);
    }
    statuses
}

fn per_account(
    context: &mut Context<'_>,
    at: &At,
    written: Option<&WordOr<AccountLimitDocument>>,
) -> AccountLimit {
    const PRESETS: [(&str, AccountLimit); 2] =
        [("cnil-backoff", AccountLimit::CNIL_BACKOFF), ("cnil-block", AccountLimit::CNIL_BLOCK)];
    let section = match written {
        None => return AccountLimit::CNIL_BACKOFF,
        Some(WordOr::Word(word)) => {
            return context.choice(at, "a preset", word, &PRESETS).unwrap_or(AccountLimit::CNIL_BACKOFF);
        }
        Some(WordOr::Mapping(section)) => section,
    };
    let preset = section
        .preset
        .as_ref()
        .and_then(|word| context.choice(&at.key("preset"), "a preset", word, &PRESETS))
        .unwrap_or(AccountLimit::CNIL_BACKOFF);
    let failures =
        at_most(context, &at.key("failures"), section.failures, preset.failures, |most| match preset.then {
            Then::BackOff { .. } => {
                format!("CNIL délib. 2022-100 asks for a wait after {most} failures in a row at most")
            }
            Then::Block(_) => {
                format!("CNIL délib. 2022-100 asks for a block after {most} failures in a row at most")
            }
        });
    let per_day = at_most(context, &at.key("per_day"), section.per_day, preset.per_day, |most| {
        format!("CNIL délib. 2022-100 allows {most} failures in 24 hours at most")
    });
    let mut alien = |key: &str, written: bool, belongs: &str| {
        if written {
            let help = format!("it belongs to `preset: {belongs}`");
            context.error_at_key(&at.key(key), format!("`{key}` means nothing here"), help);
        }
    };
    let then = match preset.then {
        Then::BackOff { delay, longest } => {
            alien("block", section.block.is_some(), "cnil-block");
            let why = "CNIL délib. 2022-100 asks for more than a minute after five failures";
            let delay = bounded(context, &at.key("delay"), &section.delay, delay, LEAST_DELAY..=DAY, why);
            let why = format!(
                "no wait is shorter than the first, {}, or longer than a day",
                amount::written(delay)
            );
            let longest = longest.max(delay);
            let longest = bounded(context, &at.key("longest"), &section.longest, longest, delay..=DAY, &why);
            Then::BackOff { delay, longest }
        }
        Then::Block(time) => {
            alien("delay", section.delay.is_some(), "cnil-backoff");
            alien("longest", section.longest.is_some(), "cnil-backoff");
            let why = "a block lasts from an hour to 30 days; a route that `lifts` it ends it before";
            Then::Block(bounded(context, &at.key("block"), &section.block, time, HOUR..=30 * DAY, why))
        }
    };
    AccountLimit { failures, then, per_day }
}

/// A count that may be stricter than the most, and never looser.
fn at_most(
    context: &mut Context<'_>,
    at: &At,
    written: Option<u32>,
    most: u32,
    why: impl Fn(u32) -> String,
) -> u32 {
    let Some(count) = written else { return most };
    if !(1..=most).contains(&count) {
        let message = if count > most {
            format!("{count} is too many: {}", why(most))
        } else {
            format!("{count} is out of bounds")
        };
        context.error(at, message, format!("from 1 to {most}; {most} where nothing is written"));
    }
    count.clamp(1, most)
}

fn bounded(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Amount>,
    default: Duration,
    bounds: RangeInclusive<Duration>,
    why: &str,
) -> Duration {
    let Some(Amount(text)) = written else { return default };
    match amount::duration(text) {
        Ok(duration) if bounds.contains(&duration) => return duration,
        Ok(_) => {
            let (least, most) = (amount::written(*bounds.start()), amount::written(*bounds.end()));
            let help =
                format!("from {least} to {most}; {} where nothing is written", amount::written(default));
            context.error(at, format!("`{text}` is out of bounds: {why}"), help);
        }
        Err(message) => context.error(at, message, None),
    }
    default
}

fn alarm(context: &mut Context<'_>, at: &At, written: Option<&AlarmDocument>) -> Alarm {
    let default = AlarmDocument::default();
    let written = written.unwrap_or(&default);
    let mode = written.mode.as_ref().and_then(|word| {
        context.choice(&at.key("mode"), "a mode", word, &[("shadow", false), ("enforce", true)])
    });
    Alarm {
        window: context.duration(&at.key("window"), &written.window, 10 * MINUTE, MINUTE..=DAY),
        attempts: context.count(&at.key("attempts"), written.attempts.map(u64::from), 100, 10..=1_000_000)
            as u32,
        percent: context.count(&at.key("percent"), written.percent.map(u64::from), 50, 1..=100) as u32,
        limit: rate(context, &at.key("limit"), &written.limit, ALARM_LIMIT),
        enforce: mode.unwrap_or(false),
    }
}

fn uniform(context: &mut Context<'_>, at: &At, written: Option<&str>) -> Option<Uniform> {
    let text = written?;
    if text == "text" {
        return Some(Uniform::Text);
    }
    let plain =
        text.starts_with('/') && !text.starts_with("//") && text.bytes().all(|b| b.is_ascii_graphic());
    match HeaderValue::from_str(text) {
        Ok(page) if plain && !text.contains('\\') => Some(Uniform::Page(page)),
        _ => {
            let help = "`text`, or the path of a page of the platform: `uniform: /password/sent`";
            context.error(at, format!("`{text}` is no answer"), help);
            None
        }
    }
}

/// A rate, or the default where nothing is written.
pub(super) fn rate(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Section<RateDocument>>,
    default: Rate,
) -> Rate {
    let Some(written) = written else { return default };
    let help = "`{ count: 10, per: 1 min }`";
    let count = match context.need(at, "count", &written.count, help) {
        Some(&count) => context.within(&at.key("count"), count.into(), 1..=100_000) as u32,
        None => default.count,
    };
    let per: &Option<Amount> = &written.per;
    context.need(at, "per", per, help);
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(7 * 86_400));
    let per = context.duration(&at.key("per"), per, default.per, least..=most);
    Rate { count, per }
}
