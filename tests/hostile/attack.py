"""What hostile clients have in common: connections that say what they are told, at a fixed rate, from an address of their own.

Each attack is a function with a name and a line that says what it does and how often. Bytes are built beforehand, and all connections are
tasks of one process at low priority: the attacker shares the cores with its victim, and must not be what the victim suffers from.
"""

import asyncio
import logging
import os
import resource
import ssl
import time

from gateway import HOST
from http2 import ACK, PREFACE, SETTINGS, frame, settings

ADDRESS = "127.0.0.3"
NICE = 10
# What a connection may have waiting to be sent before it is left out.
FULL = 1 << 20
# Parts of a drip's time in which each part of the connections has its turn.
SHARES = 10

ATTACKS = {}


def attack(name, what):
    def register(function):
        ATTACKS[name] = (function, what)
        return function
    return register


class Wire(asyncio.Protocol):
    """A connection that writes what it is told, and forgets what it reads."""

    def __init__(self, reads, begin, first):
        self.reads, self.begin, self.first = reads, begin, first
        self.transport, self.closed, self.why, self.left = None, False, "", False
        self.answers = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        # Before anything is read: what answers the gateway's first bytes must not come first.
        transport.write(self.begin)
        if not self.reads:
            transport.pause_reading()

    def data_received(self, data):
        if self.first:
            self.transport.write(self.first)
            self.first = b""
        self.answers.set()

    def connection_lost(self, error):
        self.closed, self.why = True, type(error).__name__ if error else "closed"
        self.answers.set()

    def write(self, data):
        if not self.closed and not self.transport.is_closing() and self.transport.get_write_buffer_size() < FULL:
            self.transport.write(data)

    def reset(self):
        """RST in place of FIN."""
        self.transport.abort()


class Attacker:
    """Everything that an attack needs, until its time is over."""

    def __init__(self, port, certificate, seconds, scale):
        self.port, self.end, self.scale = port, time.monotonic() + seconds, scale
        self.contexts = {kind: certificate.context(alpn) for kind, alpn in (("h1", "http/1.1"), ("h2", "h2"))}
        self.counts = {"opened": 0, "refused": 0, "most at once": 0}
        self.wires = set()

    def going(self):
        return time.monotonic() < self.end

    def count(self, what, by=1):
        self.counts[what] = self.counts.get(what, 0) + by

    async def paced(self, rate):
        """A turn so many times a second."""
        pause, due = 1 / (rate * self.scale), time.monotonic()
        while self.going():
            yield
            due = max(due + pause, time.monotonic() - 1)
            await asyncio.sleep(max(0, min(due, self.end) - time.monotonic()))

    def most(self, connections):
        return max(1, round(connections * self.scale))

    async def open(self, kind, begin=b"", reads=True):
        """A connection of kind `tcp`, `h1` or `h2`, or None where it is refused."""
        # Those of HTTP/2 acknowledge the settings that come first.
        first = frame(SETTINGS, ACK) if kind == "h2" and reads else b""
        loop, tls = asyncio.get_running_loop(), self.contexts.get(kind)
        try:
            connect = loop.create_connection(
                lambda: Wire(reads, begin, first), "127.0.0.1", self.port, ssl=tls, server_hostname=HOST if tls else None,
                local_addr=(ADDRESS, 0),
            )
            _, wire = await asyncio.wait_for(connect, 10)
        except (OSError, ssl.SSLError, asyncio.TimeoutError):
            self.count("refused")
            return None
        if first:
            # Whatever comes next may be a header section, which nothing may interrupt.
            await asyncio.wait([asyncio.ensure_future(wire.answers.wait())], timeout=5)
        self.count("opened")
        self.wires.add(wire)
        self.tidy()
        self.counts["most at once"] = max(self.counts["most at once"], len(self.wires))
        return wire

    def tidy(self):
        gone = {wire for wire in self.wires if wire.closed}
        self.wires -= gone
        for wire in gone:
            if not wire.left:
                self.count("by the gateway " + wire.why)

    def leave(self, wire):
        wire.left = True
        wire.reset()

    # The shapes that most attacks have.

    async def hold(self, kind, rate, most, begin=b"", then=b"", reads=True, drip=None, every=1.0):
        """Opens `rate` connections a second, holds `most` at a time, and opens others for those that end. Each begins with `begin`, goes on
        with `then` when the gateway has answered that, and `drip` is sent on each `every` so many seconds."""
        async def one():
            wire = await self.open(kind, begin, reads)
            if wire and then:
                wire.write(then)

        async def dripping():
            # A share of them at a time: all at once would be another attack.
            turn = 0
            async for _ in self.paced(SHARES / every / self.scale):
                turn += 1
                for wire in list(self.wires):
                    if (id(wire) >> 6) % SHARES == turn % SHARES:
                        wire.write(drip)

        async def opening():
            async for _ in self.paced(rate):
                if len(self.wires) < self.most(most):
                    asyncio.ensure_future(one())
                self.tidy()

        await asyncio.gather(opening(), *([dripping()] if drip else []))

    async def flood(self, connections, rate, begin, batch):
        """Keeps so many connections of HTTP/2, and writes what `batch(place)` makes to each, `rate` times a second. `place` counts the
        batches of a connection, from 0."""
        async def one():
            wire, place = None, 0
            async for _ in self.paced(rate / self.scale):
                if wire is None or wire.closed:
                    wire, place = await self.open("h2", begin), 0
                    if wire is None:
                        await asyncio.sleep(0.2)
                        continue
                data = batch(place)
                wire.write(data)
                place += 1
                self.count("batches")
                self.count("bytes", len(data))

        await asyncio.gather(*(one() for _ in range(self.most(connections))))


H2 = PREFACE + settings(push=0)


def perform(names, port, certificate, seconds, scale, pipe):
    """In a process of its own: these attacks at once; then says what was done, and what it cost."""
    os.nice(NICE)
    # It tells of writes to connections that are closed, which is what attackers do.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    async def all_of_them():
        attackers = [(name, Attacker(port, certificate, seconds, scale)) for name in names]
        tasks = [asyncio.ensure_future(ATTACKS[name][0](attacker)) for name, attacker in attackers]
        # An attack that waits for an answer is left there.
        done, _ = await asyncio.wait(tasks, timeout=seconds + 2)
        for task in done:
            task.result()
        said = {}
        for name, attacker in attackers:
            attacker.tidy()
            # What opens only now is not counted any more.
            said[name] = dict(attacker.counts)
            for wire in attacker.wires:
                attacker.leave(wire)
        # The whole of what a connection was told should be gone with it.
        await asyncio.sleep(0.2)
        return said

    counts = asyncio.run(all_of_them())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send({"counts": counts, "cpu": usage.ru_utime + usage.ru_stime})
    os._exit(0)
