"""A client of HTTP/2 (RFC 9113) by hand: one connection over TLS, many streams, GOAWAY obeyed. Headers by PyPI `hpack`."""

import asyncio
import struct
import time

from answer import Answer, Lost, Wrong
from gateway import HOST

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0x2, 0x7, 0x8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 2, 3, 4
WINDOW = 1 << 20


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    names = {
        "table": HEADER_TABLE_SIZE, "push": ENABLE_PUSH, "streams": MAX_CONCURRENT_STREAMS, "window": INITIAL_WINDOW_SIZE
    }
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", names[name], value) for name, value in values.items()))


class Stream:
    def __init__(self, number, window):
        self.number, self.window = number, window
        self.answer, self.pieces, self.lost = None, [], None
        self.headed, self.done = asyncio.Event(), asyncio.Event()


class Http2(asyncio.Protocol):
    protocol = "h2"

    def __init__(self):
        import hpack

        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer, self.block, self.streams = bytearray(), None, {}
        self.next, self.last, self.ended, self.wrong = 1, None, False, None
        self.window, self.their_window, self.their_streams = 65535, 65535, 100
        self.received = 0
        self.transport, self.changed, self.ready = None, asyncio.Event(), asyncio.Event()

    @classmethod
    async def open(cls, port, context, source=None):
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(
            cls, "127.0.0.1", port, ssl=context, server_hostname=HOST, local_addr=(source, 0) if source else None
        )
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            raise Wrong("h2 was not chosen by ALPN")
        await connection.ready.wait()
        return connection

    # What asyncio tells.

    def connection_made(self, transport):
        self.transport = transport
        self.transport.write(
            PREFACE + settings(push=0, window=WINDOW) + frame(WINDOW_UPDATE, payload=struct.pack(">I", 16 * WINDOW))
        )

    def data_received(self, data):
        self.buffer += data
        place = 0
        try:
            while len(self.buffer) - place >= 9:
                length = int.from_bytes(self.buffer[place:place + 3], "big")
                if len(self.buffer) - place < 9 + length:
                    break
                kind, flags, number = struct.unpack_from(">BBI", self.buffer, place + 3)
                self.frame_received(kind, flags, number & 0x7FFFFFFF, bytes(self.buffer[place + 9:place + 9 + length]))
                place += 9 + length
        except Wrong as wrong:
            self.wrong = wrong
            self.transport.abort()
        del self.buffer[:place]

    def eof_received(self):
        pass

    def connection_lost(self, error):
        self.ended = True
        why = self.wrong or f"the connection ended{f' ({error})' if error else ''}"
        for stream in list(self.streams.values()):
            self.finish(stream, str(why))
        self.ready.set()
        self.changed.set()

    def frame_received(self, kind, flags, number, payload):
        if self.block is not None and (kind != CONTINUATION or number != self.block[0]):
            raise Wrong("a header section was interrupted")
        stream = self.streams.get(number)
        if kind == DATA:
            if flags & PADDED:
                payload = payload[1:len(payload) - payload[0]]
            self.received += len(payload)
            if self.received >= WINDOW // 2:
                self.transport.write(frame(WINDOW_UPDATE, payload=struct.pack(">I", self.received)))
                self.received = 0
            if stream is None:
                # Streams that this side has reset may still have some under way.
                if number >= self.next or not number & 1:
                    raise Wrong("data on a stream that nobody opened")
                return
            if stream.answer is None:
                raise Wrong("data before a head")
            if payload:
                stream.pieces.append(payload)
                if not flags & END_STREAM:
                    self.transport.write(frame(WINDOW_UPDATE, stream=number, payload=struct.pack(">I", len(payload))))
            if flags & END_STREAM:
                self.finish(stream)
        elif kind == HEADERS:
            if flags & PADDED:
                payload = payload[1:len(payload) - payload[0]]
            if flags & WITH_PRIORITY:
                payload = payload[5:]
            self.block = (number, flags & END_STREAM, bytearray(payload))
            if flags & END_HEADERS:
                self.headers_received()
        elif kind == CONTINUATION:
            if self.block is None:
                raise Wrong("CONTINUATION of nothing")
            self.block[2].extend(payload)
            if flags & END_HEADERS:
                self.headers_received()
        elif kind == RST_STREAM:
            if stream:
                code = int.from_bytes(payload, "big")
                self.finish(stream, f"reset with {code}", code == REFUSED_STREAM, code == INTERNAL_ERROR)
        elif kind == SETTINGS:
            if not flags & ACK:
                for place in range(0, len(payload), 6):
                    name, value = struct.unpack_from(">HI", payload, place)
                    if name == INITIAL_WINDOW_SIZE:
                        for each in self.streams.values():
                            each.window += value - self.their_window
                        self.their_window = value
                    elif name == MAX_CONCURRENT_STREAMS:
                        self.their_streams = value
                    elif name == HEADER_TABLE_SIZE:
                        self.encoder.header_table_size = min(value, 4096)
                self.transport.write(frame(SETTINGS, ACK))
                self.ready.set()
                self.changed.set()
        elif kind == PING:
            if not flags & ACK:
                self.transport.write(frame(PING, ACK, payload=payload))
        elif kind == GOAWAY:
            self.last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
            for each in list(self.streams.values()):
                if each.number > self.last:
                    self.finish(each, "GOAWAY before it", True)
        elif kind == WINDOW_UPDATE:
            by = int.from_bytes(payload, "big") & 0x7FFFFFFF
            if number == 0:
                self.window += by
            elif stream:
                stream.window += by
            self.changed.set()
        elif kind == PUSH_PROMISE:
            raise Wrong("a push that was forbidden")

    def headers_received(self):
        number, ended, block = self.block
        self.block = None
        try:
            fields = self.decoder.decode(bytes(block))
        except Exception as error:
            # Whatever `hpack` says: over its bound of 64 KiB, too, common clients end the connection and all its streams.
            raise Wrong(f"header section of {len(block)} bytes: {error!r}") from error
        stream = self.streams.get(number)
        if stream is None:
            if number >= self.next or not number & 1:
                raise Wrong("a head on a stream that nobody opened")
            return
        if stream.answer is not None:
            if not ended or any(name.startswith(":") for name, _ in fields):
                raise Wrong("trailers that are none")
            stream.answer.trailers = fields
        else:
            if [name for name, _ in fields if name.startswith(":")] != [":status"]:
                raise Wrong(f"pseudo-fields: {fields}")
            status = int(fields[0][1])
            if status < 200:
                return
            stream.answer = Answer(status, fields[1:])
            stream.headed.set()
        if ended:
            self.finish(stream)

    def finish(self, stream, why=None, unprocessed=False, broken=False):
        self.streams.pop(stream.number, None)
        if why and stream.answer is None:
            stream.lost = Lost(why, unprocessed, broken)
        elif why:
            stream.answer.cut = why
        stream.headed.set()
        stream.done.set()
        self.changed.set()

    # What the scripts ask.

    @property
    def reusable(self):
        if self.wrong:
            raise self.wrong
        return self.last is None and not self.ended and not self.transport.is_closing() and self.next < 1 << 30

    def close(self):
        self.transport.abort()

    async def wait_for(self, holds):
        while not holds():
            self.changed.clear()
            await self.changed.wait()

    async def ask(self, method, path, headers=(), body=None, abandon=False):
        """As that of HTTP/1.1. `abandon` resets the stream behind the head."""
        begun = time.monotonic()
        await self.wait_for(lambda: len(self.streams) < self.their_streams or not self.reusable)
        if not self.reusable:
            raise Lost("no stream can be opened any more", True)
        stream = Stream(self.next, self.their_window)
        self.streams[stream.number] = stream
        self.next += 2
        fields = [(":method", method), (":scheme", "https"), (":authority", HOST), (":path", path), *headers]
        if isinstance(body, bytes):
            fields.append(("content-length", str(len(body))))
        block = self.encoder.encode(fields)
        self.transport.write(frame(HEADERS, END_HEADERS | (0 if body is not None else END_STREAM), stream.number, block))
        sender = asyncio.ensure_future(self.send(stream, body)) if body is not None else None
        try:
            await (stream.headed if abandon else stream.done).wait()
        finally:
            if sender:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
            if not stream.done.is_set():
                self.streams.pop(stream.number, None)
                if not self.ended:
                    self.transport.write(frame(RST_STREAM, stream=stream.number, payload=struct.pack(">I", CANCEL)))
                self.changed.set()
        if self.wrong:
            raise self.wrong
        if stream.lost:
            raise stream.lost
        answer = stream.answer
        answer.body, answer.seconds = b"".join(stream.pieces), time.monotonic() - begun
        length = answer.get("content-length")
        has_body = method != "HEAD" and answer.status not in (204, 304)
        if not answer.cut and not abandon and has_body and length and int(length) != len(answer.body):
            raise Wrong(f"{len(answer.body)} bytes where {length} were promised")
        if not has_body and answer.body:
            raise Wrong("a body where none may be")
        return answer

    async def send(self, stream, body):
        if isinstance(body, bytes):
            await self.send_piece(stream, body, True)
        else:
            async for piece in body:
                await self.send_piece(stream, piece, False)
            await self.send_piece(stream, b"", True)

    async def send_piece(self, stream, piece, last):
        place = 0
        while True:
            rest = len(piece) - place
            if rest:
                await self.wait_for(lambda: (self.window > 0 and stream.window > 0) or stream.done.is_set() or self.ended)
            if stream.done.is_set() or self.ended or self.transport.is_closing():
                return
            size = min(rest, 16384, max(self.window, 0), max(stream.window, 0))
            flags = END_STREAM if last and size == rest else 0
            self.window -= size
            stream.window -= size
            self.transport.write(frame(DATA, flags, stream.number, piece[place:place + size]))
            place += size
            if place == len(piece):
                return
