"""A client of HTTP/1.1 that forgives nothing (RFC 9112): one connection over TLS, kept between requests."""

import asyncio
import time

from answer import Answer, Lost, Wrong
from gateway import HOST

CHUNK = 64 * 1024
HEAD = 256 * 1024


class Http1(asyncio.Protocol):
    protocol = "h1"

    def __init__(self):
        self.buffer, self.ended, self.waiter = bytearray(), False, None
        self.transport, self.writable = None, asyncio.Event()
        self.writable.set()
        self.asked, self.closing = 0, False

    @classmethod
    async def open(cls, port, context, source=None):
        """Without `context` it is plain."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            cls, "127.0.0.1", port, ssl=context, server_hostname=HOST if context else None,
            local_addr=(source, 0) if source else None,
        )
        return connection

    # What asyncio tells.

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        self.wake()

    def eof_received(self):
        self.ended = True
        self.wake()

    def connection_lost(self, error):
        self.ended = True
        self.writable.set()
        self.wake()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def wake(self):
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    # What the scripts ask.

    @property
    def reusable(self):
        """Whether another request may be sent: nobody said that the connection ends."""
        if self.closing:
            return False
        if self.buffer:
            raise Wrong(f"bytes that nobody asked for: {bytes(self.buffer[:80])!r}")
        return not (self.ended or self.transport.is_closing())

    def close(self):
        self.closing = True
        self.transport.abort()

    async def ask(self, method, path, headers=(), body=None, abandon=False):
        """`body` is bytes, or an asynchronous iterator of pieces that are sent chunked. `abandon` leaves behind the head."""
        begun = time.monotonic()
        self.asked += 1
        lines = [f"{method} {path} HTTP/1.1", f"host: {HOST}", *(f"{name}: {value}" for name, value in headers)]
        sender = None
        if isinstance(body, bytes):
            lines.append(f"content-length: {len(body)}")
        elif body is not None:
            lines.append("transfer-encoding: chunked")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if isinstance(body, bytes) and len(body) <= CHUNK:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            if body is not None:
                sender = asyncio.ensure_future(self.send(body))
        try:
            answer = await self.answer(method, abandon)
        finally:
            if sender:
                if not sender.done():
                    # Answered before all was sent: what follows on this connection would be the rest.
                    self.closing = True
                    sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
        answer.seconds = time.monotonic() - begun
        if "close" in answer.get("connection").lower():
            self.closing = True
        if abandon or answer.cut or self.closing:
            self.close()
        return answer

    async def send(self, body):
        if isinstance(body, bytes):
            for begin in range(0, len(body), CHUNK):
                await self.write(body[begin:begin + CHUNK])
        else:
            async for piece in body:
                await self.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await self.write(b"0\r\n\r\n")
        await self.writable.wait()

    async def write(self, data):
        # The answer, or the end, may have come meanwhile.
        await asyncio.sleep(0)
        await self.writable.wait()
        if not self.ended and not self.transport.is_closing():
            self.transport.write(data)

    async def answer(self, method, abandon):
        while True:
            answer = self.read_head(await self.until(b"\r\n\r\n"))
            if answer.status >= 200:
                break
            if answer.status == 101:
                return answer
        lengths, codings = answer.all("content-length"), answer.all("transfer-encoding")
        if abandon:
            return answer
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        if codings == ["chunked"] and not lengths:
            await self.chunked(answer)
        elif len(lengths) == 1 and lengths[0].isdigit() and not codings:
            answer.body = await self.exactly(int(lengths[0]), answer)
        else:
            raise Wrong(f"no framing, or two: {answer}")
        return answer

    @staticmethod
    def read_head(head):
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if version != "HTTP/1.1" or not rest[:3].isdigit() or rest[3:4] not in ("", " "):
            raise Wrong(f"status line: {first!r}")
        fields = [line.partition(":") for line in lines]
        if not all(separator and name and name == name.strip() for name, separator, _ in fields):
            raise Wrong(f"header section: {head!r}")
        return Answer(int(rest[:3]), [(name.lower(), value.strip()) for name, _, value in fields])

    async def more(self):
        """Waits for bytes; false at the end of the connection."""
        if self.ended:
            return False
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter
        return True

    async def until(self, end):
        """The head: without its end it is lost."""
        while (place := self.buffer.find(end)) < 0:
            if len(self.buffer) > HEAD:
                raise Wrong("a head without an end")
            if not await self.more() and end not in self.buffer:
                reused = "a reused" if self.asked > 1 else "a new"
                raise Lost(f"{reused} connection ended behind {len(self.buffer)} bytes of a head", broken=not self.buffer)
        head = bytes(self.buffer[:place])
        del self.buffer[:place + len(end)]
        return head

    async def exactly(self, length, answer):
        while len(self.buffer) < length:
            if not await self.more() and len(self.buffer) < length:
                answer.cut = f"ended {length - len(self.buffer)} bytes before its length"
                length = len(self.buffer)
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        return taken

    async def chunked(self, answer):
        pieces = []
        while True:
            line = await self.line(answer)
            if line is None:
                break
            size = int(line, 16)
            if size == 0:
                while (trailer := await self.line(answer)):
                    name, _, value = trailer.decode("latin-1").partition(":")
                    answer.trailers.append((name.lower(), value.strip()))
                break
            pieces.append(await self.exactly(size, answer))
            if answer.cut:
                break
            if await self.exactly(2, answer) != b"\r\n" and not answer.cut:
                raise Wrong("a chunk is longer than it says")
        answer.body = b"".join(pieces)

    async def line(self, answer):
        while (place := self.buffer.find(b"\r\n")) < 0:
            if not await self.more() and b"\r\n" not in self.buffer:
                answer.cut = "ended without the last chunk"
                return None
        line = bytes(self.buffer[:place])
        del self.buffer[:place + 2]
        return line
