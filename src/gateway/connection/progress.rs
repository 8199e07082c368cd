//! A coarse clock, and what a stream notes with it.
//!
//! Both are `Sync` only because hyper wants a stream it can upgrade to be `Send`; all parties live on one core, and
//! relaxed atomics cost them what plain cells would.

use super::pace::Pace;
use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A reading of a core's coarse clock: milliseconds since the worker started, plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The reading after `elapsed` since the start.
    pub fn after(elapsed: Duration) -> Self {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1);
        Self(NonZeroU64::MIN.saturating_add(millis))
    }

    /// How long ago `earlier` was.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }
}

/// The clock of a core: as fine as the sweep's tick, free to read.
#[derive(Debug)]
pub struct Clock(AtomicU64);

impl Default for Clock {
    fn default() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl Clock {
    /// Moves it to `elapsed` since the worker started.
    pub fn advance(&self, elapsed: Duration) {
        self.0.store(Instant::after(elapsed).0.get(), Relaxed);
    }

    /// What it shows.
    pub fn now(&self) -> Instant {
        Instant(NonZeroU64::new(self.0.load(Relaxed)).unwrap_or(NonZeroU64::MIN))
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// TLS handshake.
    Handshake = 0,
    /// No exchange under way, and on HTTP/1 no byte of the next one.
    Idle = 1,
    /// HTTP/1: bytes of a request came, but not yet its whole header section.
    Headers = 2,
    /// At least one exchange under way.
    Exchange = 3,
    /// Closed for writing, swallowing what the client still sends so that it can read the answer (RFC 9112 §9.6).
    Linger = 4,
}

/// What was seen in the bytes of an HTTP/1 head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadSigns {
    /// Any byte came.
    pub begun: bool,
    /// The empty line behind the fields came.
    pub over: bool,
    /// A `Content-Length` field.
    pub length: bool,
    /// Another one.
    pub lengths: bool,
    /// A `#` in the request line.
    pub fragment: bool,
    /// A line that ends without CR.
    pub bare: bool,
}

/// How much content follows a head, as the parser understood it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

impl HeadSigns {
    fn to_bits(self) -> u8 {
        u8::from(self.begun)
            | u8::from(self.over) << 1
            | u8::from(self.length) << 2
            | u8::from(self.lengths) << 3
            | u8::from(self.fragment) << 4
            | u8::from(self.bare) << 5
    }

    fn from_bits(bits: u8) -> Self {
        let has = |bit: u8| bits & 1 << bit != 0;
        Self { begun: has(0), over: has(1), length: has(2), lengths: has(3), fragment: has(4), bare: has(5) }
    }
}

/// What an HTTP/2 connection was good for so far: what its client may send frames about.
#[derive(Debug, Default)]
struct Work {
    exchanges: AtomicU64,
    pieces: AtomicU64,
    whole: AtomicU64,
}

/// A reading of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Exchanges that began.
    pub exchanges: u64,
    /// Pieces of answers that its streams were given.
    pub pieces: u64,
    /// Exchanges whose answer its streams were given whole.
    pub whole: u64,
    /// Bytes that the client took.
    pub bytes: u64,
}

/// What a stream notes.
#[derive(Debug)]
pub struct Progress {
    clock: Arc<Clock>,
    phase: AtomicU8,
    since: AtomicU64,
    last_byte: AtomicU64,
    write_blocked: AtomicU64,
    written: AtomicU64,
    pace: Pace,
    work: Work,
    multiplexed: AtomicBool,
    unread: AtomicBool,
    block: AtomicU64,
    head: AtomicU8,
    framing: AtomicU64,
    holds: AtomicBool,
    tunnel: AtomicBool,
    closed: AtomicBool,
}

impl Progress {
    /// A stream that starts in `phase` now.
    pub fn new(clock: Arc<Clock>, phase: Phase) -> Arc<Self> {
        let now = clock.now().0.get();
        Arc::new(Self {
            clock,
            phase: AtomicU8::new(phase as u8),
            since: AtomicU64::new(now),
            last_byte: AtomicU64::new(now),
            write_blocked: AtomicU64::new(0),
            written: AtomicU64::new(0),
            pace: Pace::default(),
            work: Work::default(),
            multiplexed: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            block: AtomicU64::new(0),
            head: AtomicU8::new(0),
            framing: AtomicU64::new(0),
            holds: AtomicBool::new(false),
            tunnel: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// The core's clock.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The phase and when it began.
    pub fn phase(&self) -> (Phase, Instant) {
        let phase = match self.phase.load(Relaxed) {
            0 => Phase::Handshake,
            1 => Phase::Idle,
            2 => Phase::Headers,
            3 => Phase::Exchange,
            _ => Phase::Linger,
        };
        (phase, instant(&self.since).unwrap_or(self.now()))
    }

    /// Enters a phase; entering the present one again does not restart it.
    pub fn enter(&self, phase: Phase) {
        if self.phase.load(Relaxed) != phase as u8 {
            self.phase.store(phase as u8, Relaxed);
            self.since.store(self.clock.now().0.get(), Relaxed);
        }
    }

    /// HTTP/2: bytes that bring no stream (`PING`, `WINDOW_UPDATE`, `SETTINGS`, half a header block) neither start a
    /// request nor make the connection less idle.
    pub fn multiplex(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    /// Whether it speaks HTTP/2.
    pub fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Relaxed)
    }

    /// Bytes came from the client.
    pub fn read(&self) {
        let now = self.clock.now().0.get();
        self.last_byte.store(now, Relaxed);
        if self.phase.load(Relaxed) == Phase::Idle as u8 && !self.is_multiplexed() {
            self.phase.store(Phase::Headers as u8, Relaxed);
            self.since.store(now, Relaxed);
        }
    }

    /// The client took bytes.
    pub fn wrote(&self, bytes: usize) {
        self.written.store(self.written().saturating_add(bytes as u64), Relaxed);
        let now = self.clock.now();
        self.last_byte.store(now.0.get(), Relaxed);
        if let Some(since) = self.blocked_since() {
            self.write_blocked.store(0, Relaxed);
            self.pace.waited(now.since(since));
        }
    }

    /// Bytes that the client took, TLS and all.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Whether the client, whenever it was waited for, took fewer than `rate` bytes a second.
    pub fn takes_too_little(&self, rate: u64, window: Duration) -> bool {
        self.pace.is_below(rate, window, self.written())
    }

    /// The client takes no bytes at present.
    pub fn blocked(&self) {
        if self.write_blocked.load(Relaxed) == 0 {
            self.write_blocked.store(self.clock.now().0.get(), Relaxed);
        }
    }

    /// Since when the client takes no bytes that wait for it.
    pub fn blocked_since(&self) -> Option<Instant> {
        instant(&self.write_blocked)
    }

    /// When a byte last went either way.
    pub fn last_byte(&self) -> Instant {
        instant(&self.last_byte).unwrap_or(self.now())
    }

    /// HTTP/2: whether the client is in the middle of a header block.
    pub fn note_block(&self, is_open: bool) {
        if !is_open {
            self.block.store(0, Relaxed);
        } else if self.block.load(Relaxed) == 0 {
            self.block.store(self.clock.now().0.get(), Relaxed);
        }
    }

    /// Since when the client owes the rest of a header block.
    pub fn block_since(&self) -> Option<Instant> {
        instant(&self.block)
    }

    /// What was seen of the head that is being read.
    pub fn head(&self) -> HeadSigns {
        HeadSigns::from_bits(self.head.load(Relaxed))
    }

    /// Notes what was seen of it.
    pub fn note_head(&self, signs: HeadSigns) {
        self.head.store(signs.to_bits(), Relaxed);
    }

    /// What was seen of the head whose exchange begins; the next head is another one.
    pub fn take_head(&self) -> HeadSigns {
        let signs = self.head();
        self.head.store(0, Relaxed);
        signs
    }

    /// What follows the head whose exchange begins.
    pub fn tell_framing(&self, framing: Framing) {
        let word = match framing {
            Framing::Length(length) => length.saturating_add(1).min(u64::MAX - 1),
            Framing::Chunked => u64::MAX,
        };
        self.framing.store(word, Relaxed);
    }

    /// What was told, once.
    pub fn take_framing(&self) -> Option<Framing> {
        let word = self.framing.load(Relaxed);
        self.framing.store(0, Relaxed);
        match word {
            0 => None,
            u64::MAX => Some(Framing::Chunked),
            length => Some(Framing::Length(length - 1)),
        }
    }

    /// The stream holds bytes back until the exchange under way is over, and is to be asked again then.
    pub fn hold(&self) {
        self.holds.store(true, Relaxed);
    }

    /// Whether it does; the next exchange begins without.
    pub(super) fn release(&self) -> bool {
        let holds = self.holds.load(Relaxed);
        self.holds.store(false, Relaxed);
        holds
    }

    /// What comes from now on is not HTTP/1.
    pub fn tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    /// Whether the stream carries something else than HTTP/1 messages.
    pub fn is_opaque(&self) -> bool {
        self.is_multiplexed() || self.tunnel.load(Relaxed)
    }

    /// A stream was given a piece of its answer.
    pub(super) fn gave_piece(&self) {
        count(&self.work.pieces);
    }

    /// A stream was given its whole answer.
    pub(super) fn answered_whole(&self) {
        count(&self.work.whole);
    }

    /// What the connection was good for so far.
    pub fn served(&self) -> Served {
        Served {
            exchanges: self.work.exchanges.load(Relaxed),
            pieces: self.work.pieces.load(Relaxed),
            whole: self.work.whole.load(Relaxed),
            bytes: self.written(),
        }
    }

    /// An exchange begins.
    pub(super) fn begin(&self) {
        self.enter(Phase::Exchange);
        count(&self.work.exchanges);
        // Had the one before left anything unread, it has been skipped.
        self.unread.store(false, Relaxed);
    }

    /// An exchange ended before its request body did.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Whether closing now could take an answer away from the client: it may still be sending.
    pub fn should_linger(&self) -> bool {
        !self.is_multiplexed() && (self.unread.load(Relaxed) || self.phase().0 == Phase::Headers)
    }

    /// The stream is gone.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// Whether the stream is gone.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }
}

/// One more. Everybody who counts is on one core, so that a load and a store are as good as an atomic addition.
fn count(cell: &AtomicU64) {
    cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
}

fn instant(cell: &AtomicU64) -> Option<Instant> {
    NonZeroU64::new(cell.load(Relaxed)).map(Instant)
}
