"""A small platform's policies, what may be asked of it, and what the right answer to each request is, byte for byte.

Every request has a number of its own (a nonce). The platform's answer to it is a function of its path and body alone, so that whoever
asks knows what must come, redacted or not, and an answer that belongs to another request cannot pass.
"""

import asyncio
import functools
import gzip
import hashlib
import zlib

CHARTER = """
charter:
  title: Charter of this check
  version: 2026-01-01
  purposes: { account: { basis: contract, article: "1", retention: 36 months } }
  categories: { name: { article: "2", fields: [full_name], otherwise: mask } }
  recipients: { anonymous: { sees: {} } }
  cookies: []
"""

ROUTES = """
routes:
  - name: people
    owner: tests
    match: { host: localhost, path: "/people/{*rest}", methods: [GET] }
    upstream: platform
    purpose: account
    personal_data: { record: "$[*]", fields: { id: not_personal, full_name: name, score: not_personal } }
  - name: notes
    owner: tests
    match: { host: localhost, path: "/notes/{*rest}", methods: [POST] }
    upstream: platform
    purpose: account
    personal_data: { record: $, fields: { id: not_personal, full_name: name, sha256: not_personal, text: not_personal } }
  - name: octets
    owner: tests
    match: { host: localhost, path: "/octets/{*rest}" }
    upstream: numbers
    purpose: account
    personal_data: { exempt: "numbers" }
  - name: echo
    owner: tests
    match: { host: localhost, path: "/echo/{*rest}" }
    upstream: numbers
    purpose: account
    personal_data: { exempt: "numbers" }
  - name: nothing
    owner: tests
    match: { host: localhost, path: "/nothing/{*rest}" }
    upstream: numbers
    purpose: account
    personal_data: { exempt: "nothing" }
  - name: left
    owner: tests
    match: { host: localhost, path: "/left/{*rest}" }
    upstream: numbers
    purpose: account
    personal_data: { exempt: "numbers" }
"""

# What nobody may see, in any answer or piece of one.
SECRET = "Secret"
PIECE = 16 * 1024


def trouble(nonce):
    """What the platform says where it cannot answer: a right answer as well, with this status."""
    return f'{{"id":"{nonce}"}}'.encode()


TROUBLE = 503


@functools.lru_cache(4)
def octets(nonce, size):
    return hashlib.shake_256(nonce.encode()).digest(size)


def people(nonce, count, masked):
    """Records with a name that is masked for everybody, and a field that nobody classified."""
    name = "***" if masked else SECRET + " {0}.{1}"
    unknown = "" if masked else ',"nickname":"' + SECRET + '"'
    record = '{{"id":"{0}.{1}","full_name":"' + name + '"' + unknown + ',"score":{1}}}'
    return ("[" + ",".join(record.format(nonce, number) for number in range(count)) + "]").encode()


def note(nonce, body, masked):
    name = "***" if masked else f"{SECRET} {nonce}"
    return f'{{"id":"{nonce}","full_name":"{name}","sha256":"{hashlib.sha256(body).hexdigest()}"}}'.encode()


def echo(nonce, body):
    return f"{nonce} {len(body)} {hashlib.sha256(body).hexdigest()}\n".encode()


class Request:
    """What is asked, what must come, and on which route the journal tells of it."""

    def __init__(self, route, method, path, status, body, headers=(), sends=None, chunked=False, abandon=False, coded=False):
        self.route, self.method, self.path, self.headers = route, method, path, headers
        self.status, self.body, self.coded = status, body, coded
        self.sends, self.chunked, self.abandon = sends, chunked, abandon
        self.nonce = path.split("/")[2]

    async def pieces(self):
        for begin in range(0, len(self.sends), PIECE):
            yield self.sends[begin:begin + PIECE]
            await asyncio.sleep(0)

    async def ask(self, connection):
        sends = self.pieces() if self.chunked else self.sends
        return await connection.ask(self.method, self.path, self.headers, sends, self.abandon)

    def wrong(self, answer):
        """Why this is not the right answer, as far as it came; None if it is."""
        if answer.get("x-nonce") != self.nonce:
            return f"{answer.status}, the answer to {answer.get('x-nonce') or 'nobody'}"
        if answer.status == TROUBLE:
            # On routes that declare records this one is none, and nobody classified what it says.
            whole = (b"", trouble(self.nonce), b"{}")
            return None if answer.body in whole or answer.cut else f"another body: {answer.body[:80]!r}"
        if answer.status != self.status:
            return f"status {answer.status} in place of {self.status}"
        if self.abandon:
            return None
        body, whole = answer.body, answer.cut is None
        if answer.get("content-encoding") == "gzip":
            try:
                unpacker = zlib.decompressobj(31)
                body = unpacker.decompress(body) + unpacker.flush()
            except zlib.error as error:
                return f"damaged: {error}"
            if whole and (not unpacker.eof or unpacker.unused_data):
                return "half of a coded body"
        elif answer.get("content-encoding"):
            return f"coded as {answer.get('content-encoding')}"
        if whole and body != self.body:
            return f"another body: {len(body)} bytes, {len(self.body)} expected, {body[:60]!r} in place of {self.body[:60]!r}"
        if not whole and not self.body.startswith(body):
            return f"a cut body that does not begin as the right one: {len(body)} bytes"
        return None


class Mix:
    """Draws requests: mostly records and small bodies, some large, streamed, coded, empty or left behind."""

    def __init__(self, random, prefix, leave=0.0, drip=0.01, large=0.02):
        self.random, self.prefix, self.count = random, prefix, 0
        self.leave, self.drip, self.large = leave, drip, large

    def draw(self):
        self.count += 1
        random, nonce = self.random, f"{self.prefix}{self.count}"
        if random.random() < self.leave:
            return Request("left", "GET", f"/left/{nonce}/{random.randrange(1 << 18, 1 << 20)}/length", 200, None, abandon=True)
        if random.random() < self.drip:
            size = random.randrange(2000, 60000)
            return Request("octets", "GET", f"/octets/{nonce}/{size}/drip", 200, octets(nonce, size))
        if random.random() < self.large:
            size, style = random.randrange(1 << 19, 3 << 20), random.choice(["length", "chunked"])
            if random.random() < 0.5:
                return Request("octets", "GET", f"/octets/{nonce}/{size}/{style}", 200, octets(nonce, size))
            body = octets(nonce, size)
            return Request("echo", "POST", f"/echo/{nonce}", 200, echo(nonce, body), sends=body, chunked=style == "chunked")
        kind = random.random()
        if kind < 0.45:
            count, style = random.randrange(0, 40), random.choice(["length", "chunked", "length", "gzip"])
            headers = [("accept-encoding", "gzip")] if style == "gzip" else []
            return Request("people", "GET", f"/people/{nonce}/{count}/{style}", 200, people(nonce, count, True), headers)
        if kind < 0.65:
            size, style = random.randrange(0, 30000), random.choice(["length", "chunked"])
            return Request("octets", "GET", f"/octets/{nonce}/{size}/{style}", 200, octets(nonce, size))
        if kind < 0.72:
            return Request("octets", "HEAD", f"/octets/{nonce}/{random.randrange(0, 30000)}/length", 200, b"")
        if kind < 0.77:
            return Request("nothing", "GET", f"/nothing/{nonce}", 204, b"")
        body = octets(nonce, random.choice([0, 5, 300, 5000, 40000]))
        if kind < 0.9:
            chunked = random.random() < 0.4
            return Request("echo", "POST", f"/echo/{nonce}", 200, echo(nonce, body), sends=body, chunked=chunked)
        body = ('{"text":"' + body.hex() + '"}').encode()
        headers = [("content-type", "application/json")]
        return Request("notes", "POST", f"/notes/{nonce}", 200, note(nonce, body, True), headers, sends=body)


class Reply:
    """The platform's right answer: status, type, how it is framed, and the bytes."""

    def __init__(self, status, kind, style, body, coding=None):
        self.status, self.kind, self.style, self.body, self.coding = status, kind, style, body, coding


def reply(path, body):
    """What the platform answers to a path and the body that came with it."""
    _, what, nonce, *rest = path.split("/")
    if what in ("octets", "left", "bulk"):
        return Reply(200, "application/octet-stream", rest[1], octets(nonce, int(rest[0])))
    if what == "people":
        document = people(nonce, int(rest[0]), False)
        if rest[1] == "gzip":
            return Reply(200, "application/json", "length", gzip.compress(document, 1), "gzip")
        return Reply(200, "application/json", rest[1], document)
    if what == "notes":
        return Reply(200, "application/json", "length", note(nonce, body, False))
    if what == "echo":
        return Reply(200, "text/plain", "length", echo(nonce, body))
    return Reply(204, None, "none", b"")
