//! The client's stream, and the notes it takes for the timers.
//!
//! The notes are taken under TLS: there a byte is a byte, whatever records it is wrapped in, so that half a record sent
//! byte by byte is seen, and every byte a slow reader takes counts as progress.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{addresses::Place, frame_watch::FrameWatch, head_watch::HeadWatch, listen::Permit};
use crate::gateway::connection::{Phase, Progress};

/// Bytes that a client may still send after its answer before it is cut off: as many as a request has by default, so that
/// whoever sends all of an upload that was answered early reads the answer. The sweep bounds the time.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// A TCP stream that notes its progress and holds its place under the connection limit.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    progress: Arc<Progress>,
    permit: Permit,
    /// Came with a PROXY header, and is still to be read.
    ahead: Bytes,
}

impl Watched {
    /// Holds the place of the client's address too.
    pub(super) fn hold(&mut self, of_address: Option<Place>) {
        self.permit.hold(of_address);
    }

    pub(super) fn new(stream: TcpStream, progress: Arc<Progress>, permit: Permit) -> Self {
        Self { stream, progress, permit, ahead: Bytes::new() }
    }

    /// Bytes that were read and belong to whoever reads next.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.ahead = Bytes::copy_from_slice(bytes);
    }

    fn note_write(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(bytes)) => self.progress.wrote(*bytes),
            Poll::Pending => self.progress.blocked(),
            Poll::Ready(Err(_)) => {}
        }
        result
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.progress.close();
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..length]);
            self.ahead.advance(length);
            if self.ahead.is_empty() {
                // An empty rest would hold its whole buffer for as long as the connection lives.
                self.ahead = Bytes::new();
            }
        }
        if buffer.filled().len() > before {
            self.progress.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_write(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_write(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Plain or TLS: one type, so that hyper is compiled once.
#[derive(Debug)]
enum Kind {
    Plain(Watched),
    Tls(Box<TlsStream<Watched>>),
}

/// What hyper reads and writes.
#[derive(Debug)]
pub(super) struct ClientStream {
    kind: Kind,
    progress: Arc<Progress>,
    swallowed: usize,
    watch: Watch,
}

/// What reads along.
#[derive(Debug)]
enum Watch {
    Heads(HeadWatch),
    Frames(Box<FrameWatch>),
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.kind {
            Kind::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Kind::Tls($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

impl ClientStream {
    /// HTTP/1 without TLS.
    pub(super) fn plain(stream: Watched) -> Self {
        let progress = stream.progress.clone();
        Self { kind: Kind::Plain(stream), progress, swallowed: 0, watch: Watch::Heads(HeadWatch::default()) }
    }

    /// HTTP/1 over TLS.
    pub(super) fn tls(stream: Box<TlsStream<Watched>>) -> Self {
        let progress = stream.get_ref().0.progress.clone();
        let watch = Watch::Heads(HeadWatch::default());
        Self { kind: Kind::Tls(stream), progress, swallowed: 0, watch }
    }

    /// HTTP/2, its frames watched.
    pub(super) fn multiplexed(stream: Box<TlsStream<Watched>>, frames: FrameWatch) -> Self {
        let progress = stream.get_ref().0.progress.clone();
        progress.multiplex();
        let watch = Watch::Frames(Box::new(frames));
        Self { kind: Kind::Tls(stream), progress, swallowed: 0, watch }
    }

    /// Closing a socket with unread bytes resets it, and the reset may overtake the answer (RFC 9112 §9.6): what a client
    /// still sends after an early answer is read and thrown away, in bounds, until it closes.
    fn poll_swallow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 8192];
        let stream = match &mut self.kind {
            Kind::Plain(stream) => stream,
            Kind::Tls(stream) => stream.get_mut().0,
        };
        while self.swallowed < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.swallowed += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.watch {
            Watch::Heads(heads) => {
                if heads.gives(&this.progress, buffer)? {
                    return Poll::Ready(Ok(()));
                }
                if heads.holds() {
                    return Poll::Pending;
                }
            }
            Watch::Frames(frames) if frames.is_over() => {
                say_farewell(frames, buffer);
                return Poll::Ready(Ok(()));
            }
            Watch::Frames(_) => {}
        }
        let before = buffer.filled().len();
        ready!(either!(this, stream => stream.poll_read(context, buffer)))?;
        match &mut this.watch {
            Watch::Heads(heads) => {
                if !heads.take(&this.progress, buffer, before)? {
                    // All of it belongs to the next request.
                    return Poll::Pending;
                }
            }
            Watch::Frames(frames) => {
                let bytes = &buffer.filled()[before..];
                let passes = frames.read(bytes, this.progress.now(), this.progress.served());
                this.progress.note_block(frames.is_in_block());
                if frames.is_over() {
                    buffer.set_filled(before + passes);
                    say_farewell(frames, buffer);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What the library reads in the place of a client that is over a budget.
fn say_farewell(frames: &mut FrameWatch, buffer: &mut ReadBuf<'_>) {
    let written = frames.farewell(buffer.initialize_unfilled());
    buffer.advance(written);
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Plain(stream) => stream.is_write_vectored(),
            Kind::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress.phase().0 != Phase::Linger {
            let lingers = self.progress.should_linger();
            ready!(either!(self, stream => stream.poll_shutdown(context)))?;
            if !lingers {
                return Poll::Ready(Ok(()));
            }
            self.progress.enter(Phase::Linger);
        }
        self.poll_swallow(context).map(Ok)
    }
}
