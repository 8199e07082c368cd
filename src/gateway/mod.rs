//! One exchange, from the request's head to the journal's record. Read `exchange` first.

mod affinity;
mod body;
pub mod caching;
pub mod canonical;
pub mod coding;
pub mod connection;
pub mod cookies;
mod exchange;
mod fetch;
pub mod forwarded;
mod graphql;
mod grpc;
mod head;
mod headers;
mod identify;
mod ledger;
mod links;
pub mod media;
mod payload;
mod personal;
mod quota;
mod redaction;
mod respond;
pub mod route;
mod sign_in;
mod snapshot;
mod socket;
mod tunnel;
mod way_back;
mod worker;

pub use body::{Body, BodyError};
pub use connection::Connection;
pub use head::AmbiguousHead;
pub use snapshot::{Snapshot, SnapshotError};
pub use worker::Gateway;
