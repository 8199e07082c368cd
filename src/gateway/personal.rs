//! What happens to a response body that may hold personal data: passed, redacted, or refused.

use std::{collections::VecDeque, sync::Arc, task::Poll};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use percent_encoding::percent_decode_str;

use super::{
    body::{Content, Replay},
    caching::{self, Tags},
    coding::{BLOCK, Coding, CodingError, Decoder, unpacked},
    cookies::Credentials,
    headers::Screen,
    media::{Media, looks_like_table, media, of_pictures, state_utf8},
    redaction::{Codings, Redaction},
    respond::Unreadable,
};
use crate::{
    policy::set::{Classification, LooseFormat, PersonalData},
    redact::{
        Answers, Audience, Charset, Format, Hints, LOOK, Opaque, Pace, Plan, Seen, Sniffed, Tally, Task,
        may_be_unmarked, sniff,
    },
    secret::DomainKey,
};

/// Redacted bytes that are held back so that an error in a small document becomes a clean 502 and no cut connection,
/// and so that its length can be told.
const HOLD: usize = 64 * 1024;

/// The same of a page, which platforms seldom make longer.
const HOLD_PAGE: usize = 1024 * 1024;

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
    /// Which cookies are the caller's own credential.
    pub credentials: &'a Credentials,
    /// What was asked for, on routes of GraphQL.
    pub answers: Option<Arc<Answers>>,
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

    /// Takes out of a head without content what this reader may not see: that of a WebSocket both sides agreed on.
    pub(super) fn withhold(&self, headers: &mut HeaderMap) {
        if let Some(plan) = self.plan.filter(|plan| !plan.is_identity(&self.audience.sees)) {
            self.screen(plan).withhold(headers);
        }
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
            || matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
            );
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
        // Its parts may be of any type, whatever the status says.
        if headers.get(header::CONTENT_TYPE).is_some_and(is_byteranges) {
            return Err(Unreadable::Partial);
        }
        if media == Media::Messages {
            // Not even by `pass_types`: a look at their beginning would hold back the head of a call.
            return Err(Unreadable::MediaType);
        }
        if !self.declared() && media == Media::Stream {
            // Pictures, one in the place of the other. What else is sent so has no end at which it could be judged.
            let look = |start: &[u8]| {
                let pictures = of_pictures(start);
                (pictures.unwrap_or_default(), pictures.is_some())
            };
            return match self.look(&Coding::of(headers), false, &mut body, look).await? {
                Some(true) => Ok((Content::Upstream(body, screen), None)),
                _ => Err(Unreadable::MediaType),
            };
        }
        if is_part && (self.declared() || media != Media::Other) {
            return Err(Unreadable::Partial);
        }
        let coding = Coding::of(headers);
        let Some(format) = self.format(asked, &coding, media, headers, &mut body).await? else {
            return Ok((Content::Upstream(body, screen), None));
        };
        if is_part {
            return Err(Unreadable::Partial);
        }
        let format = match (&self.answers, format) {
            (None, Format::Json) if status.is_client_error() || status.is_server_error() => {
                Format::Failure(status.as_u16())
            }
            (None, format) => format,
            (Some(answers), Format::Json | Format::Texts | Format::Wrapped) => {
                Format::Graphql(Arc::clone(answers))
            }
            // An answer in parts, or in a shape that no request names.
            (Some(_), _) => return Err(Unreadable::MediaType),
        };
        if !known && !self.declared() {
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
        let task = self.task(plan);
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
        let (credentials, today) = (self.credentials.clone(), self.audience.today);
        Screen { plan: Arc::clone(plan), rules, declared, visible, credentials, key, today }
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
        if *media == Media::Messages {
            return true;
        }
        if *media == Media::Stream || status == StatusCode::PARTIAL_CONTENT || body.is_end_stream() {
            return media.is_doubtful();
        }
        self.format(asked, &Coding::of(headers), media.clone(), headers, body)
            .await
            .map_or(true, |format| format.is_some())
    }

    fn task(&self, plan: &Arc<Plan>) -> Task {
        Task { plan: Arc::clone(plan), audience: Arc::clone(self.audience), key: Arc::clone(self.key) }
    }

    /// The format by which a body is read: that of its type, unless its first bytes say otherwise. `None` where it passes
    /// unread.
    async fn format(
        &self,
        asked: &Asked<'_>,
        coding: &Result<Option<Coding>, CodingError>,
        media: Media,
        headers: &HeaderMap,
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
                let table = self.look(coding, believed, body, look).await?.unwrap_or_default();
                let media = if table { Media::Known(format) } else { Media::Other };
                Box::pin(self.format(asked, coding, media, headers, body)).await
            }
            media => {
                let shown = self.shown(asked, coding, &media, body).await?;
                let format = match (shown, media) {
                    (Shown::Packed, _) => return Err(Unreadable::MediaType),
                    (Shown::As(seen), Media::Known(format)) => Some(format.unless_seen(seen)),
                    (Shown::As(Some(Seen::Format(format))), _) => Some(format),
                    // Under a type that says little, or none: browsers look for themselves.
                    (
                        Shown::As(Some(Seen::Opaque(Opaque::Page))),
                        media @ (Media::Plain(_) | Media::Doubtful),
                    ) if self.reads(LooseFormat::Html) && !states_page(headers) => {
                        let charset = match media {
                            Media::Plain(charset) => charset,
                            _ => Charset::Unstated,
                        };
                        if !charset.is_ascii_compatible() {
                            return Err(Unreadable::Charset);
                        }
                        Some(Format::Html(charset))
                    }
                    (Shown::As(None | Some(Seen::Opaque(Opaque::Page))), Media::Plain(charset))
                        if self.reads(LooseFormat::Text) =>
                    {
                        Some(Format::Text(charset))
                    }
                    (Shown::As(None | Some(Seen::Opaque(Opaque::Page))), Media::Page(charset))
                        if self.reads(LooseFormat::Html) =>
                    {
                        Some(Format::Html(charset))
                    }
                    (Shown::As(seen), _) => return self.unread(seen, headers),
                };
                match format {
                    // No reader rewrites them: where the route declared what is personal, they pass by its word or not.
                    Some(Format::Properties(properties)) if self.declared() => {
                        self.unread(Some(Seen::Format(Format::Properties(properties))), headers)
                    }
                    format => Ok(format),
                }
            }
        }
    }

    /// A body that nobody reads here passes where nothing is declared, and where the route's owner lets its type pass,
    /// if it is of that type.
    fn unread(&self, seen: Option<Seen>, headers: &HeaderMap) -> Result<Option<Format>, Unreadable> {
        let PersonalData::Declared(data) = self.data else { return Ok(None) };
        let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let value = String::from_utf8_lossy(value);
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let honest = match seen {
            None => may_be_unmarked(&essence),
            Some(Seen::Opaque(opaque)) => opaque.suits(&essence),
            Some(Seen::Format(Format::Properties(properties))) => properties.suits(&essence),
            Some(Seen::Format(_)) => false,
        };
        if honest && passes(data, &essence) { Ok(None) } else { Err(Unreadable::MediaType) }
    }

    /// What the first bytes show.
    async fn shown(
        &self,
        asked: &Asked<'_>,
        coding: &Result<Option<Coding>, CodingError>,
        media: &Media,
        body: &mut Replay,
    ) -> Result<Shown, Unreadable> {
        let Some(plan) = self.plan else { return Ok(Shown::As(None)) };
        let believed = *media == Media::Other && !self.declared();
        // Elsewhere `require.config({…});` begins a script like any other.
        let calls = |name: &[u8]| media.is_doubtful() && (self.declared() || asked.calls(name));
        let names = |name: &str| plan.charter_category(name).is_some();
        let charset = if let Media::Plain(charset) = media { *charset } else { Charset::Unstated };
        let hints = Hints { calls: &calls, names: &names, charset };
        let look = |start: &[u8]| {
            let Sniffed { seen, sure } = sniff(start, hints);
            let packing = match seen {
                Some(Seen::Opaque(Opaque::Gzip)) => Coding::Gzip,
                Some(Seen::Opaque(Opaque::Zstd)) => Coding::Zstd,
                Some(Seen::Opaque(Opaque::Document)) if !self.declared() => return (Shown::Packed, sure),
                seen => return (Shown::As(seen), sure),
            };
            // Files are compressed for those who keep them. Where such a one holds what this reader may not see, as far
            // as a look shows, it does not pass as a file.
            let inside = unpacked(packing, start, LOOK);
            let hides = match sniff(&inside, hints).seen {
                Some(Seen::Format(format)) => format.hides(&inside, self.task(plan)),
                _ => false,
            };
            let shown = if hides { Shown::Packed } else { Shown::As(seen) };
            (shown, hides || inside.len() >= LOOK)
        };
        Ok(self.look(coding, believed, body, look).await?.unwrap_or(Shown::As(None)))
    }

    /// Looks at the first bytes of a body whose type says too little, without using them up, until `look` is sure of what
    /// it sees. `None` where they cannot be decoded, or are none.
    ///
    /// Pictures, films and archives, whose type is `believed`, have no coding that counts: what cannot be decoded is looked at
    /// as it is, for some clients do not decode at all. Of the rest, it cannot be judged.
    async fn look<T>(
        &self,
        coding: &Result<Option<Coding>, CodingError>,
        believed: bool,
        body: &mut Replay,
        look: impl Fn(&[u8]) -> (T, bool),
    ) -> Result<Option<T>, Unreadable> {
        let coding = match coding {
            Ok(coding) => *coding,
            Err(_) if believed => None,
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
                            Err(_) if believed => {
                                return Box::pin(self.look(&Ok(None), believed, body, look)).await;
                            }
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

/// What a look at a body shows.
enum Shown {
    As(Option<Seen>),
    /// A file of bytes with what this reader may not see.
    Packed,
}

/// Runs the redactor until the body is over, [`HOLD`] bytes are safe ([`HOLD_PAGE`] of a page), or the pace of its format
/// wants them sent.
async fn hold(
    mut redaction: Box<Redaction<Replay>>,
    pace: Pace,
) -> Result<(Content, Option<Tally>), Unreadable> {
    let most = if pace == Pace::Page { HOLD_PAGE } else { HOLD };
    let (mut ready, mut held) = (VecDeque::new(), 0);
    let whole = std::future::poll_fn(|cx| {
        while held < most {
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
fn passes(data: &Classification, essence: &str) -> bool {
    data.pass_types.iter().any(|range| range.matches(essence))
}

/// Whether the type is that of a page, in a charset in which none is read.
fn states_page(headers: &HeaderMap) -> bool {
    let stated = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    stated.trim_ascii_start().to_ascii_lowercase().starts_with(b"text/html")
}

fn is_byteranges(value: &HeaderValue) -> bool {
    value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/byteranges")
}
