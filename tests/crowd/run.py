#!/usr/bin/env python3
"""What connections cost in memory: ten thousand idle ones and two thousand under way, over TLS.

    tests/crowd/run.py [--rempart PATH] [--idle N] [--active N] [--least KIB]

Starts the gateway (default: target/release/rempart) in front of a platform that answers when it is told to, opens N idle connections of
HTTP/1.1 that asked once, N of HTTP/2 that asked nothing, and N requests that wait for the platform, and prints the resident memory of the
process by connection, and its peak. Fails where a connection takes more than KIB (default: 64), where a request is lost, or where a second
crowd of the same size needs more than the first. Needs Python 3.9, openssl, and file descriptors: N of the idle
and the active together, and as many again for the platform.
"""

import argparse
import asyncio
import pathlib
import re
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOGETHER = 100
CHARTER = """
charter:
  title: A crowd
  version: 2026-01-01
  purposes: { account: { basis: contract, article: "1", retention: 36 months } }
  categories: { name: { article: "2", fields: [full_name], otherwise: mask } }
  recipients: { anonymous: { sees: {} } }
  cookies: []
"""
ROUTES = """
routes:
  - { name: all, owner: crowd, match: { host: "*", path: "/{*rest}" }, upstream: platform, purpose: account,
      personal_data: { record: "$", fields: { id: not_personal, full_name: name }, unknown: deny } }
"""
GATEWAY = """
gateway:
  listen: { https: "127.0.0.1:%(https)s", admin: "127.0.0.1:%(admin)s" }
  workers: 2
  certificates: [{ names: [localhost], chain: tls.pem, key: tls.key }]
  secret: { file: secret }
  journal: { to: { file: "%(work)s/journal.jsonl" } }
  limits: { connections: 40000, connections_per_address: 40000, exchanges: 8192 }
  timeouts: { idle: 10 min }
  upstreams: { platform: { endpoints: "http://127.0.0.1:%(platform)s", response_timeout: 10 min } }
"""
BODY = b'{"id":"L1","full_name":"Nobody"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    def __init__(self, binary, work, platform):
        self.https, admin = free_port(), free_port()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", str(work / "tls.key"), "-out", str(work / "tls.pem")],
            check=True, capture_output=True,
        )
        (work / "routes").mkdir()
        (work / "charter.yaml").write_text(CHARTER)
        (work / "routes/all.yaml").write_text(ROUTES)
        (work / "secret").write_text("0123456789abcdef0123456789abcdef")
        places = {"https": self.https, "admin": admin, "platform": platform, "work": work}
        (work / "gateway.yaml").write_text(GATEWAY % places)
        self.process = subprocess.Popen([binary, "serve", "--policies", str(work)])
        self.context = ssl.create_default_context(cafile=str(work / "tls.pem"))
        begun = time.monotonic()
        while subprocess.run([binary, "health", "--ready", "--admin", f"127.0.0.1:{admin}"], capture_output=True).returncode:
            if self.process.poll() is not None or time.monotonic() - begun > 20:
                raise SystemExit("the gateway did not start")
            time.sleep(0.1)

    def memory(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+)", status, re.M)[1])

    async def connect(self, protocol):
        self.context.set_alpn_protocols([protocol])
        return await asyncio.open_connection("127.0.0.1", self.https, ssl=self.context, server_hostname="localhost", limit=4096)


class Platform:
    """Answers `/now` at once and everything else when it is let go."""

    def __init__(self):
        self.go, self.waiting = asyncio.Event(), 0

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"GET /now"):
                    self.waiting += 1
                    await self.go.wait()
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()


async def ask(connection, path):
    reader, writer = connection
    writer.write(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])
    return head.split(b" ", 2)[1], await reader.readexactly(length)


async def crowd(number, one):
    """So many at a time, until all are there."""
    together = asyncio.Semaphore(TOGETHER)

    async def bounded():
        async with together:
            return await one()

    return await asyncio.gather(*(bounded() for _ in range(number)))


async def close(connections):
    for _, writer in connections:
        writer.transport.abort()
    await asyncio.sleep(1)


async def main(options, work):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    platform = Platform()
    server = await asyncio.start_server(platform.serve, "127.0.0.1", 0, backlog=4096)
    gateway = Gateway(options.rempart, work, server.sockets[0].getsockname()[1])
    failed = []

    async def http1():
        connection = await gateway.connect("http/1.1")
        status, body = await ask(connection, b"/now")
        if status != b"200" or b"Nobody" in body:
            failed.append(f"an idle one was answered {status} {body}")
        return connection

    async def http2():
        connection = await gateway.connect("h2")
        connection[1].write(PREFACE)
        await connection[0].readexactly(9)
        return connection

    def say(name, number):
        grown = gateway.memory() - before
        each = grown / number
        print(f"{name}: {number} take {grown / 1024:.1f} MiB, {each:.1f} KiB each")
        if each > options.least:
            failed.append(f"{name}: more than {options.least} KiB each")

    try:
        await close(await crowd(200, http1))
        before = gateway.memory()
        for name, one in (("idle, HTTP/1.1", http1), ("idle, HTTP/2", http2)):
            held = await crowd(options.idle, one)
            first = gateway.memory()
            say(name, options.idle)
            await close(held)
            held = await crowd(options.idle, one)
            again = gateway.memory()
            print(f"    {again / 1024:.1f} MiB with as many again when they were gone")
            if again > first * 1.25:
                failed.append(f"{name}: what is gone is not used again")
            await close(held)
        held = await crowd(options.active, lambda: gateway.connect("http/1.1"))
        asked = [asyncio.ensure_future(ask(one, b"/later")) for one in held]
        begun = time.monotonic()
        while platform.waiting < options.active and time.monotonic() - begun < 60:
            await asyncio.sleep(0.1)
        print(f"{platform.waiting} under way: {gateway.memory() / 1024:.1f} MiB")
        platform.go.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        lost = [answer for answer in answers if isinstance(answer, Exception) or answer[0] != b"200"]
        if lost:
            failed.append(f"{len(lost)} of {options.active} were not answered: {lost[0]}")
        await close(held)
        print(f"peak: {gateway.memory('VmHWM') / 1024:.1f} MiB")
    finally:
        gateway.process.terminate()
        code = gateway.process.wait(60)
    if code:
        failed.append(f"exit {code}")
    for line in failed:
        print(f"FAILED: {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rempart", default=str(ROOT / "target/release/rempart"))
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=2_000)
    parser.add_argument("--least", type=int, default=64, metavar="KIB")
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(asyncio.run(main(parser.parse_args(), pathlib.Path(folder))))
