//! One exchange from start to finish. The order of the steps is the protection: read it here.
//!
//! Tower carries what is generic around this (concurrency, load shedding: `server`); the privacy steps are a plain sequence.

use std::{rc::Rc, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request::Parts};
use http_body::Body as _;

use super::{
    audience,
    body::{Body, Content, Replay},
    caching::{self, Tags},
    canonical,
    connection::{Connection, Upload},
    cookies, forward,
    forwarded::{self, ClientAddress, Forwarding},
    graphql, grpc,
    head::{self, Target},
    hops::{self, Left, Unclear},
    identify,
    ledger::Ledger,
    misdirected::is_misdirected,
    payload::{Failure, Notes, Payload},
    personal::{Asked, Reader},
    quota::Turnstile,
    respond::{self, ExchangeError, Unreadable},
    route::Found,
    sign_in::{Guess, Refusal, Settled, Tried},
    snapshot::Snapshot,
    socket::Reading,
    tunnel::{Tunnel, Wish},
    way_back::{self, WayBack},
    worker::{Gateway, View},
};
use crate::{
    identity::{Caller, Credentials},
    limit::{Passage, Submission},
    policy::set::{RelaxedPaths, RoutePolicy, WebSocket},
    redact::{Audience, Denied, Sender},
    telemetry::{self, Direction, PriorityLabel, RefusalReason, Scope, ShedReason},
    upstream::UpstreamError,
};

impl Gateway {
    /// Answers one request; whatever happens is recorded.
    pub async fn handle(&self, connection: Rc<Connection>, request: Request<Upload>) -> Response<Body> {
        // A full journal slows requests; no record is lost.
        self.journal.ready().await;
        let view = self.view();
        let notes = Rc::new(Notes::default());
        let mut ledger =
            Box::new(Ledger::open(&view, &self.journal, self.metrics.begin(), Rc::clone(&notes)));
        ledger.arrived(request.method(), request.version(), connection.tls);
        let is_head = *request.method() == Method::HEAD;
        let is_grpc = grpc::is_call(&request);

        let mut exchange = Exchange { view: &view, connection: &connection, notes, throttled: None, is_grpc };
        let mut response = match exchange.run(request, &mut ledger).await {
            Ok(Answer::Response(response)) => response.map(|content| Body::new(content, Some(ledger))),
            Ok(Answer::Tunnel { response, tunnel }) => {
                ledger.status(response.status());
                ledger.upgraded();
                tokio::task::spawn_local(tunnel.run(Rc::clone(&connection), ledger));
                response.map(|()| Body::new(Content::empty(), None))
            }
            Err(error) => {
                ledger.refused(&error, exchange.throttled);
                if is_grpc { refuse_call(&error, ledger) } else { refuse(&error, is_head, ledger) }
            }
        };
        if connection.tls.is_some() {
            response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, view.snapshot().hsts.clone());
        }
        response
    }

    /// The answer when there is too much work: `server` sheds before [`Gateway::handle`] sees the request.
    pub fn overloaded(&self) -> Response<Body> {
        telemetry::request_shed(ShedReason::Exchanges, PriorityLabel::Unknown);
        if !self.journal.has_room() {
            // Nobody waits here, and records without bound would be what is short next: the counter has to do.
            let response = ExchangeError::Overloaded.response();
            return response.map(|bytes| Body::new(Content::Whole(bytes), None));
        }
        let mut ledger =
            Box::new(Ledger::open(&self.view(), &self.journal, self.metrics.begin(), Rc::default()));
        ledger.refused(&ExchangeError::Overloaded, None);
        refuse(&ExchangeError::Overloaded, false, ledger)
    }
}

/// The gateway's own answer.
fn refuse(error: &ExchangeError, is_head: bool, mut ledger: Box<Ledger>) -> Response<Body> {
    let mut response = error.response();
    ledger.status(response.status());
    if error.closes_connection() {
        // RFC 9112 9.6; HTTP/2 has no such field and hyper leaves it out there.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let length = response.body().len();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response.map(|bytes| Body::new(Content::Whole(if is_head { Bytes::new() } else { bytes }), Some(ledger)))
}

/// The same to a call of gRPC. What is recorded is the status that it stands for.
fn refuse_call(error: &ExchangeError, mut ledger: Box<Ledger>) -> Response<Body> {
    ledger.status(error.status());
    grpc::refusal(error).map(|bytes| Body::new(Content::Whole(bytes), Some(ledger)))
}

/// What comes of an exchange.
enum Answer {
    Response(Response<Content>),
    Tunnel { response: Response<()>, tunnel: Tunnel },
}

/// What is known of a request before it is changed.
struct Arrival<'a> {
    head: &'a Parts,
    target: &'a Target,
    client: &'a ClientAddress,
    jar: &'a [cookies::Pair<'a>],
    caller: &'a Caller,
}

/// One exchange under way.
struct Exchange<'a> {
    view: &'a Rc<View>,
    connection: &'a Connection,
    notes: Rc<Notes>,
    throttled: Option<Scope>,
    /// Whether it is a call of gRPC.
    is_grpc: bool,
}

impl Exchange<'_> {
    async fn run(
        &mut self,
        mut request: Request<Upload>,
        ledger: &mut Ledger,
    ) -> Result<Answer, ExchangeError> {
        let view = self.view;
        let snapshot: &Snapshot = view.snapshot();
        let policy = &snapshot.policy;
        let wish = Wish::of(&mut request);
        let (mut head, upload) = request.into_parts();

        // 1. accept: done by `server`.

        // 2. canonicalise: one reading of the head, the client's address from the right of the trusted hops.
        let client =
            forwarded::client_address(self.connection.peer, &policy.gateway.trusted_proxies, &head.headers);
        ledger.client(client.address);
        let mut target = head::read(&head, &policy.gateway.limits)?;
        self.check_way(snapshot, &head.headers, &target)?;

        // 3. route.
        let (route, template) = self.route(snapshot, &head, &target, ledger)?;
        if self.connection.tls.is_none() && !route.matches.plain_http {
            return Err(self.to_https(snapshot, &target)?);
        }
        // Too much work: before anything is done that costs more than this answer, and the less important first.
        if let Some(reason) = self.connection.pressure().sheds(route.priority) {
            telemetry::request_shed(reason, route.priority.into());
            return Err(ExchangeError::Overloaded);
        }
        match hops::step(&head.method, &mut head.headers) {
            Ok(Left::Way) => {}
            Ok(Left::Nothing) => {
                let allow = snapshot.router.methods(&target.host.host, target.resource.path());
                return Err(ExchangeError::LastHop { allow });
            }
            Err(Unclear) => return Err(ExchangeError::BadRequest(RefusalReason::Malformed)),
        }
        let wish = wish.map(|wish| wish.on(route.websocket)).transpose()?.flatten();
        let place = match wish.as_ref().is_some_and(Wish::is_a_stream) {
            true => Some(self.connection.pressure().tunnel().ok_or(ExchangeError::Overloaded)?),
            false => None,
        };

        // 4. meter: what is counted by address or header is counted before anybody is asked who the caller is.
        let mut passage = Passage::default();
        if !route.quotas.is_empty() {
            self.meter(route, &head.headers, &client, None, &mut passage, ledger).await?;
        }

        // 5. identify: nobody is asked where nothing depends on the answer. What is counted by the caller comes behind.
        let jar = cookies::parse_cookie_headers(&head.headers).map_err(|_| ExchangeError::HeadersTooLarge)?;
        let recall = self.connection.recall();
        let credentials = Credentials { headers: &head.headers, cookies: &jar, recall };
        let caller = identify::caller(view, route, &credentials, &target.host_field, ledger).await?;
        if !route.quotas.is_empty() {
            self.meter(route, &head.headers, &client, Some(&caller), &mut passage, ledger).await?;
        }

        // 6. protect the account: the guess is counted before the platform sees it.
        let upload = self.without_content(&head.method, upload).await?;
        let arrival = Arrival { head: &head, target: &target, client: &client, jar: &jar, caller: &caller };
        let (payload, guess) = self.protect(snapshot, route, &arrival, ledger.time().into(), upload).await?;

        // 7. judge the way back: nobody filters by, changes or sends back what they may not see; tokens become values.
        //    On routes of GraphQL the request is read for everybody: its answer has the names that it chose.
        let audience = Arc::new(audience::of(snapshot, caller, ledger.time()));
        if snapshot.plan(route.id).is_some()
            && grpc::is_unreadable(&head.method, &head.headers)
            && !audience::sees_all(snapshot, route, &audience)
        {
            return Err(Denied::Unreadable.into());
        }
        let most = route.body_bytes.unwrap_or(policy.gateway.limits.body_bytes);
        let (payload, graphql) = if graphql::is_spoken(route) {
            let most = if route.body_bytes.is_some() { most } else { most.min(way_back::JUDGED) };
            Box::pin(graphql::read(route, &head, &target, payload, most)).await?
        } else {
            (payload, None)
        };
        let (payload, rewritten) = match snapshot.requests(route.id) {
            // Who sees everything of anybody is given no stand-in and no token.
            Some(plan) if !plan.is_open(&audience.sees) => {
                let sender = Sender { audience: &audience, key: &snapshot.pseudonym_key };
                let way_back = WayBack {
                    route,
                    template,
                    plan,
                    sender,
                    most,
                    graphql: graphql.as_ref().map(|request| &request.graphql),
                };
                Box::pin(way_back.judge(&head.headers, &mut target, payload)).await?
            }
            _ => (payload, None),
        };

        // 8. clean the request.
        let tag = || view.view_tag(route.id, &audience, || audience::view_tag(snapshot, route, &audience));
        let reader = Reader {
            data: &route.personal_data,
            plan: snapshot.plan(route.id),
            audience: &audience,
            key: &snapshot.pseudonym_key,
            tags: Tags { key: &snapshot.tag_key, view: &tag },
            cap: policy.gateway.limits.decoded_bytes,
            credentials: &snapshot.credentials,
            answers: graphql.map(|request| request.answers()),
        };
        let accept_encoding = accept_encoding(&head.headers);
        let before = (!head.method.is_safe()).then(|| head.headers.clone());
        let kept = cookies::filter_request(&policy.charter.cookies, &jar);
        ledger.cookies(Direction::Request, kept.dropped);
        self.clean_request(&mut head, &target, &client, kept.field)?;
        if let Some(length) = rewritten {
            way_back::describe_anew(&mut head.headers, length);
        }
        let revalidates = reader.prepare(&mut head.headers);
        if let Some(wish) = &wish {
            wish.ask(&mut head.headers, route.websocket)?;
        }

        // 9. forward.
        let response =
            forward::Onward { view, route, target: &target, notes: &self.notes, is_grpc: self.is_grpc }
                .send(&mut head, payload, ledger)
                .await?;
        let mut response = response.map(Replay::new);
        let status = response.status();
        let mut settled = Settled::default();
        if let Some(guess) = guess {
            let (head, mut body) = response.into_parts();
            let cap = policy.gateway.limits.decoded_bytes;
            settled = Box::pin(guess.settle(status, &head.headers, &mut body, cap)).await;
            response = Response::from_parts(head, body);
        }
        let granted = wish.as_ref().map(|wish| wish.is_granted(status, response.headers(), route.websocket));

        // 10. clean the response's head, and say what is left of the quotas.
        // Free text, which nobody needs (RFC 9112 4).
        response.extensions_mut().remove::<hyper::ext::ReasonPhrase>();
        let session_changed = self.clean_response(snapshot, response.headers_mut(), ledger);
        for (name, value) in passage.headers() {
            response.headers_mut().append(name, value);
        }
        if let Some(headers) = before.filter(|_| session_changed || route.authentication.is_some()) {
            // They were parsed before.
            let jar = cookies::parse_cookie_headers(&headers).unwrap_or_default();
            let credentials = Credentials { headers: &headers, cookies: &jar, recall };
            snapshot.identity.forget(policy, &route.identity, &credentials);
        }
        if let Some(mut uniform) = settled.uniform {
            for (name, value) in passage.headers() {
                uniform.headers_mut().append(name, value);
            }
            ledger.status(uniform.status());
            let is_head = head.method == Method::HEAD;
            return Ok(Answer::Response(uniform.map(|it| if is_head { Content::empty() } else { it })));
        }
        let granted = granted.transpose()?.unwrap_or_default();
        if granted && let Some(wish) = wish {
            let upstream = hyper::upgrade::on(&mut response);
            let reading = self.reading(snapshot, route, &audience);
            let mut response = response.map(drop);
            reader.withhold(response.headers_mut());
            wish.grant(&mut response);
            let timeouts = policy.gateway.timeouts;
            let deadlines = view.upstreams.deadlines().clone();
            let quiet = timeouts.idle.max(timeouts.body);
            let tunnel = Tunnel { wish, upstream, reading, deadlines, quiet, _place: place };
            return Ok(Answer::Tunnel { response, tunnel });
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            // Only what was asked for is a tunnel (Pingora CVE-2026-2833).
            return Err(UpstreamError::Broken.into());
        }

        // 11. redact the body.
        let (mut head_out, body) = response.into_parts();
        // The gateway's own, not the platform's (RFC 9110 2.5): a body of HTTP/1.0 may end by the end of the connection, which
        // looks the same where it was cut.
        head_out.version = Version::HTTP_11;
        let asked = Asked {
            method: &head.method,
            query: target.resource.query(),
            accept_encoding: &accept_encoding,
            revalidates,
        };
        if status == StatusCode::NO_CONTENT {
            // RFC 9110 8.6.
            head_out.headers.remove(header::CONTENT_LENGTH);
        }
        let (mut content, tally) = match reader.read(&asked, status, &mut head_out.headers, body).await {
            // Its status and fields say enough; the page that came with them cannot be judged and stays here.
            Err(reason @ Unreadable::MediaType) if !status.is_success() => {
                ledger.unreadable(reason);
                (respond::stand_in(status, &mut head_out.headers), None)
            }
            read => read?,
        };
        if let Some(tally) = tally {
            ledger.tally(&tally);
        }
        if status == StatusCode::RESET_CONTENT {
            // RFC 9110 15.3.6: whatever the platform sent with it is no content.
            caching::forget_representation(&mut head_out.headers);
            content = Content::empty();
        }
        if let Content::Whole(bytes) = &content {
            head_out.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }

        if let Some(cookie) = settled.cookie.filter(|_| self.connection.tls.is_some()) {
            head_out.headers.append(header::SET_COOKIE, cookie);
        }

        // 12. record: the ledger goes with the body and is closed behind its last byte.
        ledger.status(status);
        Ok(Answer::Response(Response::from_parts(head_out, content)))
    }

    /// Whether the request is on its way, and not on that of another site or in a circle.
    fn check_way(
        &self,
        snapshot: &Snapshot,
        headers: &HeaderMap,
        target: &Target,
    ) -> Result<(), ExchangeError> {
        if hops::has_looped(headers) {
            return Err(ExchangeError::Loop);
        }
        let gateway = &snapshot.policy.gateway;
        // A proxy in front may have one name for all sites.
        let is_proxy = || gateway.trusted_proxies.iter().any(|net| net.contains(&self.connection.peer.ip()));
        if let Some(name) = &self.connection.server_name
            && is_misdirected(&gateway.certificates, name, &target.host.host)
            && !is_proxy()
        {
            return Err(ExchangeError::Misdirected);
        }
        Ok(())
    }

    /// The route of a target and which of its templates, if its path needs nothing that the route does not relax.
    fn route<'s>(
        &self,
        snapshot: &'s Snapshot,
        head: &Parts,
        target: &Target,
        ledger: &mut Ledger,
    ) -> Result<(&'s RoutePolicy, usize), ExchangeError> {
        let ambiguous = |_| ExchangeError::BadRequest(RefusalReason::AmbiguousPath);
        match snapshot.router.find(&target.host.host, target.resource.path(), &head.method) {
            Found::Route(id, template) => {
                let route = snapshot.policy.routes.get(usize::from(id.0)).ok_or(ExchangeError::NoRoute)?;
                ledger.route(id, template);
                canonical::accept(target.needs, route.relaxed_paths).map_err(ambiguous)?;
                Ok((route, template))
            }
            found => {
                canonical::accept(target.needs, RelaxedPaths::default()).map_err(ambiguous)?;
                match found {
                    Found::OtherMethods(allow) => Err(ExchangeError::MethodNotAllowed { allow }),
                    _ => Err(ExchangeError::NoRoute),
                }
            }
        }
    }

    /// The same target over TLS. Only hosts that a route names get here, so that this is no open redirect.
    fn to_https(&self, snapshot: &Snapshot, target: &Target) -> Result<ExchangeError, ExchangeError> {
        let port = match snapshot.policy.gateway.listen.public_https_port {
            443 => String::new(),
            port => format!(":{port}"),
        };
        let location = format!("https://{}{port}{}", target.host.host, target.resource);
        let location = HeaderValue::try_from(location)
            .map_err(|_| ExchangeError::BadRequest(RefusalReason::AmbiguousPath))?;
        Ok(ExchangeError::ToHttps { location })
    }

    /// Counts the request for the quotas whose turn it is: without a caller, those that do not need one.
    async fn meter(
        &mut self,
        route: &RoutePolicy,
        headers: &HeaderMap,
        client: &ClientAddress,
        caller: Option<&Caller>,
        passage: &mut Passage,
        ledger: &mut Ledger,
    ) -> Result<(), ExchangeError> {
        let turnstile = Turnstile { view: self.view, route, address: client.address, headers };
        turnstile.pass(caller, passage, ledger).await.map_err(|(error, scope)| {
            self.throttled = Some(scope);
            error
        })
    }

    /// GET and HEAD have no content: in HTTP/1 the head says so already, in HTTP/2 only the end of the stream does.
    async fn without_content(&self, method: &Method, upload: Upload) -> Result<Upload, ExchangeError> {
        if upload.is_end_stream() || !matches!(*method, Method::GET | Method::HEAD) {
            return Ok(upload);
        }
        match Payload::read(upload, 0, Rc::clone(&self.notes)).await {
            Ok(_) => Ok(Upload::fixed(Bytes::new())),
            Err(Failure::TooLarge) => Err(ExchangeError::BadRequest(RefusalReason::Malformed)),
            Err(failure) => Err(failure.into()),
        }
    }

    /// How a WebSocket's messages are read; `None` where none has to be.
    fn reading(&self, snapshot: &Snapshot, route: &RoutePolicy, audience: &Arc<Audience>) -> Option<Reading> {
        let WebSocket::Read(bounds) = route.websocket else { return None };
        (!audience::sees_all(snapshot, route, audience)).then(|| Reading {
            view: Rc::clone(self.view),
            route: route.id,
            audience: Arc::clone(audience),
            bounds,
        })
    }

    /// On routes that check a credential, reads the body (bounded), and counts the guess before the platform sees it.
    async fn protect<'l>(
        &mut self,
        snapshot: &'l Snapshot,
        route: &'l RoutePolicy,
        arrival: &Arrival<'_>,
        now: SystemTime,
        upload: Upload,
    ) -> Result<(Payload, Option<Guess<'l>>), ExchangeError> {
        let most = route.body_bytes.unwrap_or(snapshot.policy.gateway.limits.body_bytes);
        let Some(authentication) = &route.authentication else {
            return Ok((Payload::stream(upload, most, Rc::clone(&self.notes))?, None));
        };
        let most = most.min(authentication.peek_bytes as u64);
        let body = Payload::read(upload, most, Rc::clone(&self.notes)).await?;
        let query = arrival.target.resource.query();
        let tried = Tried {
            submission: Submission { headers: &arrival.head.headers, query, body: &body },
            jar: arrival.jar,
            caller: arrival.caller,
            address: arrival.client.address,
            host: &arrival.target.host.host,
            now,
        };
        match Box::pin(tried.admit(snapshot, route, authentication)).await {
            Ok(guess) => Ok((Payload::whole(body), Some(guess))),
            Err(refusal) => {
                if let Refusal::Throttled(scope, _) = &refusal {
                    self.throttled = Some(*scope);
                    self.view.route_metrics(Some(route.id)).rate_limited(*scope);
                }
                Err(refusal.into())
            }
        }
    }

    /// Leaves in the request's head what the platform may see, in the form that was matched.
    fn clean_request(
        &self,
        head: &mut Parts,
        target: &Target,
        client: &ClientAddress,
        cookies: Option<HeaderValue>,
    ) -> Result<(), ExchangeError> {
        let forwarding = Forwarding {
            client,
            host: &target.host_field,
            port: target.host.port,
            tls: self.connection.tls.is_some(),
        };
        forwarded::clean_request(&mut head.headers, &forwarding)
            .map_err(|_| ExchangeError::BadRequest(RefusalReason::Malformed))?;
        hops::pass(&mut head.headers, head.version);
        match cookies {
            Some(cookies) => drop(head.headers.insert(header::COOKIE, cookies)),
            None => drop(head.headers.remove(header::COOKIE)),
        }
        Ok(())
    }

    /// Leaves in the response's head what may reach the client; says whether the caller's session changed.
    fn clean_response(&self, snapshot: &Snapshot, headers: &mut HeaderMap, ledger: &mut Ledger) -> bool {
        forwarded::clean_response(headers);
        let outcome =
            cookies::filter_response(&snapshot.policy.charter.cookies, headers, ledger.time().into());
        ledger.cookies(Direction::Response, outcome.dropped);
        outcome.session_changed
    }
}

/// What the client said about codings, before it is rewritten for the platform.
fn accept_encoding(headers: &HeaderMap) -> HeaderMap {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values.map(|value| (header::ACCEPT_ENCODING, value.clone())).collect()
}
