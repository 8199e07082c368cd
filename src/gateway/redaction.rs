//! Drives the redactor over an upstream's body: decode → redact → encode, a block at a time.
//!
//! Nothing is held but one block of each stage. An error ends the body; what went out before was proven safe.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;

use super::{
    coding::{BLOCK, Coding, Decoder, Encoder},
    respond::Unreadable,
};
use crate::{
    redact::{Format, Pace, Redact, Tally, Task},
    upstream::UpstreamError,
};

/// A body on its way through the redactor.
pub struct Redaction<S> {
    source: S,
    decoder: Option<Decoder>,
    redactor: Box<dyn Redact>,
    encoder: Option<Encoder>,
    /// Nothing has come yet.
    empty: bool,
    /// The client must be able to decode each piece at once.
    flushes: bool,
    block: Vec<u8>,
    state: State,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum State {
    /// The decoder may hold output.
    Decoding,
    /// More of the source is needed.
    Reading,
    /// All has been given.
    Done,
}

/// How a body is coded when it comes and when it leaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codings {
    /// From the upstream.
    pub from: Option<Coding>,
    /// To the client.
    pub to: Option<Coding>,
    /// Most bytes that decoding may give.
    pub cap: u64,
}

impl<S> Redaction<S>
where
    S: Body<Data = Bytes, Error = UpstreamError> + Unpin,
{
    /// Prepares a body for one audience.
    pub fn new(source: S, codings: Codings, format: &Format, task: Task) -> Self {
        let decoder = codings.from.map(|coding| Decoder::new(coding, codings.cap));
        let block = if decoder.is_some() { vec![0; BLOCK] } else { Vec::new() };
        Self {
            source,
            decoder,
            redactor: format.redactor(task),
            encoder: codings.to.map(Encoder::new),
            empty: true,
            flushes: format.pace() != Pace::Document,
            block,
            state: State::Reading,
        }
    }

    /// What was redacted so far.
    pub fn tally(&self) -> Tally {
        self.redactor.tally()
    }

    /// Whether all of it has been given.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next bytes that are safe to send; `None` at the end.
    ///
    /// # Errors
    /// [`Unreadable`]; nothing more may be sent then.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Unreadable>>> {
        loop {
            let mut redacted = Vec::new();
            let step = match self.state {
                State::Done => return Poll::Ready(None),
                State::Decoding => self.decode(&mut redacted),
                State::Reading => match ready!(Pin::new(&mut self.source).poll_frame(cx)) {
                    // Trailers of a redacted body speak of other bytes: dropped.
                    Some(Ok(frame)) => {
                        frame.into_data().map_or(Ok(()), |data| self.take(data, &mut redacted))
                    }
                    Some(Err(error)) => Err(error.into()),
                    None => self.finish(&mut redacted),
                },
            };
            let sent = step.and_then(|()| self.encode(redacted));
            match sent {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Bytes::from(bytes)))),
                Err(error) => {
                    self.state = State::Done;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Bytes as the upstream sent them.
    fn take(&mut self, data: Bytes, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        match &mut self.decoder {
            Some(decoder) => {
                decoder.feed(data);
                self.state = State::Decoding;
                Ok(())
            }
            None => {
                out.reserve(data.len());
                self.empty &= data.is_empty();
                Ok(self.redactor.push(&data, out)?)
            }
        }
    }

    /// One block out of the decoder.
    fn decode(&mut self, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let Some(decoder) = &mut self.decoder else {
            self.state = State::Reading;
            return Ok(());
        };
        let written = decoder.decode(&mut self.block)?;
        if written == 0 {
            self.state = State::Reading;
        }
        self.empty &= written == 0;
        Ok(self.redactor.push(&self.block[..written], out)?)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        if let Some(decoder) = &mut self.decoder {
            decoder.finish()?;
        }
        // No document, as behind many a redirect: in chunks or coded it is as empty as with a length of 0.
        if !self.empty {
            self.redactor.finish(out)?;
        }
        self.state = State::Done;
        Ok(())
    }

    fn encode(&mut self, redacted: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
        let Some(encoder) = &mut self.encoder else { return Ok(redacted) };
        let mut coded = Vec::new();
        encoder.encode(&redacted, &mut coded)?;
        if self.state == State::Done {
            encoder.finish(&mut coded)?;
        } else if self.flushes && !redacted.is_empty() {
            encoder.flush(&mut coded)?;
        }
        Ok(coded)
    }
}
