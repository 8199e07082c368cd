//! Label values: closed sets, so that neither a metric, an event nor a journal record can carry free text.

/// Declares an enum whose every variant has one text.
macro_rules! labels {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $text:literal, )+ }
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub enum $name { $( $(#[$variant_doc])* $variant, )+ }

            impl $name {
                /// Every value, in the order of declaration.
                pub const ALL: &'static [Self] = &[$(Self::$variant),+];

                /// The text in metrics, events and the journal.
                pub const fn as_str(self) -> &'static str {
                    match self { $( Self::$variant => $text, )+ }
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.as_str())
                }
            }
        )+

        #[cfg(test)]
        const TEXTS: &[(&str, &[&str])] = &[$((stringify!($name), &[$($text),+])),+];
    };
}

labels! {
    /// Method of a request (RFC 9110, RFC 5789); what is not standard is `OTHER`, since a client chooses it.
    MethodLabel {
        /// RFC 9110 §9.3.1
        Get = "GET",
        /// RFC 9110 §9.3.2
        Head = "HEAD",
        /// RFC 9110 §9.3.3
        Post = "POST",
        /// RFC 9110 §9.3.4
        Put = "PUT",
        /// RFC 9110 §9.3.5
        Delete = "DELETE",
        /// RFC 9110 §9.3.6
        Connect = "CONNECT",
        /// RFC 9110 §9.3.7
        Options = "OPTIONS",
        /// RFC 9110 §9.3.8
        Trace = "TRACE",
        /// RFC 5789
        Patch = "PATCH",
        /// Any other.
        Other = "OTHER",
    }

    /// Version of HTTP that the client speaks.
    Protocol {
        /// HTTP/1.0 or 1.1.
        Http1 = "h1",
        /// HTTP/2.
        Http2 = "h2",
    }

    /// Version of TLS.
    TlsVersion {
        /// RFC 5246, with ECDHE and AEAD only.
        Tls12 = "1.2",
        /// RFC 8446.
        Tls13 = "1.3",
        /// The handshake ended before one was agreed on.
        None = "none",
    }

    /// How a handshake with a client ended.
    HandshakeOutcome {
        /// Done in full.
        Full = "full",
        /// Resumed from a ticket or a session.
        Resumed = "resumed",
        /// The client offered nothing acceptable, or broke the protocol.
        Failed = "failed",
        /// The client's certificate does not hold, or there is none where one is required.
        CertificateRefused = "certificate_refused",
        /// The client went away.
        Abandoned = "abandoned",
        /// The deadline passed, or the server stopped.
        TimedOut = "timed_out",
    }

    /// Why a client connection was closed before its first exchange.
    ConnectionRefusal {
        /// As many as `limits.connections` were open.
        Limit = "limit",
        /// Its address had as many as `limits.connections_per_address`.
        Address = "address",
        /// As many as `limits.handshakes`, or `limits.handshakes_per_address` of its address, were under way.
        Handshakes = "handshakes",
        /// The operating system had no descriptor or memory for it.
        Resources = "resources",
        /// It came to a listener of balancers from somewhere else.
        Untrusted = "untrusted",
        /// A balancer sent no PROXY header, or none that can be read.
        ProxyHeader = "proxy_header",
    }

    /// Which phase of a connection lasted too long.
    TimeoutPhase {
        /// TLS handshake.
        Handshake = "handshake",
        /// Header section of a request.
        Headers = "headers",
        /// Nothing asked.
        Idle = "idle",
        /// A request body that made no progress.
        RequestBody = "request_body",
        /// A response body that the client did not take.
        ResponseBody = "response_body",
    }

    /// Why a request was answered 503 before anything was done for it.
    ShedReason {
        /// As many as `limits.exchanges` were under way.
        Exchanges = "exchanges",
        /// Work that is ready waits longer than `timeouts.queue`.
        QueueTime = "queue_time",
    }

    /// What is given up first.
    PriorityLabel {
        /// First.
        Normal = "normal",
        /// Last.
        Critical = "critical",
        /// There were so many that nobody looked.
        Unknown = "unknown",
    }

    /// Of what an HTTP/2 client sent too many.
    Flood {
        /// PING.
        Ping = "ping",
        /// SETTINGS.
        Settings = "settings",
        /// PRIORITY.
        Priority = "priority",
        /// RST_STREAM: rapid reset.
        RstStream = "rst_stream",
        /// DATA without data.
        EmptyData = "empty_data",
        /// WINDOW_UPDATE.
        WindowUpdate = "window_update",
        /// HEADERS that become no exchange.
        RefusedHeaders = "refused_headers",
        /// Any other kind.
        Other = "other",
        /// CONTINUATION of one header block.
        Continuation = "continuation",
    }

    /// Why an HTTP/2 connection was ended (RFC 9113 §7).
    GoAwayCode {
        /// ENHANCE_YOUR_CALM: too much of something.
        EnhanceYourCalm = "enhance_your_calm",
        /// PROTOCOL_ERROR.
        ProtocolError = "protocol_error",
        /// FLOW_CONTROL_ERROR.
        FlowControlError = "flow_control_error",
        /// FRAME_SIZE_ERROR.
        FrameSizeError = "frame_size_error",
        /// COMPRESSION_ERROR: header fields that cannot be decoded.
        CompressionError = "compression_error",
        /// Any other.
        Other = "other",
    }

    /// Why the gateway answered by itself instead of forwarding.
    RefusalReason {
        /// Not HTTP, or HTTP that two parsers could read differently (RFC 9112 §11).
        Malformed = "malformed",
        /// `Host` is missing, twice there or not the one of the target.
        BadHost = "bad_host",
        /// The connection was opened for another site (421).
        Misdirected = "misdirected",
        /// It has passed here too often (508).
        Loop = "loop",
        /// OPTIONS whose `Max-Forwards` was 0: answered here (200).
        LastHop = "last_hop",
        /// A path that gateway and platform could read differently.
        AmbiguousPath = "ambiguous_path",
        /// 414
        UriTooLong = "uri_too_long",
        /// 431
        HeadersTooLarge = "headers_too_large",
        /// 413
        BodyTooLarge = "body_too_large",
        /// 408
        BodyTimeout = "body_timeout",
        /// 417
        Expectation = "expectation",
        /// No route takes it (404).
        NoRoute = "no_route",
        /// A route takes the path, not the method (405).
        Method = "method",
        /// An account or address has used up its attempts (429).
        Throttled = "throttled",
        /// A quota has no room (429).
        Quota = "quota",
        /// The route wants a known caller (401).
        Unauthenticated = "unauthenticated",
        /// Nobody could say who the caller is, because the provider does not answer (503).
        IdentityUnavailable = "identity_unavailable",
        /// Nobody could say whom the caller is related to, and the route wants to know (503).
        RelationsUnavailable = "relations_unavailable",
        /// A login body in which the account could not be read (400, 413 or 415).
        UnreadableLogin = "unreadable_login",
        /// It filters or sorts by data that the caller may not see (403).
        HiddenQuery = "hidden_query",
        /// It changes fields that the caller may not see (403).
        HiddenWrite = "hidden_write",
        /// It sends back what stood for a value (409).
        StandIn = "stand_in",
        /// A token that cannot be resolved (409).
        Token = "token",
        /// A body that cannot be judged (400).
        UnreadableBody = "unreadable_body",
        /// The upstream did not answer in time or at all (502, 504).
        Upstream = "upstream",
        /// The upstream's answer could not be proven safe (502).
        Redaction = "redaction",
        /// As many as `limits.exchanges` were under way, or work waits longer than `timeouts.queue` (503).
        Overloaded = "overloaded",
        /// A defect of the gateway (500).
        Internal = "internal",
    }

    /// Whom a limit counts.
    Scope {
        /// One account, whatever the address.
        Account = "account",
        /// One device on which the account signed in before.
        Device = "device",
        /// One session of a second factor.
        Session = "session",
        /// One account, device or session, with as many failures as 24 hours allow.
        Day = "day",
        /// One address prefix, whatever the account.
        Address = "address",
        /// The network around an IPv6 address.
        Network = "network",
        /// All unknown devices of a route together, while its alarm is raised.
        Route = "route",
        /// What a quota counts by, over time.
        Quota = "quota",
        /// What a quota counts by, at a time.
        Concurrency = "concurrency",
    }

    /// What became of a request that a quota had no room for.
    QuotaOutcome {
        /// It was answered 429.
        Refused = "refused",
        /// It went on: the quota only counts.
        Shadow = "shadow",
    }

    /// What went wrong with an upstream.
    UpstreamError {
        /// Its name does not resolve, or it refuses connections.
        Connect = "connect",
        /// TCP and TLS together lasted too long.
        ConnectTimeout = "connect_timeout",
        /// Its certificate is not trusted, or the handshake failed.
        Tls = "tls",
        /// No response head in time.
        ResponseTimeout = "response_timeout",
        /// The whole exchange lasted too long.
        ExchangeTimeout = "exchange_timeout",
        /// No place among its `concurrency` came in time (503).
        Full = "full",
        /// It closed before the response was complete, or what it sent is not valid HTTP.
        Closed = "closed",
    }

    /// How an address of an upstream stands.
    EndpointState {
        /// Exchanges go there.
        Usable = "usable",
        /// It is passed over for a while, because exchanges with it failed.
        Ejected = "ejected",
        /// Active checks say that it does not work.
        Down = "down",
    }

    /// Why an address was passed over.
    EjectionCause {
        /// As many failures as allowed came one after the other.
        Failures = "failures",
        /// Too large a share of its exchanges failed.
        Rate = "rate",
    }

    /// What an active check met.
    CheckOutcome {
        /// An answer that is good.
        Good = "good",
        /// An answer that is not.
        Status = "status",
        /// No connection, or no answer on it.
        Unreachable = "unreachable",
        /// Nothing in time.
        TimedOut = "timed_out",
    }

    /// What came of asking for the addresses of a name.
    ResolutionOutcome {
        /// Others than before.
        Changed = "changed",
        /// Those of before.
        Same = "same",
        /// None, or no answer; those of before are kept.
        Failed = "failed",
    }

    /// Why a request was sent again.
    RetryCause {
        /// No connection.
        Connect = "connect",
        /// A connection that had waited was closed.
        Stale = "stale",
        /// The connection ended before an answer.
        Reset = "reset",
        /// No answer within `try_timeout`.
        Timeout = "timeout",
        /// The answer was 503.
        Unavailable = "503",
    }

    /// Why an exchange found no place with an upstream.
    QueueRefusal {
        /// As many as may waited already.
        Full = "full",
        /// It waited too long.
        Late = "late",
    }

    /// Which way.
    Direction {
        /// From the client to the platform.
        Request = "request",
        /// From the platform to the client.
        Response = "response",
    }

    /// How an attempt to load the policy again ended.
    ReloadOutcome {
        /// A new policy serves.
        Loaded = "loaded",
        /// It was read and is the one already served.
        Unchanged = "unchanged",
        /// It has errors; the last good one serves.
        Refused = "refused",
    }
}

impl From<&http::Method> for MethodLabel {
    fn from(method: &http::Method) -> Self {
        match *method {
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            http::Method::DELETE => Self::Delete,
            http::Method::CONNECT => Self::Connect,
            http::Method::OPTIONS => Self::Options,
            http::Method::TRACE => Self::Trace,
            http::Method::PATCH => Self::Patch,
            _ => Self::Other,
        }
    }
}

impl From<crate::policy::set::Priority> for PriorityLabel {
    fn from(priority: crate::policy::set::Priority) -> Self {
        match priority {
            crate::policy::set::Priority::Normal => Self::Normal,
            crate::policy::set::Priority::Critical => Self::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_are_unique_and_plain() {
        for (name, texts) in TEXTS {
            let unique: HashSet<_> = texts.iter().collect();
            assert_eq!(unique.len(), texts.len(), "{name}");
            for text in *texts {
                assert!(
                    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')),
                    "{name}: {text}"
                );
            }
        }
    }

    #[test]
    fn a_method_that_a_client_invented_is_other() {
        assert_eq!(MethodLabel::from(&http::Method::PATCH).as_str(), "PATCH");
        let invented = http::Method::from_bytes(b"jean.dupont").unwrap();
        assert_eq!(MethodLabel::from(&invented), MethodLabel::Other);
        for method in MethodLabel::ALL.iter().filter(|m| **m != MethodLabel::Other) {
            let parsed = http::Method::from_bytes(method.as_str().as_bytes()).unwrap();
            assert_eq!(MethodLabel::from(&parsed), *method);
        }
    }
}
