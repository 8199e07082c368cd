//! What is done about endpoints of an upstream that fail, are slow or are too few.

use std::time::Duration;

use http::{HeaderValue, StatusCode};

/// What is done about endpoints that fail, are slow or are too few.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resilience {
    /// From the start of an exchange to the end of its answer's body.
    pub timeout: Option<Duration>,
    /// The cookie whose value chooses the endpoint.
    pub affinity: Option<String>,
    /// When an endpoint is passed over because exchanges with it fail; `None` for never.
    pub outliers: Option<Outliers>,
    /// What the gateway asks each endpoint by itself.
    pub health: Option<HealthCheck>,
    /// When a request is sent again; `None` for never, but on a connection that had been closed meanwhile.
    pub retries: Option<Retries>,
    /// How many exchanges may be under way; `None` for any number.
    pub concurrency: Option<Concurrency>,
}

/// When an endpoint is passed over for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Outliers {
    /// Failures one after the other.
    pub failures: u32,
    /// Share of failures, from 0 to 1.
    pub rate: f64,
    /// Exchanges below which the share says nothing.
    pub requests: u32,
    /// Answers that are failures too.
    pub statuses: Vec<StatusCode>,
    /// How long the first time.
    pub eject: Duration,
    /// How long at most.
    pub longest: Duration,
    /// Share of the endpoints that may be passed over at a time, from 0 to 1.
    pub at_most: f64,
}

/// What the gateway asks each endpoint by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path and query of a GET.
    pub path: http::uri::PathAndQuery,
    /// `Host`; `None` for the endpoint's.
    pub host: Option<HeaderValue>,
    /// How often.
    pub interval: Duration,
    /// Connection and head of the answer together.
    pub timeout: Duration,
    /// Good answers in a row until it is used again.
    pub healthy: u32,
    /// Bad ones until it is not.
    pub unhealthy: u32,
    /// Good answers; empty for 200 to 299.
    pub statuses: Vec<StatusCode>,
}

/// When a request is sent again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    /// Nothing was sent.
    pub connect: bool,
    /// The connection ended before a head.
    pub reset: bool,
    /// No head within [`Retries::try_timeout`].
    pub timeout: bool,
    /// The answer is 503.
    pub unavailable: bool,
    /// How often one request is sent, at most.
    pub attempts: u32,
    /// Share of recent requests, from 0 to 1.
    pub budget: f64,
    /// So many in ten seconds whatever the share.
    pub least: u32,
    /// How long one endpoint has until another one is asked.
    pub try_timeout: Option<Duration>,
}

/// How many exchanges may be under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// How many, over all workers.
    pub limit: ConcurrencyLimit,
    /// How many may wait, over all workers.
    pub queue: usize,
    /// How long.
    pub wait: Duration,
}

/// How many, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConcurrencyLimit {
    /// This number.
    Fixed(usize),
    /// As many as go without that answers become slower.
    Adaptive {
        /// At least.
        least: usize,
        /// At most.
        most: usize,
    },
}
