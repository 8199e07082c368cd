"""gRPC: PyPI `grpcio` on both sides, over HTTP/2 to the platform: by prior knowledge, and over TLS by ALPN."""

import asyncio
import hashlib
import json
import time

OPTIONS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


class Service:
    """The methods of a service, with bytes as messages."""

    def __init__(self, channel, name):
        for method, kind in (("Unary", "unary_unary"), ("Download", "unary_stream"), ("Upload", "stream_unary"), ("Both", "stream_stream"),
                             ("Fail", "unary_unary"), ("FailLate", "unary_stream"), ("Sleep", "unary_unary"), ("Tell", "unary_unary")):
            setattr(self, method, getattr(channel, kind)(f"/{name}/{method}"))


async def failure(call):
    """How a call ended that had to fail."""
    import grpc

    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("it succeeded")


def binary(metadata):
    return {key: value for key, value in metadata}


async def service(world, report, name, port, title):
    import grpc

    def check(what, holds, detail=""):
        report.check(f"{title}: {what}", holds, detail)

    credentials = grpc.ssl_channel_credentials(world.ca.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, OPTIONS) as channel:
        it = Service(channel, name)
        raw = bytes(range(256))
        call = it.Unary(raw, metadata=(("x-text", "hello"), ("x-raw-bin", raw)), timeout=20)
        check("a call, its metadata and trailers", await call == raw
              and binary(await call.initial_metadata()).get("x-first-bin") == b"\x00\xff\x80"
              and binary(await call.trailing_metadata()).items() >= {("x-last", "hello"), ("x-last-bin", raw)},
              str(await call.trailing_metadata())[:200])
        begun = time.monotonic()
        echoes = await asyncio.gather(*(it.Unary(f"{n}".encode(), timeout=60) for n in range(300)))
        check("300 calls at a time", echoes == [f"{n}".encode() for n in range(300)], f"{time.monotonic() - begun:.2f} s")

        latencies = []
        async for message in it.Download(b"20 0.05", timeout=30):
            number, at = message.split()
            assert int(number) == len(latencies)
            latencies.append(time.time() - float(at))
        in_time = len(latencies) == 20 and sorted(latencies)[10] < 0.04 and max(latencies) < 1
        check("messages of the server come as they are sent", in_time,
              f"ms: {' '.join(f'{1000 * latency:.0f}' for latency in latencies)}")

        pieces = [bytes([n]) * 1000 * n for n in range(100)]

        async def stream():
            for piece in pieces:
                yield piece
        said = await it.Upload(stream(), timeout=30)
        check("messages of the client", said == f"100 {hashlib.sha256(b''.join(pieces)).hexdigest()}".encode(), said.decode()[:40])
        call = it.Both(timeout=30)
        turns, begun = 0, time.monotonic()
        for n in range(100):
            await call.write(f"turn {n}".encode())
            turns += await asyncio.wait_for(call.read(), 10) == f"turn {n}".encode()[::-1]
        await call.done_writing()
        ended = await call.read() is grpc.aio.EOF and await call.code() == grpc.StatusCode.OK
        check("turn by turn in both directions", turns == 100 and ended, f"{(time.monotonic() - begun) * 10:.1f} ms a turn")

        error = await failure(it.Fail(b"", timeout=20))
        told = error.code(), error.details(), binary(error.trailing_metadata()).get("grpc-status-details-bin")
        wanted = grpc.StatusCode.INVALID_ARGUMENT, "ça ne va pas: 100 %", b"\x08\x03\x12\x03why"
        check("a status with its text and details", told == wanted, str(told))
        call, got = it.FailLate(b"", timeout=20), []
        try:
            async for message in call:
                got.append(message)
        except grpc.aio.AioRpcError:
            pass
        code = await call.code()
        check("a status behind messages", got == [b"one", b"two"] and code == grpc.StatusCode.DATA_LOSS, f"{got} {code}")

        cancelled = json.loads(await it.Tell(b""))["cancelled"]
        begun = time.monotonic()
        error = await failure(it.Sleep(b"10", timeout=0.5))
        took = time.monotonic() - begun
        check("a deadline passes", error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and took < 3, f"{took:.2f} s")
        call = it.Download(b"1000 0.05", timeout=30)
        await call.read()
        call.cancel()
        begun, seen = time.monotonic(), 0
        while seen < cancelled + 2 and time.monotonic() - begun < 5:
            await asyncio.sleep(0.05)
            seen = json.loads(await it.Tell(b""))["cancelled"]
        check("the server hears of the deadline and of a cancelled stream", seen == cancelled + 2,
              f"{seen - cancelled} of 2, {time.monotonic() - begun:.2f} s")

        for size in (3 << 20, 24 << 20):
            large, begun = hashlib.shake_256(b"x").digest(size), time.monotonic()
            same = await it.Unary(large, timeout=60) == large
            check(f"a message of {size >> 20} MiB, both ways", same, f"{time.monotonic() - begun:.2f} s")

    options = [*OPTIONS, ("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_timeout_ms", 2000), ("grpc.keepalive_permit_without_calls", 1),
               ("grpc.http2.max_pings_without_data", 0)]
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, options) as channel:
        it, states = Service(channel, name), []
        await it.Unary(b"a", timeout=20)

        async def watch():
            state = channel.get_state()
            while True:
                await channel.wait_for_state_change(state)
                state = channel.get_state()
                states.append(state.name)
        watching = asyncio.ensure_future(watch())
        await asyncio.sleep(world.seconds)
        alive = await it.Unary(b"b", timeout=20) == b"b"
        watching.cancel()
        check(f"pings keep a connection for {world.seconds:.0f} s", alive and not states, str(states))


async def everything(world, report):
    import grpc

    await service(world, report, "plain.Echo", world.port, "gRPC, prior knowledge")
    await service(world, report, "secure.Echo", world.port, "gRPC, TLS by ALPN")
    credentials = grpc.ssl_channel_credentials(world.ca.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{world.port}", credentials) as channel:
        error = await failure(Service(channel, "gone.Echo").Unary(b"", timeout=20))
        away = error.code() == grpc.StatusCode.UNAVAILABLE
        report.check("gRPC: a platform that is away is UNAVAILABLE", away, f"{error.code()} {error.details()}")


def check(world, report):
    asyncio.run(asyncio.wait_for(everything(world, report), 300))
