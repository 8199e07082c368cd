//! `charter.cookies` → [`CookieRule`]s.

use std::{collections::HashMap, time::Duration};

use super::context::{At, Context};
use crate::policy::{
    document::{CharterDocument, CookieDocument},
    set::{CookieBasis, CookieClass, CookiePattern, CookieRule, SameSite},
};

const DAY: Duration = Duration::from_secs(86_400);
/// RFC 6265bis §5.5: no user agent keeps a cookie longer.
const COOKIE_MAX: Duration = Duration::from_secs(400 * 86_400);
/// CNIL délib. 2020-091: 13 months without renewal.
const AUDIENCE_MAX: Duration = Duration::from_secs(390 * 86_400);
/// CNIL délib. 2020-091: a choice is kept six months.
const CONSENT_MAX: Duration = Duration::from_secs(180 * 86_400);

/// Compiles the list of cookies that may pass.
pub(super) fn compile(context: &mut Context<'_>, at: &At, document: &CharterDocument) -> Vec<CookieRule> {
    let at = at.key("cookies");
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut rules = Vec::new();
    for (index, entry) in document.cookies.iter().flatten().enumerate() {
        let Some(entry) = entry else { continue };
        let at = at.item(index);
        let help = "the cookie's exact name, with `*` for any run of characters";
        let name = context.text(&at, "name", &entry.name, help);
        if let Some(name) = name {
            if seen.insert(name, index).is_some() {
                context.error(
                    &at.key("name"),
                    format!("the cookie `{name}` is listed twice"),
                    "keep one entry",
                );
            }
            if name.bytes().any(|b| matches!(b, b'=' | b';' | b' ' | b'\t')) {
                let help = "a name holds no `=`, `;` or space (RFC 6265bis)";
                context.error(&at.key("name"), format!("no cookie can be named `{name}`"), help);
            }
            if name.bytes().all(|b| b == b'*') {
                let help = "list the cookies that the charter's article 8.2 exempts";
                context.error(&at.key("name"), "this entry would let every cookie pass", help);
            }
        }
        let rule = cookie(context, &at, entry, name.unwrap_or_default());
        rules.extend(rule);
    }
    rules
}

fn cookie(context: &mut Context<'_>, at: &At, entry: &CookieDocument, name: &str) -> Option<CookieRule> {
    const CLASSES: [(&str, CookieClass); 7] = [
        ("session", CookieClass::Session),
        ("cart", CookieClass::Cart),
        ("security", CookieClass::Security),
        ("consent", CookieClass::Consent),
        ("interface", CookieClass::Interface),
        ("load_balancing", CookieClass::LoadBalancing),
        ("audience", CookieClass::Audience),
    ];
    const SAME_SITE: [(&str, SameSite); 3] =
        [("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)];
    let help = "what the cookie is for, such as `class: session`";
    let class = context
        .text(at, "class", &entry.class, help)
        .and_then(|text| context.choice(&at.key("class"), "a class of cookies", text, &CLASSES));
    let same_site = match &entry.same_site {
        Some(text) => context.choice(&at.key("same_site"), "a value of SameSite", text, &SAME_SITE),
        None => Some(SameSite::Lax),
    };
    let basis = cookie_basis(context, at, entry);
    let class = class?;
    let max_age = cookie_life(context, at, entry, class);
    let basis = basis?;
    let named = matches!(class, CookieClass::Session | CookieClass::Cart);
    if let CookieBasis::Exempt(reason) = &basis {
        let message = format!("the cookie `{name}` is exempt by the CNIL, but the charter does not name it");
        context.finding(
            at,
            message,
            format!("stated reason: {reason}; name it in the charter's article 8.2"),
        );
    } else if !named {
        let message = format!("the charter exempts session and cart cookies; `{name}` is of another class");
        context.finding(
            &at.key("class"),
            message,
            "make sure that the cited article names it, or cite the exemption",
        );
    }
    Some(CookieRule {
        pattern: CookiePattern::new(name),
        class,
        finding: !named || matches!(basis, CookieBasis::Exempt(_)),
        basis,
        script_readable: entry.script.unwrap_or(false),
        same_site: same_site?,
        max_age,
        own: false,
    })
}

fn cookie_basis(context: &mut Context<'_>, at: &At, entry: &CookieDocument) -> Option<CookieBasis> {
    match (&entry.article, &entry.exempt) {
        (None, None) => {
            if !context.dropped(&at.key("article")) && !context.dropped(&at.key("exempt")) {
                context.error_at_key(
                    at,
                    "`article` is missing",
                    "every cookie cites the charter: `article: \"8.2\"`; or, where the CNIL exempts what the charter \
                     does not name, `exempt: \"CNIL: …\"` with `finding: true`",
                );
            }
            None
        }
        (Some(_), Some(_)) => {
            context.error(
                &at.key("exempt"),
                "`article` and `exempt` exclude each other",
                "keep the one that holds",
            );
            None
        }
        (Some(_), None) => Some(CookieBasis::Article(context.article(at, &entry.article))),
        (None, Some(_)) => {
            let reason = context.text(at, "exempt", &entry.exempt, "say why, in words").map(str::to_owned);
            if entry.finding != Some(true) && !context.dropped(&at.key("finding")) {
                context.error_at_key(
                    &at.key("exempt"),
                    "an exemption that the charter does not name must be shown to the officer",
                    "add `finding: true`",
                );
            }
            reason.map(CookieBasis::Exempt)
        }
    }
}

fn cookie_life(
    context: &mut Context<'_>,
    at: &At,
    entry: &CookieDocument,
    class: CookieClass,
) -> Option<Duration> {
    let most = match class {
        CookieClass::Session => {
            if entry.max_age.is_some() {
                let help =
                    "a session cookie ends with the browser; remove `max_age`, or choose another class";
                context.error_at_key(&at.key("max_age"), "a session cookie has no `max_age`", help);
            }
            return None;
        }
        CookieClass::Audience => AUDIENCE_MAX,
        CookieClass::Consent => CONSENT_MAX,
        _ => COOKIE_MAX,
    };
    Some(context.duration(&at.key("max_age"), &entry.max_age, most, Duration::from_secs(1)..=most.max(DAY)))
}
