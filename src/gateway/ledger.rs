//! The account of one exchange: opened when its head is complete, closed when the last byte is sent or nobody waits for it
//! any more. Closing writes the journal's record and the metrics, whatever the way out.

use std::{
    net::IpAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{Method, StatusCode};
use jiff::Timestamp;

use super::{
    payload::Notes,
    respond::{ExchangeError, Unreadable},
    worker::View,
};
use crate::{
    identity::{Identified, Lookup, Outcome},
    journal::{Decision, Journal, Record, RequestId, Termination},
    limit::{Permit, QuotaBits},
    policy::set::{CategoryId, QuotaId, RecipientId, RouteId, UpstreamId},
    redact::Tally,
    telemetry::{self, Direction, InFlight, MethodLabel, Protocol, RefusalReason, Scope, TlsVersion},
};

/// The account of one exchange.
pub struct Ledger {
    record: Record,
    started: Instant,
    view: Rc<View>,
    journal: Journal,
    /// The first recipient that the caller is, for metrics.
    recipient: Option<RecipientId>,
    /// What came of the request body.
    notes: Rc<Notes>,
    open: bool,
    /// Places under way that quotas gave it.
    permits: Vec<Permit>,
    _in_flight: InFlight,
}

impl Ledger {
    /// Opens the account.
    pub fn open(view: &Rc<View>, journal: &Journal, in_flight: InFlight, notes: Rc<Notes>) -> Self {
        let record = Record::begin(view.snapshot().policy.clone(), RequestId::generate(), Timestamp::now());
        Self {
            record,
            started: notes.activity.get(),
            view: Rc::clone(view),
            journal: journal.clone(),
            recipient: None,
            notes,
            open: true,
            permits: Vec::new(),
            _in_flight: in_flight,
        }
    }

    /// When the exchange began.
    pub fn time(&self) -> Timestamp {
        self.record.time
    }

    /// How it came.
    pub fn arrived(&mut self, method: &Method, version: http::Version, tls: Option<TlsVersion>) {
        self.record.method = MethodLabel::from(method);
        self.record.protocol =
            if version == http::Version::HTTP_2 { Protocol::Http2 } else { Protocol::Http1 };
        self.record.tls = tls;
    }

    /// From whom.
    pub fn client(&mut self, address: IpAddr) {
        let mode = self.view.snapshot().policy.gateway.journal.address;
        self.record.client = Some(self.view.pseudonyms().address(address, mode, self.record.time));
    }

    /// Which route took it, by which of its templates.
    pub fn route(&mut self, route: RouteId, template: usize) {
        self.record.route = Some(route);
        self.record.template = template as u16;
    }

    /// Who the caller is.
    pub fn caller(&mut self, identified: &Identified) {
        self.record.identity = Some(identified.outcome.as_str());
        self.record.provider = identified.provider;
        if let Outcome::Rejected(reason) = identified.outcome {
            self.record.identity_reason = Some(reason.as_str());
        }
        self.record.recipients = identified.caller.recipients.iter().copied().collect();
        self.recipient = identified.caller.recipients.first().copied();
        if let Some(subject) = &identified.caller.subject {
            self.record.subject = Some(self.view.pseudonyms().subject(subject.expose(), self.record.time));
        }
    }

    /// Holds places that quotas gave it, until it is over: the account goes with the last byte, whatever the way out.
    pub fn hold(&mut self, mut permits: Vec<Permit>) {
        self.permits.append(&mut permits);
    }

    /// The quota that refused it.
    pub fn over_quota(&mut self, quota: QuotaId) {
        self.record.quota = Some(quota);
    }

    /// Quotas in shadow mode that would have refused it.
    pub fn shadowed(&mut self, quotas: QuotaBits) {
        self.record.shadow_quotas = quotas.0;
    }

    /// Whether the sources of the caller's relations answered.
    pub fn relations(&mut self, worst: Lookup) {
        self.record.relations = Some(worst.as_str());
    }

    /// Where it was sent, and how long the answer's head took.
    pub fn forwarded(&mut self, upstream: UpstreamId, endpoint: usize, took: Duration) {
        self.record.decision = Decision::Forwarded;
        self.record.upstream = Some(upstream);
        self.record.endpoint = u16::try_from(endpoint).ok();
        self.record.upstream_duration = Some(took);
    }

    /// The upstream that was tried in vain.
    pub fn tried(&mut self, upstream: UpstreamId) {
        self.record.upstream = Some(upstream);
    }

    /// The connection became a tunnel.
    pub fn upgraded(&mut self) {
        self.record.decision = Decision::Upgraded;
    }

    /// Cookies dropped.
    pub fn cookies(&mut self, direction: Direction, dropped: usize) {
        let dropped = u32::try_from(dropped).unwrap_or(u32::MAX);
        match direction {
            Direction::Request => self.record.cookies_dropped_request = dropped,
            Direction::Response => self.record.cookies_dropped_response = dropped,
        }
    }

    /// The status that leaves.
    pub fn status(&mut self, status: StatusCode) {
        self.record.status = status.as_u16();
    }

    /// The gateway answers by itself.
    pub fn refused(&mut self, error: &ExchangeError, throttled: Option<Scope>) {
        self.record.decision = match error {
            ExchangeError::ToHttps { .. } => Decision::Redirected,
            ExchangeError::Throttled { .. } => Decision::Throttled(throttled.unwrap_or(Scope::Address)),
            ExchangeError::OverQuota { .. } => Decision::Throttled(throttled.unwrap_or(Scope::Quota)),
            ExchangeError::Upstream(kind) => Decision::UpstreamFailed(kind.label()),
            ExchangeError::Unreadable(reason) => Decision::Unreadable(reason.as_str()),
            other => Decision::Refused(other.reason()),
        };
        match error {
            ExchangeError::Unreadable(reason) => self.metrics().redaction_refused(reason.as_str()),
            ExchangeError::ToHttps { .. } => return,
            _ => {}
        }
        telemetry::request_refused(error.reason());
    }

    /// A body that had begun to leave was found unreadable.
    pub fn unreadable(&mut self, reason: Unreadable) {
        self.record.decision = Decision::Unreadable(reason.as_str());
        self.metrics().redaction_refused(reason.as_str());
    }

    /// Body bytes sent to the client.
    pub fn sent(&mut self, bytes: usize) {
        self.record.bytes_out += bytes as u64;
    }

    /// Body bytes received, where no [`Notes`] count them (tunnels).
    pub fn received(&mut self, bytes: u64) {
        self.record.bytes_in += bytes;
    }

    /// What the redactor did.
    pub fn tally(&mut self, tally: &Tally) {
        let counts = tally.by_category.iter().zip(0u8..);
        self.record.redacted = counts
            .filter(|(count, _)| **count > 0)
            .map(|(count, place)| (CategoryId(place), *count))
            .collect();
        self.record.unknown_fields = tally.unknown;
        self.record.unknown_places = tally.places().to_vec();
    }

    /// The body was cut.
    pub fn cut(&mut self, how: Termination) {
        self.record.termination = how;
        self.finish();
    }

    /// The body is over: all of it was sent, or nobody waits for the rest.
    pub fn close(&mut self, complete: bool) {
        if self.open {
            self.record.termination = if complete { Termination::Complete } else { Termination::ClientGone };
            self.finish();
        }
    }

    fn metrics(&self) -> &telemetry::RouteMetrics {
        self.view.route_metrics(self.record.route)
    }

    /// Writes the record, once.
    fn finish(&mut self) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.permits.clear();
        let duration = self.started.elapsed();
        let record = &mut self.record;
        record.duration = duration;
        record.bytes_in += self.notes.received.get();
        if record.decision == Decision::Refused(RefusalReason::Internal) && record.status == 0 {
            // Nobody decided anything: the client left first.
            record.decision = Decision::Abandoned;
        }
        let metrics = self.view.route_metrics(record.route);
        metrics.request(record.method, record.status, self.recipient, duration);
        if let Some(recipient) = self.recipient {
            for (category, count) in &record.redacted {
                metrics.redacted(recipient, *category, *count);
            }
        }
        if record.unknown_fields > 0 {
            metrics.unknown_fields(record.unknown_fields);
        }
        for (direction, dropped) in [
            (Direction::Request, record.cookies_dropped_request),
            (Direction::Response, record.cookies_dropped_response),
        ] {
            if dropped > 0 {
                metrics.cookies_dropped(direction, dropped);
            }
        }
        let redacted = std::mem::take(&mut record.redacted);
        let unknown_places = std::mem::take(&mut record.unknown_places);
        self.journal.record_now(Record { redacted, unknown_places, ..record.clone() });
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close(false);
    }
}
