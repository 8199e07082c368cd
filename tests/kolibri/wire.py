"""HTTP as a browser sends it, over a verified TLS connection, and a tap that sees what reaches the platform."""

import gzip
import http.client
import json
import re
import socket
import ssl
import threading
import zlib


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name):
        """The first field of this name; an empty text where there is none."""
        return next(iter(self.all(name)), "")

    @property
    def body(self):
        coding = self.get("Content-Encoding").lower() or "identity"
        if coding == "gzip":
            return gzip.decompress(self.raw)
        if coding == "deflate":
            return zlib.decompress(self.raw)
        if coding != "identity":
            raise ValueError(f"unexpected content coding {coding}")
        return self.raw

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.get('Content-Type')} {self.text[:300]!r}"


class _Tls(http.client.HTTPConnection):
    def __init__(self, port, name, context):
        super().__init__("127.0.0.1", port, timeout=60)
        self._name, self._context = name, context

    def connect(self):
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name)


class Client:
    """One browser profile: keeps cookies, repeats the CSRF cookie in its header, says where it comes from."""

    def __init__(self, port, name=None, ca=None):
        self.port, self.name = port, name
        self.cookies = {}
        # Every Set-Cookie line that ever came.
        self.set_cookies = []
        self._context = ssl.create_default_context(cafile=ca) if ca else None

    @property
    def origin(self):
        return f"https://{self.name}:{self.port}" if self._context else f"http://127.0.0.1:{self.port}"

    def _connection(self):
        if self._context:
            return _Tls(self.port, self.name, self._context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def send(self, method, path, body=None, headers=(), raw=None):
        """`body` is sent as JSON; `raw` as it is. A header given as None is left out."""
        sent = {"Host": self.origin.split("//")[1], "Accept": "application/json, text/plain, */*"}
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if cookies:
            sent["Cookie"] = cookies
        if method not in ("GET", "HEAD"):
            sent["Origin"] = self.origin
            sent["Referer"] = self.origin + "/en/auth/"
            if "kolibri_csrftoken" in self.cookies:
                sent["X-CSRFToken"] = self.cookies["kolibri_csrftoken"]
        if body is not None:
            raw = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers)
        connection = self._connection()
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for key, value in sent.items():
                if value is not None:
                    connection.putheader(key, value)
            if raw is not None:
                connection.putheader("Content-Length", str(len(raw)))
            connection.putheader("Connection", "close")
            connection.endheaders(raw)
            reply = connection.getresponse()
            answer = Answer(reply.status, reply.getheaders(), reply.read())
        finally:
            connection.close()
        for line in answer.all("Set-Cookie"):
            self.set_cookies.append(line)
            name, value = line.split(";")[0].split("=", 1)
            if re.search(r";\s*max-age=0(;|$)", line, re.I):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def get(self, path, **headers):
        return self.send("GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()})

    def sign_in(self, username, password):
        """As the sign-in page does it."""
        self.send("PUT", "/api/auth/session/current/", {"active": False, "browser": {}, "os": {}})
        self.send("POST", "/api/auth/session/", {"username": username})
        answer = self.send("POST", "/api/auth/session/", {"username": username, "password": password})
        if answer.status != 200:
            raise AssertionError(f"{username} cannot sign in: {answer}")
        return answer


class Tap:
    """Passes bytes on to the platform, and keeps those that go there."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._streams, self._lock = [], threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            kept = bytearray()
            with self._lock:
                self._streams.append(kept)
            threading.Thread(target=self._pump, args=(client, server, kept), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, None), daemon=True).start()

    def _pump(self, source, sink, kept):
        try:
            while data := source.recv(65536):
                if kept is not None:
                    with self._lock:
                        kept += data
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def bytes(self):
        with self._lock:
            return b"\n".join(bytes(stream) for stream in self._streams)

    def count(self, method, path):
        # On a kept connection a request line may follow a body without a line break.
        line = method.encode() + b" " + re.escape(path.encode()) + rb"(\?\S*)? HTTP/1\.1\r\n"
        return len(re.findall(line, self.bytes()))

    def forget(self):
        with self._lock:
            for stream in self._streams:
                stream.clear()
