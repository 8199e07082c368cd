//! What an operator must know: one JSON object a line on standard error, from a closed list.
//!
//! There is no free text: an event carries numbers, enums and names from the policy. Of an I/O error it carries the
//! [`ErrorKind`] only, since its message may hold a path or an address.

use std::{
    io::{ErrorKind, Write},
    net::SocketAddr,
};

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::policy::set::PolicySet;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Part of the ordinary life of a gateway.
    Info,
    /// Protection or service is reduced; it goes on.
    Warn,
    /// Somebody has to act.
    Error,
}

impl Level {
    /// The text in the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Every listener is open.
    Started {
        /// TLS listeners.
        https: &'a [SocketAddr],
        /// Plain listeners.
        http: &'a [SocketAddr],
        /// Metrics and probes.
        admin: SocketAddr,
    },
    /// No more exchange is under way; the process ends.
    Stopped,
    /// A policy serves, the first one included.
    PolicyLoaded {
        /// Which.
        policy: &'a PolicySet,
    },
    /// The policy on disk has errors; `rempart check` names them.
    PolicyRefused {
        /// How many.
        errors: usize,
    },
    /// The file names no secret: pseudonyms cannot be joined across restarts and replicas.
    SecretIsEphemeral,
    /// Certificates were read again.
    CertificatesReloaded {
        /// How many serve.
        certificates: usize,
    },
    /// SIGTERM or SIGINT came.
    DrainStarted,
    /// Draining is over.
    DrainFinished {
        /// Connections that had to be cut.
        cut: usize,
    },
    /// A worker thread met a defect; its other exchanges go on.
    WorkerPanicked {
        /// Which.
        worker: usize,
    },
    /// The shared counter store does not answer; stricter local counters decide.
    StoreDown,
    /// The shared counter store answers again.
    StoreUp,
    /// Unusually many attempts on a route fail: somebody may try stolen passwords.
    LoginAlarm {
        /// The route's name.
        route: &'a str,
        /// Attempts of the window.
        attempts: u64,
        /// How many of them failed.
        failures: u64,
    },
    /// They do no longer.
    LoginAlarmOver {
        /// The route's name.
        route: &'a str,
    },
    /// Fewer addresses of an endpoint can be used than before.
    EndpointImpaired {
        /// The upstream's name.
        upstream: &'a str,
        /// The endpoint, as the policy writes it.
        endpoint: &'a str,
        /// Addresses that can be used.
        usable: usize,
        /// All of them.
        addresses: usize,
    },
    /// More of them can be.
    EndpointRestored {
        /// The upstream's name.
        upstream: &'a str,
        /// The endpoint, as the policy writes it.
        endpoint: &'a str,
        /// Addresses that can be used.
        usable: usize,
        /// All of them.
        addresses: usize,
    },
    /// The name of an endpoint has not been resolved for a while; the addresses that it had are kept.
    ResolutionFailing {
        /// The upstream's name.
        upstream: &'a str,
        /// The endpoint, as the policy writes it.
        endpoint: &'a str,
    },
    /// It is again.
    ResolutionRecovered {
        /// The upstream's name.
        upstream: &'a str,
        /// The endpoint, as the policy writes it.
        endpoint: &'a str,
    },
    /// The journal's queue is full: exchanges wait.
    JournalSlow {
        /// Records that wait.
        queued: usize,
    },
    /// The journal cannot be written; it is tried again until it can.
    JournalFailing {
        /// Why.
        kind: ErrorKind,
    },
    /// The journal's writer met a defect and ended: exchanges wait until the process is started again.
    JournalPanicked,
    /// The journal is written again.
    JournalRecovered,
    /// The journal's file was moved or removed, and a new one begun.
    JournalReopened,
    /// Records were given up because the process had to end.
    JournalLost {
        /// How many.
        records: usize,
    },
}

impl Event<'_> {
    /// Its name in the line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::PolicyLoaded { .. } => "policy_loaded",
            Self::PolicyRefused { .. } => "policy_refused",
            Self::SecretIsEphemeral => "secret_is_ephemeral",
            Self::CertificatesReloaded { .. } => "certificates_reloaded",
            Self::DrainStarted => "drain_started",
            Self::DrainFinished { .. } => "drain_finished",
            Self::WorkerPanicked { .. } => "worker_panicked",
            Self::StoreDown => "store_down",
            Self::StoreUp => "store_up",
            Self::LoginAlarm { .. } => "login_alarm",
            Self::LoginAlarmOver { .. } => "login_alarm_over",
            Self::EndpointImpaired { .. } => "endpoint_impaired",
            Self::EndpointRestored { .. } => "endpoint_restored",
            Self::ResolutionFailing { .. } => "resolution_failing",
            Self::ResolutionRecovered { .. } => "resolution_recovered",
            Self::JournalSlow { .. } => "journal_slow",
            Self::JournalFailing { .. } => "journal_failing",
            Self::JournalPanicked => "journal_panicked",
            Self::JournalRecovered => "journal_recovered",
            Self::JournalReopened => "journal_reopened",
            Self::JournalLost { .. } => "journal_lost",
        }
    }

    /// How much it matters.
    pub const fn level(&self) -> Level {
        match self {
            Self::Started { .. }
            | Self::Stopped
            | Self::PolicyLoaded { .. }
            | Self::CertificatesReloaded { .. }
            | Self::DrainStarted
            | Self::DrainFinished { cut: 0 }
            | Self::StoreUp
            | Self::LoginAlarmOver { .. }
            | Self::EndpointRestored { .. }
            | Self::ResolutionRecovered { .. }
            | Self::JournalRecovered
            | Self::JournalReopened => Level::Info,
            Self::SecretIsEphemeral
            | Self::DrainFinished { .. }
            | Self::StoreDown
            | Self::LoginAlarm { .. }
            | Self::EndpointImpaired { .. }
            | Self::ResolutionFailing { .. }
            | Self::JournalSlow { .. } => Level::Warn,
            Self::PolicyRefused { .. }
            | Self::WorkerPanicked { .. }
            | Self::JournalFailing { .. }
            | Self::JournalPanicked
            | Self::JournalLost { .. } => Level::Error,
        }
    }

    /// The line, its line feed included. Empty if it could not be written, which the types here rule out.
    fn line(&self, now: Timestamp) -> Vec<u8> {
        let mut line = serde_json::to_vec(&Line { now, event: self }).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

struct Line<'a> {
    now: Timestamp,
    event: &'a Event<'a>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &format_args!("{:.3}", self.now))?;
        map.serialize_entry("level", self.event.level().as_str())?;
        map.serialize_entry("event", self.event.name())?;
        match *self.event {
            Event::Started { https, http, admin } => {
                map.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
                map.serialize_entry("https", https)?;
                map.serialize_entry("http", http)?;
                map.serialize_entry("admin", &admin)?;
            }
            Event::PolicyLoaded { policy } => {
                map.serialize_entry("digest", &policy.digest)?;
                map.serialize_entry("routes", &policy.routes.len())?;
                map.serialize_entry("charter_version", &policy.charter.version)?;
            }
            Event::PolicyRefused { errors } => map.serialize_entry("errors", &errors)?,
            Event::CertificatesReloaded { certificates } => {
                map.serialize_entry("certificates", &certificates)?;
            }
            Event::DrainFinished { cut } => map.serialize_entry("cut", &cut)?,
            Event::WorkerPanicked { worker } => map.serialize_entry("worker", &worker)?,
            Event::LoginAlarm { route, attempts, failures } => {
                map.serialize_entry("route", route)?;
                map.serialize_entry("attempts", &attempts)?;
                map.serialize_entry("failures", &failures)?;
            }
            Event::LoginAlarmOver { route } => map.serialize_entry("route", route)?,
            Event::EndpointImpaired { upstream, endpoint, usable, addresses }
            | Event::EndpointRestored { upstream, endpoint, usable, addresses } => {
                map.serialize_entry("upstream", upstream)?;
                map.serialize_entry("endpoint", endpoint)?;
                map.serialize_entry("usable", &usable)?;
                map.serialize_entry("addresses", &addresses)?;
            }
            Event::ResolutionFailing { upstream, endpoint }
            | Event::ResolutionRecovered { upstream, endpoint } => {
                map.serialize_entry("upstream", upstream)?;
                map.serialize_entry("endpoint", endpoint)?;
            }
            Event::JournalSlow { queued } => map.serialize_entry("queued", &queued)?,
            Event::JournalFailing { kind } => map.serialize_entry("error", &format_args!("{kind}"))?,
            Event::JournalLost { records } => map.serialize_entry("records", &records)?,
            Event::Stopped
            | Event::DrainStarted
            | Event::SecretIsEphemeral
            | Event::StoreDown
            | Event::StoreUp
            | Event::JournalPanicked
            | Event::JournalRecovered
            | Event::JournalReopened => {}
        }
        map.end()
    }
}

/// Tells the operator. One write, so that lines of several threads do not mix; an error is ignored, because standard
/// error is where it would have to be told.
#[allow(clippy::needless_pass_by_value)]
pub fn event(event: Event<'_>) {
    let _ = std::io::stderr().lock().write_all(&event.line(Timestamp::now()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &Event<'_>) -> String {
        String::from_utf8(event.line("2026-11-23T06:18:23.123456Z".parse().unwrap())).unwrap()
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        assert_eq!(
            line(&Event::PolicyRefused { errors: 3 }),
            "{\"time\":\"2026-11-23T06:18:23.123Z\",\"level\":\"error\",\"event\":\"policy_refused\",\"errors\":3}\n"
        );
        assert_eq!(
            line(&Event::StoreDown),
            "{\"time\":\"2026-11-23T06:18:23.123Z\",\"level\":\"warn\",\"event\":\"store_down\"}\n"
        );
    }

    /// One of each. A new event belongs here as well.
    fn every_event(policy: &PolicySet) -> Vec<Event<'_>> {
        let kind = ErrorKind::Other;
        vec![
            Event::Started { https: &[], http: &[], admin: ([127, 0, 0, 1], 9).into() },
            Event::Stopped,
            Event::PolicyLoaded { policy },
            Event::PolicyRefused { errors: 1 },
            Event::SecretIsEphemeral,
            Event::CertificatesReloaded { certificates: 1 },
            Event::DrainStarted,
            Event::DrainFinished { cut: 1 },
            Event::WorkerPanicked { worker: 1 },
            Event::StoreDown,
            Event::StoreUp,
            Event::LoginAlarm { route: "login", attempts: 1, failures: 1 },
            Event::LoginAlarmOver { route: "login" },
            Event::EndpointImpaired {
                upstream: "kolibri",
                endpoint: "http://kolibri:80",
                usable: 1,
                addresses: 2,
            },
            Event::EndpointRestored {
                upstream: "kolibri",
                endpoint: "http://kolibri:80",
                usable: 2,
                addresses: 2,
            },
            Event::ResolutionFailing { upstream: "kolibri", endpoint: "http://kolibri:80" },
            Event::ResolutionRecovered { upstream: "kolibri", endpoint: "http://kolibri:80" },
            Event::JournalSlow { queued: 1 },
            Event::JournalFailing { kind },
            Event::JournalPanicked,
            Event::JournalRecovered,
            Event::JournalReopened,
            Event::JournalLost { records: 1 },
        ]
    }

    #[test]
    fn every_event_is_one_valid_line_with_a_name_of_its_own() {
        let policy = crate::telemetry::sample::policy(std::path::Path::new(""));
        let mut names = std::collections::HashSet::new();
        for event in every_event(&policy) {
            let line = line(&event);
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line}");
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value["event"], event.name());
            assert_eq!(value["level"], event.level().as_str());
            assert!(names.insert(event.name()), "{} twice", event.name());
        }
    }

    /// ANSSI-PA-012, annex A: what a gateway can know of the events that must be journalled (R11). Authentication and
    /// access to sensitive data are journal records, account and privilege changes the platform's own, erasure of logs
    /// belongs to retention.
    #[test]
    fn the_events_that_must_be_told_are_told() {
        let policy = crate::telemetry::sample::policy(std::path::Path::new(""));
        let told: Vec<_> = every_event(&policy).iter().map(Event::name).collect();
        for (required, by) in [
            ("start of the service", "started"),
            ("end of the service", "stopped"),
            ("change of the security policy", "policy_loaded"),
            ("refused change of the security policy", "policy_refused"),
            ("change of keys and certificates", "certificates_reloaded"),
            ("failure of the service", "worker_panicked"),
            ("failure of the journal", "journal_failing"),
            ("loss of journal records", "journal_lost"),
        ] {
            assert!(told.contains(&by), "{required}: {by}");
        }
    }

    #[test]
    fn an_io_error_is_its_kind_only() {
        let kind = ErrorKind::PermissionDenied;
        assert!(line(&Event::JournalFailing { kind }).ends_with(",\"error\":\"permission denied\"}\n"));
    }

    #[test]
    fn a_cut_exchange_is_a_warning() {
        assert_eq!(Event::DrainFinished { cut: 0 }.level(), Level::Info);
        assert_eq!(Event::DrainFinished { cut: 1 }.level(), Level::Warn);
    }
}
