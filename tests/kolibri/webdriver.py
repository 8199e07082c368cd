"""A browser driven over the W3C WebDriver protocol: chromedriver and HTTP are all it takes."""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class BrowserError(Exception):
    """The driver refused a command, or something never appeared on the page."""


def _executable(*names):
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise BrowserError(f"none of {', '.join(names)} is installed (Debian: chromium, chromium-driver)")


class Browser:
    """One Chromium without a window; every host name leads to this machine."""

    def __init__(self, profile):
        driver = _executable("chromedriver")
        self._process = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        port = None
        for line in self._process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                port = int(found.group(1))
                break
        if port is None:
            raise BrowserError("chromedriver did not start")
        self._base = f"http://127.0.0.1:{port}"
        self._session = None
        options = {
            "binary": _executable("chromium", "chromium-browser", "google-chrome"),
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--no-proxy-server",
                "--window-size=1280,1000",
                "--lang=en-US",
                "--host-resolver-rules=MAP * 127.0.0.1",
                f"--user-data-dir={profile}",
            ],
        }
        capabilities = {
            "alwaysMatch": {
                "browserName": "chrome",
                "acceptInsecureCerts": True,
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
            }
        }
        self._session = self._call("POST", "/session", {"capabilities": capabilities})["sessionId"]

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as refused:
            value = json.load(refused)["value"]
            raise BrowserError(f"{value['error']}: {value['message'].splitlines()[0]}") from None

    def _command(self, method, path, body=None):
        return self._call(method, f"/session/{self._session}{path}", body)

    def open(self, url):
        self._command("POST", "/url", {"url": url})

    def url(self):
        return self._command("GET", "/url")

    def script(self, text, *arguments):
        return self._command("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def text(self):
        return self.script("return document.body ? document.body.innerText : ''")

    def cookies(self):
        return self._command("GET", "/cookie")

    def forget(self):
        self._command("DELETE", "/cookie")

    def wait(self, what, condition, seconds=60):
        """Asks again and again until the condition gives something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                value = condition()
            except BrowserError:
                value = None
            if value:
                return value
            time.sleep(0.2)
        raise BrowserError(f"no {what} within {seconds} s at {self.url()}; the page says: {self.text()[:300]!r}")

    def find(self, selector, seconds=60):
        def visible():
            found = self._command("POST", "/elements", {"using": "css selector", "value": selector})
            for one in found:
                if self._command("GET", f"/element/{one[ELEMENT]}/displayed"):
                    return one[ELEMENT]
            return None

        return self.wait(selector, visible, seconds)

    def type(self, selector, text):
        self._command("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def click(self, selector):
        self._command("POST", f"/element/{self.find(selector)}/click", {})

    def requests(self):
        """What the page asked for since the last call: (method, URL, status, headers of the answer)."""
        entries = self._command("POST", "/se/log", {"type": "performance"})
        sent, seen = {}, []
        for entry in entries:
            message = json.loads(entry["message"])["message"]
            parameters = message.get("params", {})
            if message["method"] == "Network.requestWillBeSent":
                sent[parameters["requestId"]] = parameters["request"]["method"]
            if message["method"] == "Network.responseReceived":
                answer = parameters["response"]
                method = sent.get(parameters["requestId"], "GET")
                seen.append((method, answer["url"], answer["status"], answer.get("headers", {})))
        return seen

    def close(self):
        try:
            if self._session:
                self._command("DELETE", "")
        finally:
            self._process.terminate()
            self._process.wait(20)
            self._process.stdout.close()
