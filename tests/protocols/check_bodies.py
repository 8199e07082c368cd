"""Long bodies with curl: 200 MB in chunks, up and down, over both protocols, in little memory."""

import hashlib
import subprocess
import time

from servers import PIECE

COUNT = 3200
SIZE = COUNT * len(PIECE)
# MiB beyond what the process held before.
MEMORY = 64


def whole():
    digest = hashlib.sha256()
    for _ in range(COUNT):
        digest.update(PIECE)
    return digest.hexdigest()


def curl(world, protocol, *arguments, **pipes):
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "300", f"--{protocol}", "--cacert", str(world.ca), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, **pipes)


def check(world, report):
    digest = whole()
    for protocol in ("http1.1", "http2"):
        held = world.gateway.holds()["rss"]
        world.gateway.peak(forget=True)
        begun, got = time.monotonic(), hashlib.sha256()
        process, size = curl(world, protocol, f"https://localhost:{world.port}/files/{SIZE}"), 0
        while piece := process.stdout.read(1 << 18):
            got.update(piece)
            size += len(piece)
        spent = time.monotonic() - begun
        good = process.wait() == 0 and got.hexdigest() == digest
        report.check(f"curl over {protocol}: {SIZE >> 20} MiB down", good, f"{size / spent / 1e6:.0f} MB/s")
        begun = time.monotonic()
        process = curl(world, protocol, "--upload-file", "-", f"https://localhost:{world.port}/files/up", stdin=subprocess.PIPE)
        try:
            for _ in range(COUNT):
                process.stdin.write(PIECE)
            process.stdin.close()
        except BrokenPipeError:
            pass
        said = process.stdout.read().decode()
        spent = time.monotonic() - begun
        good = process.wait() == 0 and said == f"{SIZE} {digest}"
        report.check(f"curl over {protocol}: {SIZE >> 20} MiB up", good, f"{SIZE / spent / 1e6:.0f} MB/s {said[:20]}")
        peak = world.gateway.peak()
        report.check(f"curl over {protocol}: in little memory", peak < held + MEMORY, f"{held:.0f} MiB before, peak {peak:.0f}")
