//! Documents → [`PolicySet`]: every name resolved, every text parsed, every error at once.
//!
//! The parts run in the order of their references: the charter needs nothing, the gateway needs the charter's
//! recipients, the routes need both. An entry that is wrong still takes its place, so that the entries that refer to it
//! are not blamed for it; a set with any error is never handed out.

mod action;
mod amount;
mod authentication;
mod certificate;
mod chain;
mod charter;
mod client_certificate;
mod context;
mod cookies;
mod device_cookie;
mod forward_auth;
mod gateway;
mod identity;
mod introspection;
mod lexicon;
mod limits;
mod listen;
mod oidc;
mod paths;
mod personal_data;
mod presets;
mod quotas;
mod relations;
mod resilience;
mod roles;
mod routes;
mod shipped;
mod store;
mod ticket_keys;
mod upstreams;
mod websocket;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::SystemTime};

use aws_lc_rs::digest;
use serde::de::DeserializeOwned;

use self::context::{At, Context};
use super::{
    document::{self, CharterFile, GatewayFile, RoutesFile},
    report::{Diagnostic, Report},
    set::PolicySet,
    source::Sources,
};

/// How strict a compilation is about the world around the files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether a referenced file with an absolute name may be absent: `rempart check` runs on machines that hold no
    /// keys, and says so in a finding. A gateway that serves never sets this.
    pub absent_files_pass: bool,
    /// The time, to say which certificates end soon; without it none is looked at.
    pub now: Option<SystemTime>,
}

/// Compiles a policy.
///
/// # Errors
/// Everything that is wrong with it, with positions.
pub fn compile(sources: &Sources) -> Result<PolicySet, Report> {
    let (set, report) = inspect(sources, &Options::default());
    set.ok_or(report)
}

/// Compiles a policy and says everything about it, findings too. The set is there if and only if there is no error.
pub fn inspect(sources: &Sources, options: &Options) -> (Option<PolicySet>, Report) {
    let mut context = Context::new(sources, options);
    let charter_file = open_one::<CharterFile>(&mut context, "charter");
    let gateway_file = open_one::<GatewayFile>(&mut context, "gateway");
    let route_files = open_routes(&mut context);

    let (mut charter, names) = charter::compile(&mut context, charter_file.as_ref());
    let kept = charter.as_ref().map(|charter| charter.cookies.as_slice());
    let (gateway, gateway_names) =
        gateway::compile(&mut context, gateway_file.as_ref(), &names.recipients, kept);
    let cookies = charter.as_ref().map(|charter| charter.cookies.clone()).unwrap_or_default();
    let scope = routes::Scope {
        charter: &names,
        upstreams: &gateway_names.upstreams,
        protocols: gateway.iter().flat_map(|gateway| &gateway.upstreams).map(|one| one.protocol).collect(),
        providers: &gateway_names.providers,
        cookies: &cookies,
        quotas: &gateway_names.quotas,
        quota_keys: gateway.iter().flat_map(|gateway| &gateway.quotas).map(|quota| &quota.by).collect(),
    };
    let routes = routes::compile(&mut context, &route_files, &scope);
    if let Some(charter) = &mut charter {
        device_cookie::keep_for_the_gateway(&mut charter.cookies, &routes);
    }

    for name in sources.stray() {
        let help = "a policy is gateway.yaml, charter.yaml and routes/*.yaml; move the file, or remove it";
        context.push_finding(Diagnostic::whole_file(name, "nobody reads this file", Some(help.into())));
    }
    let report = context.finish();
    let (Some(charter), Some(gateway), true) = (charter, gateway, report.errors.is_empty()) else {
        return (None, report);
    };
    let routes = lexicon::share(routes);
    let set = PolicySet {
        digest: digest_of(sources),
        gateway,
        charter,
        routes: routes.into_iter().map(Arc::new).collect(),
    };
    (Some(set), report)
}

/// The one file of a kind that a policy has once.
fn open_one<T: DeserializeOwned + Default>(context: &mut Context<'_>, kind: &str) -> Option<(At, T)> {
    let sources = context.sources;
    let found: Vec<_> = ["yaml", "yml"]
        .iter()
        .filter_map(|end| sources.policy_files().find(|(name, _)| *name == format!("{kind}.{end}")))
        .collect();
    match found.as_slice() {
        [] => {
            let message = format!("there is no {kind}.yaml");
            let help = "a policy is gateway.yaml, charter.yaml and routes/*.yaml";
            context.push_error(Diagnostic::whole_file(&format!("{kind}.yaml"), message, Some(help.into())));
            None
        }
        [(name, bytes), rest @ ..] => {
            for (other, _) in rest {
                let message = format!("there is {name} too");
                let help = "keep one of the two";
                context.push_error(Diagnostic::whole_file(other, message, Some(help.into())));
            }
            open(context, name, bytes)
        }
    }
}

fn open_routes(context: &mut Context<'_>) -> Vec<(At, RoutesFile)> {
    let sources = context.sources;
    let files: Vec<_> = sources.policy_files().filter(|(name, _)| name.starts_with("routes/")).collect();
    if files.is_empty() {
        let help = "write one route at least into a file such as routes/learners.yaml";
        context.push_error(Diagnostic::whole_file(
            "routes/",
            "there is no file of routes",
            Some(help.into()),
        ));
    }
    files.iter().filter_map(|(name, bytes)| open(context, name, bytes)).collect()
}

fn open<T: DeserializeOwned + Default>(
    context: &mut Context<'_>,
    name: &str,
    bytes: &[u8],
) -> Option<(At, T)> {
    match document::open::<T>(name, bytes) {
        Ok((document, contents)) => Some((context.admit(contents), document)),
        Err(diagnostic) => {
            context.push_error(*diagnostic);
            None
        }
    }
}

/// SHA-256 over the names and bytes of the policy files. Certificates, keys and secrets are no part of it.
fn digest_of(sources: &Sources) -> String {
    let mut digest = digest::Context::new(&digest::SHA256);
    for (name, bytes) in sources.policy_files() {
        for part in [name.as_bytes(), bytes] {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }
    digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
