//! The sending of one request: a place, an address, a connection, and what is tried when one of them fails.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

use super::{
    UpstreamBody, UpstreamError,
    body::{self, Lease},
    choice::{Dice, choose},
    connection::{Connection, Unanswered},
    deadline::Deadlines,
    fleet::Fleet,
    framing::{copy_if_safe, has_one_framing, is_bounded},
    held::Held,
    member::{Attempt, Live, Member},
};
use crate::{
    policy::set::{Priority, Retries, UpstreamId},
    telemetry::RetryCause,
};

/// How often a request is sent on shared connections that refuse it or end.
const REFUSALS: u32 = 3;

/// The upstreams of one policy snapshot, as one worker sees them.
pub struct Upstreams<B> {
    upstreams: Vec<Rc<Live<B>>>,
    deadlines: Deadlines,
    dice: Dice,
}

/// Which part of what the whole process may do is a worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerShare {
    /// Which worker, from 0.
    pub index: usize,
    /// How many there are.
    pub workers: usize,
}

/// How a request is sent.
pub struct Terms<'a> {
    /// Runs from the last `activity`: the client's body may be long.
    pub response_timeout: Duration,
    /// Whether that time is the policy's: whoever is in time for it, but not for a client, has not failed.
    pub is_patient: bool,
    /// How long the response body may stand still.
    pub progress: Duration,
    /// When something of the request's body last came.
    pub activity: &'a Cell<Instant>,
    /// Whether all of the request's body was given away.
    pub sent: &'a Cell<bool>,
    /// Who goes first where places are few.
    pub priority: Priority,
    /// What prefers an endpoint: the hash of a cookie.
    pub affinity: Option<u64>,
}

/// A response head with where it came from.
pub struct Sent<B> {
    /// The response.
    pub response: Response<UpstreamBody<B>>,
    /// Place of the endpoint in its upstream.
    pub endpoint: usize,
    /// Whether the connection had carried another exchange before.
    pub reused: bool,
}

impl<B> Upstreams<B>
where
    B: Body<Data = Bytes> + Default + From<Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The upstreams of a policy; addresses that did not change keep their connections, and those that are gone lose them
    /// when their exchanges are over.
    pub fn build(fleet: &Fleet, previous: Option<&Self>, deadlines: Deadlines, worker: WorkerShare) -> Self {
        let now = Instant::now();
        let before = previous.map(|all| all.upstreams.as_slice()).unwrap_or_default();
        let upstreams: Vec<Rc<Live<B>>> = fleet
            .groups()
            .iter()
            .map(|group| {
                let name = &group.upstream().name;
                let previous = before.iter().find(|live| live.upstream().name == *name);
                Rc::new(Live::build(group, worker, previous.map(Rc::as_ref), now))
            })
            .collect();
        for gone in before {
            if !upstreams.iter().any(|live| live.upstream().name == gone.upstream().name) {
                gone.retire();
            }
        }
        Self { upstreams, deadlines, dice: Dice::new() }
    }

    /// The deadlines of this worker.
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Takes up changes of addresses where no request does: connections to those that are gone are closed.
    pub fn tend(&self) {
        for live in &self.upstreams {
            live.members();
        }
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// A request is sent a second time only if nothing of it was processed, or if it may be (RFC 9110 9.2.2) and has no body.
    ///
    /// # Errors
    /// [`UpstreamError`]; nothing was forwarded to the client then.
    pub async fn send(
        &self,
        id: UpstreamId,
        request: Request<B>,
        terms: &Terms<'_>,
    ) -> Result<Sent<B>, UpstreamError> {
        let live = &self.upstreams[usize::from(id.0)];
        let begun = Instant::now();
        let place = match &live.admission {
            None => None,
            Some(admission) => Some(
                admission.enter(terms.priority, &self.deadlines).await.map_err(|_| UpstreamError::Full)?,
            ),
        };
        // Clocks are read as seldom as may be: only who waited for a place begins later.
        let began = if place.is_some() { Instant::now() } else { begun };
        let limit = live.upstream().resilience.timeout;
        let answered = match limit {
            None => self.answer(live, request, terms, began).await?,
            Some(limit) => {
                let left = limit.saturating_sub(begun.elapsed());
                let answer = self.answer(live, request, terms, began);
                Box::pin(self.deadlines.within(left, answer))
                    .await
                    .unwrap_or(Err(UpstreamError::ExchangeTimeout))?
            }
        };
        let Answered { response, attempt, lease, reused } = answered;
        let endpoint = attempt.member.origin;
        let is_to_blame = terms.sent.get();
        let end = limit.map(|limit| Box::new((begun + limit, self.deadlines.timer())));
        let response = response.map(|incoming| {
            let received = body::UpstreamBody::new(incoming, lease, self.deadlines.timer(), terms.progress);
            UpstreamBody::new(received, Held { attempt, is_to_blame, _place: place }, end)
        });
        Ok(Sent { response, endpoint, reused })
    }

    /// Asks one address after the other until one answers, or until there is a reason not to.
    async fn answer(
        &self,
        live: &Rc<Live<B>>,
        mut request: Request<B>,
        terms: &Terms<'_>,
        began: Instant,
    ) -> Result<Answered<B>, UpstreamError> {
        let upstream = live.upstream();
        let retries = upstream.resilience.retries.as_ref();
        let mut members = live.members();
        if members.is_empty() {
            members = Box::pin(self.resolved(live)).await?;
        }
        let mut course = Course { tried: Vec::new(), sent: 0, refusals: 0, fresh: false, began };
        let mut now = began;
        if members.len() > 1 {
            // Who is alone is never asked for anything that costs.
            live.budget.request(now);
        }
        loop {
            let place = choose(&members, &course.tried, terms.affinity, &self.dice, now)
                .ok_or(UpstreamError::Unreachable)?;
            let member = &members[place];
            let others = members.len() - course.tried.len() > 1;
            let (mut connection, reused) = match self.connect(live, member, &request, course.fresh).await {
                Ok(connected) => connected,
                Err(error) => {
                    let in_time = course.began.elapsed() < terms.response_timeout;
                    if !(others && in_time && retries.is_some_and(|terms| terms.connect)) {
                        return Err(error);
                    }
                    live.metrics.retried(RetryCause::Connect);
                    course.tried.push(place);
                    now = Instant::now();
                    continue;
                }
            };
            let keep = connection.prepare(&mut request);
            let is_shared = matches!(connection, Connection::Http2(_));
            let again = (reused && !course.fresh || others && retries.is_some())
                .then(|| copy_if_safe(&request))
                .flatten();
            let again_is_safe = again.as_ref().is_some_and(|request| request.method().is_safe());
            // The time of a body is its client's: no endpoint is blamed for it.
            let has_body = !request.body().is_end_stream();
            let attempt = Attempt::new(live, member);
            let began = Instant::now();
            terms.activity.set(began);
            course.sent += 1;
            let (limit, is_try) = course.limit(terms, retries.filter(|_| others && again_is_safe));
            let answer = connection.send(request);
            let answer = self.deadlines.within_last(limit, terms.activity, answer).await;
            now = Instant::now();
            let took = now.saturating_duration_since(began);
            let (cause, copy) = match answer {
                Ok(Ok(response))
                    if !has_one_framing(response.headers()) || !is_bounded(response.headers()) =>
                {
                    live.failed(member, took, now);
                    return Err(UpstreamError::Broken);
                }
                Ok(Ok(response)) => {
                    live.answered(member, response.status(), took, now);
                    let unavailable = response.status() == StatusCode::SERVICE_UNAVAILABLE
                        && again_is_safe
                        && retries.is_some_and(|terms| terms.unavailable);
                    match again {
                        Some(copy)
                            if unavailable && self.may_retry(live, &course, others, retries, |_| true) =>
                        {
                            (RetryCause::Unavailable, copy)
                        }
                        _ => {
                            // Who answers before the request is over may take the rest of it for the next one.
                            let keep = keep && (is_shared || terms.sent.get());
                            let lease =
                                keep.then(|| Lease { pool: Rc::clone(&member.site.pool), connection });
                            return Ok(Answered { response, attempt, lease, reused });
                        }
                    }
                }
                Err(_) => {
                    if !has_body && (is_try || terms.is_patient) {
                        live.failed(member, took, now);
                    }
                    match again {
                        Some(copy)
                            if is_try && self.may_retry(live, &course, others, retries, |it| it.timeout) =>
                        {
                            (RetryCause::Timeout, copy)
                        }
                        _ => return Err(UpstreamError::ResponseTimeout),
                    }
                }
                Ok(Err(Unanswered { by_body: true, unsent: None })) if again.is_none() => {
                    return Err(UpstreamError::RequestBody);
                }
                Ok(Err(Unanswered { unsent, .. })) => {
                    let was_unsent = unsent.is_some();
                    let Some(copy) = unsent.or(again) else {
                        // Who did not get all of a request may have had a reason.
                        if !reused && terms.sent.get() {
                            live.failed(member, took, now);
                        }
                        return Err(UpstreamError::Broken);
                    };
                    // A connection that had waited may have been closed meanwhile. That is nobody's failure and costs no budget;
                    // but whoever closes one closes many, so that the next one is a new one. A shared one is closed to many at
                    // a time, and an endpoint may refuse one stream after the other.
                    course.refusals += u32::from(is_shared);
                    let is_stale = match is_shared {
                        true => course.refusals < REFUSALS && (reused || was_unsent),
                        false => reused && !course.fresh,
                    };
                    if is_stale {
                        course.fresh = !is_shared;
                        live.metrics.retried(RetryCause::Stale);
                        request = copy;
                        continue;
                    }
                    live.failed(member, took, now);
                    if !self.may_retry(live, &course, others, retries, |terms| terms.reset) {
                        return Err(UpstreamError::Broken);
                    }
                    (RetryCause::Reset, copy)
                }
            };
            live.metrics.retried(cause);
            course.tried.push(place);
            request = copy;
        }
    }

    /// Whether the request may be sent to another address. If so, it is counted.
    fn may_retry(
        &self,
        live: &Live<B>,
        course: &Course,
        others: bool,
        retries: Option<&Retries>,
        wanted: impl Fn(&Retries) -> bool,
    ) -> bool {
        let Some(terms) = retries.filter(|terms| others && wanted(terms) && course.sent < terms.attempts)
        else {
            return false;
        };
        let granted = live.budget.spend(terms, Instant::now());
        if !granted {
            live.metrics.retry_refused();
        }
        granted
    }

    /// An idle connection to an address, or a new one.
    async fn connect(
        &self,
        live: &Live<B>,
        member: &Member<B>,
        request: &Request<B>,
        fresh: bool,
    ) -> Result<(Connection<B>, bool), UpstreamError> {
        let pool = &member.site.pool;
        if !fresh && let Some(connection) = pool.take(request).await {
            return Ok((connection, true));
        }
        let began = Instant::now();
        // In a box: it is seldom needed, and every request would carry room for it.
        let opened = Box::pin(pool.open(request));
        let error = match self.deadlines.within(live.upstream().connect_timeout, opened).await {
            Ok(Ok(connection)) => return Ok((connection, false)),
            Ok(Err(error)) => error,
            Err(_) => UpstreamError::ConnectTimeout,
        };
        let now = Instant::now();
        member.site.instance.standing.avoid(now);
        live.failed(member, now.saturating_duration_since(began), now);
        Err(error)
    }

    /// The addresses of an upstream of which none was known yet.
    async fn resolved(&self, live: &Live<B>) -> Result<Rc<[Member<B>]>, UpstreamError> {
        let wait = async {
            loop {
                let mut told = std::pin::pin!(live.group.resolved.notified());
                // Before they are looked at: what comes between is not missed.
                told.as_mut().enable();
                let members = live.members();
                if !members.is_empty() || !live.group.is_pending() {
                    return members;
                }
                told.await;
            }
        };
        match self.deadlines.within(live.upstream().connect_timeout, wait).await {
            Ok(members) if members.is_empty() => Err(UpstreamError::Unreachable),
            Ok(members) => Ok(members),
            Err(_) => Err(UpstreamError::ConnectTimeout),
        }
    }
}

/// What was tried for one request.
struct Course {
    /// Places of the addresses that failed it.
    tried: Vec<usize>,
    /// How often it was sent.
    sent: u32,
    /// How often shared connections did not answer it.
    refusals: u32,
    /// Whether connections that wait are left out.
    fresh: bool,
    began: Instant,
}

impl Course {
    /// How long the present attempt may take: all together no longer than one may. The flag says that another one may follow.
    fn limit(&self, terms: &Terms<'_>, retries: Option<&Retries>) -> (Duration, bool) {
        let all = match self.sent {
            0 | 1 => terms.response_timeout,
            _ => terms.response_timeout.saturating_sub(self.began.elapsed()),
        };
        match retries.and_then(|terms| terms.try_timeout) {
            Some(one) if one < all => (one, true),
            _ => (all, false),
        }
    }
}

/// A head with what its exchange holds.
struct Answered<B> {
    response: Response<Incoming>,
    attempt: Attempt<B>,
    lease: Option<Lease<B>>,
    reused: bool,
}

#[cfg(test)]
mod tests;
