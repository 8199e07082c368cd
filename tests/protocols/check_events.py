"""Server-sent events: PyPI `httpx-sse` over both protocols, npm `eventsource`; each event comes when it is sent."""

import time

from servers import EVENTS, PAUSE, TURN

# An event that waits for the next one is late by its pause.
LATE = 0.8 * PAUSE


def tell(latencies):
    return "ms: " + " ".join(f"{latency * 1000:.0f}" for latency in latencies)


def in_time(latencies):
    """Whether they came one by one; a machine that is busy may be late once."""
    return latencies and sorted(latencies)[len(latencies) // 2] < LATE and max(latencies) < 1


def httpx(world, report, path, http2, name):
    import httpx
    import httpx_sse

    with httpx.Client(http2=http2, verify=world.tls_for(http2), timeout=20) as client:
        with httpx_sse.connect_sse(client, "GET", f"https://localhost:{world.port}{path}") as source:
            protocol = source.response.http_version
            seen = [(event.json(), event.id, time.time()) for event in source.iter_sse() if event.event == "step"]
    latencies = [at - data["at"] for data, _, at in seen]
    whole = [event for _, event, _ in seen] == [str(number) for number in range(1, EVENTS + 1)]
    report.check(f"{name}: every event, in order", whole and protocol == ("HTTP/2" if http2 else "HTTP/1.1"), f"{len(seen)} over {protocol}")
    report.check(f"{name}: each when it was sent", in_time(latencies), tell(latencies))
    return seen


def check(world, report):
    import httpx as library
    import httpx_sse

    for http2 in (False, True):
        version = "HTTP/2" if http2 else "HTTP/1.1"
        httpx(world, report, "/events/all", http2, f"httpx-sse over {version}")
        seen = httpx(world, report, "/people/all", http2, f"httpx-sse over {version}, redacted")
        report.check(f"httpx-sse over {version}, redacted: nobody's name", seen and all(data["full_name"] == "***" for data, _, _ in seen))
    ids, last = [], None
    with library.Client(verify=world.tls, timeout=20) as client:
        while last != str(EVENTS) and len(ids) < 2 * EVENTS:
            headers = {"last-event-id": last} if last else {}
            with httpx_sse.connect_sse(client, "GET", f"https://localhost:{world.port}/events/turns", headers=headers) as source:
                ids += [event.id for event in source.iter_sse() if event.id and event.event == "step"]
            last = ids[-1]
    whole = ids == [str(number) for number in range(1, EVENTS + 1)]
    report.check("httpx-sse: goes on behind the last event that it had", whole, " ".join(ids))
    found = world.node("events")
    seen = found.get("seen", [])
    report.check("eventsource: every event, in order, over the ends of its connections",
                 [event for event, *_ in seen] == list(range(1, EVENTS + 1)), found.get("error") or f"asked with {found['asked']}")
    report.check("eventsource: it said where it was", found.get("asked") == [None, str(TURN), str(2 * TURN)])
    latencies = [latency for _, latency, *_ in seen]
    report.check("eventsource: each when it was sent", in_time(latencies), tell(latencies))
