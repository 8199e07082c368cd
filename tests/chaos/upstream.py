#!/usr/bin/env python3
"""An endpoint that lies: `upstream.py PORT LOG SEED`, told by lines of JSON on standard input how much, and in which ways.

Into LOG it writes the number of each request that is no GET or HEAD as soon as its head is there, and each lie as `!NAME`, with one
system call a line: what it has seen is known when it is killed.
"""

import asyncio
import gzip
import json
import os
import pathlib
import random
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "rig"))
sys.dont_write_bytecode = True

from exchanges import TROUBLE, Reply, reply, trouble  # noqa: E402
from origin import Origin, chunk, head, read_body  # noqa: E402

# What another client's answer looks like. Behind a right answer, in the same packet: whoever takes it for the next one has mixed them.
FAKE = b"HTTP/1.1 200 OK\r\nx-nonce: fake\r\ncontent-length: 4\r\n\r\nfake"
# So much leaves in one packet.
PACKET = 6000


class Liar(Origin):
    def __init__(self, log, seed):
        self.random = random.Random(seed)
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.share, self.lies, self.server = 0.0, sorted(LIES), None

    def note(self, text):
        os.write(self.log, text.encode() + b"\n")

    async def serve(self, port):
        asyncio.ensure_future(self.obey(port))
        await super().serve(port)

    async def obey(self, port):
        loop = asyncio.get_running_loop()
        orders = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := await orders.readline():
            order = json.loads(line)
            self.share, self.lies = order.get("share", self.share), order.get("lies", self.lies)
            if order.get("listen") is False:
                # What is open goes on; new connections are refused.
                self.server.close()
            elif order.get("listen"):
                self.server = await asyncio.start_server(self.connection, "127.0.0.1", port, limit=1 << 20, backlog=1024)
        os._exit(0)

    async def exchange(self, reader, writer, asked):
        if asked.method not in ("GET", "HEAD"):
            self.note(asked.path.split("/")[2])
        lie = self.random.choice(self.lies) if self.random.random() < self.share else None
        if lie in ("closes", "resets", "early"):
            self.note("!" + lie)
            if lie == "early":
                await say(writer, refusal(asked, close=True))
            if lie == "resets":
                reset(writer)
            raise ConnectionAbortedError
        await read_body(reader, asked)
        answer = reply(asked.path, asked.body)
        if lie and await LIES[lie](self, writer, asked, answer):
            self.note("!" + lie)
        else:
            await self.answer(writer, asked, answer)


def reset(writer):
    """RST in place of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def say(writer, data):
    writer.write(data)
    await writer.drain()


def refusal(asked, close=False):
    body = trouble(asked.path.split("/")[2])
    answer = Reply(TROUBLE, "application/json", "length", body)
    framing = [f"content-length: {len(body)}"] + (["connection: close"] if close else [])
    return head(asked, answer, framing) + (b"" if asked.method == "HEAD" else body)


def told(asked, answer, more=0):
    return head(asked, answer, [f"content-length: {len(answer.body) + more}"])


def has_body(asked, answer):
    return asked.method != "HEAD" and len(answer.body) > 1


# Each lie returns whether it could be told; a true one has written all that there is. Raising ends the connection.


async def slow_head(self, writer, asked, answer):
    await asyncio.sleep(self.random.choice([0.1, 0.5, 1, 1.9, 2.2, 4]))
    await self.answer(writer, asked, answer)
    return True


async def slow_body(self, writer, asked, answer):
    if not has_body(asked, answer):
        return False
    writer.write(told(asked, answer))
    stall = self.random.random() < 0.2
    for begin in range(0, len(answer.body), -(-len(answer.body) // 6)):
        await say(writer, answer.body[begin:begin + -(-len(answer.body) // 6)])
        await asyncio.sleep(6 if stall and begin else 0.15)
    return True


async def trouble_told(self, writer, asked, answer):
    await say(writer, refusal(asked))
    return True


async def short(self, writer, asked, answer):
    """Fewer bytes than its length says, then the end."""
    if not has_body(asked, answer):
        return False
    self.note("!short")
    await say(writer, told(asked, answer) + answer.body[:self.random.randrange(len(answer.body))])
    raise ConnectionAbortedError


async def short_reset(self, writer, asked, answer):
    if not has_body(asked, answer):
        return False
    self.note("!short_reset")
    await say(writer, told(asked, answer) + answer.body[:self.random.randrange(len(answer.body))])
    await asyncio.sleep(self.random.choice([0, 0.05]))
    reset(writer)
    raise ConnectionAbortedError


async def long(self, writer, asked, answer):
    """Another answer behind the right one, or behind one that may have no body."""
    if asked.method != "HEAD" and len(answer.body) > PACKET or answer.style == "none":
        return False
    await say(writer, told(asked, answer) + (b"" if asked.method == "HEAD" else answer.body) + FAKE)
    return True


async def chunked_long(self, writer, asked, answer):
    if not has_body(asked, answer) or len(answer.body) > PACKET:
        return False
    await say(writer, head(asked, answer, ["transfer-encoding: chunked"]) + chunk(answer.body) + b"0\r\n\r\n" + FAKE)
    return True


async def empty_long(self, writer, asked, answer):
    """204 and 304 have no body, whatever they say."""
    if asked.method == "HEAD" or answer.style != "none":
        return False
    await say(writer, head(asked, answer, []) + FAKE)
    return True


async def chunked_short(self, writer, asked, answer):
    """The end without the last chunk, or within one."""
    if not has_body(asked, answer):
        return False
    self.note("!chunked_short")
    place = self.random.randrange(len(answer.body))
    whole = chunk(answer.body[:place]) if place else b""
    half = self.random.choice([b"", chunk(answer.body[place:])[:-4]])
    await say(writer, head(asked, answer, ["transfer-encoding: chunked"]) + whole + half)
    raise ConnectionAbortedError


async def chunked_badly(self, writer, asked, answer):
    if not has_body(asked, answer):
        return False
    half = len(answer.body) // 2
    # Five bytes that are right, in a chunk that is not.
    longer = b"5\r\n" + answer.body[half:half + 5] + b".."
    bad = self.random.choice([longer, b"xyz\r\n", b"-5\r\n", b"ffffffffffffffffff\r\n", b"0x5\r\nhello\r\n", b"\r\n", b"5" * 5000])
    await say(writer, head(asked, answer, ["transfer-encoding: chunked"]) + chunk(answer.body[:half]) + bad)
    return True


async def both(self, writer, asked, answer):
    if not has_body(asked, answer):
        return False
    framing = [f"content-length: {len(answer.body) // 2}", "transfer-encoding: chunked"]
    await say(writer, head(asked, answer, framing) + chunk(answer.body) + b"0\r\n\r\n")
    return True


async def two_lengths(self, writer, asked, answer):
    if not has_body(asked, answer):
        return False
    framing = [f"content-length: {len(answer.body)}", f"content-length: {len(answer.body) // 2}"]
    await say(writer, head(asked, answer, framing) + answer.body)
    return True


async def until_close(self, writer, asked, answer):
    """A body that the end of the connection ends, whole or not: only where its format tells."""
    if not has_body(asked, answer) or answer.kind != "application/json":
        return False
    self.note("!until_close")
    whole = self.random.random() < 0.5
    # Nothing at all is no document that breaks off.
    await say(writer, head(asked, answer, []) + (answer.body if whole else answer.body[:self.random.randrange(1, len(answer.body))]))
    raise ConnectionAbortedError


async def damaged(self, writer, asked, answer):
    """Well framed, but half a document, or half of its coding."""
    if not has_body(asked, answer) or answer.kind != "application/json":
        return False
    body = answer.body
    if answer.coding == "gzip" and self.random.random() < 0.5:
        body = gzip.compress(gzip.decompress(body)[:-1], 1)
    else:
        body = body[:self.random.randrange(1, len(body))]
    await say(writer, told(asked, Reply(200, answer.kind, "length", body, answer.coding)) + body)
    return True


async def garbage(self, writer, asked, answer):
    self.note("!garbage")
    await say(writer, self.random.choice([
        bytes(self.random.randrange(256) for _ in range(600)), b"HTTP/1.1 999999 Many\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n",
        b"\r\n\r\n\r\n", b"<html>hello</html>", b"HTTP/1.1 200 OK\r\nx-nonce", b"HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 400_000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 2000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
    ]))
    raise ConnectionAbortedError


async def interim(self, writer, asked, answer):
    """Answers before the answer, which say nothing."""
    count = self.random.choice([1, 3, 40])
    writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n" * count)
    await self.answer(writer, asked, answer)
    return True


async def switching(self, writer, asked, answer):
    await say(writer, b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n" + FAKE)
    return True


async def old(self, writer, asked, answer):
    """HTTP/1.0: not kept."""
    self.note("!old")
    await say(writer, told(asked, answer).replace(b"HTTP/1.1", b"HTTP/1.0", 1) + (b"" if asked.method == "HEAD" else answer.body))
    raise ConnectionAbortedError


async def closes_behind(self, writer, asked, answer):
    """A right answer, and the end at once, without a word: perhaps under the next request."""
    self.note("!closes_behind")
    await self.answer(writer, asked, answer)
    await asyncio.sleep(self.random.choice([0, 0, 0.001, 0.02]))
    if self.random.random() < 0.5:
        reset(writer)
    raise ConnectionAbortedError


LIES = {
    "closes": None, "resets": None, "early": None, "slow_head": slow_head, "slow_body": slow_body, "trouble": trouble_told,
    "short": short, "short_reset": short_reset, "long": long, "chunked_long": chunked_long, "empty_long": empty_long,
    "chunked_short": chunked_short, "chunked_badly": chunked_badly, "both": both, "two_lengths": two_lengths,
    "until_close": until_close, "damaged": damaged, "garbage": garbage, "interim": interim, "switching": switching, "old": old,
    "closes_behind": closes_behind,
}


if __name__ == "__main__":
    asyncio.run(Liar(sys.argv[2], sys.argv[3]).serve(int(sys.argv[1])))
