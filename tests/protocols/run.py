#!/usr/bin/env python3
"""Real clients and servers of WebSocket, server-sent events, gRPC and long bodies, with the gateway between them.

    tests/protocols/run.py [--rempart PATH] [--cache DIR] [--seconds N] [--only NAME...]

Servers and clients are those of PyPI (`websockets`, `grpcio`, `httpx`, `httpx-sse`), npm (`ws`, `eventsource`), Node's own HTTP/2 client (RFC
8441) and curl. All of them go through the gateway over TLS. N is how long a gRPC connection is kept by pings alone (default: 6);
`--only` chooses of sockets, events, grpc, bodies. Needs Python 3.9 with venv, openssl, curl with HTTP/2, and Node 22 or 20 with npm, and installs the
others into DIR (default: target/protocols); whatever is missing is an error, not a skip. One line for each check; exit 1 if one does not hold.
"""

import argparse
import importlib
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "rig")]
sys.dont_write_bytecode = True

import packages  # noqa: E402
from exchanges import CHARTER  # noqa: E402
from gateway import Certificate, Gateway, free_port, until  # noqa: E402
from report import Report  # noqa: E402

PYPI = ("grpcio==1.76.0", "httpx[http2]==0.28.1", "httpx-sse==0.4.3", "websockets==15.0.1")
CHECKS = ("sockets", "events", "bodies", "grpc")
GATEWAY = """
gateway:
  listen: { https: "127.0.0.1:{https}", admin: "127.0.0.1:{admin}" }
  workers: 2
  certificates: [{ names: [localhost], chain: "{chain}", key: "{key}" }]
  secret: { file: secret }
  journal: { to: { file: "{work}/journal.jsonl" } }
  upstreams:
    sockets: { endpoints: "http://127.0.0.1:{sockets}" }
    http: { endpoints: "http://127.0.0.1:{http}" }
"""
GRPC = """
    plain: { endpoints: "http://127.0.0.1:{plain}", protocol: http2 }
    secure: { endpoints: "https://localhost:{secure}", protocol: http2, tls: { ca: "{ca}" } }
    gone: { endpoints: "http://127.0.0.1:{gone}", protocol: http2 }
"""


def route(name, path, upstream, personal_data, more=""):
    return f"""
  - name: {name}
    owner: tests
    match: {{ host: localhost, path: "{path}/{{*rest}}" }}
    upstream: {upstream}
    purpose: account
    personal_data: {personal_data}
    {more}
"""


EXEMPT = '{ exempt: "nobody is in it" }'
DECLARED = "{ record: $, fields: { id: not_personal, at: not_personal, ask: not_personal, full_name: name } }"
ROUTES = "routes:" + "".join([
    route("sockets", "/ws", "sockets", EXEMPT, "websocket: true"),
    route("read", "/read", "sockets", DECLARED, "websocket: redact"),
    route("events", "/events", "http", EXEMPT),
    route("people", "/people", "http", DECLARED),
    route("files", "/files", "http", EXEMPT, "body_bytes: 1 GiB"),
])
CALLS = "".join(route(name, f"/{name}.Echo", name, EXEMPT, "body_bytes: 64 MiB") for name in ("plain", "secure", "gone"))


class World:
    """Where everything is, for the checks."""

    def __init__(self, gateway, certificate, cache, seconds):
        self.gateway, self.port, self.ca, self.cache, self.seconds = gateway, gateway.https, certificate.ca, cache, seconds
        self.tls, self.certificate = certificate.context(), certificate

    def tls_for(self, http2):
        return self.certificate.context(*(["h2"] if http2 else ["http/1.1"]))

    def node(self, kind):
        """What a client of Node saw."""
        command = ["node", "clients.mjs", kind, f"https://localhost:{self.port}", str(self.ca)]
        done = subprocess.run(command, cwd=self.cache, capture_output=True, text=True, timeout=180)
        try:
            return json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            return {"error": done.stdout + done.stderr}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rempart", help="the gateway's binary (default: built with cargo)")
    options.add_argument("--cache", default=str(ROOT / "target" / "protocols"))
    options.add_argument("--seconds", type=float, default=6, help="how long a connection is kept by pings alone")
    options.add_argument("--only", nargs="+", choices=CHECKS, metavar="NAME")
    options = options.parse_args()
    packages.need(openssl="openssl", curl="curl", node="nodejs", npm="npm")
    binary = packages.gateway(ROOT, options.rempart)
    cache = pathlib.Path(options.cache).resolve()
    python = packages.pypi(cache, *PYPI)
    packages.npm(cache, HERE / "package.json")
    shutil.copy(HERE / "clients.mjs", cache)

    chosen = options.only or CHECKS
    report, certificate = Report(), Certificate(cache / "tls")
    ports = {kind: free_port() for kind in ("sockets", "http", "plain", "secure", "gone")}
    calls = "grpc" in chosen
    policies = {"charter.yaml": CHARTER, "gateway.yaml": GATEWAY + GRPC * calls, "routes/all.yaml": ROUTES + CALLS * calls}
    gateway = Gateway(binary, cache / "gateway", certificate, policies, **ports)
    servers = [("sockets", "sockets"), ("http", "http")] + [("grpc", "plain"), ("grpc", "secure")] * calls
    processes = []
    try:
        for kind, place in servers:
            pair = [str(certificate.chain), str(certificate.key)] if place == "secure" else []
            processes.append(subprocess.Popen([str(python), str(HERE / "servers.py"), kind, str(ports[place]), *pair]))
        for _, place in servers:
            until(place, lambda: socket.create_connection(("localhost", ports[place]), 1).close() is None)
        gateway.start()
        for name in chosen:
            try:
                importlib.import_module(f"check_{name}").check(World(gateway, certificate, cache, options.seconds), report)
            except Exception:
                report.check(f"{name}: to its end", False, traceback.format_exc())
        try:
            until("the end", lambda: gateway.metric("rempart_connections_open") == 0)
        except RuntimeError:
            pass
        left = gateway.metric("rempart_connections_open"), gateway.metric("rempart_requests_in_flight")
        report.check("no connection and no exchange is left", left == (0, 0), f"{left}")
        report.check("SIGTERM ends the gateway with 0", gateway.terminate() == 0)
        ended = {record["termination"] for record in gateway.journal() if record["status"] == 101}
        report.check("the journal has the WebSockets", "sockets" not in chosen or ended, str(sorted(ended)))
        report.check("it reported no fault of its own", "panic" not in gateway.log())
    finally:
        gateway.kill()
        for process in processes:
            process.kill()
    report.end()


if __name__ == "__main__":
    main()
