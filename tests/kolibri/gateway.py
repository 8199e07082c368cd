"""The gateway under test: the example's policies with this run's ports, and a certificate of its own."""

import base64
import os
import pathlib
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

from wire import Client, free_port

HOST = "ecole.example.fr"
CONTENT_HOST = "contenu.ecole.example.fr"


class Gateway:
    def __init__(self, binary, policies, work):
        self.binary, self.policies = pathlib.Path(binary), pathlib.Path(policies)
        self.work = pathlib.Path(work)
        self.folder = self.work / "policies"
        self.port, self.plain_port, self.admin_port = free_port(), free_port(), free_port()
        self.ca = self.folder / "certs" / "ecole.pem"
        self.journal, self.log = self.work / "journal.jsonl", self.work / "gateway.log"
        self._process = None

    def prepare(self, kolibri_port, content_port):
        """The policies as they are shipped; nothing but addresses is replaced, and all of them must be there."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.policies, self.folder)
        settings = self.folder / "gateway.yaml"
        text = settings.read_text()
        for shipped, own in {
            '"[::]:8443"': f"127.0.0.1:{self.port}",
            '"[::]:8080"': f"127.0.0.1:{self.plain_port}",
            "127.0.0.1:9090": f"127.0.0.1:{self.admin_port}",
            "http://127.0.0.1:8090": f"http://127.0.0.1:{kolibri_port}",
            "http://127.0.0.1:8091": f"http://127.0.0.1:{content_port}",
        }.items():
            if text.count(shipped) != 1:
                raise RuntimeError(f"{settings} has {text.count(shipped)} times {shipped}")
            text = text.replace(shipped, own)
        settings.write_text(text)
        (self.folder / "secret.key").write_bytes(base64.b64encode(os.urandom(32)))
        (self.folder / "secret.key").chmod(0o600)
        self.ca.parent.mkdir(exist_ok=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST},DNS:{CONTENT_HOST}",
             "-keyout", str(self.ca.with_suffix(".key")), "-out", str(self.ca)],
            check=True, capture_output=True,
        )

    def check(self):
        """`rempart check`: its exit code and what it says."""
        done = subprocess.run([str(self.binary), "check", str(self.folder)], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def start(self):
        with open(self.journal, "wb") as journal, open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [str(self.binary), "serve", "--policies", str(self.folder)], stdout=journal, stderr=log,
                stdin=subprocess.DEVNULL,
            )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"the gateway ended with {self._process.returncode}:\n{self.log.read_text()}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=2) as ready:
                    if ready.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the gateway is not ready after 30 s:\n{self.log.read_text()}")

    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self):
        """SIGTERM; its exit code."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode

    def client(self, name=HOST):
        return Client(self.port, name, str(self.ca))

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as answer:
            return answer.read().decode()
