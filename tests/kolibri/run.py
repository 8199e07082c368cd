#!/usr/bin/env python3
"""Rempart in front of a live Kolibri, end to end.

    tests/kolibri/run.py [--rempart PATH] [--cache DIR] [--keep]

Installs Kolibri 0.19 from PyPI into DIR (default: target/kolibri), provisions it on SQLite, fills it with people, starts it, starts
the gateway with the policies of policies/examples/kolibri/, and checks what each kind of caller gets. Needs Python 3.9 with venv,
openssl, curl with HTTP/2, chromium and chromedriver; whatever is missing is an error, not a skip. With --keep it goes on serving
until Enter is pressed.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import types

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import expect  # noqa: E402
from gateway import CONTENT_HOST, HOST, Gateway  # noqa: E402
from kolibri import Kolibri  # noqa: E402
from wire import Tap  # noqa: E402

# Each registers its checks; this is their order.
import check_gate  # noqa: E402, F401
import check_people  # noqa: E402, F401
import check_platform  # noqa: E402, F401
import check_relations  # noqa: E402, F401
import check_browser  # noqa: E402, F401
import check_traces  # noqa: E402, F401


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rempart", help="the gateway's binary (default: built with cargo)")
    options.add_argument("--cache", default=str(ROOT / "target" / "kolibri"))
    options.add_argument("--keep", action="store_true")
    options = options.parse_args()

    for tool in ("openssl", "curl", "chromedriver", "chromium"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed (Debian: openssl, curl, chromium-driver, chromium)")
    binary = options.rempart
    if binary is None:
        subprocess.run(["cargo", "build", "--locked", "--bin", "rempart"], cwd=ROOT, check=True)
        binary = ROOT / "target" / "debug" / "rempart"

    kolibri = Kolibri(options.cache)
    print("Kolibri:", kolibri.install(), flush=True)
    kolibri.provision()
    gateway = Gateway(binary, ROOT / "policies" / "examples" / "kolibri", pathlib.Path(options.cache) / "gateway")
    kolibri.start(f"https://{CONTENT_HOST}:{gateway.port}")
    good = False
    try:
        kolibri.populate()
        tap = Tap(kolibri.port)
        gateway.prepare(tap.port, kolibri.content_port)
        code, said = gateway.check()
        print(said.strip())
        if code != 0:
            sys.exit(f"rempart check refuses the policies (exit {code})")
        gateway.start()
        print(f"Kolibri on 127.0.0.1:{kolibri.port}, Rempart on https://{HOST}:{gateway.port}\n", flush=True)
        world = types.SimpleNamespace(kolibri=kolibri, gateway=gateway, tap=tap, sessions={}, cache=pathlib.Path(options.cache))
        good = expect.run(world)
        if options.keep:
            input("Enter ends it: ")
    finally:
        gateway.stop()
        kolibri.stop()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
