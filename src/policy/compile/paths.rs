//! Which requests the routes take: hosts, path templates, and that no two routes take the same.

use std::collections::HashMap;

use http::Method;
use matchit::{InsertError, Router};

use super::context::{At, Context};
use crate::policy::set::HostPattern;

/// A host pattern, from its text.
pub(super) fn host(context: &mut Context<'_>, at: &At, text: &str) -> Option<HostPattern> {
    let lower = text.to_ascii_lowercase();
    let (pattern, name) = match lower.strip_prefix("*.") {
        _ if lower == "*" => return Some(HostPattern::Any),
        Some(suffix) => (HostPattern::Suffix(format!(".{suffix}")), suffix),
        None => (HostPattern::Exact(lower.clone()), lower.as_str()),
    };
    // An IPv6 host stands in brackets in `Host`, and is matched as it stands there.
    let bare = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(name);
    if rustls::pki_types::ServerName::try_from(bare).is_err() || bare.ends_with('.') {
        let help = "`ecole.example.fr`, `*.example.fr`, or `*` for every host; without scheme and port";
        context.error(at, format!("`{text}` is not a host"), help);
        return None;
    }
    Some(pattern)
}

/// Whether a template is written in the one form in which requests are matched.
pub(super) fn canonical(context: &mut Context<'_>, at: &At, template: &str) -> bool {
    let fault = if !template.starts_with('/') {
        Some(("does not start with `/`", "`/api/users/{id}`"))
    } else if template.contains(['?', '#']) {
        Some(("holds more than a path", "routes match paths; leave out `?` and `#`"))
    } else if template.contains("//") || template.split('/').any(|part| part == "." || part == "..") {
        Some((
            "is not in its shortest form",
            "without `//`, `.` and `..`: such requests are refused or resolved first",
        ))
    } else if !template.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%{}".contains(&b)) {
        Some(("holds a character that no path holds", "write it percent-encoded, as it is on the wire"))
    } else if !sound_escapes(template) {
        Some((
            "holds a percent-encoding that is never matched",
            "`%` with two capital hexadecimal digits, and only where the character itself cannot stand",
        ))
    } else {
        None
    };
    if let Some((message, help)) = fault {
        context.error(at, format!("the path `{template}` {message}"), help);
    }
    fault.is_none()
}

/// Whether every `%` begins two capital hexadecimal digits of a character that has to be encoded.
fn sound_escapes(template: &str) -> bool {
    template.split('%').skip(1).all(|rest| {
        let Some(digits) = rest.get(..2) else { return false };
        digits.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
            && u8::from_str_radix(digits, 16)
                .is_ok_and(|byte| !byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte))
    })
}

/// What one route claims.
pub(super) struct Claim {
    pub(super) at: At,
    pub(super) route: usize,
    pub(super) host: HostPattern,
    pub(super) template: String,
    /// Empty for all.
    pub(super) methods: Vec<Method>,
}

/// Every claim of every route, checked against the others.
#[derive(Default)]
pub(super) struct Claims {
    hosts: HashMap<HostPattern, Hosted>,
}

#[derive(Default)]
struct Hosted {
    templates: Router<()>,
    claims: Vec<Claim>,
}

impl Claims {
    /// Adds a claim, or says with which one it collides.
    pub(super) fn add(&mut self, context: &mut Context<'_>, claim: Claim, name_of: impl Fn(usize) -> String) {
        let hosted = self.hosts.entry(claim.host.clone()).or_default();
        if let Some(other) = hosted
            .claims
            .iter()
            .find(|other| other.template == claim.template && overlap(&other.methods, &claim.methods))
        {
            let message = if other.route == claim.route {
                format!("the path `{}` is listed twice", claim.template)
            } else {
                format!("the route `{}` takes these requests already", name_of(other.route))
            };
            context.error(
                &claim.at,
                message,
                "a request has one route: change host, path or methods of one of them",
            );
            return;
        }
        if !hosted.claims.iter().any(|other| other.template == claim.template)
            && let Err(error) = hosted.templates.insert(claim.template.as_str(), ())
        {
            let (message, help) = match error {
                InsertError::Conflict { with } => (
                    format!("the path `{}` cannot stand beside `{with}`", claim.template),
                    "use the same names for the same parts: `/users/{id}` and `/users/{id}/results`",
                ),
                other => (
                    format!("the path `{}` is not a template: {other}", claim.template),
                    "`{name}` for one part, `{*name}` for the rest at the end",
                ),
            };
            context.error(&claim.at, message, help);
            return;
        }
        hosted.claims.push(claim);
    }

    /// `/x/` for every `/x/{*rest}`, unless a route claims it: a remainder may be empty, which templates do not say.
    pub(super) fn empty_remainders(&self, context: &mut Context<'_>) -> Vec<(usize, String)> {
        let mut more = Vec::new();
        for hosted in self.hosts.values() {
            for claim in &hosted.claims {
                let Some(folder) = claim.template.rfind("{*").map(|at| &claim.template[..at]) else {
                    continue;
                };
                let others: Vec<_> = hosted.claims.iter().filter(|other| other.template == folder).collect();
                if others.iter().all(|other| !overlap(&other.methods, &claim.methods)) {
                    more.push((claim.route, folder.to_owned()));
                } else if !others.iter().any(|other| covers(&other.methods, &claim.methods)) {
                    let message =
                        format!("this route does not take `{folder}`, which another claims for some methods");
                    context.finding(
                        &claim.at,
                        message,
                        format!("list `{folder}` in `path`, with methods of its own"),
                    );
                }
            }
        }
        more.sort();
        more
    }
}

fn overlap(a: &[Method], b: &[Method]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|method| b.contains(method))
}

fn covers(a: &[Method], b: &[Method]) -> bool {
    a.is_empty() || (!b.is_empty() && b.iter().all(|method| a.contains(method)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_that_survive_canonicalisation() {
        for (template, expected) in [
            ("/a", true),
            ("/%C3%A9l%C3%A8ves", true),
            ("/%c3%a9", false),
            ("/%61", false),
            ("/%7E", false),
            ("/%", false),
            ("/%2", false),
            ("/%20", true),
        ] {
            assert_eq!(sound_escapes(template), expected, "{template}");
        }
    }

    #[test]
    fn methods_overlap_where_one_request_fits_both() {
        let (get, post) = ([Method::GET], [Method::POST]);
        assert!(overlap(&get, &[]) && overlap(&[], &[]) && overlap(&get, &get));
        assert!(!overlap(&get, &post));
        assert!(covers(&[], &get) && !covers(&get, &[]) && !covers(&get, &[Method::GET, Method::POST]));
    }
}
