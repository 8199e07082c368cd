#!/usr/bin/env python3
"""The platform behind the gateway, one process for each protocol: `servers.py KIND PORT [CHAIN KEY]`.

`sockets` is the WebSocket server of PyPI `websockets`, `grpc` that of `grpcio` (over TLS with a certificate), `http` speaks HTTP/1.1 with
server-sent events and long bodies.
"""

import asyncio
import hashlib
import json
import logging
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "rig"))
sys.dont_write_bytecode = True

PIECE = bytes(range(256)) * 256
EVENTS, PAUSE = 12, 0.1
# Events of one connection before the server ends it.
TURN = 5


# WebSockets.


async def sockets(port):
    import websockets
    import websockets.asyncio.server as server

    # Whoever looks whether it listens is no client.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    closes = {}

    async def talk(socket):
        try:
            await say(socket, socket.request.path)
        except websockets.ConnectionClosed:
            pass
        await socket.wait_closed()
        closes[socket.request.path] = [socket.close_code, socket.close_reason]

    async def say(socket, path):
        if path.endswith("/closes"):
            await socket.send(json.dumps(closes, ensure_ascii=False))
        elif path.endswith("/goodbye"):
            await socket.close(4002, "au revoir")
        elif path.endswith("/people"):
            async for _ in socket:
                await socket.send(json.dumps({"id": 7, "full_name": "Secret Name"}))
        elif path.endswith("/ping"):
            waiter = await socket.ping()
            await socket.send(f"{await asyncio.wait_for(waiter, 10):.4f}")
        else:
            async for message in socket:
                await socket.send(message)

    # Compression is agreed on where the client offers it.
    async with server.serve(talk, "127.0.0.1", port, max_size=64 << 20, subprotocols=["chat.v2"]):
        await asyncio.Event().wait()


# gRPC, with bytes as messages and no generated code.


def methods(seen):
    """Name of a method → its kind, and what it does."""
    async def unary(request, context):
        seen["calls"] += 1
        sent = {key: value for key, value in context.invocation_metadata() if key.startswith("x-")}
        await context.send_initial_metadata((("x-first", "initial"), ("x-first-bin", b"\x00\xff\x80")))
        context.set_trailing_metadata((("x-last", sent.get("x-text", "")), ("x-last-bin", sent.get("x-raw-bin", b""))))
        return request

    async def download(request, context):
        count, pause = request.split()
        try:
            for number in range(int(count)):
                yield f"{number} {time.time()}".encode()
                await asyncio.sleep(float(pause))
        except asyncio.CancelledError:
            seen["cancelled"] += 1
            raise

    async def upload(requests, context):
        digest, count = hashlib.sha256(), 0
        async for message in requests:
            digest.update(message)
            count += 1
        return f"{count} {digest.hexdigest()}".encode()

    async def both(requests, context):
        async for message in requests:
            yield message[::-1]

    async def fail(request, context):
        import grpc

        context.set_trailing_metadata((("grpc-status-details-bin", b"\x08\x03\x12\x03why"), ("x-reason", "because")))
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "ça ne va pas: 100 %")

    async def fail_late(request, context):
        import grpc

        yield b"one"
        yield b"two"
        await context.abort(grpc.StatusCode.DATA_LOSS, "behind two messages")

    async def sleep(request, context):
        try:
            await asyncio.sleep(float(request))
        except asyncio.CancelledError:
            seen["cancelled"] += 1
            raise
        return b"slept"

    async def tell(request, context):
        return json.dumps(seen).encode()

    return {
        "Unary": (unary, False, False), "Download": (download, False, True), "Upload": (upload, True, False), "Both": (both, True, True),
        "Fail": (fail, False, False), "FailLate": (fail_late, False, True), "Sleep": (sleep, False, False), "Tell": (tell, False, False),
    }


async def grpc_server(port, chain=None, key=None):
    import grpc

    table = methods({"calls": 0, "cancelled": 0})
    handlers = {
        (False, False): grpc.unary_unary_rpc_method_handler, (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler, (True, True): grpc.stream_stream_rpc_method_handler,
    }

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            function, streams_in, streams_out = table[details.method.rsplit("/", 1)[1]]
            return handlers[streams_in, streams_out](function)

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)])
    server.add_generic_rpc_handlers((Handler(),))
    if chain:
        pair = (pathlib.Path(key).read_bytes(), pathlib.Path(chain).read_bytes())
        server.add_secure_port(f"localhost:{port}", grpc.ssl_server_credentials([pair]))
    else:
        server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


# Events and long bodies.


async def http(port):
    from origin import Origin, chunk

    class Platform(Origin):
        async def exchange(self, reader, writer, asked):
            _, what, *rest = asked.path.split("/")
            if what == "files" and asked.method == "GET":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                for _ in range(int(rest[0]) // len(PIECE)):
                    writer.write(chunk(PIECE))
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
                await writer.drain()
            elif what == "files":
                digest, size = await self.digest(reader, asked)
                body = f"{size} {digest}".encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            else:
                await self.events(writer, asked, rest[0])

        @staticmethod
        async def digest(reader, asked):
            digest, size = hashlib.sha256(), 0
            if asked.headers.get("transfer-encoding") == "chunked":
                while length := int(await reader.readuntil(b"\r\n"), 16):
                    size += length
                    while length:
                        piece = await reader.read(min(length, 1 << 16))
                        digest.update(piece)
                        length -= len(piece)
                    await reader.readexactly(2)
                await reader.readuntil(b"\r\n")
            else:
                rest = int(asked.headers["content-length"])
                while rest:
                    piece = await reader.read(min(rest, 1 << 16))
                    digest.update(piece)
                    size += len(piece)
                    rest -= len(piece)
            return digest.hexdigest(), size

        @staticmethod
        async def events(writer, asked, kind):
            """Numbered events, a while apart; those of `turns` end behind some, and go on where the client says it was."""
            begin = int(asked.headers.get("last-event-id") or 0)
            end = min(begin + TURN, EVENTS) if kind == "turns" else EVENTS
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(chunk(b"retry: 100\n: hello\n\n"))
            for number in range(begin + 1, end + 1):
                data = {"id": number, "at": time.time(), "full_name": "Secret Name"}
                writer.write(chunk(f"id: {number}\nevent: step\ndata: {json.dumps(data)}\n\n".encode()))
                await writer.drain()
                await asyncio.sleep(PAUSE)
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    await Platform().serve(port)


if __name__ == "__main__":
    kinds = {"sockets": sockets, "grpc": grpc_server, "http": http}
    # The environment that `run.py` made has what they need.
    asyncio.run(kinds[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:]))
