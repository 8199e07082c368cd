#!/usr/bin/env python3
"""Rempart in front of a platform, behind a certified OpenID Connect provider (oidc-provider for Node).

    tests/oidc/run.py [--rempart PATH] [--cache DIR] [--seconds N]

Installs oidc-provider with npm into DIR (default: target/oidc), starts it with a platform, starts the gateway in front of that, and
shows: keys rotate under load without one wrong answer, withdrawn keys are refused within the time that the policy says, tokens that
only the provider can read are introspected, and a revoked one ends within the time of the cache. Needs Python 3.9, openssl, and Node 22
or 20 with npm; whatever is missing is an error, not a skip. One line for each check; exit 1 if one does not hold.
"""

import argparse
import base64
import http.client
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOST = "localhost"
CLIENTS, ROTATIONS = 8, 5
# What the policy says, in seconds; a second more until the gateway looks, and one for this machine.
REFRESH, CACHE, SLACK = 2, 3, 2
POLICY = {
    "gateway.yaml": """
gateway:
  listen: {{ https: "127.0.0.1:{https}", admin: "127.0.0.1:{admin}" }}
  workers: 2
  certificates: [{{ names: [localhost], chain: tls.pem, key: tls.key }}]
  secret: {{ file: secret }}
  journal: {{ to: {{ file: "{work}/journal.jsonl" }} }}
  upstreams: {{ platform: {{ endpoints: "http://127.0.0.1:{platform}" }} }}
  identity:
    - name: signed
      jwt: {{ issuer: "{issuer}", audience: "urn:rempart:signed", jwks: {{ discovery: true, refresh: {refresh} s }} }}
      claims: {{ subject: sub, role: role, groups: groups }}
      roles: {{ teacher: teacher, learner: learner }}
    - name: opaque
      introspection:
        discovery: true
        issuer: "{issuer}"
        audience: "urn:rempart:opaque"
        client: {{ id: gate, secret_file: client-secret }}
        cache: {cache} s
      claims: {{ subject: sub, role: role, groups: groups }}
      roles: {{ teacher: teacher, learner: learner }}
""",
    "charter.yaml": """
charter:
  title: Charter of this check
  version: 2026-01-01
  purposes: { account: { basis: contract, article: "1", retention: 36 months } }
  categories: { name: { article: "2", fields: [full_name], otherwise: mask } }
  recipients:
    teacher: { sees: { group: [name] } }
    learner: { sees: { own: [name] } }
    anonymous: { sees: {} }
  cookies: []
""",
    "routes/all.yaml": """
routes:
  - name: signed
    owner: tests
    match: { host: localhost, path: "/signed/{*rest}" }
    upstream: platform
    purpose: account
    identity: [signed]
    require_identity: true
    personal_data: &data
      { record: $, subject: id, group: "classrooms[*]", fields: { id: not_personal, classrooms: not_personal, full_name: name } }
  - name: opaque
    owner: tests
    match: { host: localhost, path: "/opaque/{*rest}" }
    upstream: platform
    purpose: account
    identity: [opaque]
    require_identity: true
    personal_data: *data
  - name: open
    owner: tests
    match: { host: localhost, path: "/open/{*rest}" }
    upstream: platform
    purpose: account
    identity: [signed]
    personal_data: *data
""",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, ask, seconds=20):
    """Asks again and again until there is an answer; how long that took."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            if ask():
                return time.monotonic() - begun
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{what}: not within {seconds} s")


class Provider:
    """oidc-provider, and the strings that the check pulls."""

    def __init__(self, cache):
        self.cache = cache
        self.port, self.control = free_port(), free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        self.cache.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "platform.mjs", "provider.mjs"):
            shutil.copy(HERE / name, self.cache / name)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel", "error"], cwd=self.cache, check=True)
        version = json.loads((self.cache / "node_modules" / "oidc-provider" / "package.json").read_text())["version"]
        log = open(self.cache / "provider.log", "wb")
        command = ["node", "provider.mjs", str(self.port), str(self.control)]
        self.process = subprocess.Popen(command, cwd=self.cache, stdout=log, stderr=log)
        until("the provider", lambda: self.tell("GET", "/state"))
        return version

    def ask(self, port, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def tell(self, method, path):
        return json.loads(self.ask(self.control, method, path)[1])

    def form(self, client, path, fields):
        pair = ":".join(urllib.parse.quote_plus(part) for part in (client, f"{client} & its secret"))
        headers = {
            "authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "content-type": "application/x-www-form-urlencoded",
        }
        return self.ask(self.port, "POST", path, urllib.parse.urlencode(fields), headers)

    def token(self, kind, client="teacher-app"):
        fields = {"grant_type": "client_credentials", "scope": "api", "resource": f"urn:rempart:{kind}"}
        status, body = self.form(client, "/token", fields)
        if status != 200:
            raise RuntimeError(f"no token: {status} {body}")
        return json.loads(body)["access_token"]

    def revoke(self, client, token):
        status, body = self.form(client, "/token/revocation", {"token": token})
        if status != 200:
            raise RuntimeError(f"not revoked: {status} {body}")


class Gateway:
    """The gateway, and the platform behind it."""

    def __init__(self, binary, provider, work):
        self.binary, self.work, self.cache = binary, work, provider.cache
        self.https, self.admin, self.platform = free_port(), free_port(), free_port()
        self.processes = []
        shutil.rmtree(work, ignore_errors=True)
        self.folder = work / "policies"
        (self.folder / "routes").mkdir(parents=True)
        for name, text in POLICY.items():
            if name == "gateway.yaml":
                text = text.format(
                    https=self.https, admin=self.admin, platform=self.platform, issuer=provider.issuer, work=work,
                    refresh=REFRESH, cache=CACHE,
                )
            (self.folder / name).write_text(text)
        (self.folder / "secret").write_text("0123456789abcdef0123456789abcdef")
        (self.folder / "client-secret").write_text("the gate's own: secret+\n")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", str(self.folder / "tls.key"), "-out", str(self.folder / "tls.pem")],
            check=True, capture_output=True,
        )
        self.tls = ssl.create_default_context(cafile=str(self.folder / "tls.pem"))

    def start(self):
        said = subprocess.run([self.binary, "check", self.folder], capture_output=True, text=True)
        if said.returncode != 0:
            raise RuntimeError(said.stdout + said.stderr)
        log = open(self.work / "gateway.log", "wb")
        for command in (["node", "platform.mjs", str(self.platform)], [self.binary, "serve", "--policies", self.folder]):
            self.processes.append(subprocess.Popen(command, cwd=self.cache, stdout=log, stderr=log))
        for port in (self.platform, self.https):
            until("the gateway", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)

    def connect(self):
        return http.client.HTTPSConnection(HOST, self.https, timeout=20, context=self.tls)

    def get(self, path, token, connection=None):
        connection = connection or self.connect()
        connection.request("GET", path, headers={"authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body)["full_name"] if answer.status == 200 else None

    def metric(self, name, **labels):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=20)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name) and all(w in line for w in wanted))

    def journal(self):
        return [json.loads(line) for line in (self.work / "journal.jsonl").read_text().splitlines()]


class Load:
    """Clients that ask without pause, each with any of the tokens that are good at present."""

    GOOD = (200, "Secret Name")

    def __init__(self, gateway, tokens):
        self.gateway, self.tokens, self.wrong, self.ended = gateway, tokens, [], False
        self.counts, self.longest = [0] * CLIENTS, 0.0
        self.threads = [threading.Thread(target=self.run, args=(place,), daemon=True) for place in range(CLIENTS)]

    def run(self, place):
        connection, turn = self.gateway.connect(), place
        while not self.ended:
            tokens = self.tokens
            begun = time.monotonic()
            try:
                answer = self.gateway.get("/signed/7", tokens[turn % len(tokens)], connection)
            except Exception as error:
                answer, connection = repr(error), self.gateway.connect()
            if answer != self.GOOD:
                self.wrong.append(answer)
            self.longest = max(self.longest, time.monotonic() - begun)
            self.counts[place] += 1
            turn += 1

    def everybody(self):
        """Waits until each client has begun anew."""
        before = list(self.counts)
        until("the load", lambda: all(now >= then + 2 for now, then in zip(self.counts, before)))


def check(what, holds, detail=""):
    print("ok  " if holds else "FAIL", what, f"({detail})" if detail else "", flush=True)
    check.failed += not holds


check.failed = 0


def rotation(gateway, provider, seconds):
    check("a signed token is known", gateway.get("/signed/7", provider.token("signed")) == Load.GOOD)
    check("another role sees less", gateway.get("/signed/7", provider.token("signed", "learner-app")) == (200, "***"))
    check("an opaque token is no signed one", gateway.get("/signed/7", provider.token("opaque"))[0] == 401)
    load = Load(gateway, [provider.token("signed")])
    begun = time.monotonic()
    for thread in load.threads:
        thread.start()
    asked_before = provider.tell("GET", "/state")["keys"]
    for _ in range(ROTATIONS):
        time.sleep(seconds / ROTATIONS)
        provider.tell("POST", "/rotate")
        # Signed with the new key before the gateway has heard of it.
        load.tokens = [*load.tokens, provider.token("signed")]
        load.everybody()
    kids = len({json.loads(base64.urlsafe_b64decode(t.split(".")[0] + "==="))["kid"] for t in load.tokens})
    check("every rotation signs with another key", kids == ROTATIONS + 1, f"{kids} keys")
    old, load.tokens = load.tokens[:-1], load.tokens[-1:]
    load.everybody()
    provider.tell("POST", "/withdraw")
    withdrawn = time.monotonic()
    for token in old:
        until("the end of a withdrawn key", lambda: gateway.get("/signed/7", token)[0] == 401)
    took = time.monotonic() - withdrawn
    check("withdrawn keys are refused in time", took <= REFRESH + SLACK, f"{len(old)} tokens, {took:.1f} s")
    check("and are nobody where nobody is required", gateway.get("/open/7", old[0]) == (200, "***"))
    load.everybody()
    load.ended = True
    for thread in load.threads:
        thread.join()
    spent, total = time.monotonic() - begun, sum(load.counts)
    detail = f"{total} answers in {spent:.1f} s, longest {load.longest * 1000:.0f} ms"
    check("not one wrong answer", not load.wrong, f"{detail} {load.wrong[:3] or ''}".strip())
    check("hundreds a second", total / spent >= 100, f"{total / spent:.0f}/s")
    asked = provider.tell("GET", "/state")["keys"] - asked_before
    check("the provider is asked for keys now and then", asked <= spent / REFRESH + 2 * ROTATIONS + len(old) + 2, f"{asked} times")


def introspection(gateway, provider):
    token = provider.token("opaque")
    before = provider.tell("GET", "/state")["introspection"]
    check("an opaque token is known", gateway.get("/opaque/7", token) == Load.GOOD)
    connection = gateway.connect()
    answers = {gateway.get("/opaque/7", token, connection) for _ in range(40)}
    asked = provider.tell("GET", "/state")["introspection"] - before
    check("a page of forty calls asks once", answers == {Load.GOOD} and asked <= 2, f"{asked} questions")
    check("another role sees less", gateway.get("/opaque/7", provider.token("opaque", "learner-app")) == (200, "***"))
    check("a token that nobody issued is none", gateway.get("/opaque/7", "x" * 43)[0] == 401)
    check("nor is one for another audience", gateway.get("/opaque/7", provider.token("elsewhere"))[0] == 401)
    check("nor one of which the provider does not speak", gateway.get("/opaque/7", provider.token("signed"))[0] == 401)
    provider.revoke("teacher-app", token)
    took = until("the end of a revoked token", lambda: gateway.get("/opaque/7", token)[0] == 401)
    check("a revoked token ends within the time of the cache", took <= CACHE + 1, f"{took:.1f} s of {CACHE}")
    wanted = {("signed", "unknown_key")} | {("opaque", why) for why in ("inactive_token", "wrong_audience", "wrong_token_type")}
    rejected = [record for record in gateway.journal() if record.get("identity") == "rejected"]
    reasons = {(record["provider"], record.get("identity_reason")) for record in rejected}
    check("the journal says why", wanted <= reasons, str(sorted(reasons)))
    check("so do the metrics", gateway.metric("rempart_identity_refused_total", provider="opaque", reason="inactive_token") >= 2)


def gone(gateway, provider):
    token = provider.token("opaque")
    check("a token is known before the provider goes", gateway.get("/opaque/7", token) == Load.GOOD)
    provider.process.kill()
    provider.process.wait()
    took = until("the end of an answer", lambda: gateway.get("/opaque/7", token)[0] != 200)
    check("no answer outlives its time", took <= CACHE + 1, f"{took:.1f} s")
    check("and the caller is told to come back", gateway.get("/opaque/7", token)[0] == 503)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rempart", help="the gateway's binary (default: built with cargo)")
    options.add_argument("--cache", default=str(ROOT / "target" / "oidc"))
    options.add_argument("--seconds", type=float, default=10, help="how long the keys rotate")
    options = options.parse_args()
    for tool in ("openssl", "node", "npm"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed (Debian: openssl, nodejs, npm)")
    binary = options.rempart
    if binary is None:
        subprocess.run(["cargo", "build", "--locked", "--bin", "rempart"], cwd=ROOT, check=True)
        binary = ROOT / "target" / "debug" / "rempart"
    cache = pathlib.Path(options.cache).resolve()
    provider = Provider(cache)
    gateway = None
    try:
        print("oidc-provider", provider.start(), flush=True)
        gateway = Gateway(pathlib.Path(binary).resolve(), provider, cache / "gateway")
        gateway.start()
        rotation(gateway, provider, options.seconds)
        introspection(gateway, provider)
        gone(gateway, provider)
    finally:
        for process in [*(gateway.processes if gateway else []), provider.process]:
            if process and process.poll() is None:
                process.terminate()
                process.wait(20)
    print(f"{check.failed} checks failed" if check.failed else "all checks hold")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
