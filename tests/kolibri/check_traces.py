"""What the gateway leaves behind: journal, log and metrics without a single value, and a clean end."""

import json

from check_people import everything
from expect import absent, check, equal, that
from kolibri import PEOPLE


def values(world):
    known = [canary for person in PEOPLE for canary in everything(person)]
    known += [one["password"] for one in PEOPLE.values()]
    known += [world.kolibri.ids[name] for name in PEOPLE]
    for client in world.sessions.values():
        known += list(client.cookies.values())
    return known + ["visitor_id=", "traqueur", "clef-d-application", "inconnu1"]


@check("the guesser that took its time was stopped too: the sixth in a row")
def slow_guesser(world):
    world.slow_thread.join(90)
    equal([status for _, status in world.slow], [401] * 6 + [429], f"answers {world.slow}")
    that(world.slow[-1][0] < 70, f"{world.slow}")


@check("metrics count what was done, and name nobody")
def metrics(world):
    text = world.gateway.metrics()
    absent(text, values(world), "/metrics")
    for name in (
        "rempart_requests_total", "rempart_cookies_dropped_total", "rempart_redacted_fields_total", "rempart_rate_limited_total",
        "rempart_identity_total", "rempart_upstream_requests_total",
    ):
        that(any(line.startswith(name + "{") and not line.endswith(" 0") for line in text.splitlines()), f"{name} counted nothing")


@check("SIGTERM ends it in order")
def end(world):
    that(world.gateway.running(), f"it had ended before:\n{world.gateway.log.read_text()[-2000:]}")
    equal(world.gateway.stop(), 0, "exit code")


@check("the journal has a line for each exchange, and no value")
def journal(world):
    text = world.gateway.journal.read_text()
    records = [json.loads(line) for line in text.splitlines()]
    that(len(records) > 1500, f"{len(records)} records")
    absent(text, values(world), "the journal")
    routes = {record.get("route") for record in records}
    for wanted in ("users", "sign-in", "class-summary", "exports", "assets", "pages", "api"):
        that(wanted in routes, f"no record of route {wanted}: {routes}")
    return f"{len(records)} records; the last: {text.splitlines()[-1]}"


@check("the gateway's own log has no value either")
def log(world):
    absent(world.gateway.log.read_text(), values(world), "the log")
