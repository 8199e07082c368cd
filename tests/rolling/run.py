#!/usr/bin/env python3
"""A rolling restart: two replicas behind a TCP balancer are restarted in turn under load, and no request fails.

    tests/rolling/run.py [--rempart PATH] [--cache DIR] [--requests N] [--restarts N] [--seconds N] [--seed N]

Clients of HTTP/1.1 and HTTP/2 keep their connections, and ask until there were N requests (default: 100,000), N restarts of each replica
(default: 5) and N seconds (default: 0). A replica gets SIGTERM, must end with 0, and is started anew. The balancer asks `/readyz` four
times a second and gives new connections to replicas that are ready; connections that are open are left alone. A client opens another
connection behind `Connection: close`, behind GOAWAY, and where it finds an idle one closed. A request on a connection that ends without
an answer has failed, whatever a browser would do; a stream that GOAWAY says nobody looked at is asked again, and counted. Answers are
compared byte for byte with what they must be. Needs Python 3.9 with venv and openssl, and installs `hpack` from PyPI into DIR (default:
target/rolling). One line for each check; exit 1 if one does not hold.
"""

import argparse
import asyncio
import collections
import multiprocessing
import pathlib
import random
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RIG = HERE.parent / "rig"
sys.path[:0] = [str(HERE), str(RIG)]
sys.dont_write_bytecode = True

import balancer  # noqa: E402
import packages  # noqa: E402
from answer import Lost, Wrong  # noqa: E402
from exchanges import CHARTER, ROUTES, Mix  # noqa: E402
from gateway import Certificate, Gateway, free_port, until  # noqa: E402
from http1 import Http1  # noqa: E402
from http2 import Http2  # noqa: E402
from report import Report  # noqa: E402

DRAIN_DELAY, DRAIN = 1, 20
PROCESSES, H1, H2, STREAMS, SPARSE = 2, 6, 2, 5, 2
# Longest that one answer may take; the slowest body lasts one second and a half.
LONGEST = 30
GATEWAY = f"""
gateway:
  listen: {{ https: "127.0.0.1:{{https}}", admin: "127.0.0.1:{{admin}}" }}
  workers: 2
  certificates: [{{ names: [localhost], chain: "{{chain}}", key: "{{key}}" }}]
  secret: {{ file: secret }}
  journal: {{ to: {{ file: "{{work}}/journal.jsonl" }} }}
  timeouts: {{ drain_delay: {DRAIN_DELAY} s, drain: {DRAIN} s }}
  upstreams:
    platform: {{ endpoints: "http://127.0.0.1:{{platform}}" }}
    numbers: {{ endpoints: "http://127.0.0.1:{{platform}}" }}
"""
FORK = multiprocessing.get_context("fork")


class Client:
    """One process of clients."""

    def __init__(self, place, port, certificate, seed, quota, enough):
        self.port, self.quota, self.enough = port, quota, enough
        self.random = random.Random(f"{seed} {place}")
        self.mix = Mix(self.random, f"p{place}n")
        self.contexts = {kind: certificate.context(alpn) for kind, alpn in ((Http1, "http/1.1"), (Http2, "h2"))}
        self.counts, self.bad, self.longest, self.started = collections.Counter(), [], 0.0, 0

    def goes_on(self):
        return self.started < self.quota or not self.enough.value

    async def connect(self, kind):
        self.counts["connections"] += 1
        return await asyncio.wait_for(kind.open(self.port, self.contexts[kind]), LONGEST)

    async def one(self, kind, connection):
        """One request, and the connection for the next."""
        request = self.mix.draw()
        self.started += 1
        for _ in range(5):
            try:
                if connection is None or not connection.reusable:
                    connection = await self.connect(kind)
                answer = await asyncio.wait_for(request.ask(connection), LONGEST)
                wrong = f"cut: {answer.cut}" if answer.cut else request.wrong(answer)
                if not wrong and answer.status != request.status:
                    wrong = f"status {answer.status}"
                self.longest = max(self.longest, answer.seconds)
            except Lost as lost:
                if lost.unprocessed:
                    self.counts["retried"] += 1
                    continue
                wrong = f"lost: {lost}"
            except (Wrong, OSError, asyncio.TimeoutError) as error:
                wrong = repr(error)
            break
        else:
            wrong = "asked five times in vain"
        self.counts[f"{kind.protocol} asked"] += 1
        if wrong:
            self.bad.append(f"{kind.protocol} {request.method} {request.path}: {wrong}")
            if connection is not None:
                connection.close()
            return None
        return connection

    async def one_by_one(self, kind, pause=0.0):
        connection = None
        while self.goes_on():
            connection = await self.one(kind, connection)
            if pause:
                await asyncio.sleep(self.random.uniform(0, pause))

    async def streams(self):
        """Several at a time on one connection; those that find it ended share the next."""
        shared = {"connection": None, "opening": asyncio.Lock()}

        async def connected():
            async with shared["opening"]:
                connection = shared["connection"]
                if connection is None or not connection.reusable:
                    shared["connection"] = await self.connect(Http2)
            return shared["connection"]

        async def loop():
            while self.goes_on():
                try:
                    connection = await connected()
                except (OSError, Wrong, asyncio.TimeoutError) as error:
                    self.started += 1
                    self.bad.append(f"h2 connection: {error!r}")
                    continue
                await self.one(Http2, connection)

        await asyncio.gather(*(loop() for _ in range(STREAMS)))

    async def run(self):
        begun = time.monotonic()
        await asyncio.gather(
            *(self.one_by_one(Http1) for _ in range(H1)),
            *(self.streams() for _ in range(H2)),
            *(self.one_by_one(kind, 3.0) for kind in (Http1, Http2) for _ in range(SPARSE)),
        )
        return {"counts": self.counts, "bad": self.bad, "longest": self.longest, "spent": time.monotonic() - begun}


def clients(place, port, certificate, seed, quota, enough, pipe):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    pipe.send(asyncio.run(Client(place, port, certificate, seed, quota, enough).run()))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rempart", help="the gateway's binary (default: built with cargo)")
    options.add_argument("--cache", default=str(ROOT / "target" / "rolling"))
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--restarts", type=int, default=5, help="of each replica, at least")
    options.add_argument("--seconds", type=float, default=0, help="how long, at least")
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = options.parse_args()
    packages.need(openssl="openssl")
    binary = packages.gateway(ROOT, options.rempart)
    cache = pathlib.Path(options.cache).resolve()
    packages.pypi(cache, "hpack==4.1.0")
    print(f"seed {options.seed}", flush=True)

    report = Report()
    certificate = Certificate(cache / "tls")
    platform, front = free_port(), free_port()
    policies = {"charter.yaml": CHARTER, "gateway.yaml": GATEWAY, "routes/all.yaml": ROUTES}
    replicas = [Gateway(binary, cache / f"replica-{n}", certificate, policies, platform=platform) for n in (1, 2)]
    origin = subprocess.Popen([sys.executable, str(RIG / "origin.py"), str(platform)])
    processes = []
    try:
        for replica in replicas:
            replica.start()
        ours, theirs = FORK.Pipe()
        ports = [(replica.https, replica.admin) for replica in replicas]
        processes.append(FORK.Process(target=balancer.serve, args=(ports, front, theirs), daemon=True))
        processes[0].start()
        time.sleep(1)
        enough = FORK.Value("b", 0)
        pipes = []
        for place in range(PROCESSES):
            pipe, end = FORK.Pipe(duplex=False)
            arguments = (place, front, certificate, options.seed, -(-options.requests // PROCESSES), enough, end)
            processes.append(FORK.Process(target=clients, args=arguments, daemon=True))
            processes[-1].start()
            end.close()
            pipes.append(pipe)

        begun, restarts, codes, drains = time.monotonic(), 0, collections.Counter(), []
        # Ten minutes at ten requests a second are no load that shows anything.
        bound = max(3600, 2 * options.seconds)
        while not all(pipe.poll() for pipe in pipes):
            if time.monotonic() - begun > bound:
                raise RuntimeError(f"not ended within {bound} s")
            replica = replicas[restarts % 2]
            told = time.monotonic()
            codes[replica.terminate(DRAIN + DRAIN_DELAY + 10)] += 1
            drains.append(time.monotonic() - told)
            replica.start()
            restarts += 1
            # The balancer must have found it before the other one goes.
            time.sleep(4 * balancer.CHECK)
            enough.value = restarts >= 2 * options.restarts and time.monotonic() - begun >= options.seconds
        found = [pipe.recv() for pipe in pipes]
        ours.send("end")
        balanced = ours.recv()
        for replica in replicas:
            until("the end of all connections", lambda: replica.metric("rempart_requests_in_flight") == 0)
            codes[replica.terminate(DRAIN + DRAIN_DELAY + 10)] += 1
    finally:
        for replica in replicas:
            replica.kill()
        for process in processes:
            process.terminate()
        origin.kill()

    counts = sum((each["counts"] for each in found), collections.Counter())
    asked = counts["h1 asked"] + counts["h2 asked"]
    bad = [text for each in found for text in each["bad"]]
    spent = max(each["spent"] for each in found)
    report.note(f"{asked} requests in {spent:.0f} s ({asked / spent:.0f}/s), {counts['h1 asked']} over h1, {counts['h2 asked']} over h2, "
                f"longest {max(each['longest'] for each in found):.2f} s; {counts['connections']} connections")
    for text in bad[:20]:
        report.note(text)
    report.check("no request failed", not bad, f"{len(bad)} of {asked}, {counts['retried']} streams asked again behind GOAWAY")
    report.check("there were as many as asked for", asked >= options.requests, str(asked))
    report.check("both replicas were restarted, again and again", restarts >= 2 * options.restarts, f"{restarts} restarts")
    report.check("each ended with 0", set(codes) == {0}, str(dict(codes)))
    report.check("none was cut by the end of its drain", max(drains) < DRAIN + DRAIN_DELAY, f"longest {max(drains):.1f} s")
    report.check("both took their share", min(balanced["given"]) * 5 >= max(balanced["given"]), f"{balanced['given']} connections")
    homeless = balanced["homeless"] + balanced["refused"]
    report.check("the balancer always found one", not homeless, f"{balanced}")
    journal = [record for replica in replicas for record in replica.journal()]
    report.check("the journal has each exchange once", len(journal) == asked and len({r["request_id"] for r in journal}) == asked,
                 f"{len(journal)} records")
    broken = collections.Counter(record["termination"] for record in journal)
    report.check("and says that each is complete", set(broken) == {"complete"}, str(dict(broken)))
    report.end()


if __name__ == "__main__":
    main()
