//! Metrics and operator events, as closed types.
//!
//! The lowest room of the house: every other one may count here, and it knows none of them. Names and label values
//! are enums ([`labels`]) or come from the policy's own types, so no caller can put a personal value into a metric or
//! an event, nor multiply the number of series.
//!
//! Order matters once: [`install`] comes before any handle is resolved, otherwise that handle counts into nothing.
//! Something must then call [`Exporter::upkeep`] every few seconds.

mod event;
mod export;
mod handles;
pub mod labels;
pub mod names;
mod process;
#[cfg(test)]
pub(crate) mod sample;

pub use event::{Event, Level, event};
pub use export::{DURATION_BUCKETS, Exporter, TelemetryError, install};
pub use handles::{
    ExchangeMetrics, InFlight, NONE, ProviderMetrics, RelationMetrics, RouteMetrics, UpstreamMetrics,
};
pub use labels::*;
pub use process::*;
