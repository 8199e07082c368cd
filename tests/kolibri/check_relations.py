"""Whom a coach teaches, by a relation source: Kolibri's own list of memberships, asked with the coach's session."""

import threading

from expect import absent, check, equal, members, that
from gateway import Gateway
from kolibri import PEOPLE
from wire import Tap

USERS = "/api/auth/facilityuser/"
CURRENT = "/api/auth/session/current/"
MEMBERSHIPS = "/api/auth/membership/"
OUTSIDER = {"username": "zoe_q", "full_name": "Zoé Ailleurs", "password": "motdepasse-zoe-9", "id_number": "NIE-ZOE-7009"}

# What the officer and the engineers would write for a school where a coach's pupils are their own, and nobody else's.
COACH = ("sees: { any: [name, account, result, work] }", "sees: { own: [name, account], ward: [name, account, result, work] }")
PROVIDER = ("        cache: 5 s\n", "        cache: 60 s\n      relations: pupils\n")
SOURCE = """
  relations:
    - name: pupils
      upstream: kolibri
      path: /api/auth/membership/
      cookies: [kolibri]
      wards: "$[*].user"
      cache: 60 s
"""


def replaced(path, shipped, own):
    text = path.read_text()
    that(text.count(shipped) == 1, f"{path} has {text.count(shipped)} times {shipped!r}")
    path.write_text(text.replace(shipped, own))


@check("a coach reads their own pupils alone, a learner themselves, and a page of forty calls asks Kolibri once")
def relations(world):
    admin = world.kolibri.direct()
    admin.sign_in("admin", PEOPLE["admin"]["password"])
    made = admin.send("POST", USERS, OUTSIDER | {"facility": world.kolibri.ids["facility"]})
    equal(made.status, 201, f"an outsider: {made}")
    outsider = made.json()["id"]

    tap = Tap(world.kolibri.port)
    gateway = Gateway(world.gateway.binary, world.gateway.policies, world.cache / "relations")
    gateway.prepare(tap.port, world.kolibri.content_port)
    replaced(gateway.folder / "charter.yaml", *COACH)
    settings = gateway.folder / "gateway.yaml"
    replaced(settings, *PROVIDER)
    settings.write_text(settings.read_text() + SOURCE)
    gateway.start()
    try:
        pupils = ("anna_q", "bruno_q", "chloe_q")
        names = [PEOPLE[one]["full_name"] for one in pupils]
        hidden = [PEOPLE[one][key] for one in pupils for key in ("id_number", "boarding")]

        coach = gateway.client()
        coach.sign_in("prof_q", PEOPLE["prof_q"]["password"])
        direct = world.kolibri.direct()
        direct.sign_in("prof_q", PEOPLE["prof_q"]["password"])
        shown = direct.get(USERS).text
        that(OUTSIDER["full_name"] in shown, "Kolibri no longer shows this coach pupils of no class: this check proves little")
        listed = set(members(direct.get(MEMBERSHIPS).json(), "user"))
        # One who left is listed too.
        that({world.kolibri.ids[one] for one in pupils} <= listed and outsider not in listed, f"{listed}")

        tap.forget()
        answers = []
        calls = [threading.Thread(target=lambda: answers.append(coach.get(USERS))) for _ in range(40)]
        for one in calls:
            one.start()
        for one in calls:
            one.join()
        equal([answer.status for answer in answers], [200] * 40, "forty calls")
        # The sign-in page asked for its own session before the session was there.
        equal(tap.count("PUT", CURRENT), 1, "look-ups of the session")
        equal(tap.count("GET", MEMBERSHIPS), 1, "look-ups of the relation")
        for answer in answers:
            found = set(members(answer.json(), "full_name"))
            that(set(names) <= found, f"{found}")
            absent(answer.text, [*hidden, OUTSIDER["full_name"], OUTSIDER["username"], PEOPLE["fadmin_q"]["full_name"]], USERS)
            that(PEOPLE["prof_q"]["full_name"] in answer.text, "their own name")
        absent(coach.get(f"{USERS}{outsider}/").text, OUTSIDER.values(), "the outsider's record")

        learner = gateway.client()
        learner.sign_in("anna_q", PEOPLE["anna_q"]["password"])
        answer = learner.get(USERS)
        equal(answer.status, 200, "a learner")
        that(PEOPLE["anna_q"]["id_number"] in answer.text, "their own number")
        absent(answer.text, [OUTSIDER["full_name"], PEOPLE["bruno_q"]["full_name"], PEOPLE["prof_q"]["full_name"]], USERS)
        equal(tap.count("GET", MEMBERSHIPS), 1, "a learner's view has no such relation")

        metrics = gateway.metrics()
        that('rempart_relation_lookups_total{source="pupils",outcome="asked"} 1' in metrics, metrics)
        that(OUTSIDER["full_name"] not in gateway.journal.read_text(), "the journal")
    finally:
        gateway.stop()
        admin.send("DELETE", f"{USERS}{outsider}/")
