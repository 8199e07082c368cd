"""The gateway as a process: its policies, its metrics, its journal, and what it holds of the machine."""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import time

HOST = "localhost"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, holds, seconds=20):
    """Asks again and again until it is so; how long that took."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            if holds():
                return time.monotonic() - begun
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{what}: not within {seconds} s")


class Certificate:
    """A certificate for `localhost`, of an authority of its own."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.chain, self.key = folder / "ca.pem", folder / "tls.pem", folder / "tls.key"
        authority, request, kinds = folder / "ca.key", folder / "tls.csr", folder / "tls.cnf"
        kinds.write_text("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for command in (
            ["req", "-x509", *new_key, "-days", "2", "-subj", "/CN=Authority of this check", "-addext", "keyUsage=critical,keyCertSign",
             "-keyout", authority, "-out", self.ca],
            ["req", "-new", *new_key, "-subj", "/CN=localhost", "-keyout", self.key, "-out", request],
            ["x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", authority, "-CAcreateserial", "-days", "2", "-extfile", kinds,
             "-out", self.chain],
        ):
            subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)

    def context(self, *protocols):
        """What a client trusts, offering these protocols by ALPN."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


class Gateway:
    """One process. In the text of its policies `{https}`, `{admin}`, `{work}`, `{ca}`, `{chain}` and `{key}` are filled in."""

    def __init__(self, binary, work, certificate, policies, **places):
        self.binary, self.work = binary, pathlib.Path(work).resolve()
        self.https, self.admin = free_port(), free_port()
        self.process = None
        shutil.rmtree(self.work, ignore_errors=True)
        self.folder = self.work / "policies"
        (self.folder / "routes").mkdir(parents=True)
        places.update(
            https=self.https, admin=self.admin, work=self.work,
            ca=certificate.ca.resolve(), chain=certificate.chain.resolve(), key=certificate.key.resolve(),
        )
        for name, text in policies.items():
            for place, value in places.items():
                text = text.replace("{" + place + "}", str(value))
            (self.folder / name).write_text(text)
        (self.folder / "secret").write_text("0123456789abcdef0123456789abcdef")
        said = subprocess.run([str(binary), "check", str(self.folder)], capture_output=True, text=True)
        if said.returncode != 0:
            raise RuntimeError(said.stdout + said.stderr)

    def start(self, ready=20):
        with open(self.work / "gateway.log", "ab") as log:
            command = [str(self.binary), "serve", "--policies", str(self.folder)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until("the gateway", lambda: self.ask("/readyz")[0] == 200, ready)

    def terminate(self, seconds=60):
        """SIGTERM; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self):
        """Every series as it is written, with its value."""
        lines = self.ask("/metrics")[1].splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}

    def metric(self, name, **labels):
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        series = self.metrics().items()
        return sum(value for key, value in series if re.match(name + r"(\{|$)", key) and all(w in key for w in wanted))

    def journal(self):
        with open(self.work / "journal.jsonl", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def log(self):
        return (self.work / "gateway.log").read_text(errors="replace")

    def holds(self):
        """File descriptors, threads and resident MiB of the process."""
        place = f"/proc/{self.process.pid}"
        status = pathlib.Path(place, "status").read_text()
        return {
            "fds": len(os.listdir(place + "/fd")),
            "threads": int(re.search(r"^Threads:\s+(\d+)", status, re.M)[1]),
            "rss": int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1]) / 1024,
        }

    def peak(self, forget=False):
        """Most resident MiB since the last time that it was forgotten."""
        place = f"/proc/{self.process.pid}"
        status = pathlib.Path(place, "status").read_text()
        if forget:
            # Resets the high-water mark (proc(5)).
            pathlib.Path(place, "clear_refs").write_text("5")
        return int(re.search(r"^VmHWM:\s+(\d+)", status, re.M)[1]) / 1024
