//! The way back: what a request may do with data that its sender does not see, before anything of it is sent on.

use http::{HeaderMap, HeaderValue, header, uri::PathAndQuery};
use http_body::Body as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{graphql, head::Target, payload::Payload, respond::ExchangeError};
use crate::{
    limit,
    policy::set::RoutePolicy,
    redact::{Denied, Graphql, RequestPlan, Sender},
    secret::Sensitive,
};

/// Longest body that is held back to be judged, where the route does not say how long its bodies are.
pub(super) const JUDGED: u64 = 1 << 20;

/// How one request is judged.
pub(super) struct WayBack<'a> {
    /// Its route.
    pub route: &'a RoutePolicy,
    /// The template that took it.
    pub template: usize,
    /// What the route lets requests do.
    pub plan: &'a RequestPlan,
    /// Who sends it.
    pub sender: Sender<'a>,
    /// Longest body of the route.
    pub most: u64,
    /// What it asks for, on routes of GraphQL.
    pub graphql: Option<&'a Graphql>,
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    /// A JSON text on each line (NDJSON), or behind each record separator (RFC 7464).
    Lines,
    Form,
    Multipart,
    /// Its type says nothing, but a lenient platform may find JSON in it.
    Doubtful,
    /// Nothing that has fields.
    Opaque,
}

impl WayBack<'_> {
    /// Refuses what the caller may not do; puts values in the place of tokens, and gives the new length of a body in
    /// which it did.
    ///
    /// # Errors
    /// [`ExchangeError::Denied`], or that the body is too large or does not come.
    pub(super) async fn judge(
        &self,
        headers: &HeaderMap,
        target: &mut Target,
        payload: Payload,
    ) -> Result<(Payload, Option<usize>), ExchangeError> {
        let template = self.route.matches.paths.get(self.template).map_or("", String::as_str);
        let path = self.plan.path(self.sender.key, template, target.resource.path())?;
        let query = match target.resource.query() {
            Some(query) if self.graphql.is_some() => {
                let beside = graphql::beside_parameters(query);
                match self.plan.query(self.sender, &beside)? {
                    // It would have to be put back among what is not judged by pairs.
                    Some(_) => return Err(Denied::Token.into()),
                    None => None,
                }
            }
            Some(query) => self.plan.query(self.sender, query)?,
            None => None,
        };
        if path.is_some() || query.is_some() {
            let mut text =
                path.map_or_else(|| target.resource.path().to_owned(), |path| path.expose().clone());
            let sent = target.resource.query();
            if let Some(query) = query.as_ref().map(|query| query.expose().as_str()).or(sent) {
                text.push('?');
                text.push_str(query);
            }
            target.resource = PathAndQuery::try_from(text).map_err(|_| Denied::Token)?;
        }
        if let Some(requests) = self.graphql {
            let body = payload.gather(self.most).await?;
            return Ok(match self.plan.graphql(self.sender, requests, &body)? {
                Some(restored) => rewritten(restored),
                None => (Payload::whole(body), None),
            });
        }
        if payload.is_end_stream() {
            return Ok((payload, None));
        }
        self.body(headers, payload).await
    }

    async fn body(
        &self,
        headers: &HeaderMap,
        payload: Payload,
    ) -> Result<(Payload, Option<usize>), ExchangeError> {
        let declared = self.plan.is_declared();
        let kind = kind(headers)?;
        if kind == Kind::Opaque || (!declared && !matches!(kind, Kind::Json | Kind::Lines | Kind::Form)) {
            return Ok((payload, None));
        }
        if !is_plain(headers) {
            // What is compressed cannot be judged; where nothing is declared nothing is promised of it.
            return if declared { Err(Denied::Unreadable.into()) } else { Ok((payload, None)) };
        }
        let most = if self.route.body_bytes.is_some() { self.most } else { self.most.min(JUDGED) };
        if !declared && payload.size_hint().lower() > most {
            // An upload; where nothing is declared nothing is promised of it.
            return Ok((payload, None));
        }
        let body = payload.gather(most).await?;
        let judged = match kind {
            _ if body.trim_ascii().is_empty() => Ok(None),
            Kind::Json => self.plan.json(self.sender, &body),
            Kind::Doubtful
                if body.trim_ascii_start().starts_with(b"{") || body.trim_ascii_start().starts_with(b"[") =>
            {
                match self.plan.json(self.sender, &body) {
                    Err(Denied::Unreadable) => Ok(None),
                    judged => judged,
                }
            }
            Kind::Lines => self.lines(&body).map(|()| None),
            Kind::Form => self.form(&body),
            Kind::Multipart => self.multipart(headers, &body).map(|()| None),
            Kind::Doubtful | Kind::Opaque => Ok(None),
        };
        match judged {
            Ok(None) => Ok((Payload::whole(body), None)),
            Ok(Some(restored)) => Ok(rewritten(restored)),
            Err(Denied::Unreadable) if !declared => Ok((Payload::whole(body), None)),
            Err(denied) => Err(denied.into()),
        }
    }

    /// Each text is judged for itself. They are not rewritten: a token in one is refused.
    fn lines(&self, body: &[u8]) -> Result<(), Denied> {
        let texts = body.split(|&b| matches!(b, b'\n' | 0x1e)).filter(|text| !text.trim_ascii().is_empty());
        for text in texts {
            if self.plan.json(self.sender, text)?.is_some() {
                return Err(Denied::Token);
            }
        }
        Ok(())
    }

    fn form(&self, body: &[u8]) -> Result<Option<Sensitive<Vec<u8>>>, Denied> {
        let pieces: Vec<&[u8]> = body.split(|&b| b == b'&').collect();
        let fields: Vec<(String, String)> = pieces
            .iter()
            .map(|piece| form_urlencoded::parse(piece).into_owned().next().unwrap_or_default())
            .collect();
        let mut restored: Vec<Option<Sensitive<String>>> = fields.iter().map(|_| None).collect();
        let mut any = false;
        self.plan.fields(
            self.sender,
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            |place, value| {
                any = true;
                restored[place] = Some(value);
            },
        )?;
        if !any {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(body.len());
        for (place, (piece, value)) in pieces.iter().zip(restored).enumerate() {
            if place > 0 {
                out.push(b'&');
            }
            match (value, memchr::memchr(b'=', piece)) {
                (Some(value), Some(at)) => {
                    out.extend_from_slice(&piece[..=at]);
                    let encoded = utf8_percent_encode(value.expose(), NON_ALPHANUMERIC);
                    encoded.for_each(|text| out.extend(text.bytes()));
                }
                _ => out.extend_from_slice(piece),
            }
        }
        Ok(Some(Sensitive::new(out)))
    }

    /// Parts are judged by their names and texts. Their bytes are not rewritten: a token in one is refused.
    fn multipart(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Denied> {
        let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let fields = limit::form_data(content_type, body).map_err(|_| Denied::Unreadable)?;
        let mut any = false;
        let fields = fields.iter().map(|(name, value)| (&**name, value.as_deref().unwrap_or_default()));
        self.plan.fields(self.sender, fields, |_, _| any = true)?;
        if any { Err(Denied::Token) } else { Ok(()) }
    }
}

fn rewritten(restored: Sensitive<Vec<u8>>) -> (Payload, Option<usize>) {
    let restored = restored.expose().clone();
    let length = restored.len();
    (Payload::whole(restored.into()), Some(length))
}

/// Whether a body comes without a coding, so that it can be read.
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// A body was rewritten: what was said of its bytes is said of others (RFC 9530, RFC 1864).
pub(super) fn describe_anew(headers: &mut HeaderMap, length: usize) {
    for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
}

/// How a body is read, by its type. Two types, or a charset that is not UTF-8, are two readings.
pub(super) fn kind(headers: &HeaderMap) -> Result<Kind, Denied> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(first), second) = (types.next(), types.next()) else { return Ok(Kind::Doubtful) };
    if second.is_some() {
        return Err(Denied::Unreadable);
    }
    let text = first.as_bytes().to_ascii_lowercase();
    let essence = text.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    let kind = match essence {
        b"application/x-www-form-urlencoded" => Kind::Form,
        b"multipart/form-data" => Kind::Multipart,
        b"application/json" | b"text/json" | b"application/x-json" | b"text/x-json" => Kind::Json,
        json if json.ends_with(b"+json") => Kind::Json,
        b"application/x-ndjson"
        | b"application/ndjson"
        | b"application/jsonl"
        | b"application/x-jsonlines"
        | b"application/json-seq" => Kind::Lines,
        b"application/octet-stream"
        | b"application/pdf"
        | b"application/zip"
        | b"application/gzip"
        | b"application/xml"
        | b"text/xml"
        | b"text/csv"
        | b"text/html" => Kind::Opaque,
        media
            if [&b"image/"[..], b"audio/", b"video/", b"font/"]
                .iter()
                .any(|kind| media.starts_with(kind)) =>
        {
            Kind::Opaque
        }
        _ => Kind::Doubtful,
    };
    if matches!(kind, Kind::Json | Kind::Lines | Kind::Form | Kind::Multipart)
        && let Some(at) = memchr::memmem::find(&text, b"charset")
    {
        let charset = text[at + 7..].trim_ascii_start().strip_prefix(b"=").unwrap_or_default();
        let end = charset.iter().position(|&b| b == b';').unwrap_or(charset.len());
        let charset: Vec<u8> = charset[..end].iter().copied().filter(|b| b.is_ascii_alphanumeric()).collect();
        if !matches!(charset.as_slice(), b"utf8" | b"usascii") {
            return Err(Denied::Unreadable);
        }
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_by_their_one_type() {
        let headers = |types: &[&str]| {
            let named = |text: &&str| (header::CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
            types.iter().map(named).collect::<HeaderMap>()
        };
        for (text, expected) in [
            ("application/json", Ok(Kind::Json)),
            ("Application/JSON ; charset=\"UTF-8\"", Ok(Kind::Json)),
            ("application/scim+json", Ok(Kind::Json)),
            ("application/x-ndjson", Ok(Kind::Lines)),
            ("application/x-www-form-urlencoded; charset=utf-8", Ok(Kind::Form)),
            ("multipart/form-data; boundary=x", Ok(Kind::Multipart)),
            ("text/plain", Ok(Kind::Doubtful)),
            ("", Ok(Kind::Doubtful)),
            ("jpeg", Ok(Kind::Doubtful)),
            ("image/jpeg", Ok(Kind::Opaque)),
            ("application/octet-stream", Ok(Kind::Opaque)),
            ("application/json; charset=utf-16", Err(Denied::Unreadable)),
            ("application/json; charset", Err(Denied::Unreadable)),
            ("application/x-www-form-urlencoded; CHARSET=utf-7", Err(Denied::Unreadable)),
        ] {
            assert_eq!(kind(&headers(&[text])), expected, "{text}");
        }
        assert_eq!(kind(&headers(&[])), Ok(Kind::Doubtful));
        assert_eq!(kind(&headers(&["text/plain", "application/json"])), Err(Denied::Unreadable));
    }
}
