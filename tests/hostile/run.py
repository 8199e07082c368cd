#!/usr/bin/env python3
"""Hostile clients beside a well-behaved one, which must not notice.

    tests/hostile/run.py [--rempart PATH] [--cache DIR] [--seconds N] [--quiet N] [--only NAME...] [--together] [--list] [--seed N]

A client at 127.0.0.2 sends some 80 requests a second over HTTP/1.1 and HTTP/2, and opens two new connections a second. First it is
alone (`--quiet`, default 20 s). Then each attack (`--list` tells them with their rates; `--only` chooses) runs for N seconds (default: 60) from
127.0.0.3: the client may lose no request, its 99th percentile must stay below five times that of the quiet time, the memory of the
gateway within a bound, and afterwards nothing may be left. What the gateway counted in its metrics is printed. With `--together` the
attacks that were chosen run at once, each at its share of its rate. Needs Python 3.9 with venv and openssl, and installs `hpack` from PyPI into
DIR (default: target/hostile). One line for each check; exit 1 if one does not hold.
"""

import argparse
import multiprocessing
import os
import pathlib
import random
import re
import resource
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RIG = HERE.parent / "rig"
sys.path[:0] = [str(HERE), str(RIG)]
sys.dont_write_bytecode = True

import attacks_connections  # noqa: E402, F401
import attacks_http2  # noqa: E402, F401
import honest  # noqa: E402
import packages  # noqa: E402
from attack import ATTACKS, NICE, perform  # noqa: E402
from exchanges import CHARTER, ROUTES  # noqa: E402
from gateway import Certificate, Gateway, free_port, until  # noqa: E402
from report import Report, quantile  # noqa: E402

# How often slower than alone, and how many MiB beyond what it held then.
SLOWER, MEMORY = 5, 256
FILES = 8192
# What the good client may have open more or less.
SPARE = 24
GATEWAY = """
gateway:
  listen: { https: "127.0.0.1:{https}", admin: "127.0.0.1:{admin}" }
  workers: 2
  certificates: [{ names: [localhost], chain: "{chain}", key: "{key}" }]
  secret: { file: secret }
  journal: { to: { file: "{work}/journal.jsonl" } }
  upstreams:
    platform: { endpoints: "http://127.0.0.1:{platform}" }
    numbers: { endpoints: "http://127.0.0.1:{platform}" }
    bulk: { endpoints: "http://127.0.0.1:{bulk}" }
"""
# What attackers ask for has a platform of its own: they are to be the gateway's burden, not that of this script's Python.
BULK = """
  - name: bulk
    owner: tests
    match: { host: localhost, path: "/bulk/{*rest}" }
    upstream: bulk
    purpose: account
    personal_data: { exempt: "numbers" }
  - name: sockets
    owner: tests
    match: { host: localhost, path: "/socket/{*rest}", methods: [GET] }
    upstream: bulk
    purpose: account
    websocket: true
    personal_data: { exempt: "nothing is said" }
"""
# What a good client moves as well.
ORDINARY = re.compile(r"rempart_(requests_total|request_duration|upstream_|queue_time|redacted_|unknown_|journal_records|connections_open|.*_in_flight|"
                      r"journal_queue|build|process_|.*_timestamp)")
FORK = multiprocessing.get_context("fork")


class Side:
    """A process that is told and asked through a pipe."""

    def __init__(self, target, *arguments):
        self.pipe, theirs = FORK.Pipe()
        self.process = FORK.Process(target=target, args=(*arguments, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def take(self, seconds=30):
        self.pipe.send("take")
        return self.receive(seconds)

    def receive(self, seconds):
        if not self.pipe.poll(seconds):
            raise RuntimeError("a process of clients does not answer")
        return self.pipe.recv()


def cpu(process):
    """Seconds of processor time that a process has had."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def descriptors(gateway):
    """Open files of the gateway but for those that wait in pools."""
    return gateway.holds()["fds"] - int(gateway.metric("rempart_upstream_connections_idle"))


def counted(before, after):
    """What rose or is not 0, but for what a good client moves too."""
    names = (key for key in after if not ORDINARY.match(key))
    return {key.replace("rempart_", ""): int(after[key] - before.get(key, 0)) for key in names if after[key] > before.get(key, 0)}


def describe(taken):
    p50, p99, longest = (quantile(taken["seconds"], share) * 1000 for share in (0.5, 0.99, 1))
    new50, new90 = (quantile(taken["new"], share) * 1000 for share in (0.5, 0.9))
    return (f"{len(taken['seconds'])} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {longest:.0f} ms; "
            f"with a handshake p50 {new50:.1f} ms, p90 {new90:.1f} ms")


def trial(report, names, gateway, client, certificate, seconds, quiet, scale):
    title = " + ".join(names) if len(names) < 4 else f"{len(names)} attacks together"
    print(f"\n{title}", flush=True)
    for name in names:
        report.note(ATTACKS[name][1] + (f", times {scale:.2f}" if scale != 1 else ""))
    gateway.peak(forget=True)
    before, spent, held = gateway.metrics(), cpu(gateway.process), descriptors(gateway)
    client.take()
    attacker = Side(perform, names, gateway.https, certificate, seconds, scale)
    said = attacker.receive(seconds + 60)
    taken, after, peak = client.take(), gateway.metrics(), gateway.peak()
    attacker.process.join(5)
    report.note(describe(taken))
    for name, counts in said["counts"].items():
        report.note(f"attacker{f' {name}' if len(names) > 1 else ''}: {counts}")
    report.note(f"processor time of {seconds:.0f} s: attacker {said['cpu']:.1f} s, gateway {cpu(gateway.process) - spent:.1f} s")
    report.note(f"counted: {counted(before, after)}")
    made = all(counts["opened"] + counts["refused"] for counts in said["counts"].values())
    report.check(f"{title}: it was made", made)
    for text in taken["lost"][:5]:
        report.note(text)
    report.check(f"{title}: the client lost no request", not taken["lost"] and taken["seconds"],
                 f"{len(taken['lost'])} of {len(taken['seconds']) + len(taken['new'])}, {taken['reopened']} connections opened again, "
                 f"{taken['retried']} asked again behind GOAWAY")
    p99 = quantile(taken["seconds"], 0.99)
    report.check(f"{title}: its p99 stays below {SLOWER} times the quiet one", p99 < SLOWER * quiet["p99"],
                 f"{p99 * 1000:.1f} ms, quiet {quiet['p99'] * 1000:.1f} ms")
    report.check(f"{title}: memory is bounded", peak <= quiet["peak"] + MEMORY, f"peak {peak:.0f} MiB, quiet {quiet['peak']:.0f} MiB")
    try:
        took = until("the end", lambda: descriptors(gateway) <= held + SPARE, 20)
        report.check(f"{title}: nothing is left behind it", True, f"{took:.1f} s")
    except RuntimeError:
        report.check(f"{title}: nothing is left behind it", False, f"{held} file descriptors before, {descriptors(gateway)} now")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rempart", help="the gateway's binary (default: built with cargo)")
    options.add_argument("--cache", default=str(ROOT / "target" / "hostile"))
    options.add_argument("--seconds", type=float, default=60, help="of each attack")
    options.add_argument("--quiet", type=float, default=20, help="seconds without one, before")
    options.add_argument("--only", nargs="+", choices=sorted(ATTACKS), metavar="NAME", help="these attacks")
    options.add_argument("--together", action="store_true", help="at once, each at its share of its rate")
    options.add_argument("--list", action="store_true", help="tells the attacks")
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = options.parse_args()
    if options.list:
        for name, (_, what) in ATTACKS.items():
            print(f"{name:18}{what}")
        return
    packages.need(openssl="openssl")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < FILES:
        sys.exit(f"{FILES} open files are needed, and {hard} allowed (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    binary = packages.gateway(ROOT, options.rempart)
    cache = pathlib.Path(options.cache).resolve()
    packages.pypi(cache, "hpack==4.1.0")
    print(f"seed {options.seed}; attackers have nice {NICE}", flush=True)

    report, certificate, platform, bulk = Report(), Certificate(cache / "tls"), free_port(), free_port()
    policies = {"charter.yaml": CHARTER, "gateway.yaml": GATEWAY, "routes/all.yaml": ROUTES + BULK}
    gateway = Gateway(binary, cache / "gateway", certificate, policies, platform=platform, bulk=bulk)
    origins = [
        subprocess.Popen([sys.executable, str(RIG / "origin.py"), str(port)], preexec_fn=lambda nice=nice: os.nice(nice))
        for port, nice in ((platform, 0), (bulk, NICE))
    ]
    client = None
    try:
        for port in (platform, bulk):
            until("the platform", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
        gateway.start()
        client = Side(honest.serve, gateway.https, certificate, options.seed)
        # Everything is warm: connections, caches, this machine.
        time.sleep(3)
        client.take()
        gateway.peak(forget=True)
        time.sleep(options.quiet)
        taken = client.take()
        quiet = {"p99": quantile(taken["seconds"], 0.99), "peak": gateway.peak()}
        print("\nquiet", flush=True)
        report.note(describe(taken))
        report.check("quiet: the client lost no request", not taken["lost"] and taken["seconds"], f"{taken['lost'][:3] or ''}")
        names = options.only or list(ATTACKS)
        for group in [names] if options.together else [[name] for name in names]:
            scale = 1 / len(group)
            trial(report, group, gateway, client, certificate, options.seconds, quiet, scale)
        print(flush=True)
        client.process.terminate()
        report.check("SIGTERM ends the gateway with 0", gateway.terminate() == 0)
        report.check("it reported no fault of its own", "panic" not in gateway.log())
    finally:
        gateway.kill()
        if client:
            client.process.terminate()
        for origin in origins:
            origin.kill()
    report.end()


if __name__ == "__main__":
    main()
