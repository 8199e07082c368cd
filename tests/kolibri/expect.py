"""Checks with names: each one runs, each failure is shown, none is skipped."""

import time
import traceback

_CHECKS = []


def check(name):
    """Registers a check; they run in the order of the file."""

    def register(function):
        _CHECKS.append((name, function))
        return function

    return register


def that(condition, message):
    if not condition:
        raise AssertionError(message() if callable(message) else message)


def equal(found, wanted, what):
    that(found == wanted, lambda: f"{what}: {found!r} instead of {wanted!r}")


def absent(text, canaries, where):
    found = sorted(canary for canary in canaries if canary in text)
    that(not found, lambda: f"{where} shows {found}: {text[:600]!r}")


def keys(value):
    """Every member name of a JSON document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def members(value, name):
    """The values of every member of this name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from members(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner, name)


def run(world):
    failed = []
    for name, function in _CHECKS:
        started = time.monotonic()
        try:
            note = function(world)
        except Exception as error:
            failed.append(name)
            print(f"FAILED  {name}", flush=True)
            print("        " + (str(error) if isinstance(error, AssertionError) else traceback.format_exc()), flush=True)
        else:
            seconds = time.monotonic() - started
            print(f"ok      {name}{f': {note}' if note else ''} ({seconds:.1f} s)", flush=True)
    print(f"\n{len(_CHECKS)} checks, {len(failed)} failed", flush=True)
    return not failed
