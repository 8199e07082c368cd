#!/usr/bin/env python3
"""CPU time per request of `rempart serve` beside nginx, both proxying the same upstream on one core, in alternating rounds.

    cargo build --release && benches/compare/run.py [--rounds 9] [--only W1] [--scale 1.0] [--json FILE]

Needs Linux, nginx, h2load (nghttp2-client) and openssl; `--install` gets them on Debian. See benches/README.md.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from site_under_test import Site, stop  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = {"nginx": "nginx-light", "h2load": "nghttp2-client", "openssl": "openssl", "taskset": "util-linux"}


class Case:
    """One workload; `requests` of them make a round."""

    def __init__(self, name, title, path, requests, role="administrator", clients=8, streams=1, protocol="h1", key="ec"):
        self.name, self.title, self.path, self.requests, self.role = name, title, path, requests, role
        self.clients, self.streams, self.protocol, self.key = clients, streams, protocol, key


JSON, BARE, FILE = "/api/learners.json", "/exempt/learners.json", "/files/course.bin"
CASES = [
    Case("W1", "h1 keep-alive, 1 KB, policy on, caller who sees all", JSON, 20000),
    Case("W1-redact", "h1 keep-alive, 1 KB, redacted for a teacher", JSON, 20000, role="teacher"),
    Case("W1-proxy", "h1 keep-alive, 1 KB, exempt route", BARE, 20000),
    Case("W2", "h2, 1 KB, policy on", JSON, 20000, streams=4, protocol="h2"),
    Case("W3", "full handshake per request, P-256", JSON, 1000, protocol="handshake"),
    Case("W3-rsa", "full handshake per request, RSA-2048", JSON, 600, protocol="handshake", key="rsa"),
    Case("W4", "h1 keep-alive, 1 MB through", FILE, 600, clients=4),
]


def cpu_seconds(process):
    """User and system time of all threads. The kernel scales the ticks to what the scheduler measured."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def h2load(site, name, case, core):
    command = ["taskset", "-c", str(core), "h2load", "-n", str(case.requests), "-c", str(case.clients),
               "-m", str(case.streams), "-t", "1"]
    if case.protocol == "h1":
        command.append("--h1")
    command += [f"-H{key}: {value}" for key, value in site.headers(case.role).items()]
    out = subprocess.run([*command, site.url(name, case.path)], capture_output=True, text=True, check=True).stdout
    good = re.search(r"status codes: (\d+) 2xx", out)
    if not good or int(good[1]) != case.requests:
        sys.exit(f"{case.name} against {name} failed:\n{out}")


def handshakes(site, name, case, core):
    """One connection after the other, each with a handshake of its own (a fresh session) and one request."""
    head = "".join(f"{key}: {value}\r\n" for key, value in site.headers(case.role).items())
    request = f"GET {case.path} HTTP/1.1\r\nhost: localhost\r\n{head}connection: close\r\n\r\n".encode()
    context = ssl.create_default_context(cafile=site.folder / "server.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    for _ in range(case.requests):
        with socket.create_connection(("127.0.0.1", site.ports[name])) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=True) as tls:
                tls.sendall(request)
                answer = b""
                while piece := tls.recv(65536):
                    answer += piece
                if tls.session_reused or not answer.startswith(b"HTTP/1.1 200 "):
                    sys.exit(f"{case.name} against {name} failed: {answer[:200]!r}")
    os.sched_setaffinity(0, before)


def measure(site, processes, name, case, load_core):
    load = handshakes if case.protocol == "handshake" else h2load
    before = cpu_seconds(processes[name])
    load(site, name, case, load_core)
    # The journal's writer lingers 50 ms: its share belongs to this round.
    time.sleep(0.1)
    return (cpu_seconds(processes[name]) - before) / case.requests * 1e6


def rounds(site, case, count, cores):
    processes = {"upstream": site.start("upstream", cores[1])}
    try:
        for name in ("proxy", "rempart"):
            processes[name] = site.start(name, cores[0])
            warm = Case(case.name, "", case.path, max(case.requests // 10, 8), case.role, case.clients, case.streams, case.protocol)
            measure(site, processes, name, warm, cores[1])
        found = {"proxy": [], "rempart": []}
        for number in range(count):
            # Who goes first changes, so that a drift of the machine favours neither.
            for name in ("proxy", "rempart") if number % 2 == 0 else ("rempart", "proxy"):
                found[name].append(measure(site, processes, name, case, cores[1]))
        return found
    finally:
        for process in processes.values():
            stop(process)


def install():
    missing = [package for tool, package in PACKAGES.items() if not shutil.which(tool)]
    if missing:
        subprocess.run(["apt-get", "update"], check=True)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *missing], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", action="append", help="name of a case; may be repeated")
    parser.add_argument("--scale", type=float, default=1.0, help="requests per round, as a multiple of the case's own")
    parser.add_argument("--cores", default="1,0", help="core of the proxies, core of load and upstream")
    parser.add_argument("--json", type=pathlib.Path, help="also write every round here")
    parser.add_argument("--install", action="store_true", help="install what is missing with apt-get")
    options = parser.parse_args()
    if options.install:
        install()
    cores = [int(core) for core in options.cores.split(",")]
    everything = {}
    print(f"{'case':10} {'nginx µs':>9} {'rempart µs':>11} {'ratio':>6} {'(quartiles)':>13} {'load':>6}  workload", flush=True)
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        case.requests = max(int(case.requests * options.scale), 1)
        with tempfile.TemporaryDirectory() as folder:
            found = rounds(Site(folder, case.key), case, options.rounds, cores)
        ratios = [ours / theirs for ours, theirs in zip(found["rempart"], found["proxy"])]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        nginx, rempart = (statistics.median(found[name]) for name in ("proxy", "rempart"))
        print(f"{case.name:10} {nginx:9.1f} {rempart:11.1f} {middle:6.2f} {f'({low:.2f}–{high:.2f})':>13} "
              f"{os.getloadavg()[0]:6.1f}  {case.title}", flush=True)
        everything[case.name] = {"nginx": found["proxy"], "rempart": found["rempart"], "ratio": middle}
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
