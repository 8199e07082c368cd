//! What happens to a response body that may hold personal data: passed, redacted, or refused.

use std::{collections::VecDeque, sync::Arc, task::Poll};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use percent_encoding::percent_decode_str;

use super::{
    body::{Content, Replay},
    caching::{self, Tags},
    coding::{BLOCK, Coding, CodingError, Decoder},
    headers::Screen,
    media::{Media, looks_like_table, media, state_utf8},
    redaction::{Codings, Redaction},
    respond::Unreadable,
};
use crate::{
    policy::set::{Classification, LooseFormat, PersonalData},
    redact::{Audience, Format, Pace, Plan, Sniffed, Tally, Task, sniff},
    secret::DomainKey,
};

/// Redacted bytes that are held back so that an error in a small document becomes a clean 502 and no cut connection,
/// and so that its length can be told.
const HOLD: usize = 64 * 1024;

/// Longest beginning of a body of doubtful type that is looked at.
const LOOK: usize = 16 * 1024;

/// The audience of a response, with what redaction needs.
pub(super) struct Reader<'a> {
    /// What the route declared.
    pub data: &'a PersonalData,
    /// The route's plan; `None` on exempt routes.
    pub plan: Option<&'a Arc<Plan>>,
    /// Who reads.
    pub audience: &'a Arc<Audience>,
    /// Key of pseudonyms.
    pub key: &'a Arc<DomainKey>,
    /// Makes the entity tags of this policy and audience.
    pub tags: Tags<'a>,
    /// Most bytes that decoding may give.
    pub cap: u64,
}

/// A request as its answer is judged by.
pub(super) struct Asked<'a> {
    /// Method.
    pub method: &'a Method,
    /// `Accept-Encoding` of the client, before it was rewritten.
    pub accept_encoding: &'a HeaderMap,
    /// Query, as it came.
    pub query: Option<&'a str>,
    /// Whether it held a tag of this view.
    pub revalidates: bool,
}

impl Asked<'_> {
    /// Whether the request names this callback, as a client does that wants JSONP.
    fn calls(&self, name: &[u8]) -> bool {
        let parameters = self.query.unwrap_or_default().split('&');
        let values = parameters.filter_map(|parameter| parameter.split_once('=').map(|(_, value)| value));
        values.map(|value| percent_decode_str(value)).any(|value| value.eq(name.iter().copied()))
    }
}

impl Reader<'_> {
    /// Whether the route declared its personal data, so that nothing unreadable may leave.
    fn declared(&self) -> bool {
        matches!(self.data, PersonalData::Declared(_))
    }

    /// Prepares the head of the request so that the answer can be judged.
    ///
    /// Says whether the request would confirm an answer of this view.
    pub(super) fn prepare(&self, headers: &mut HeaderMap) -> bool {
        if self.plan.is_none() {
            return false;
        }
        let revalidates = caching::restore_validators(headers, &self.tags, self.declared());
        if self.declared() {
            caching::ask_for_whole(headers);
            // Some servers compress all the same, even against `gzip;q=0`; what comes is decoded.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        revalidates
    }

    /// Turns the platform's answer into what this reader may have.
    ///
    /// # Errors
    /// [`Unreadable`]; nothing of the body may leave.
    pub(super) async fn read(
        &self,
        asked: &Asked<'_>,
        status: StatusCode,
        headers: &mut HeaderMap,
        mut body: Replay,
    ) -> Result<(Content, Option<Tally>), Unreadable> {
        let Some(plan) = self.plan else { return Ok((Content::Upstream(body, None), None)) };
        let media = media(headers);
        let known = matches!(media, Ok(Media::Known(_)));
        if self.declared() || known || media.is_err() {
            caching::protect(headers, &self.tags);
        }
        let sees_all = plan.is_identity(&self.audience.sees);
        let screen = (!sees_all).then(|| self.screen(plan));
        if let Some(screen) = &screen {
            screen.withhold(headers);
        }
        let bodiless = *asked.method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if bodiless {
            if asked.revalidates && !self.declared() && !known {
                // The answer that is confirmed was protected: this one says so too.
                caching::protect(headers, &self.tags);
            }
            if (self.declared() || known) && !sees_all {
                // What GET would send has another length and may have another coding.
                caching::forget_representation(headers);
                headers.remove(header::CONTENT_ENCODING);
                let rewritten = match &media {
                    Ok(Media::Known(format)) => format.is_rewritten(),
                    Ok(Media::Page(charset)) => self.reads(LooseFormat::Html) && charset.is_rewritten(),
                    _ => false,
                };
                if rewritten {
                    state_utf8(headers);
                }
            }
            return Ok((Content::Upstream(body, screen), None));
        }
        if sees_all {
            if !self.declared() && !known && self.may_be_read(asked, &media, status, headers, &mut body).await
            {
                // Not for the next reader of a cache.
                caching::protect(headers, &self.tags);
            }
            return Ok((Content::Upstream(body, screen), None));
        }
        if body.is_end_stream() {
            return Ok((Content::Upstream(body, screen), None));
        }
        let media = media?;
        let is_part = status == StatusCode::PARTIAL_CONTENT
            || (status.is_success() && headers.contains_key(header::CONTENT_RANGE));
        if !self.declared() && (media == Media::Stream || (media == Media::Other && is_part)) {
            return match headers.get(header::CONTENT_TYPE) {
                // The parts may be of any type.
                Some(value) if is_byteranges(value) => Err(Unreadable::Partial),
                _ => Ok((Content::Upstream(body, screen), None)),
            };
        }
        if is_part {
            return Err(Unreadable::Partial);
        }
        let coding = Coding::of(headers);
        let Some(format) = self.format(asked, &coding, media, &mut body).await? else {
            return match self.data {
                PersonalData::Declared(data) if !passes(data, headers) => Err(Unreadable::MediaType),
                _ => Ok((Content::Upstream(body, screen), None)),
            };
        };
        if !known {
            caching::protect(headers, &self.tags);
        }
        if format.is_rewritten() {
            state_utf8(headers);
        }
        let from = coding?;
        let to = from.filter(|coding| coding.accepted(asked.accept_encoding));
        caching::forget_representation(headers);
        headers.remove(header::CONTENT_ENCODING);
        if let Some(coding) = to {
            headers.insert(header::CONTENT_ENCODING, coding.token());
        }
        if from.is_some() {
            headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        let codings = Codings { from, to, cap: self.cap };
        let task =
            Task { plan: Arc::clone(plan), audience: Arc::clone(self.audience), key: Arc::clone(self.key) };
        hold(Box::new(Redaction::new(body, codings, &format, task)), format.pace()).await
    }

    /// Whether the route lets this format be read.
    fn reads(&self, format: LooseFormat) -> bool {
        matches!(self.data, PersonalData::Declared(data) if data.formats.contains(&format))
    }

    fn screen(&self, plan: &Arc<Plan>) -> Screen {
        let (rules, declared) = match self.data {
            PersonalData::Declared(data) => (Arc::clone(&data.headers), true),
            PersonalData::Undeclared | PersonalData::Exempt { .. } => (Arc::default(), false),
        };
        let (visible, key) = (self.audience.sees.any, Arc::clone(self.key));
        Screen { plan: Arc::clone(plan), rules, declared, visible, key, today: self.audience.today }
    }

    /// Whether an answer for a reader who sees everything is one that others see less of.
    async fn may_be_read(
        &self,
        asked: &Asked<'_>,
        media: &Result<Media, Unreadable>,
        status: StatusCode,
        headers: &HeaderMap,
        body: &mut Replay,
    ) -> bool {
        let Ok(media) = media else { return true };
        if *media == Media::Stream || status == StatusCode::PARTIAL_CONTENT || body.is_end_stream() {
            return media.is_doubtful();
        }
        self.format(asked, &Coding::of(headers), media.clone(), body)
            .await
            .map_or(true, |format| format.is_some())
    }

    /// The format by which a body is read: that of its type, unless its first bytes say otherwise.
    async fn format(
        &self,
        asked: &Asked<'_>,
        coding: &Result<Option<Coding>, CodingError>,
        media: Media,
        body: &mut Replay,
    ) -> Result<Option<Format>, Unreadable> {
        match media {
            Media::Known(format) if format.is_sure() => Ok(Some(format)),
            Media::Spreadsheet(format) => {
                let believed = !self.declared();
                let look = |start: &[u8]| {
                    let table = looks_like_table(start);
                    (table.unwrap_or(true), table.is_some())
                };
                if self.look(coding, believed, body, look).await?.unwrap_or_default() {
                    return Box::pin(self.format(asked, coding, Media::Known(format), body)).await;
                }
                Ok(None)
            }
            media => {
                let believed = media == Media::Other && !self.declared();
                // Elsewhere `require.config({…});` begins a script like any other.
                let expected = |name: &[u8]| media.is_doubtful() && (self.declared() || asked.calls(name));
                // Tables come in UTF-16 too, whose mark could hide JSON elsewhere.
                let table = matches!(media, Media::Known(Format::Table { .. }));
                let look = |start: &[u8]| {
                    if table && is_utf16(start) {
                        return (None, true);
                    }
                    let Sniffed { format, sure } = sniff(start, expected);
                    (format, sure)
                };
                let json = self.look(coding, believed, body, look).await?.flatten();
                Ok(match (json, media) {
                    (Some(json), _) => Some(json),
                    (None, Media::Known(format)) => Some(format),
                    (None, Media::Plain(charset)) if self.reads(LooseFormat::Text) => {
                        Some(Format::Text(charset))
                    }
                    (None, Media::Page(charset)) if self.reads(LooseFormat::Html) => {
                        Some(Format::Html(charset))
                    }
                    (None, _) => None,
                })
            }
        }
    }

    /// Looks at the first bytes of a body whose type says too little, without using them up, until `look` is sure of what
    /// it sees. `None` where they cannot be decoded, or are none.
    ///
    /// Pictures, films and archives, whose type is `believed`, have no coding that counts; of the rest, what cannot be
    /// decoded cannot be judged.
    async fn look<T>(
        &self,
        coding: &Result<Option<Coding>, CodingError>,
        believed: bool,
        body: &mut Replay,
        look: impl Fn(&[u8]) -> (T, bool),
    ) -> Result<Option<T>, Unreadable> {
        let coding = match coding {
            Ok(coding) => coding,
            Err(_) if believed => return Ok(None),
            Err(error) => return Err((*error).into()),
        };
        let mut decoder = coding.map(|coding| Decoder::new(coding, self.cap));
        // Another look may have come before.
        body.look_again();
        let mut start = Vec::new();
        let mut block = vec![0; if decoder.is_some() { BLOCK } else { 0 }];
        // White space without end, or a call whose argument has none in sight: the parser may have it.
        let mut guess = None;
        while start.len() < LOOK {
            let Some(data) = body.look().await? else { break };
            match &mut decoder {
                None => start.extend_from_slice(&data[..data.len().min(LOOK)]),
                Some(decoder) => {
                    decoder.feed(data.clone());
                    loop {
                        match decoder.decode(&mut block) {
                            Ok(0) => break,
                            Ok(written) if start.len() < LOOK => start.extend_from_slice(&block[..written]),
                            Ok(_) => break,
                            Err(_) if believed => return Ok(None),
                            Err(error) => return Err(error.into()),
                        }
                    }
                }
            }
            if start.is_empty() {
                continue;
            }
            let (seen, sure) = look(&start);
            guess = Some(seen);
            if sure {
                break;
            }
        }
        Ok(guess)
    }
}

fn is_utf16(start: &[u8]) -> bool {
    start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff])
}

/// Runs the redactor until the body is over, [`HOLD`] bytes are safe, or the pace of its format wants them sent.
async fn hold(
    mut redaction: Box<Redaction<Replay>>,
    pace: Pace,
) -> Result<(Content, Option<Tally>), Unreadable> {
    let (mut ready, mut held) = (VecDeque::new(), 0);
    let whole = std::future::poll_fn(|cx| {
        while held < HOLD {
            match redaction.poll_chunk(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    held += bytes.len();
                    ready.push_back(bytes);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(true)),
                Poll::Pending if pace == Pace::Events || (pace == Pace::Records && held > 0) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(false))
    })
    .await?;
    if !whole {
        return Ok((Content::Redacted(ready, redaction), None));
    }
    let bytes = match ready.len() {
        1 => ready.pop_front().unwrap_or_default(),
        _ => ready
            .into_iter()
            .fold(Vec::with_capacity(held), |mut all, bytes| {
                all.extend_from_slice(&bytes);
                all
            })
            .into(),
    };
    Ok((Content::Whole(bytes), Some(redaction.tally())))
}

/// Whether the route's owner lets this type pass unread.
fn passes(data: &Classification, headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(|value| std::str::from_utf8(value.as_bytes()));
    let Some(Ok(value)) = value else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    data.pass_types.iter().any(|range| range.matches(&essence))
}

fn is_byteranges(value: &HeaderValue) -> bool {
    value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/byteranges")
}
