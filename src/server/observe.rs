//! What the server tells the outside: metrics and operator events, in closed types without any personal value.

use std::time::Duration;

use super::Addresses;
use crate::telemetry::{self, Event, RefusalReason};
pub use crate::telemetry::{
    ConnectionRefusal as Refusal, Flood, GoAwayCode, HandshakeOutcome, TimeoutPhase as Deadline, TlsVersion,
};

/// Hears of what happens below exchanges. Called from every worker; must not block.
pub trait Observe: Send + Sync {
    /// A handshake ended.
    fn handshake(&self, version: TlsVersion, outcome: HandshakeOutcome) {
        let _ = (version, outcome);
    }
    /// A connection was accepted (+1) or is gone (-1).
    fn connections(&self, change: i32) {
        let _ = change;
    }
    /// A connection was closed at once.
    fn refused(&self, reason: Refusal) {
        let _ = reason;
    }
    /// Work that was ready for a worker waited at least so long, over a tenth of a second or more.
    fn queued(&self, worker: usize, shortest: Duration) {
        let _ = (worker, shortest);
    }
    /// An idle connection is closed to make room.
    fn evicted(&self) {}
    /// A deadline passed.
    fn timed_out(&self, phase: Deadline) {
        let _ = phase;
    }
    /// A client sent too many frames of one kind; its connection ends.
    fn flooded(&self, kind: Flood) {
        let _ = kind;
    }
    /// An HTTP/2 connection was ended for what its client sent.
    fn broken(&self, code: GoAwayCode) {
        let _ = code;
    }
    /// What the client sent was no HTTP; hyper answered or closed.
    fn malformed(&self, kind: Malformed) {
        let _ = kind;
    }
    /// The server entered a stage.
    fn stage(&self, event: StageEvent<'_>) {
        let _ = event;
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaf;

impl Observe for Deaf {}

/// What was wrong before there was a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Not the grammar of HTTP: `400`, or an HTTP/2 error.
    Syntax,
    /// Too many or too large header fields, or too long a target: `431` or `414`.
    TooLarge,
}

/// A stage of the server.
#[derive(Clone, Copy, Debug)]
pub enum StageEvent<'a> {
    /// All listeners are bound and served.
    Started(&'a Addresses),
    /// Readiness is off; nothing new is taken after the delay.
    Draining,
    /// A worker ended by a defect; the process is not whole any more and drains.
    WorkerFailed(usize),
    /// All connections ended; `aborted` of them had to be cut.
    Stopped {
        /// Connections cut at the end of the drain.
        aborted: usize,
    },
}

/// Counts in Prometheus and tells the operator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted;

impl Observe for Counted {
    fn handshake(&self, version: TlsVersion, outcome: HandshakeOutcome) {
        telemetry::tls_handshake(version, outcome);
    }

    fn connections(&self, change: i32) {
        telemetry::connections_open(change);
    }

    fn refused(&self, reason: Refusal) {
        telemetry::connection_refused(reason);
    }

    fn queued(&self, worker: usize, shortest: Duration) {
        telemetry::queue_time(worker, shortest);
    }

    fn evicted(&self) {
        telemetry::connection_evicted();
    }

    fn timed_out(&self, phase: Deadline) {
        telemetry::connection_timed_out(phase);
    }

    fn flooded(&self, kind: Flood) {
        telemetry::frames_flooded(kind);
    }

    fn broken(&self, code: GoAwayCode) {
        telemetry::connection_broken(code);
    }

    fn malformed(&self, kind: Malformed) {
        telemetry::request_refused(match kind {
            Malformed::Syntax => RefusalReason::Malformed,
            Malformed::TooLarge => RefusalReason::HeadersTooLarge,
        });
    }

    fn stage(&self, event: StageEvent<'_>) {
        telemetry::event(match event {
            StageEvent::Started(addresses) => {
                Event::Started { https: &addresses.https, http: &addresses.http, admin: addresses.admin }
            }
            StageEvent::Draining => Event::DrainStarted,
            StageEvent::WorkerFailed(worker) => Event::WorkerPanicked { worker },
            StageEvent::Stopped { aborted } => Event::DrainFinished { cut: aborted },
        });
    }
}
