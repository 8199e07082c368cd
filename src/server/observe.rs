//! What the server tells the outside: metrics and operator events, in closed types without any personal value.

use super::Addresses;

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
    /// A deadline passed.
    fn timed_out(&self, phase: Deadline) {
        let _ = phase;
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

/// Label `version` of handshakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
    /// None was agreed on.
    Unknown,
}

/// Label `outcome` of handshakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeOutcome {
    /// Done in full.
    Full,
    /// Resumed from a ticket or a session.
    Resumed,
    /// The client offered nothing acceptable, or broke the protocol.
    Failed,
    /// The client went away.
    Abandoned,
    /// The deadline passed, or the server stopped.
    TimedOut,
}

/// Label `reason` of connections refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// As many as allowed are open.
    Limit,
    /// The system had no descriptor or memory for it.
    Resources,
}

/// Label `phase` of connections timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// TLS handshake.
    Handshake,
    /// Header section.
    Headers,
    /// Between exchanges.
    Idle,
    /// Request body.
    RequestBody,
    /// Response body.
    ResponseBody,
}

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
    /// All connections ended; `aborted` of them had to be cut.
    Stopped {
        /// Connections cut at the end of the drain.
        aborted: usize,
    },
}

macro_rules! labels {
    ($($kind:ident { $($variant:ident => $label:literal),* $(,)? })*) => {$(
        impl $kind {
            /// The text of the metric's label.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),* }
            }
        }
    )*};
}

labels! {
    TlsVersion { Tls12 => "1.2", Tls13 => "1.3", Unknown => "none" }
    HandshakeOutcome {
        Full => "full", Resumed => "resumed", Failed => "failed", Abandoned => "abandoned", TimedOut => "timed_out",
    }
    Refusal { Limit => "limit", Resources => "resources" }
    Deadline {
        Handshake => "handshake", Headers => "headers", Idle => "idle",
        RequestBody => "request_body", ResponseBody => "response_body",
    }
    Malformed { Syntax => "syntax", TooLarge => "too_large" }
}
