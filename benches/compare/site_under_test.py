#!/usr/bin/env python3
"""The site that the comparison measures: certificate, upstream, nginx as proxy, rempart with its whole policy on.

As a module, `Site` writes the files and starts the processes. As a script, `site_under_test.py FOLDER` writes the files and prints
shell variables, for `instructions.sh`.
"""

import base64
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("REMPART", str(REPOSITORY / "target/release/rempart"))

# What nginx 1.22 gets that rempart has by design: kept upstream connections, no access log, connections without an end.
NGINX = """
worker_processes 1;
daemon off;
{process}
pid {folder}/{name}.pid;
error_log {folder}/{name}.err warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  sendfile on;
  tcp_nodelay on;
  client_body_temp_path {folder}/{name}-1;
  proxy_temp_path {folder}/{name}-2;
  fastcgi_temp_path {folder}/{name}-3;
  uwsgi_temp_path {folder}/{name}-4;
  scgi_temp_path {folder}/{name}-5;
  types {{ application/json json; application/octet-stream bin; }}
{body}
}}
"""

UPSTREAM = """
  server {{
    listen 127.0.0.1:{upstream} backlog=4096;
    root {folder}/files;
    add_header Set-Cookie "tracker=abcdef0123456789; Path=/";
  }}
"""

PROXY = """
  upstream platform {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{proxy} ssl http2 reuseport backlog=4096;
    http2_max_requests 1000000000;
    ssl_protocols TLSv1.3;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    location / {{
      proxy_pass http://platform;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
    }}
  }}
"""

GATEWAY = """gateway:
  listen: {{ https: "127.0.0.1:{rempart}", http: "127.0.0.1:0", admin: "127.0.0.1:0" }}
  workers: 1
  certificates:
    - {{ names: [localhost], chain: "{folder}/server.pem", key: "{folder}/server.key" }}
  hsts: {{ max_age: 365 days, include_subdomains: true }}
  secret: {{ file: "{folder}/secret" }}
  journal: {{ to: {{ file: "{folder}/journal/journal.jsonl" }}, address: pseudonym }}
  upstreams:
    platform: {{ endpoints: "http://127.0.0.1:{upstream}", host: preserve }}
  identity:
    - name: tokens
      jwt: {{ issuer: https://identity.example, audience: rempart, jwks: {{ file: "{folder}/jwks.json" }} }}
      claims: {{ subject: $.sub, role: $.role, groups: "$.groups[*]", wards: "$.wards[*]" }}
      roles: {{ learner: learner, teacher: teacher, guardian: guardian, administrator: administrator }}
"""

ROUTES = """routes:
  - name: learners
    owner: benches
    match: { host: "*", path: "/api/{*rest}" }
    upstream: platform
    purpose: account
    require_identity: true
    personal_data:
      record: ["$", "$[*]"]
      subject: id
      group: classrooms[*]
      fields:
        id: not_personal
        full_name: name
        email: email
        birth_date: birth
        gender: demographics
        ine: student_id
        classrooms: not_personal
        results: result
        modules: not_personal
      unknown: deny
  - name: files
    owner: benches
    match: { host: "*", path: "/files/{*rest}" }
    upstream: platform
    purpose: account
    require_identity: true
  - name: assets
    owner: benches
    match: { host: "*", path: "/exempt/{*rest}" }
    upstream: platform
    purpose: account
    personal_data: { exempt: "the comparison's bare proxy" }
"""


def record(number, classroom):
    return {
        "id": f"L{number}",
        "full_name": f"Camille Durand-{number}",
        "email": f"camille.{number}@ecole.example",
        "birth_date": "2013-05-04",
        "gender": "F",
        "ine": f"0{number}3456789AB",
        "classrooms": [classroom],
        "results": {"maths": 14.5, "francais": 12},
        "modules": [{"title": "Mathématiques", "progress": 0.75, "time_spent": 1234 + number}],
    }


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    def __init__(self, folder, key="ec"):
        self.folder = pathlib.Path(folder).resolve()
        self.ports = {name: free_port() for name in ("upstream", "proxy", "rempart")}
        (self.folder / "policies/routes").mkdir(parents=True)
        (self.folder / "journal").mkdir()
        self.folder.chmod(0o755)
        self.certificate(key)
        self.tokens()
        self.files()
        self.configurations()

    def certificate(self, key):
        kind = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if key == "ec" else ["rsa:2048"]
        openssl("req", "-x509", "-newkey", *kind, "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout", str(self.folder / "server.key"), "-out", str(self.folder / "server.pem"))

    def tokens(self):
        key = self.folder / "jwt.key"
        openssl("genpkey", "-algorithm", "ed25519", "-out", str(key))
        public = openssl("pkey", "-in", str(key), "-pubout", "-outform", "DER")[-32:]
        jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "1", "x": base64url(public)}
        (self.folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
        (self.folder / "secret").write_text("0123456789abcdef0123456789abcdef")
        self.token = {}
        for role in ("teacher", "administrator"):
            claims = {"iss": "https://identity.example", "aud": "rempart", "exp": int(time.time()) + 86400,
                      "sub": f"S-{role}", "role": role, "groups": ["6A"], "wards": []}
            parts = [{"alg": "EdDSA", "kid": "1", "typ": "JWT"}, claims]
            message = ".".join(base64url(json.dumps(part).encode()) for part in parts)
            to_sign = self.folder / "message"
            to_sign.write_text(message)
            signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(to_sign))
            self.token[role] = f"{message}.{base64url(signature)}"

    def files(self):
        learners = json.dumps([record(1, "6A"), record(2, "6A"), record(3, "5B")], ensure_ascii=False).encode()
        # White space after the document brings it to 1 KB without changing what it costs to read.
        learners = learners.ljust(1024)
        for name in ("api/learners.json", "exempt/learners.json"):
            path = self.folder / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(learners)
        (self.folder / "files/files").mkdir()
        (self.folder / "files/files/course.bin").write_bytes(os.urandom(1 << 20))

    def configurations(self):
        values = {"folder": self.folder, **self.ports}
        single = "user root; master_process off;" if os.geteuid() == 0 else "master_process off;"
        for name, body in (("upstream", UPSTREAM), ("proxy", PROXY)):
            text = NGINX.format(name=name, process=single, body=body.format(**values), **values)
            (self.folder / f"{name}.conf").write_text(text)
        charter = (REPOSITORY / "src/demo/policies/charter.yaml").read_text()
        (self.folder / "policies/charter.yaml").write_text(charter)
        (self.folder / "policies/gateway.yaml").write_text(GATEWAY.format(**values))
        (self.folder / "policies/routes/all.yaml").write_text(ROUTES)

    def command(self, name):
        if name == "rempart":
            return [BINARY, "serve", "--policies", str(self.folder / "policies")]
        return ["nginx", "-e", str(self.folder / f"{name}.err"), "-c", str(self.folder / f"{name}.conf")]

    def start(self, name, core=None):
        pin = [] if core is None else ["taskset", "-c", str(core)]
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(pin + self.command(name), stdout=log, stderr=log)
        for _ in range(200):
            if process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.ports[name]), 1).close()
                return process
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{name} did not start:\n" + (self.folder / f"{name}.log").read_text())

    def headers(self, role):
        return {"authorization": f"Bearer {self.token[role]}",
                "cookie": "session=0123456789abcdef0123456789abcdef; _ga=GA1.2.1234567890.1234567890",
                "accept": "application/json", "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"}

    def url(self, name, path):
        return f"https://127.0.0.1:{self.ports[name]}{path}"


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    site = Site(sys.argv[1])
    for name, port in site.ports.items():
        print(f"{name.upper()}_PORT={port}")
        print(f"{name.upper()}_COMMAND={shlex.quote(shlex.join(site.command(name)))}")
    for role in site.token:
        arguments = [f"-H{name}: {value}" for name, value in site.headers(role).items()]
        print(f"{role.upper()}=({shlex.join(arguments)})")
