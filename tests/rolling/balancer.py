"""A plain TCP balancer: asks each replica's readiness, and gives new connections to those that are ready. Nothing else."""

import asyncio

CHECK = 0.25
HIGH = 256 * 1024


class Side(asyncio.Protocol):
    """One end of a connection; what comes goes to the other."""

    def __init__(self):
        self.transport, self.other, self.early, self.eof = None, None, bytearray(), False

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(HIGH)

    def data_received(self, data):
        if self.other is None:
            self.early += data
        elif not self.other.transport.is_closing():
            self.other.transport.write(data)

    def eof_received(self):
        self.eof = True
        if self.other and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        # Half closed only: the other direction goes on.
        return True

    def connection_lost(self, error):
        if self.other:
            # An end that was reset is one for the other as well; all that came before has been written to it.
            self.other.transport.abort() if error else self.other.transport.close()

    def pause_writing(self):
        if self.other:
            self.other.transport.pause_reading()

    def resume_writing(self):
        if self.other and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def join(self, other):
        self.other, other.other = other, self
        other.transport.write(bytes(self.early))
        if self.eof and other.transport.can_write_eof():
            other.transport.write_eof()


class Balancer:
    def __init__(self, replicas):
        # (port, port of the admin listener) of each.
        self.replicas, self.ready = replicas, [False] * len(replicas)
        self.turn, self.given = 0, [0] * len(replicas)
        self.homeless = self.refused = self.changes = 0

    async def watch(self, place):
        while True:
            ready = False
            try:
                ready = await asyncio.wait_for(self.ask(self.replicas[place][1]), 1)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                pass
            self.changes += ready != self.ready[place]
            self.ready[place] = ready
            await asyncio.sleep(CHECK)

    @staticmethod
    async def ask(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return (await reader.readline()).split()[1:2] == [b"200"]
        finally:
            writer.close()

    def front(self):
        side = Side()
        made = side.connection_made

        def connection_made(transport):
            made(transport)
            asyncio.ensure_future(self.connect(side))

        side.connection_made = connection_made
        return side

    async def connect(self, side):
        count = len(self.replicas)
        turns = ((self.turn + step) % count for step in range(count))
        place = next((place for place in turns if self.ready[place]), None)
        if place is None:
            self.homeless += 1
            return side.transport.abort()
        self.turn = place + 1
        self.given[place] += 1
        try:
            loop = asyncio.get_running_loop()
            _, back = await asyncio.wait_for(loop.create_connection(Side, "127.0.0.1", self.replicas[place][0]), 5)
        except (OSError, asyncio.TimeoutError):
            self.refused += 1
            return side.transport.abort()
        if side.transport.is_closing():
            return back.transport.abort()
        side.join(back)

    async def run(self, port, pipe):
        """Until something comes through the pipe; then says what there was."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        loop.add_reader(pipe.fileno(), told.set)
        watches = [asyncio.ensure_future(self.watch(place)) for place in range(len(self.replicas))]
        await loop.create_server(self.front, "127.0.0.1", port, backlog=1024)
        await told.wait()
        for watch in watches:
            watch.cancel()
        pipe.send({"given": self.given, "homeless": self.homeless, "refused": self.refused, "changes": self.changes})


def serve(replicas, port, pipe):
    asyncio.run(Balancer(replicas).run(port, pipe))
