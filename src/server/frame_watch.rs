//! Reads along the frames of an HTTP/2 client and counts those that cost it nothing.
//!
//! A PING, a SETTINGS or a RST_STREAM is a few bytes to send and work to receive (CVE-2019-9512 and its siblings,
//! CVE-2023-44487, CVE-2024-27316). The library bounds some of them for the life of a connection, others not at all. So
//! the nine bytes in front of each frame are looked at (RFC 9113 §4.1), payloads are stepped over, and each kind has a
//! budget that fills with time and with what the connection was good for.
//!
//! Whoever is over a budget gets GOAWAY with ENHANCE_YOUR_CALM. Only the library may write frames, and hyper has no way to
//! ask it for that one; but it says so to whoever sends CONTINUATION without end. So from the next frame on it reads
//! that, whatever the client sends.

use std::sync::Arc;

use super::observe::{Flood, Observe};
use crate::{
    gateway::connection::{Instant, Served},
    policy::set::ClientLimits,
};

/// Bytes in front of a frame.
const HEADER: usize = 9;

/// `PRI * HTTP/2.0 … SM …` (RFC 9113 §3.4).
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// The last stream that a client could open: it names the farewell.
const LAST_STREAM: u32 = 0x7fff_ffff;

/// Frames of the farewell, more than the library takes CONTINUATION of one header block: 80 where headers may have a
/// mebibyte.
const FAREWELL: usize = 96;

/// Seconds' worth of frames that may come at once.
const BURST: u64 = 10;

/// Most frames that answers have earned and that are not used yet.
const MOST_EARNED: u64 = 65_536;

/// Bytes sent for which a WINDOW_UPDATE is earned; clients send two for each four kilobytes at the most.
const BYTES_A_WINDOW_UPDATE: u64 = 256;

/// What a kind of frame may still cost, in thousandths of a frame: at one frame a second, a clock of a quarter would
/// never bring a whole one.
#[derive(Clone, Copy, Debug)]
struct Budget {
    a_second: u64,
    base: u64,
    earned: u64,
    earn: fn(&Served) -> u64,
}

impl Budget {
    fn new(a_second: u32, earn: fn(&Served) -> u64) -> Self {
        let a_second = u64::from(a_second);
        Self { a_second, base: a_second * 1000 * BURST, earned: 0, earn }
    }

    /// What came with time, or was worked for.
    fn fill(&mut self, millis: u64, work: &Served) {
        let most = self.a_second * 1000 * BURST;
        self.base = self.base.saturating_add(self.a_second.saturating_mul(millis)).min(most);
        self.earned =
            self.earned.saturating_add((self.earn)(work).saturating_mul(1000)).min(MOST_EARNED * 1000);
    }

    /// Whether there is enough left for `frames`.
    fn take(&mut self, frames: u64) -> bool {
        let cost = frames.saturating_mul(1000);
        let from_base = cost.min(self.base);
        self.base -= from_base;
        let Some(left) = self.earned.checked_sub(cost - from_base) else { return false };
        self.earned = left;
        true
    }
}

/// A header block that has begun (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug)]
struct Block {
    stream: u32,
    continuations: u32,
    /// The frame at hand is its last.
    ends: bool,
}

/// Where in the frames of a client the next byte stands.
pub(super) struct FrameWatch {
    budgets: [Budget; 8],
    continuations: u32,
    streams: u64,
    at: Option<Instant>,
    served: Served,
    preface: usize,
    header: [u8; HEADER],
    length: usize,
    payload: usize,
    block: Option<Block>,
    newest: u32,
    opened: u64,
    refused: u64,
    over: bool,
    farewell: usize,
    observer: Arc<dyn Observe>,
}

impl std::fmt::Debug for FrameWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameWatch").field("over", &self.over).finish_non_exhaustive()
    }
}

impl FrameWatch {
    /// At the beginning of a connection.
    pub(super) fn new(limits: &ClientLimits, observer: Arc<dyn Observe>) -> Self {
        let rates = &limits.h2_frames;
        let mut budgets = [Budget::new(rates.other, |work| 2 * work.exchanges); 8];
        budgets[Flood::Ping as usize] = Budget::new(rates.ping, |work| work.exchanges + work.pieces);
        budgets[Flood::Settings as usize] = Budget::new(rates.settings, |_| 0);
        budgets[Flood::Priority as usize] = Budget::new(rates.priority, |work| 2 * work.exchanges);
        budgets[Flood::RstStream as usize] = Budget::new(rates.rst_stream, |work| work.whole);
        budgets[Flood::EmptyData as usize] = Budget::new(rates.empty_data, |_| 0);
        budgets[Flood::WindowUpdate as usize] =
            Budget::new(rates.window_update, |work| 4 * work.exchanges + work.bytes / BYTES_A_WINDOW_UPDATE);
        budgets[Flood::RefusedHeaders as usize] = Budget::new(rates.refused_headers, |_| 0);
        Self {
            budgets,
            continuations: limits.h2_continuations,
            streams: limits.h2_streams.into(),
            at: None,
            served: Served::default(),
            preface: PREFACE,
            header: [0; HEADER],
            length: 0,
            payload: 0,
            block: None,
            newest: 0,
            opened: 0,
            refused: 0,
            over: false,
            farewell: 0,
            observer,
        }
    }

    /// Takes the next bytes of the client and says how many of them may pass: all, unless it is over a budget.
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant, served: Served) -> usize {
        self.fill(now, served);
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_over() {
            let stepped = self.preface.max(self.payload).min(rest.len());
            if stepped > 0 {
                self.preface -= stepped.min(self.preface);
                self.payload -= stepped.min(self.payload);
                rest = &rest[stepped..];
            } else {
                let taken = (HEADER - self.length).min(rest.len());
                self.header[self.length..self.length + taken].copy_from_slice(&rest[..taken]);
                self.length += taken;
                rest = &rest[taken..];
                if self.length == HEADER {
                    self.length = 0;
                    self.begin();
                }
            }
            if self.payload == 0 && self.length == 0 && self.block.is_some_and(|block| block.ends) {
                self.block = None;
            }
        }
        bytes.len() - rest.len()
    }

    /// Whether the client is waited for in the middle of the preface or of a header block.
    pub(super) fn is_in_block(&self) -> bool {
        self.block.is_some() || (1..PREFACE).contains(&self.preface)
    }

    /// Whether nothing of the client passes any more.
    pub(super) fn is_over(&self) -> bool {
        self.over && self.payload == 0 && self.length == 0
    }

    /// What is read instead, in the room that there is; nothing at its end.
    pub(super) fn farewell(&mut self, room: &mut [u8]) -> usize {
        let mut written = 0;
        for byte in room.iter_mut() {
            let (number, place) = (self.farewell / HEADER, self.farewell % HEADER);
            if number == FAREWELL {
                break;
            }
            let (kind, stream) = match self.block {
                Some(block) => (CONTINUATION, block.stream),
                None => (if number == 0 { HEADERS } else { CONTINUATION }, LAST_STREAM),
            };
            // Of no length and without flags.
            *byte = match place {
                3 => kind,
                5.. => stream.to_be_bytes()[place - 5],
                _ => 0,
            };
            self.farewell += 1;
            written += 1;
        }
        written
    }

    fn fill(&mut self, now: Instant, served: Served) {
        if self.at == Some(now) && self.served == served {
            return;
        }
        let millis = self.at.map_or(0, |at| u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX));
        let mut work = Served {
            exchanges: served.exchanges.saturating_sub(self.served.exchanges),
            pieces: served.pieces.saturating_sub(self.served.pieces),
            whole: served.whole.saturating_sub(self.served.whole),
            bytes: served.bytes.saturating_sub(self.served.bytes),
        };
        // What is too little to earn a frame counts with what follows.
        let rest = work.bytes % BYTES_A_WINDOW_UPDATE;
        work.bytes -= rest;
        self.budgets.iter_mut().for_each(|budget| budget.fill(millis, &work));
        self.at = Some(now);
        self.served = Served { bytes: served.bytes.saturating_sub(rest), ..served };
    }

    /// A frame begins.
    fn begin(&mut self) {
        let [a, b, c, kind, flags, stream @ ..] = self.header;
        self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes(stream) & LAST_STREAM;
        match kind {
            DATA if self.payload > 0 || flags & END_STREAM != 0 => {}
            HEADERS => {
                self.block = Some(Block { stream, continuations: 0, ends: flags & END_HEADERS != 0 });
                // What has the number of a stream that was there before are its trailers.
                if stream > self.newest {
                    self.newest = stream;
                    self.opened += 1;
                    self.count_refused();
                }
            }
            CONTINUATION => {
                let most = self.continuations;
                if let Some(block) = &mut self.block {
                    block.continuations += 1;
                    block.ends = flags & END_HEADERS != 0;
                    if block.continuations > most {
                        self.end(Flood::Continuation);
                    }
                }
            }
            kind => self.count(flood(kind), 1),
        }
    }

    /// Streams that a client opened and that never became an exchange. As many as may be open at a time could still.
    fn count_refused(&mut self) {
        let refused = self.opened.saturating_sub(self.served.exchanges.saturating_add(self.streams));
        if refused > self.refused {
            let more = refused - self.refused;
            self.refused = refused;
            self.count(Flood::RefusedHeaders, more);
        }
    }

    fn count(&mut self, kind: Flood, frames: u64) {
        if self.budgets.get_mut(kind as usize).is_some_and(|budget| !budget.take(frames)) {
            self.end(kind);
        }
    }

    fn end(&mut self, kind: Flood) {
        if !self.over {
            self.over = true;
            self.observer.flooded(kind);
        }
    }
}

/// RFC 9113 §6; what has no number there is ignored (§5.5), and counted.
fn flood(kind: u8) -> Flood {
    match kind {
        0 => Flood::EmptyData,
        2 => Flood::Priority,
        3 => Flood::RstStream,
        4 => Flood::Settings,
        6 => Flood::Ping,
        8 => Flood::WindowUpdate,
        _ => Flood::Other,
    }
}

#[cfg(test)]
mod tests;
