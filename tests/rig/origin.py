#!/usr/bin/env python3
"""The platform behind the gateway: `origin.py PORT`. Answers as `exchanges` has it, and well."""

import asyncio
import base64
import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from exchanges import reply  # noqa: E402

DRIP = 12
# RFC 6455 1.3
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Asked:
    def __init__(self, method, path, headers):
        self.method, self.path, self.headers, self.body = method, path, headers, b""


async def read_head(reader):
    """The next request's head, or None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    fields = (line.partition(":") for line in lines)
    return Asked(method, path, {name.lower(): value.strip() for name, _, value in fields})


async def read_body(reader, asked):
    if asked.headers.get("transfer-encoding") == "chunked":
        pieces = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            pieces.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        asked.body = b"".join(pieces)
    else:
        asked.body = await reader.readexactly(int(asked.headers.get("content-length", 0)))


def head(asked, answer, framing, status=None):
    nonce = asked.path.split("/")[2]
    lines = [f"HTTP/1.1 {status or answer.status} So", f"x-nonce: {nonce}", *framing]
    if answer.kind:
        lines.append(f"content-type: {answer.kind}")
    if answer.coding:
        lines.append(f"content-encoding: {answer.coding}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def chunk(piece):
    return b"%x\r\n%b\r\n" % (len(piece), piece)


class Origin:
    """Serves one port until it is killed."""

    async def serve(self, port):
        self.server = await asyncio.start_server(self.connection, "127.0.0.1", port, limit=1 << 20, backlog=1024)
        await asyncio.Event().wait()

    async def connection(self, reader, writer):
        try:
            while asked := await read_head(reader):
                await self.exchange(reader, writer, asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def exchange(self, reader, writer, asked):
        if asked.headers.get("upgrade") == "websocket":
            return await self.socket(reader, writer, asked)
        await read_body(reader, asked)
        await self.answer(writer, asked, reply(asked.path, asked.body))

    async def socket(self, reader, writer, asked):
        """A WebSocket on which nothing is said, until the other side ends it."""
        accept = base64.b64encode(hashlib.sha1(asked.headers["sec-websocket-key"].encode() + ACCEPT).digest())
        fields = b"HTTP/1.1 101 So\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: "
        writer.write(fields + accept + b"\r\n\r\n")
        while await reader.read(65536):
            pass

    async def answer(self, writer, asked, answer):
        if answer.style == "none":
            writer.write(head(asked, answer, []))
        elif asked.method == "HEAD" or answer.style == "length":
            framed = head(asked, answer, [f"content-length: {len(answer.body)}"])
            writer.write(framed + (b"" if asked.method == "HEAD" else answer.body))
        else:
            step = -(-len(answer.body) // DRIP) if answer.style == "drip" else 8192
            writer.write(head(asked, answer, ["transfer-encoding: chunked"]))
            for begin in range(0, len(answer.body), max(step, 1)):
                writer.write(chunk(answer.body[begin:begin + step]))
                await writer.drain()
                await asyncio.sleep(0.1 if answer.style == "drip" else 0)
            writer.write(b"0\r\n\r\n")
        await writer.drain()


if __name__ == "__main__":
    asyncio.run(Origin().serve(int(sys.argv[1])))
