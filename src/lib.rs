//! Rempart: the gate in front of a learning platform.
//!
//! Modules in the order of the data's flow; `ARCHITECTURE.md` has the map of a request.

pub mod cli;
pub mod demo;
pub mod gateway;
pub mod identity;
pub mod journal;
pub mod limit;
pub mod policy;
pub mod redact;
pub mod secret;
pub mod server;
pub mod telemetry;
pub mod upstream;
