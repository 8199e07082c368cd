//! GraphQL over HTTP: the request is read whole, for its answer has only the names that it chose.
//!
//! A document comes in a JSON body (one request or a list of them), as a body of `application/graphql`, or in the query of
//! a URL. Whatever else is sent to such a route is refused: its answer could not be judged.

use std::sync::Arc;

use http::{Method, header, request::Parts};
use http_body::Body as _;
use percent_encoding::percent_decode_str;

use super::{
    head::Target,
    payload::Payload,
    respond::ExchangeError,
    way_back::{self, Kind},
};
use crate::{
    policy::set::{LooseFormat, PersonalData, RoutePolicy},
    redact::{Answers, Denied, Graphql, MAX_ALIASES, PARAMETERS, Parameters, STORED},
};

/// A request that was read.
pub(super) struct Request {
    /// What it asks for.
    pub graphql: Graphql,
}

impl Request {
    /// What its answer can hold.
    pub(super) fn answers(&self) -> Arc<Answers> {
        self.graphql.answers()
    }
}

/// Whether a route's requests are GraphQL.
pub(super) fn is_spoken(route: &RoutePolicy) -> bool {
    matches!(&route.personal_data, PersonalData::Declared(data) if data.formats.contains(&LooseFormat::Graphql))
}

/// Reads a request of at most `most` bytes; `None` for one that asks only what may be asked (`OPTIONS`).
///
/// # Errors
/// [`Denied::Graphql`], or that the body is too large or does not come.
pub(super) async fn read(
    route: &RoutePolicy,
    head: &Parts,
    target: &Target,
    payload: Payload,
    most: u64,
) -> Result<(Payload, Option<Request>), ExchangeError> {
    let refused = Err(Denied::Graphql.into());
    let mut told = Parameters::default();
    for piece in target.resource.query().unwrap_or_default().split('&') {
        // Where `;` ends a parameter, too, it ends none that is read here.
        if piece.split(';').skip(1).any(is_parameter) {
            return refused;
        }
        if let Some((name, value)) = form_urlencoded::parse(piece.as_bytes()).next() {
            told.parameter(&name, &value)?;
        }
    }
    let is_empty = payload.is_end_stream();
    if head.method == Method::OPTIONS {
        return if is_empty && told.is_empty() { Ok((payload, None)) } else { refused };
    }
    // Each request of a route that checks a credential is one guess.
    let roots = if route.authentication.is_some() { 1 } else { MAX_ALIASES };
    if is_empty {
        let graphql = Graphql::read(&[told], false, roots)?;
        return Ok((payload, Some(Request { graphql })));
    }
    let kind = way_back::kind(&head.headers)?;
    let is_document = is_document(head);
    if !way_back::is_plain(&head.headers) || (kind != Kind::Json && !is_document) {
        return refused;
    }
    let body = payload.gather(most).await?;
    let graphql = if is_document {
        told.query(String::from_utf8(body.to_vec()).map_err(|_| Denied::Graphql)?)?;
        Graphql::read(&[told], false, roots)?
    } else {
        let (requests, is_batch) = Parameters::of_json(&body)?;
        // Some servers take what the URL says instead, others what the body says.
        if !told.is_empty() || (is_batch && roots == 1) {
            return refused;
        }
        Graphql::read(&requests, is_batch, roots)?
    };
    Ok((Payload::whole(body), Some(Request { graphql })))
}

/// What a query says beside GraphQL's parameters.
pub(super) fn beside_parameters(query: &str) -> String {
    query.split('&').filter(|piece| !is_parameter(piece)).collect::<Vec<_>>().join("&")
}

fn is_parameter(piece: &str) -> bool {
    let name = piece.split('=').next().unwrap_or_default().replace('+', " ");
    let name = percent_decode_str(&name).decode_utf8_lossy();
    PARAMETERS.iter().chain(&STORED).any(|known| **known == *name)
}

/// `application/graphql`, in UTF-8.
fn is_document(head: &Parts) -> bool {
    let value = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let text = value.to_ascii_lowercase();
    let mut parts = text.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    parts.next() == Some(b"application/graphql")
        && parts.all(|parameter| parameter == b"charset=utf-8" || parameter.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beside_the_document_is_judged_as_anywhere() {
        for (query, expected) in [
            ("query={a}&page=2", "page=2"),
            ("page=2&%71uery=%7Ba%7D&variables={}&x", "page=2&x"),
            ("operationName=A&extensions=%7B%7D", ""),
            ("queries=1", "queries=1"),
        ] {
            assert_eq!(beside_parameters(query), expected, "{query}");
        }
    }
}
