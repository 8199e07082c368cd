#!/usr/bin/env python3
"""Endpoints that die, freeze, lie and refuse, at random, under load; every answer is right, or a clear refusal, or visibly cut.

    tests/chaos/run.py [--rempart PATH] [--cache DIR] [--seconds N] [--seed N]

Two upstreams of three endpoints each, each a process (`upstream.py`), are killed and started again on the same port, frozen, closed to
new connections, and told to lie in some twenty ways (`upstream.py` has them) for N seconds (default: 600), while clients of HTTP/1.1 and
HTTP/2 ask over TLS: GET, HEAD and POST, small, large, streamed, coded, redacted and exempt, some leaving behind the head. The law for
each answer: it is, byte for byte, that to this very request; or a problem document with 502, 503 or 504; or it breaks off in a way that
the client sees, and what came before is how the right one begins. No POST reaches an endpoint twice. At the end the journal has each
exchange once, as the client saw it, and the process holds no more of the machine than before. Needs Python 3.9 with venv and openssl, and
installs `hpack` from PyPI into DIR (default: target/chaos). One line for each check; exit 1 if one does not hold.
"""

import argparse
import asyncio
import collections
import json
import multiprocessing
import pathlib
import random
import re
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "rig")]
sys.dont_write_bytecode = True

import packages  # noqa: E402
from answer import Lost, Wrong  # noqa: E402
from exchanges import CHARTER, ROUTES, SECRET, TROUBLE, Mix  # noqa: E402
from gateway import Certificate, Gateway, until  # noqa: E402
from http1 import Http1  # noqa: E402
from http2 import Http2  # noqa: E402
from monkey import Endpoint, Monkey  # noqa: E402
from report import Report, quantile  # noqa: E402
from upstream import LIES  # noqa: E402

UPSTREAMS, ENDPOINTS = ("platform", "numbers"), 3
PROCESSES, H1, H2, STREAMS = 2, 8, 3, 4
# Longest pause of a client between two requests, and what the policy allows each phase, in seconds.
PAUSE = 0.02
CONNECT, RESPONSE, BODY = 0.5, 2, 3
# Every endpoint may be tried in turn; a body may come slowly for as long as it does come.
LONGEST = 25
# What the process may hold beyond what it held before.
FDS, RSS = 4, 48
GATEWAY = f"""
gateway:
  listen: {{{{ https: "127.0.0.1:{{https}}", admin: "127.0.0.1:{{admin}}" }}}}
  workers: 2
  certificates: [{{{{ names: [localhost], chain: "{{chain}}", key: "{{key}}" }}}}]
  secret: {{{{ file: secret }}}}
  journal: {{{{ to: {{{{ file: "{{work}}/journal.jsonl" }}}} }}}}
  timeouts: {{{{ body: {BODY} s }}}}
  upstreams:
""".replace("{{", "{").replace("}}", "}") + "".join(
    f"    {name}: {{ endpoints: [{{{name}}}], connect_timeout: {int(CONNECT * 1000)} ms, response_timeout: {RESPONSE} s }}\n"
    for name in UPSTREAMS
)
FORK = multiprocessing.get_context("fork")


def key(protocol, route, method, status, whole):
    """By what clients and journal count. Of an answer that breaks off the client may not know the status."""
    return protocol, route, method, None if whole is False else status, whole


class Client:
    """One process of clients, until it is told to end."""

    def __init__(self, prefix, port, certificate, seed, ended):
        self.port, self.ended = port, ended
        self.random = random.Random(f"{seed} {prefix}")
        self.mix = Mix(self.random, prefix, leave=0.03, drip=0.01, large=0.02)
        self.contexts = {kind: certificate.context(alpn) for kind, alpn in ((Http1, "http/1.1"), (Http2, "h2"))}
        self.outcomes, self.exchanges = collections.Counter(), collections.Counter()
        self.bad, self.seconds = [], []

    def judge(self, request, answer):
        """Whether an answer keeps the law: a word for it, or what is wrong."""
        if SECRET.encode() in answer.body:
            return None, f"a name leaked: {answer!r}"
        if answer.get("x-nonce"):
            wrong = request.wrong(answer)
            word = "left" if request.abandon else "cut" if answer.cut else "trouble" if answer.status == TROUBLE else "right"
            return word, wrong
        if answer.status not in (502, 503, 504):
            return None, f"neither the platform's nor a clear refusal: {answer!r}"
        if request.abandon or request.method == "HEAD":
            clear = answer.get("content-type") == "application/problem+json"
        else:
            clear = answer.cut is None and answer.problem() is not None
        return f"refused {answer.status}", None if clear else f"no problem document: {answer!r}"

    async def one(self, kind, connection):
        request, word = self.mix.draw(), None
        try:
            answer = await asyncio.wait_for(request.ask(connection), LONGEST)
            word, wrong = self.judge(request, answer)
            whole = "left" if request.abandon else answer.cut is None
            self.exchanges[key(kind.protocol, request.route, request.method, answer.status, whole)] += 1
            self.seconds.append(answer.seconds)
        except Lost as lost:
            # What breaks off in the moment of its head may lose that too. The journal must say that it broke off.
            word, wrong = ("headless", None) if lost.broken else (None, f"no answer: {lost}")
            self.exchanges[key(kind.protocol, request.route, request.method, 0, False)] += lost.broken
        except (Wrong, OSError, asyncio.TimeoutError) as error:
            wrong = f"no answer: {error!r}"
            connection.close()
        self.outcomes[word or "wrong"] += 1
        if wrong:
            self.bad.append(f"{kind.protocol} {request.method} {request.path}: {wrong}")

    async def loop(self, kind, shared, opening):
        while not self.ended.value:
            try:
                async with opening:
                    if not shared or not shared[0].reusable:
                        shared[:] = [await asyncio.wait_for(kind.open(self.port, self.contexts[kind]), LONGEST)]
                await self.one(kind, shared[0])
            except (Wrong, OSError, asyncio.TimeoutError) as error:
                self.bad.append(f"{kind.protocol} connection: {error!r}")
                shared.clear()
            await asyncio.sleep(self.random.uniform(0, PAUSE))

    async def run(self):
        shares = [(Http1, 1)] * H1 + [(Http2, STREAMS)] * H2
        loops = []
        for kind, streams in shares:
            shared, opening = [], asyncio.Lock()
            loops += [self.loop(kind, shared, opening) for _ in range(streams)]
        await asyncio.gather(*loops)
        return {"outcomes": self.outcomes, "exchanges": self.exchanges, "bad": self.bad, "seconds": self.seconds}


def clients(arguments, pipe):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    pipe.send(asyncio.run(Client(*arguments).run()))


class Load:
    """All processes of clients, for as long as `during` lasts."""

    def __init__(self, name, port, certificate, seed):
        self.ended, self.pipes, self.processes = FORK.Value("b", 0), [], []
        for place in range(PROCESSES):
            ours, theirs = FORK.Pipe(duplex=False)
            arguments = (f"{name}{place}n", port, certificate, seed, self.ended)
            self.processes.append(FORK.Process(target=clients, args=(arguments, theirs), daemon=True))
            self.processes[-1].start()
            theirs.close()
            self.pipes.append(ours)

    def going(self):
        return all(process.is_alive() for process in self.processes)

    def end(self):
        self.ended.value = 1
        found = []
        for pipe in self.pipes:
            if not pipe.poll(2 * LONGEST):
                raise RuntimeError("clients that do not end")
            found.append(pipe.recv())
        total = {"outcomes": collections.Counter(), "exchanges": collections.Counter(), "bad": [], "seconds": []}
        for each in found:
            for key in total:
                total[key] += each[key]
        return total


def connections_to(process, ports):
    """Open connections of a process to these ports, as the kernel has them."""
    established, table = "01", pathlib.Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]
    rows = (line.split() for line in table)
    return sum(row[3] == established and int(row[2].split(":")[1], 16) in ports for row in rows)


def told(journal):
    """The journal as the clients would have counted it."""
    seen = collections.Counter()
    for record in journal:
        # Requests that no route took are none of the clients'.
        route = record.get("route", "none")
        whole = "left" if route == "left" else record["termination"] == "complete"
        seen[key(record["protocol"], route, record["method"], record["status"], whole)] += 1
    return seen


def check_answers(report, found, spent):
    outcomes, total = found["outcomes"], sum(found["outcomes"].values())
    report.note(f"{total} exchanges in {spent:.0f} s ({total / spent:.0f}/s): {dict(outcomes.most_common())}; "
                f"p50 {quantile(found['seconds'], .5) * 1000:.0f} ms, longest {max(found['seconds']):.1f} s")
    for text in found["bad"][:20]:
        report.note(text[:600])
    report.check("every answer is right, a clear refusal, or visibly cut", not found["bad"], f"{len(found['bad'])} of {total} are not")
    report.check("most are right all the same", outcomes["right"] + outcomes["left"] >= total / 3, f"{outcomes['right'] / total:.0%}")
    headless = outcomes["headless"]
    report.check("of those cut few lost their head as well", headless <= 1 + total / 2000, f"{headless} of {total}")
    report.check("some are cut and some refused", outcomes["cut"] and outcomes["refused 502"] and outcomes["refused 504"])


def check_endpoints(report, endpoints, monkey, seconds):
    lines = [line for endpoint in endpoints for line in endpoint.log.read_text().splitlines()]
    posts = collections.Counter(line for line in lines if line[0] != "!")
    lies = collections.Counter(line[1:] for line in lines if line[0] == "!")
    report.note(f"endpoints were {monkey.done}; lies: {dict(lies.most_common())}")
    twice = [nonce for nonce, count in posts.items() if count > 1]
    detail = f"{len(posts)} POSTs, {len(twice)} twice {twice[:5] or ''}".strip()
    report.check("no POST reached an endpoint twice", posts and not twice, detail)
    # A short run may not come to all of them.
    missing = sorted(set(LIES) - set(lies))
    report.check("every lie was told", not missing or seconds < 60, f"not: {missing}" if missing else f"{sum(lies.values())} lies")


def check_journal(report, gateway, seen):
    journal = gateway.journal()
    report.check("no exchange is twice in the journal", len({record["request_id"] for record in journal}) == len(journal))
    written, total = told(journal), sum(seen.values())
    differences = {str(it): (seen[it], written[it]) for it in seen.keys() | written.keys() if seen[it] != written[it]}
    for what, (client, record) in list(differences.items())[:12]:
        report.note(f"{what}: clients saw {client}, the journal has {record}")
    report.check("the journal has each exchange as its client saw it", not differences, f"{len(journal)} records, {total} exchanges")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rempart", help="the gateway's binary (default: built with cargo)")
    options.add_argument("--cache", default=str(ROOT / "target" / "chaos"))
    options.add_argument("--seconds", type=float, default=600, help="how long things go wrong")
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = options.parse_args()
    packages.need(openssl="openssl")
    binary = packages.gateway(ROOT, options.rempart)
    cache = pathlib.Path(options.cache).resolve()
    packages.pypi(cache, "hpack==4.1.0")
    print(f"seed {options.seed}", flush=True)

    report, certificate = Report(), Certificate(cache / "tls")
    chance = random.Random(options.seed)
    endpoints = []
    for name in UPSTREAMS:
        for number in range(ENDPOINTS):
            log = cache / f"{name}-{number}.log"
            log.write_text("")
            endpoints.append(Endpoint(name, log, f"{options.seed} {name} {number}"))
    places = {
        name: ", ".join(f'"http://127.0.0.1:{endpoint.port}"' for endpoint in endpoints if endpoint.name == name) for name in UPSTREAMS
    }
    policies = {"charter.yaml": CHARTER, "gateway.yaml": GATEWAY, "routes/all.yaml": ROUTES}
    gateway = Gateway(binary, cache / "gateway", certificate, policies, **places)
    monkey = Monkey(endpoints, chance, sorted(LIES))
    loads = []
    try:
        for endpoint in endpoints:
            endpoint.start()
        gateway.start()
        fresh = gateway.holds()

        # What it holds after a time without misfortune.
        loads.append(Load("calm", gateway.https, certificate, options.seed))
        time.sleep(max(3, min(20, options.seconds / 10)))
        calm = loads[0].end()
        report.check("without misfortune every answer is right", not calm["bad"] and set(calm["outcomes"]) <= {"right", "left"},
                     f"{dict(calm['outcomes'])} {calm['bad'][:2] or ''}".strip())
        until("the end of the first load", lambda: gateway.metric("rempart_connections_open") == 0)
        warm = gateway.holds()

        begun = time.monotonic()
        loads.append(Load("wild", gateway.https, certificate, options.seed))
        monkey.rage(options.seconds, loads[1].going)
        found = loads[1].end()
        spent = time.monotonic() - begun
        check_answers(report, found, spent)
        check_endpoints(report, endpoints, monkey, options.seconds)

        # Quiet: what is not given back now never is.
        for what, metric in (("connections of clients", "rempart_connections_open"), ("exchanges", "rempart_requests_in_flight")):
            try:
                took = until(what, lambda: gateway.metric(metric) == 0, BODY + RESPONSE + 10)
                report.check(f"no {what} are left", True, f"{took:.1f} s behind the last client")
            except RuntimeError:
                report.check(f"no {what} are left", False, f"{gateway.metric(metric):.0f}")
        report.check("the journal's queue is empty", gateway.metric("rempart_journal_queue_depth") == 0)
        idle = gateway.metric("rempart_upstream_connections_idle")
        kept = connections_to(gateway.process, {endpoint.port for endpoint in endpoints})
        report.check("every connection to an endpoint waits in a pool", kept <= idle, f"{kept} open, {idle:.0f} in pools")
        for endpoint in endpoints:
            endpoint.end()
        try:
            until("the end of connections", lambda: gateway.holds()["fds"] <= fresh["fds"] + FDS, 10)
        except RuntimeError:
            pass
        left = gateway.holds()
        given_back = left["fds"] <= fresh["fds"] + FDS
        report.check("file descriptors are given back", given_back, f"{fresh['fds']} at the start, {left['fds']} now")
        report.check("so are threads", left["threads"] <= warm["threads"], f"{warm['threads']} then, {left['threads']} now")
        report.check("memory is what it was", left["rss"] <= warm["rss"] + RSS,
                     f"{fresh['rss']:.0f} MiB at the start, {warm['rss']:.0f} behind the calm, {left['rss']:.0f} now, "
                     f"peak {gateway.peak():.0f}")
        report.check("SIGTERM ends it with 0", gateway.terminate() == 0)
        check_journal(report, gateway, calm["exchanges"] + found["exchanges"])
        said = [json.loads(line).get("event") for line in gateway.log().splitlines() if line.startswith("{")]
        report.check("it reported no fault of its own", not re.search("panic", gateway.log()), str(dict(collections.Counter(said))))
    finally:
        gateway.kill()
        for load in loads:
            for process in load.processes:
                process.terminate()
        for endpoint in endpoints:
            endpoint.end()
    report.end()


if __name__ == "__main__":
    main()
