//! Deadlines: what a connection's notes mean, at one moment, under the policy's bounds.

use std::time::Duration;

use super::observe::{Deadline, Observe};
use crate::{
    gateway::connection::{Instant, Order, Phase, Tracker},
    policy::set::Timeouts,
};

/// How long a client that was answered early may go on sending before the connection is cut.
const LINGER: Duration = Duration::from_secs(5);

/// How long an HTTP/1 connection must have been idle before a drain closes it: a client about to send its next request
/// gets an answer with `Connection: close` instead of a reset. Whoever asks just then is lost all the same, and the longer a
/// client has been silent the less likely that is: with a second it was one request of 100,000 in a rolling restart.
const QUIET: Duration = Duration::from_secs(5);

/// How long a connection that was told to finish and has nothing under way may take where there is little room for others.
const CROWDED: Duration = Duration::from_secs(1);

/// What holds of connections now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    pub(super) timeouts: &'a Timeouts,
    /// Bytes a second of bodies, at least; 0 for any.
    pub(super) body_rate: u64,
    /// Whether there is little room for new connections.
    pub(super) crowded: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    /// Close in order, for a deadline or, without one, for the drain.
    Finish(Option<Deadline>),
    /// Close at once, for a deadline or because an order to finish was not followed.
    Abort(Option<Deadline>),
}

/// Judges a connection; its exchanges are judged by [`sweep_exchanges`].
pub(super) fn judge(tracker: &Tracker, now: Instant, bounds: &Bounds<'_>, closing: bool) -> Verdict {
    let Bounds { timeouts: bounds, body_rate, crowded } = *bounds;
    let patience = if crowded { CROWDED.min(bounds.handshake) } else { bounds.handshake };
    let progress = tracker.progress();
    let (phase, since) = progress.phase();
    let lasted = now.since(since);
    if tracker.is_tunnel() {
        let silent = now.since(progress.last_byte());
        return if silent > bounds.idle.max(bounds.body) {
            Verdict::Abort(Some(Deadline::Idle))
        } else {
            Verdict::Keep
        };
    }
    if tracker.order() == Order::Finish
        && tracker.exchanges() == 0
        // What is still on its way to the client is bounded below.
        && progress.blocked_since().is_none()
        && tracker.ordered_at().is_some_and(|at| now.since(at.max(since)) > patience)
    {
        return Verdict::Abort(None);
    }
    if progress.blocked_since().is_some_and(|since| now.since(since) > bounds.body)
        || progress.takes_too_little(body_rate, bounds.body)
    {
        return Verdict::Abort(Some(Deadline::ResponseBody));
    }
    // In the middle of a header block no other frame may come (RFC 9113 §6.10): the whole connection stands still.
    if progress.block_since().is_some_and(|since| now.since(since) > bounds.headers) {
        return Verdict::Abort(Some(Deadline::Headers));
    }
    match phase {
        Phase::Handshake if lasted > bounds.handshake => Verdict::Abort(Some(Deadline::Handshake)),
        Phase::Headers if lasted > bounds.headers => Verdict::Abort(Some(Deadline::Headers)),
        Phase::Linger if lasted > LINGER.min(bounds.body) => Verdict::Abort(None),
        Phase::Idle if tracker.order() >= Order::Finish => Verdict::Keep,
        Phase::Idle if lasted > bounds.idle => Verdict::Finish(Some(Deadline::Idle)),
        Phase::Idle if closing && lasted > QUIET.min(bounds.drain / 2) => Verdict::Finish(None),
        _ => Verdict::Keep,
    }
}

/// Judges one connection and its exchanges, and carries it out.
pub(super) fn sweep(
    tracker: &Tracker,
    now: Instant,
    bounds: &Bounds<'_>,
    closing: bool,
    observer: &dyn Observe,
) {
    let (order, deadline) = match judge(tracker, now, bounds, closing) {
        Verdict::Keep => return sweep_exchanges(tracker, now, bounds, observer),
        Verdict::Finish(deadline) => (Order::Finish, deadline),
        Verdict::Abort(deadline) => (Order::Abort, deadline),
    };
    if tracker.order() < order {
        if let Some(deadline) = deadline {
            observer.timed_out(deadline);
        }
        tracker.give(order);
    }
}

/// A request body that does not come fails for its reader, who answers `408`; an HTTP/2 answer that is not taken is reset.
/// (An HTTP/1 answer that is not taken blocks the stream, see [`judge`].)
///
/// The bodies that one connection brings share the minimum rate, as they share the line; and while the line itself takes
/// nothing, no stream is to blame.
fn sweep_exchanges(tracker: &Tracker, now: Instant, bounds: &Bounds<'_>, observer: &dyn Observe) {
    if tracker.progress().phase().0 != Phase::Exchange {
        return;
    }
    let line_is_full = tracker.progress().blocked_since().is_some();
    let mut awaited = 0;
    tracker.each_exchange(|exchange| awaited += u64::from(exchange.awaits_client()));
    let share = if awaited > 1 { bounds.body_rate.div_ceil(awaited) } else { bounds.body_rate };
    let window = bounds.timeouts.body;
    tracker.each_exchange(|exchange| {
        if exchange.starves(now, share, window) && exchange.expire() {
            observer.timed_out(Deadline::RequestBody);
        }
        if line_is_full {
            exchange.excuse(now);
        } else if exchange.is_stalled(now, bounds.body_rate, window) && exchange.reset() {
            observer.timed_out(Deadline::ResponseBody);
        }
    });
}

#[cfg(test)]
mod tests;
