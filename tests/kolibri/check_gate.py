"""The way in: TLS, cookies, sign-in, who is asked about the caller, and the brake on guessing."""

import http.client
import json
import sqlite3
import threading
import time
import urllib.parse

from expect import absent, check, equal, that
from gateway import HOST
from kolibri import PEOPLE

SESSION = "/api/auth/session/"
CURRENT = "/api/auth/session/current/"


def attributes(line):
    return {part.strip().split("=")[0].lower() for part in line.split(";")[1:]}


def guess(client, username, password="faux"):
    return client.send("POST", SESSION, {"username": username, "password": password})


@check("a guesser that takes its time begins: seven wrong passwords, one every ten seconds")
def slow_guesser_begins(world):
    # The first is no longer in a row with the others when the account's owner signs in behind it.
    world.slow = []

    def attempts():
        client, begin = world.gateway.client(), time.monotonic()
        for number in range(7):
            time.sleep(max(0, begin + 10 * number - time.monotonic()))
            world.slow.append((round(time.monotonic() - begin, 1), guess(client, "fadmin_q").status))

    world.slow_thread = threading.Thread(target=attempts, daemon=True)
    world.slow_thread.start()


@check("plain HTTP leads to HTTPS")
def plain(world):
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.plain_port, timeout=10)
    connection.request("GET", "/en/auth/", headers={"Host": HOST})
    reply = connection.getresponse()
    equal(reply.status, 308, "status")
    that(reply.getheader("Location", "").startswith(f"https://{HOST}"), f"Location: {reply.getheader('Location')}")


@check("the sign-in page opens, and its tracker stays behind")
def first_visit(world):
    direct = world.kolibri.direct()
    direct.send("PUT", CURRENT, {"active": False})
    that("visitor_id" in direct.cookies, "Kolibri sets no tracker any more: this check proves nothing")

    visitor = world.gateway.client()
    answer = visitor.get("/")
    equal((answer.status, answer.get("Location")), (302, "/en/auth/"), "the first page")
    page = visitor.get("/en/auth/")
    equal(page.status, 200, "the sign-in page")
    that(page.get("Strict-Transport-Security"), "no HSTS")
    answer = visitor.send("PUT", CURRENT, {"active": False})
    equal((answer.status, answer.json()["kind"]), (200, ["anonymous"]), "the session of nobody")
    equal(list(visitor.cookies), ["kolibri_csrftoken"], "cookies")
    for line in visitor.set_cookies:
        that(not line.startswith("visitor_id"), line)
        have = attributes(line)
        that({"secure", "samesite", "path"} <= have and "httponly" not in have, f"the page's script reads it: {line}")


@check("signing in works as the page does it, for each kind of account")
def sign_in(world):
    world.first = {}
    for username, one in PEOPLE.items():
        client = world.gateway.client()
        client.send("PUT", CURRENT, {"active": False})
        probe = client.send("POST", SESSION, {"username": username})
        if one["kind"] == "deleted":
            equal((probe.status, probe.json()[0]["id"]), (400, "NOT_FOUND"), "a deleted account")
            continue
        equal((probe.status, probe.json()[0]["id"]), (400, "MISSING_PASSWORD"), "the question whether a password is needed")
        answer = client.send("POST", SESSION, {"username": username, "password": one["password"]})
        equal(answer.status, 200, f"sign-in of {username}")
        equal(answer.json()["user_id"], world.kolibri.ids[username], "who signed in")
        world.sessions[username], world.first[username] = client, answer
    return ", ".join(world.sessions)


@check("the session cookie is hardened and alone; everybody is told their own name")
def session_cookie(world):
    for username, client in world.sessions.items():
        session = [line for line in world.first[username].all("Set-Cookie") if line.startswith("kolibri=")]
        equal(len(session), 1, "session cookies")
        have = attributes(session[0])
        that({"secure", "httponly", "samesite"} <= have, session[0])
        that(not {"expires", "max-age"} & have, f"it ends with the browser: {session[0]}")
        equal(sorted(client.cookies), ["kolibri", "kolibri_csrftoken"], "cookies")
        own = client.send("PUT", CURRENT, {"active": True}).json()
        equal((own["username"], own["full_name"]), (username, PEOPLE[username]["full_name"]), "their own name")


@check("a change needs Kolibri's CSRF header, which the page can send")
def csrf(world):
    anna = world.sessions["anna_q"]
    path = f"/api/auth/facilityuser/{world.kolibri.ids['anna_q']}/"
    equal(anna.send("PATCH", path, {"gender": "FEMALE"}, {"X-CSRFToken": None}).status, 403, "without the header")
    equal(anna.send("PATCH", path, {"gender": "FEMALE"}).status, 200, "with it")


@check("cookies of others stop at the gate, on their way in too")
def foreign_cookies(world):
    anna = world.sessions["anna_q"]
    world.tap.forget()
    line = "; ".join([
        "visitor_id=0c0ffee0c0ffee0c0ffee0c0ffee0123", "_ga=GA1.2.traqueur", f"kolibri={anna.cookies['kolibri']}",
        "app_key_cookie=clef-d-application", "kolibri_csrftoken_x=presque",
    ])
    equal(anna.get("/api/auth/facilityuser/", Cookie=line).status, 200, "status")
    sent = world.tap.bytes().decode("latin-1")
    absent(sent, ["0c0ffee", "traqueur", "clef-d-application", "presque"], "what reached Kolibri")
    that(f"kolibri={anna.cookies['kolibri']}" in sent, "the session cookie is missing")


@check("Kolibri is asked about a session once for many calls, and not at all about nobody")
def asked_once(world):
    client = world.sessions["bruno_q"]
    world.tap.forget()
    for _ in range(20):
        equal(client.get("/api/auth/facilityuser/").status, 200, "status")
    asked, served = world.tap.count("PUT", CURRENT), world.tap.count("GET", "/api/auth/facilityuser/")
    equal(served, 20, "calls that reached Kolibri")
    that(1 <= asked <= 4, f"asked {asked} times")
    world.tap.forget()
    nobody = world.gateway.client()
    equal(nobody.get("/api/auth/facility/").status, 200, "status")
    equal(world.tap.count("PUT", CURRENT), 0, "questions about nobody")
    return f"{asked} questions for 20 calls"


@check("being asked about leaves the session as it was")
def session_unchanged(world):
    client = world.sessions["bruno_q"]
    key = client.cookies["kolibri"]

    def stored():
        with sqlite3.connect(f"file:{world.kolibri.home}/sessions.sqlite3?mode=ro", uri=True) as database:
            table = database.execute("select name from sqlite_master where name like '%session%' and type = 'table'").fetchone()
            cursor = database.execute(f"select * from {table[0]} where session_key = ?", (key,))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row)) for row in cursor.fetchall()]

    before = stored()
    equal(len(before), 1, "sessions of this key")
    # Beyond the time that an answer is believed.
    time.sleep(5.2)
    answer = client.get("/api/auth/facilityuser/")
    equal(answer.all("Set-Cookie"), [], "cookies set by a mere reading")
    after = stored()
    equal(len(after), 1, "sessions of this key")
    equal(after[0]["user_id"], before[0]["user_id"], "its user")
    equal(client.send("PUT", CURRENT, {"active": False}).json()["kind"], ["learner"], "still signed in")
    return f"expires {before[0]['expire_date']} → {after[0]['expire_date']}"


@check("the sixth wrong password within a minute gets 429, and does not reach Kolibri")
def brake(world):
    client = world.gateway.client()
    for number in range(1, 6):
        # User names are compared without case by Kolibri, and so by the brake.
        answer = guess(client, "bruno_q" if number % 2 else "BRUNO_Q")
        equal(answer.status, 401, f"guess {number}")
    world.tap.forget()
    refused = guess(client, "bruno_q")
    equal(refused.status, 429, "guess 6")
    equal(refused.get("Content-Type"), "application/problem+json", "Content-Type")
    that(int(refused.get("Retry-After")) > 0, "no Retry-After")
    for name in ("RateLimit", "RateLimit-Policy"):
        that(refused.get(name), f"no {name}")
    equal(guess(client, "Bruno_q", PEOPLE["bruno_q"]["password"]).status, 429, "the right password, now")
    checked = client.send("POST", SESSION + "?prevalidate=true", {"username": "bruno_q", "password": "faux"})
    equal(checked.status, 429, "a check without a session")
    # The slow guesser goes on beside this one, with another account.
    that(b"bruno_q" not in world.tap.bytes().lower(), "a refused guess reached Kolibri")
    equal(guess(client, "chloe_q", PEOPLE["chloe_q"]["password"]).status, 200, "another account from the same address")
    return f"Retry-After {refused.get('Retry-After')}, RateLimit {refused.get('RateLimit')}"


@check("probes and right passwords are no guesses")
def no_guesses(world):
    client = world.gateway.client()
    for body in [{"username": "chloe_q"}, {"username": "chloe_q", "password": ""}] * 8:
        equal(client.send("POST", SESSION, body).status, 400, "a probe")
    for _ in range(12):
        equal(guess(client, "chloe_q", PEOPLE["chloe_q"]["password"]).status, 200, "the right password")


@check("no spelling of the request escapes the brake")
def brake_forms(world):
    def form(username):
        raw = urllib.parse.urlencode({"username": username, "password": "faux"}).encode()
        return raw, "application/x-www-form-urlencoded"

    def multipart(username):
        parts = "".join(
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (("username", username), ("password", "faux"))
        )
        return (parts + "--b--\r\n").encode(), "multipart/form-data; boundary=b"

    def escaped(username):
        raw = json.dumps({"username": username, "password": "faux"}).replace("username", "user\\u006eame")
        return raw.encode(), "application/json"

    def twice(username):
        raw = '{"username": "personne", "username": "%s", "password": "faux"}' % username
        return raw.encode(), "application/json"

    notes = []
    for number, spell in enumerate((form, multipart, escaped, twice)):
        world.tap.forget()
        raw, kind = spell(f"inconnu{number}")
        statuses = [
            world.gateway.client().send("POST", SESSION, raw=raw, headers={"Content-Type": kind}).status for _ in range(12)
        ]
        reached = world.tap.bytes().count(f"inconnu{number}".encode())
        that(reached <= 5, f"{spell.__name__}: {reached} of 12 guesses reached Kolibri ({statuses})")
        notes.append(f"{spell.__name__} {statuses[0]}…{statuses[-1]}")
    for path in ("/api/auth/session", "/api/auth/session.json", "/api//auth/session/", "/api/auth/session/.", "/api/auth/%73ession/"):
        statuses = [
            world.gateway.client().send("POST", path, {"username": "inconnu9", "password": "faux"}).status for _ in range(12)
        ]
        that(401 not in statuses[5:] and 400 not in statuses[5:] or world.tap.count("POST", path) == 0, f"{path}: {statuses}")
        notes.append(f"{path} {statuses[0]}…{statuses[-1]}")
    return "; ".join(notes)


@check("asking whether accounts exist is slowed down")
def enumeration(world):
    client = world.gateway.client()
    wanted = {"username": "prof_q", "facility": world.kolibri.ids["facility"]}
    statuses = [client.send("POST", "/api/auth/usernameavailable", wanted).status for _ in range(6)]
    equal(statuses, [400] * 5 + [429], "answers")
