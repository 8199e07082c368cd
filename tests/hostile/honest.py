"""A client that does nothing wrong: a steady rate of requests over HTTP/1.1 and HTTP/2, and now and then a new connection."""

import asyncio
import random
import time

from answer import Lost, Wrong
from exchanges import Mix
from http1 import Http1
from http2 import Http2

ADDRESS = "127.0.0.2"
# Requests a second: on each connection of HTTP/1.1, on the one of HTTP/2, and each on a connection of its own.
H1, H1_RATE, H2_RATE, NEW_RATE = 4, 10, 40, 2
LONGEST = 10


class Honest:
    def __init__(self, port, certificate, seed):
        self.port = port
        self.contexts = {kind: certificate.context(alpn) for kind, alpn in ((Http1, "http/1.1"), (Http2, "h2"))}
        self.mix = Mix(random.Random(seed), "honest", drip=0, large=0)
        self.forget()

    def forget(self):
        self.seconds, self.new, self.lost, self.reopened, self.retried = [], [], [], 0, 0

    def taken(self):
        taken = {key: getattr(self, key) for key in ("seconds", "new", "lost", "reopened", "retried")}
        self.forget()
        return taken

    async def connect(self, kind):
        return await asyncio.wait_for(kind.open(self.port, self.contexts[kind], ADDRESS), LONGEST)

    async def ask(self, kind, connection, times):
        """One request; whether the connection is still good."""
        request, begun = self.mix.draw(), time.monotonic()
        for _ in range(3):
            try:
                if connection is None or not connection.reusable:
                    self.reopened += connection is not None
                    connection = await self.connect(kind)
                answer = await asyncio.wait_for(request.ask(connection), LONGEST)
                wrong = answer.cut or request.wrong(answer) or (f"status {answer.status}" if answer.status != request.status else None)
                break
            except Lost as lost:
                wrong = f"lost: {lost}"
                if not lost.unprocessed:
                    break
                self.retried += 1
            except (Wrong, OSError, asyncio.TimeoutError) as error:
                wrong = repr(error)
                break
        times.append(time.monotonic() - begun)
        if wrong:
            self.lost.append(f"{kind.protocol} {request.method} {request.path}: {wrong}")
            if connection:
                connection.close()
            return None
        return connection

    async def paced(self, rate):
        pause, due = 1 / rate, time.monotonic()
        while True:
            yield
            due = max(due + pause, time.monotonic() - pause)
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def h1(self):
        connection = None
        async for _ in self.paced(H1_RATE):
            connection = await self.ask(Http1, connection, self.seconds)

    async def h2(self):
        shared, under_way = {"connection": None}, set()

        async def one():
            connection = shared["connection"]
            used = await self.ask(Http2, connection, self.seconds)
            if shared["connection"] in (connection, None):
                shared["connection"] = used

        async for _ in self.paced(H2_RATE):
            if len(under_way) < 100:
                task = asyncio.ensure_future(one())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            if shared["connection"] is None:
                await asyncio.wait(under_way, timeout=LONGEST)

    async def anew(self):
        kinds = (Http1, Http2)
        turn = 0
        async for _ in self.paced(NEW_RATE):
            turn += 1
            connection = await self.ask(kinds[turn % 2], None, self.new)
            if connection:
                connection.close()

    async def run(self, pipe):
        """Goes on for ever; whoever writes into the pipe is told what there was since the last time."""
        loop = asyncio.get_running_loop()

        def told():
            pipe.recv()
            pipe.send(self.taken())

        loop.add_reader(pipe.fileno(), told)
        await asyncio.gather(*(self.h1() for _ in range(H1)), self.h2(), self.anew())


def serve(port, certificate, seed, pipe):
    asyncio.run(Honest(port, certificate, seed).run(pipe))
