"""WebSockets: PyPI `websockets` on both sides, npm `ws`, and Node's HTTP/2 with the frames of `ws` (RFC 8441)."""

import asyncio
import time

MANY, TURNS = 100, 20
LARGE = 5 << 20


async def python(world, report):
    import websockets
    from websockets.asyncio.client import connect

    def open(path, **more):
        return connect(f"wss://localhost:{world.port}{path}", ssl=world.tls, max_size=64 << 20, subprotocols=["chat.v2"], **more)

    async with open("/ws/echo") as socket:
        same = []
        for message in ("", "été 🎒", b"\x00\xff" * 40, "x" * 70_000, ["in ", "three ", "parts"]):
            await socket.send(message)
            same.append(await socket.recv() == ("".join(message) if isinstance(message, list) else message))
        report.check("websockets: text, binary and fragments come back", all(same), str(same))
        agreed = socket.subprotocol == "chat.v2"
        report.check("websockets: what the server speaks is agreed on", agreed, f"extensions {socket.protocol.extensions}")
        large, begun = bytes(LARGE), time.monotonic()
        await socket.send(large)
        whole = await asyncio.wait_for(socket.recv(), 60) == large
        report.check("websockets: a message of 5 MiB comes back", whole, f"{time.monotonic() - begun:.2f} s")
        latency = await asyncio.wait_for(await socket.ping(), 10)
        report.check("websockets: pings are answered", latency < 5, f"{latency * 1000:.1f} ms")
        await socket.close(4001, "à plus")
    async with open("/ws/closes") as socket:
        closes = await socket.recv()
    report.check("websockets: the server learns how it was closed", "4001" in closes and "plus" in closes, closes)
    try:
        async with open("/ws/goodbye") as socket:
            await socket.recv()
        closed = None
    except websockets.ConnectionClosed as error:
        closed = (error.rcvd.code, error.rcvd.reason)
    report.check("websockets: the client learns how it is closed", closed == (4002, "au revoir"), str(closed))
    async with open("/ws/ping") as socket:
        report.check("websockets: the server's pings are answered", float(await socket.recv()) < 5)
    async with open("/read/people") as socket:
        await socket.send('{"ask": 7}')
        said = await socket.recv()
    report.check("websockets: messages that are read leave redacted", "***" in said and "Secret" not in said, said)

    async def one(place):
        async with open("/ws/many", open_timeout=60) as socket:
            for turn in range(TURNS):
                await socket.send(f"{place} {turn}")
                if await asyncio.wait_for(socket.recv(), 30) != f"{place} {turn}":
                    return False
        return True

    begun = time.monotonic()
    done = await asyncio.gather(*(one(place) for place in range(MANY)), return_exceptions=True)
    report.check(f"websockets: {MANY} at a time, {TURNS} messages each", all(it is True for it in done),
                 f"{time.monotonic() - begun:.1f} s {[it for it in done if it is not True][:2] or ''}".strip())


def check(world, report):
    asyncio.run(asyncio.wait_for(python(world, report), 180))
    for kind, name in (("ws", "ws over HTTP/1.1"), ("h2", "ws over HTTP/2")):
        held = world.node(kind)
        whats = ("text", "binary", "fragments", "large", "ping", "closes", "closed", "pinged", "redacted", "many")
        report.check(f"{name}: {', '.join(whats)}", all(held.get(what) for what in whats), held.get("error") or f"ping {held.get('ping')}")
