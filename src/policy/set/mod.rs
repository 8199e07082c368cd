//! The compiled policy: immutable, position-free, ready to be enforced.
//!
//! These are the only types of `policy` that other modules read. They hold no YAML, no option looked up by string and
//! nothing that can fail at request time; live things (pools, key caches, counters) are built from them elsewhere.

mod authentication;
mod charter;
mod client_certificate;
mod detector;
mod gateway;
mod lexicon;
mod limits;
mod oidc;
mod path;
mod quota;
mod relations;
mod resilience;
mod route;
mod store;
mod upstream;

pub use authentication::*;
pub use charter::*;
pub use client_certificate::*;
pub use detector::*;
pub use gateway::*;
pub use lexicon::*;
pub use limits::*;
pub use oidc::*;
pub use path::*;
pub use quota::*;
pub use relations::*;
pub use resilience::*;
pub use route::*;
pub use store::*;
pub use upstream::*;

use std::sync::Arc;

/// Everything that the three kinds of files say, validated together.
#[derive(Debug)]
pub struct PolicySet {
    /// SHA-256 of all source files, in hexadecimal: which policy answered.
    pub digest: String,
    /// `gateway.yaml`.
    pub gateway: GatewaySettings,
    /// `charter.yaml`.
    pub charter: Charter,
    /// `routes/*.yaml`; a route's [`RouteId`] is its place here.
    pub routes: Vec<Arc<RoutePolicy>>,
}
