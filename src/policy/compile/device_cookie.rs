//! `routes[].authentication.device_cookie` → [`DeviceCookie`], and the charter's entry for it.

use std::time::Duration;

use super::{
    amount,
    context::{At, Context},
    routes::Scope,
};
use crate::policy::{
    document::{DeviceCookieDocument, WordOr},
    set::{CookieClass, CookiePattern, CookieRule, DeviceCookie, RoutePolicy, SameSite},
};

const HOUR: Duration = Duration::from_secs(3600);
/// How long a device is known where nothing is written.
const DEVICE_LIFE: Duration = Duration::from_secs(90 * 86_400);
/// Thirteen months, as long as any tracker may live that the CNIL exempts (délib. 2020-091).
const DEVICE_LIFE_MAX: Duration = Duration::from_secs(390 * 86_400);

/// Compiles the cookie by which a route knows devices.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    written: Option<&WordOr<DeviceCookieDocument>>,
    scope: &Scope<'_>,
) -> Option<DeviceCookie> {
    let (name, name_at, life) = match written? {
        WordOr::Word(name) => (name.as_str(), at.clone(), DEVICE_LIFE),
        WordOr::Mapping(section) => {
            let help = "`name: __Host-rempart-device`";
            let name = context.text(at, "name", &section.name, help)?;
            let life = context.duration(&at.key("life"), &section.life, DEVICE_LIFE, HOUR..=DEVICE_LIFE_MAX);
            (name, at.key("name"), life)
        }
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !name.strip_prefix("__Host-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain)) {
        let help = "such as `__Host-rempart-device`: no other host can set it, and no page without TLS";
        context.error(&name_at, format!("a device cookie cannot be named `{name}`"), help);
        return None;
    }
    let listed = scope.cookies.iter().find(|rule| rule.pattern == CookiePattern::new(name));
    let line = format!(
        "add to charter.cookies: `- {{ name: \"{name}\", class: security, exempt: \"CNIL: authentication security\", \
         finding: true, same_site: strict, max_age: {} }}`",
        amount::written(life)
    );
    let Some(rule) = listed else {
        // Of a charter that could not be read nothing is known.
        if !scope.charter.purposes.incomplete {
            context.error(&name_at, format!("the charter does not list the cookie `{name}`"), line);
        }
        return None;
    };
    if rule.class != CookieClass::Security || rule.same_site == SameSite::None || rule.script_readable {
        let message = format!("the charter lists the cookie `{name}` as another than it is");
        context.error(&name_at, message, line);
        return None;
    }
    if rule.max_age.is_some_and(|most| life > most) {
        let help =
            format!("`life: {}`, or a longer `max_age` in the charter", amount::written(rule.max_age?));
        context.error(at, "the cookie would live longer than the charter says", help);
    }
    Some(DeviceCookie { name: name.to_owned(), life, same_site: rule.same_site })
}

/// The charter's entries of device cookies are the gateway's own: they stand before patterns that match the same name.
pub(super) fn keep_for_the_gateway(cookies: &mut [CookieRule], routes: &[RoutePolicy]) {
    let names = routes.iter().filter_map(|route| route.authentication.as_ref()?.device_cookie.as_ref());
    for cookie in names {
        let pattern = CookiePattern::new(&cookie.name);
        for rule in cookies.iter_mut().filter(|rule| rule.pattern == pattern) {
            rule.own = true;
        }
    }
    cookies.sort_by_key(|rule| !rule.own);
}
