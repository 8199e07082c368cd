"""What happens to the endpoints: they are killed, frozen, closed to new connections, and told to lie, at random and for a while."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from gateway import free_port

HERE = pathlib.Path(__file__).resolve().parent
# Lies that never end, whatever else happens, as a share of the exchanges; and in a bad mood.
ALWAYS, MOODS = 0.03, (0.1, 0.4, 1.0)


class Endpoint:
    """A process of `upstream.py`; the same port in all its lives."""

    def __init__(self, name, log, seed):
        self.name, self.log, self.seed, self.port = name, log, seed, free_port()
        self.process, self.lives, self.free = None, 0, True

    def start(self):
        command = [sys.executable, str(HERE / "upstream.py"), str(self.port), str(self.log), f"{self.seed} {self.lives}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lives += 1

    def tell(self, **order):
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def end(self):
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()


class Monkey:
    def __init__(self, endpoints, random, lies):
        self.endpoints, self.random, self.lies = endpoints, random, lies
        self.due, self.done = [], {}

    def later(self, seconds, endpoint, what):
        self.due.append((time.monotonic() + seconds, endpoint, what))

    def count(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    def calm(self, endpoint):
        endpoint.tell(share=ALWAYS, lies=self.lies)
        endpoint.free = True

    def restart(self, endpoint):
        endpoint.start()
        self.calm(endpoint)

    def thaw(self, endpoint):
        endpoint.signal(signal.SIGCONT)
        endpoint.free = True

    def listen(self, endpoint):
        endpoint.tell(listen=True)
        endpoint.free = True

    def strike(self):
        """One misfortune of an endpoint that has none."""
        free = [endpoint for endpoint in self.endpoints if endpoint.free]
        if not free:
            return
        endpoint, random = self.random.choice(free), self.random
        endpoint.free = False
        what = random.choice(["killed", "killed", "frozen", "refusing", "lying", "lying"])
        self.count(what)
        if what == "killed":
            endpoint.kill()
            self.later(random.choice([0, 0, 0.5, 2]), endpoint, self.restart)
        elif what == "frozen":
            endpoint.signal(signal.SIGSTOP)
            self.later(random.choice([0.2, 1, 3, 8]), endpoint, self.thaw)
        elif what == "refusing":
            endpoint.tell(listen=False)
            self.later(random.choice([0.2, 1, 3]), endpoint, self.listen)
        else:
            lies = random.sample(self.lies, random.choice([1, 3, len(self.lies)]))
            endpoint.tell(share=random.choice(MOODS), lies=lies)
            self.later(random.uniform(0.5, 4), endpoint, self.calm)

    def settle(self):
        now = time.monotonic()
        for entry in [entry for entry in self.due if entry[0] <= now]:
            self.due.remove(entry)
            entry[2](entry[1])

    def rage(self, seconds, going=lambda: True):
        """For so long; then everything is well again."""
        end, strike = time.monotonic() + seconds, 0.0
        for endpoint in self.endpoints:
            self.calm(endpoint)
        while time.monotonic() < end and going():
            self.settle()
            if time.monotonic() >= strike:
                self.strike()
                strike = time.monotonic() + self.random.uniform(0.05, 0.8)
            time.sleep(0.01)
        while self.due:
            self.settle()
            time.sleep(0.01)
        for endpoint in self.endpoints:
            endpoint.tell(share=0.0)
