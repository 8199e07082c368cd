//! The one place where an exchange that cannot go on becomes a response.
//!
//! What the client reads (RFC 9457, neutral), what the journal says (`Ledger::refused`) and what the operator
//! counts ([`ExchangeError::reason`]) are three texts of one enum.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::{body::Content, caching, coding::CodingError};
use crate::{
    limit::PeekError,
    redact::{Denied, RedactError},
    telemetry::RefusalReason,
    upstream::UpstreamError,
};

/// Why an exchange ended before, or instead of, the upstream's answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The request can be read in two ways, or in none.
    #[error("the request is malformed or ambiguous")]
    BadRequest(RefusalReason),
    /// No route takes this host and path.
    #[error("no route")]
    NoRoute,
    /// A route takes the path, not the method.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// `Allow`
        allow: String,
    },
    /// OPTIONS that is to go no further (RFC 9110 7.6.2).
    #[error("the last hop")]
    LastHop {
        /// `Allow`, where the path does not take every method.
        allow: Option<String>,
    },
    /// The connection was opened for another site (RFC 9110 7.4).
    #[error("misdirected")]
    Misdirected,
    /// It runs in a circle.
    #[error("loop")]
    Loop,
    /// A method that an intermediary must not relay.
    #[error("method not implemented")]
    MethodUnknown,
    /// The request target is too long.
    #[error("request target too long")]
    UriTooLong,
    /// The header section is too large.
    #[error("header section too large")]
    HeadersTooLarge,
    /// The request body is too large.
    #[error("request body too large")]
    BodyTooLarge,
    /// An expectation other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
    /// A login in which the account could not be read in exactly one way.
    #[error(transparent)]
    UnreadableLogin(#[from] PeekError),
    /// It asks for, changes or sends back what the caller may not see.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Plain HTTP for something that is only served over TLS.
    #[error("moved to https")]
    ToHttps {
        /// Where.
        location: HeaderValue,
    },
    /// Too many failures or requests.
    #[error("throttled")]
    Throttled {
        /// `Retry-After`, `RateLimit`, `RateLimit-Policy`.
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    /// A quota has no room.
    #[error("over quota")]
    OverQuota {
        /// Its name.
        quota: String,
        /// `Retry-After`, `RateLimit`, `RateLimit-Policy`.
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    /// The route wants a known caller.
    #[error("caller unknown")]
    Unauthenticated,
    /// Nobody can say who the caller is, and the route wants to know.
    #[error("identity source unavailable")]
    IdentityUnavailable,
    /// Nobody can say whom the caller is related to, and the route wants to know.
    #[error("relation source unavailable")]
    RelationsUnavailable,
    /// The client's body stopped coming.
    #[error("request body stalled or broken")]
    RequestBody,
    /// Too much work at once.
    #[error("overloaded")]
    Overloaded,
    /// The upstream gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The answer may hold personal data and cannot be read.
    #[error("response refused: {0}")]
    Unreadable(#[from] Unreadable),
}

/// Why a response was refused instead of redacted (charter 6: fail closed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not a format that can be redacted.
    #[error("media type")]
    MediaType,
    /// A charset other than UTF-8.
    #[error("charset")]
    Charset,
    /// A part of a representation, which cannot be judged without the rest.
    #[error("partial content")]
    Partial,
    /// Content coding.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// Document.
    #[error(transparent)]
    Redact(#[from] RedactError),
    /// The upstream stopped in the middle.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl Unreadable {
    /// The label of `rempart_redaction_refused_total`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MediaType => "media_type",
            Self::Charset => "charset",
            Self::Partial => "partial_content",
            Self::Coding(CodingError::Unknown) => "coding_unknown",
            Self::Coding(CodingError::Damaged) => "coding_damaged",
            Self::Coding(CodingError::TooLarge) => "decoded_too_large",
            Self::Redact(RedactError::Malformed) => "malformed",
            Self::Redact(RedactError::Truncated) => "truncated",
            Self::Redact(RedactError::TooDeep) => "too_deep",
            Self::Redact(RedactError::NotUtf8) => "not_utf8",
            Self::Redact(RedactError::LoneSurrogate) => "lone_surrogate",
            Self::Redact(RedactError::TooLong) => "too_long",
            Self::Redact(RedactError::Opaque) => "opaque_part",
            Self::Redact(RedactError::Unasked) => "unasked",
            Self::Redact(RedactError::Finished) => "finished",
            Self::Upstream(error) => error.label().as_str(),
        }
    }
}

impl ExchangeError {
    /// The status that the client gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::MethodUnknown => StatusCode::NOT_IMPLEMENTED,
            Self::LastHop { .. } => StatusCode::OK,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::UnreadableLogin(error) => error.status(),
            Self::Denied(Denied::Query | Denied::Write) => StatusCode::FORBIDDEN,
            Self::Denied(Denied::StandIn | Denied::Token) => StatusCode::CONFLICT,
            Self::Denied(Denied::Unreadable | Denied::Graphql) => StatusCode::BAD_REQUEST,
            Self::ToHttps { .. } => StatusCode::PERMANENT_REDIRECT,
            Self::Throttled { .. } | Self::OverQuota { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::RequestBody => StatusCode::REQUEST_TIMEOUT,
            Self::IdentityUnavailable | Self::RelationsUnavailable | Self::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Upstream(
                UpstreamError::ConnectTimeout
                | UpstreamError::ResponseTimeout
                | UpstreamError::ExchangeTimeout,
            ) => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream(UpstreamError::Full) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream(UpstreamError::RequestBody) => StatusCode::BAD_REQUEST,
            Self::Upstream(_) | Self::Unreadable(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The operator's word for it: the label of `rempart_requests_refused_total`.
    pub fn reason(&self) -> RefusalReason {
        match self {
            Self::BadRequest(reason) => *reason,
            Self::NoRoute | Self::ToHttps { .. } => RefusalReason::NoRoute,
            Self::MethodNotAllowed { .. } | Self::MethodUnknown => RefusalReason::Method,
            Self::LastHop { .. } => RefusalReason::LastHop,
            Self::Misdirected => RefusalReason::Misdirected,
            Self::Loop => RefusalReason::Loop,
            Self::UriTooLong => RefusalReason::UriTooLong,
            Self::HeadersTooLarge => RefusalReason::HeadersTooLarge,
            Self::BodyTooLarge => RefusalReason::BodyTooLarge,
            Self::Expectation => RefusalReason::Expectation,
            Self::UnreadableLogin(_) => RefusalReason::UnreadableLogin,
            Self::Denied(Denied::Query) => RefusalReason::HiddenQuery,
            Self::Denied(Denied::Write) => RefusalReason::HiddenWrite,
            Self::Denied(Denied::StandIn) => RefusalReason::StandIn,
            Self::Denied(Denied::Token) => RefusalReason::Token,
            Self::Denied(Denied::Unreadable | Denied::Graphql) => RefusalReason::UnreadableBody,
            Self::Throttled { .. } => RefusalReason::Throttled,
            Self::OverQuota { .. } => RefusalReason::Quota,
            Self::Unauthenticated => RefusalReason::Unauthenticated,
            Self::IdentityUnavailable => RefusalReason::IdentityUnavailable,
            Self::RelationsUnavailable => RefusalReason::RelationsUnavailable,
            Self::RequestBody | Self::Upstream(UpstreamError::RequestBody) => RefusalReason::BodyTimeout,
            Self::Overloaded => RefusalReason::Overloaded,
            Self::Upstream(_) => RefusalReason::Upstream,
            Self::Unreadable(_) => RefusalReason::Redaction,
        }
    }

    /// What the client reads: no detail of the platform, of the policy or of what was sent.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "The request is malformed or ambiguous.",
            Self::NoRoute => "There is nothing here.",
            Self::MethodNotAllowed { .. } => "This method is not allowed here.",
            Self::MethodUnknown => "This method is not supported.",
            Self::LastHop { .. } => "The request ends here.",
            Self::Misdirected => "This connection is for another site.",
            Self::Loop => "The request runs in a circle.",
            Self::UriTooLong => "The address is too long.",
            Self::HeadersTooLarge => "The request header fields are too large.",
            Self::BodyTooLarge => "The request body is too large.",
            Self::UnreadableLogin(_) => "The sign-in request cannot be read.",
            Self::Denied(Denied::Query) => "This filter or order is not available to you.",
            Self::Denied(Denied::Write) => "These fields are not yours to change.",
            Self::Denied(Denied::StandIn) => "The request holds a placeholder in the place of a value.",
            Self::Denied(Denied::Token) => "The request holds an identifier that is not valid here.",
            Self::Denied(Denied::Unreadable) => "The request body cannot be read.",
            Self::Denied(Denied::Graphql) => "This is no GraphQL request whose answer can be judged.",
            Self::Expectation => "This expectation cannot be met.",
            Self::ToHttps { .. } => "This service is only available over HTTPS.",
            Self::Throttled { .. } => "Too many attempts. Please wait before you try again.",
            Self::OverQuota { .. } => "Too many requests. Please wait before you try again.",
            Self::Unauthenticated => "Please sign in first.",
            Self::IdentityUnavailable
            | Self::RelationsUnavailable
            | Self::Overloaded
            | Self::Upstream(UpstreamError::Full) => "The service is busy. Please try again shortly.",
            Self::RequestBody => "The request body did not arrive in time.",
            Self::Upstream(UpstreamError::RequestBody) => "The request body did not arrive whole.",
            Self::Upstream(
                UpstreamError::ConnectTimeout
                | UpstreamError::ResponseTimeout
                | UpstreamError::ExchangeTimeout,
            ) => "The service did not answer in time.",
            Self::Upstream(_) => "The service is not reachable.",
            Self::Unreadable(_) => "The service's answer could not be made safe to show.",
        }
    }

    /// RFC 9457 problem type; `about:blank` where the status says it all.
    fn problem_type(&self) -> &'static str {
        match self {
            Self::Throttled { .. } | Self::OverQuota { .. } => {
                "https://iana.org/assignments/http-problem-types#quota-exceeded"
            }
            _ => "about:blank",
        }
    }

    /// Whether the client's connection must not be used again: what follows on it may be part of this request.
    pub fn closes_connection(&self) -> bool {
        match self {
            Self::BadRequest(_)
            | Self::MethodUnknown
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::BodyTooLarge
            | Self::Expectation
            | Self::UnreadableLogin(_)
            | Self::RequestBody
            | Self::Upstream(UpstreamError::RequestBody) => true,
            Self::NoRoute
            | Self::MethodNotAllowed { .. }
            | Self::LastHop { .. }
            | Self::Misdirected
            | Self::Loop
            | Self::ToHttps { .. }
            | Self::Throttled { .. }
            | Self::OverQuota { .. }
            | Self::Denied(_)
            | Self::Unauthenticated
            | Self::IdentityUnavailable
            | Self::RelationsUnavailable
            | Self::Overloaded
            | Self::Upstream(_)
            | Self::Unreadable(_) => false,
        }
    }

    /// The response: head, and a body that is left out for HEAD.
    pub fn response(&self) -> Response<Bytes> {
        let status = self.status();
        if let Self::LastHop { allow } = self {
            let mut response = Response::new(Bytes::new());
            if let Some(allow) = allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            return response;
        }
        let mut body = problem(self.problem_type(), self.title(), status);
        if let Self::OverQuota { quota, .. } = self
            && body.ends_with("}\n")
        {
            // Names of a policy have nothing to escape.
            body.truncate(body.len() - 2);
            body.push_str(&format!(",\"violated-policies\":[\"{quota}\"]}}\n"));
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.extra_headers(headers);
        response
    }

    fn extra_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::MethodNotAllowed { allow } => {
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    headers.insert(header::ALLOW, allow);
                }
            }
            Self::ToHttps { location } => {
                headers.insert(header::LOCATION, location.clone());
            }
            Self::Throttled { headers: limits } | Self::OverQuota { headers: limits, .. } => {
                for (name, value) in limits {
                    headers.append(name.clone(), value.clone());
                }
            }
            Self::Unauthenticated => {
                // RFC 9110 15.5.2 asks for a challenge; it names no realm and no reason.
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::IdentityUnavailable
            | Self::RelationsUnavailable
            | Self::Overloaded
            | Self::Upstream(UpstreamError::Full) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
    }
}

/// What is sent in place of the page that came with a redirect or an error and cannot be read: nothing, or the status
/// in the gateway's own words. `Location`, `Set-Cookie` and the like are left as they are.
pub(super) fn stand_in(status: StatusCode, headers: &mut HeaderMap) -> Content {
    caching::forget_representation(headers);
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_DISPOSITION, header::ETAG] {
        headers.remove(name);
    }
    if status.is_redirection() {
        return Content::empty();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    let title = status.canonical_reason().unwrap_or("Error");
    Content::Whole(Bytes::from(problem("about:blank", title, status)))
}

/// RFC 9457. The texts are the gateway's own, without anything to escape.
pub(super) fn problem(kind: &str, title: &str, status: StatusCode) -> String {
    format!("{{\"type\":\"{kind}\",\"title\":\"{title}\",\"status\":{}}}\n", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_json_and_never_stored() {
        let errors = [
            ExchangeError::BadRequest(RefusalReason::AmbiguousPath),
            ExchangeError::NoRoute,
            ExchangeError::Denied(Denied::StandIn),
            ExchangeError::Throttled { headers: vec![] },
            ExchangeError::OverQuota { quota: "api".into(), headers: vec![] },
            ExchangeError::Upstream(UpstreamError::ResponseTimeout),
            ExchangeError::Unreadable(Unreadable::MediaType),
        ];
        for error in errors {
            let response = error.response();
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["status"], error.status().as_u16());
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }
}
