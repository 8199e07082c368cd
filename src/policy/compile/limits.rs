//! `gateway.limits` and `gateway.timeouts` → [`ClientLimits`] and [`Timeouts`].

use std::{ops::RangeInclusive, time::Duration};

use super::context::{At, Context};
use crate::policy::{
    document::{Amount, FrameRatesDocument, LimitsDocument, TimeoutsDocument},
    set::{ClientLimits, FrameRates, Timeouts},
};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const CONNECTIONS: RangeInclusive<u64> = 1..=10_000_000;

pub(super) fn compile(context: &mut Context<'_>, at: &At, written: &LimitsDocument) -> ClientLimits {
    let mut size = |field: &str, value: &Option<Amount>, default, bounds: RangeInclusive<u64>| {
        context.size(&at.key(field), value, default, bounds)
    };
    let header_bytes = size("header_bytes", &written.header_bytes, 32 * KIB, KIB..=MIB) as usize;
    let uri_bytes = size("uri_bytes", &written.uri_bytes, 8 * KIB, 256..=64 * KIB) as usize;
    let body_bytes = size("body_bytes", &written.body_bytes, 16 * MIB, 0..=1024 * GIB);
    let body_rate = size("body_rate", &written.body_rate, 240, 0..=MIB);
    let decoded_bytes = size("decoded_bytes", &written.decoded_bytes, GIB, MIB..=1024 * GIB);
    let rates = FrameRatesDocument::default();
    let h2_frames = frames(context, &at.key("h2_frames"), written.h2_frames.as_deref().unwrap_or(&rates));
    let mut count =
        |field: &str, value, default, bounds| context.count(&at.key(field), value, default, bounds);
    let limits = ClientLimits {
        header_count: count("header_count", written.header_count, 100, 10..=1000) as usize,
        header_bytes,
        uri_bytes,
        body_bytes,
        body_rate,
        connections: count("connections", written.connections, 10_000, CONNECTIONS) as usize,
        connections_per_address: count(
            "connections_per_address",
            written.connections_per_address,
            2048,
            CONNECTIONS,
        ) as usize,
        handshakes: count("handshakes", written.handshakes, 2048, CONNECTIONS) as usize,
        handshakes_per_address: count(
            "handshakes_per_address",
            written.handshakes_per_address,
            1024,
            CONNECTIONS,
        ) as usize,
        requests_per_connection: written
            .requests_per_connection
            .map(|most| count("requests_per_connection", Some(most), 1, 1..=1_000_000_000)),
        exchanges: count("exchanges", written.exchanges, 4096, 1..=1_000_000) as usize,
        h2_streams: count("h2_streams", written.h2_streams, 100, 1..=10_000) as u32,
        h2_continuations: count("h2_continuations", written.h2_continuations, 5, 1..=64) as u32,
        h2_frames,
        decoded_bytes,
    };
    if limits.connections < limits.handshakes && written.handshakes.is_some() {
        let help = "handshakes under way are connections too: fewer than `connections` leave room for others";
        context.finding(
            &at.key("handshakes"),
            "`handshakes` is above `connections` and bounds nothing",
            help,
        );
    }
    limits
}

fn frames(context: &mut Context<'_>, at: &At, written: &FrameRatesDocument) -> FrameRates {
    let mut rate =
        |field: &str, value, default| context.count(&at.key(field), value, default, 1..=1_000_000) as u32;
    FrameRates {
        ping: rate("ping", written.ping, 50),
        settings: rate("settings", written.settings, 10),
        priority: rate("priority", written.priority, 100),
        rst_stream: rate("rst_stream", written.rst_stream, 50),
        empty_data: rate("empty_data", written.empty_data, 10),
        window_update: rate("window_update", written.window_update, 200),
        refused_headers: rate("refused_headers", written.refused_headers, 10),
        other: rate("other", written.other, 50),
    }
}

pub(super) fn timeouts(context: &mut Context<'_>, at: &At, written: &TimeoutsDocument) -> Timeouts {
    let mut one = |field: &str, value: &Option<Amount>, default, bounds: RangeInclusive<Duration>| {
        context.duration(&at.key(field), value, default, bounds)
    };
    let seconds = Duration::from_secs;
    let phase = MILLISECOND * 100..=HOUR;
    let connection = written.connection.is_some();
    let timeouts = Timeouts {
        handshake: one("handshake", &written.handshake, seconds(10), phase.clone()),
        headers: one("headers", &written.headers, seconds(10), phase.clone()),
        idle: one("idle", &written.idle, seconds(75), phase.clone()),
        body: one("body", &written.body, seconds(30), phase),
        connection: connection.then(|| one("connection", &written.connection, HOUR, seconds(1)..=DAY * 7)),
        queue: one("queue", &written.queue, MILLISECOND * 500, Duration::ZERO..=seconds(10)),
        drain: one("drain", &written.drain, seconds(30), Duration::ZERO..=HOUR),
        drain_delay: one("drain_delay", &written.drain_delay, Duration::ZERO, Duration::ZERO..=HOUR),
    };
    if timeouts.queue > Duration::ZERO && timeouts.queue < MILLISECOND * 10 {
        let help = "`10 ms` or more, or `0 s` to shed nothing";
        context.error(&at.key("queue"), "waits under 10 ms are not measured", help);
    }
    timeouts
}
