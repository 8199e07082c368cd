"""The users API: whom Kolibri would show, and whom the gate lets each caller see."""

from expect import absent, check, equal, keys, members, that
from kolibri import PEOPLE

USERS = "/api/auth/facilityuser/"
HIDDEN_KEYS = {"id_number", "extra_demographics", "picture_password"}
# Kolibri's own word, in the place of a birth year or a gender that is hidden.
NOT_GIVEN = "NOT_SPECIFIED"
STAYING = {name: one for name, one in PEOPLE.items() if one["kind"] != "deleted"}


def secrets(person):
    """What only the person and administrators may read."""
    one = PEOPLE[person]
    return [one[key] for key in ("id_number", "boarding") if key in one]


def everything(person):
    one = PEOPLE[person]
    shown = secrets(person) + [f"devoir-secret-{person}"]
    # The administrator of the test bears their user name, a word of Kolibri's own.
    return shown if person == "admin" else shown + [one["full_name"], person]


def others(person):
    return [canary for other in PEOPLE if other != person for canary in everything(other)]


def paths(world):
    facility, one = world.kolibri.ids["facility"], world.kolibri.ids["anna_q"]
    return [
        USERS,
        f"{USERS}?member_of={facility}&page=1&page_size=30",
        f"{USERS}?member_of={facility}&page=2&page_size=3",
        f"{USERS}?ordering=-full_name",
        f"{USERS}?format=json",
        "/api/auth/facilityuser.json",
        "/api/auth/facilityuser.json/",
        "/api/auth/facilityuser.quelconque",
        f"{USERS}{one}/",
        f"{USERS}{one}.json",
        "/api/auth/deletedfacilityuser/",
        "/api/auth/deletedfacilityuser.json",
    ]


@check("Kolibri itself hands a coach everybody's number and demographics: there is something to protect")
def leak(world):
    direct = world.kolibri.direct()
    direct.sign_in("prof_q", PEOPLE["prof_q"]["password"])
    shown = direct.get(USERS).text
    for person in STAYING:
        for canary in secrets(person):
            that(canary in shown, f"Kolibri no longer shows {canary} to a coach: these checks prove nothing")
    world.direct_coach = direct
    for name in ("admin", "fadmin_q", "anna_q"):
        client = world.kolibri.direct()
        client.sign_in(name, PEOPLE[name]["password"])
        setattr(world, f"direct_{name}", client)


@check("a coach reads names, and nobody's number, birth year, gender or demographics")
def coach(world):
    for username in ("prof_q", "prof2_q"):
        client = world.sessions[username]
        for path in paths(world):
            answer = client.get(path)
            equal(answer.status, 200, f"{username} {path}")
            document = answer.json()
            that(not HIDDEN_KEYS & set(keys(document)), f"{path}: {answer.text[:500]}")
            absent(answer.text, [canary for person in PEOPLE for canary in secrets(person)] + ["FEMALE", '"MALE"'], path)
            for key in ("birth_year", "gender"):
                equal(set(members(document, key)), {NOT_GIVEN}, f"{path}: {key}")
            equal(answer.get("Content-Length"), str(len(answer.raw)), f"{path}: Content-Length")
            that("private" in answer.get("Cache-Control"), f"{path}: Cache-Control {answer.get('Cache-Control')}")
        direct = world.kolibri.direct()
        direct.sign_in(username, PEOPLE[username]["password"])
        names, wanted = (sorted(members(one.get(USERS).json(), "full_name")) for one in (client, direct))
        equal(names, wanted, "the names that Kolibri shows them")
        that(PEOPLE["anna_q"]["full_name"] in names and PEOPLE["bruno_q"]["full_name"] in names, names)
        record = client.get(f"{USERS}{world.kolibri.ids['anna_q']}/").json()
        equal((record["username"], record["id"]), ("anna_q", world.kolibri.ids["anna_q"]), "a learner")


@check("a learner reads their own record whole, and nothing of anybody else")
def learner(world):
    for username in ("anna_q", "chloe_q"):
        client, own = world.sessions[username], world.kolibri.ids[username]
        wanted = world.kolibri.direct()
        wanted.sign_in(username, PEOPLE[username]["password"])
        for path in (USERS, f"{USERS}{own}/", "/api/auth/facilityuser.json", f"{USERS}?page_size=5"):
            answer = client.get(path)
            equal((answer.status, answer.body), (200, wanted.get(path).body), f"{username} {path}")
            for canary in secrets(username):
                that(canary in answer.text, f"their own {canary} is missing")
            absent(answer.text, others(username), path)
        for path in paths(world):
            absent(client.get(path).text, others(username), path)
        answer = client.get(f"{USERS}{world.kolibri.ids['bruno_q']}/")
        absent(answer.text, others(username), "another learner's record")


@check("an administrator reads every body unchanged")
def administrator(world):
    for username, direct in (("admin", world.direct_admin), ("fadmin_q", world.direct_fadmin_q)):
        for path in paths(world):
            answer, wanted = world.sessions[username].get(path), direct.get(path)
            equal((answer.status, answer.body), (wanted.status, wanted.body), f"{username} {path}")
    shown = world.sessions["admin"].get(USERS).text
    for person in STAYING:
        for canary in secrets(person):
            that(canary in shown, f"{canary} is missing")


@check("an unauthenticated caller reads nothing")
def nobody(world):
    stranger = world.gateway.client()
    forged = world.gateway.client()
    forged.cookies["kolibri"] = "abcdefghijklmnopqrstuvwxyz012345"
    for client in (stranger, forged):
        for path in paths(world):
            answer = client.get(path)
            equal(answer.status, 401, path)
            equal(answer.get("Content-Type"), "application/problem+json", path)
            absent(answer.text, [canary for person in PEOPLE for canary in everything(person)], path)


@check("a session that has ended opens nothing")
def signed_out(world):
    client = world.gateway.client()
    client.sign_in("prof2_q", PEOPLE["prof2_q"]["password"])
    equal(client.get(USERS).status, 200, "signed in")
    old = client.cookies["kolibri"]
    answer = client.get("/en/logout/")
    equal(answer.status, 302, "signing out")
    that("kolibri" not in client.cookies, f"the cookie is not deleted: {answer.all('Set-Cookie')}")
    client.cookies["kolibri"] = old
    absent(client.get(USERS).text, [canary for person in PEOPLE for canary in everything(person)], "the old session")


@check("answers to changes are redacted as well")
def changes(world):
    coach, own = world.sessions["prof_q"], world.kolibri.ids["prof_q"]
    answer = coach.send("PATCH", f"{USERS}{own}/", {"full_name": PEOPLE["prof_q"]["full_name"]})
    equal(answer.status, 200, "a coach changes their name")
    that(not HIDDEN_KEYS & set(keys(answer.json())), answer.text)
    equal((answer.json()["birth_year"], answer.json()["gender"]), (NOT_GIVEN, NOT_GIVEN), "what is hidden")
    answer = coach.send("PATCH", f"{USERS}{world.kolibri.ids['anna_q']}/", {"birth_year": "1999"})
    equal(answer.status, 403, "a coach changes a learner's birth year")
    admin = world.sessions["admin"]
    new = {
        "username": "emile_q", "full_name": "Émile Nouveau", "password": "motdepasse-emile-8", "id_number": "NIE-EMILE-7008",
        "birth_year": "2014", "gender": "MALE", "facility": world.kolibri.ids["facility"],
    }
    answer = admin.send("POST", USERS, new)
    equal((answer.status, answer.json()["id_number"]), (201, "NIE-EMILE-7008"), "an administrator creates an account")
    gone = admin.send("DELETE", f"{USERS}{answer.json()['id']}/")
    equal(gone.status, 204, "and deletes it")


@check("nobody filters or sorts by what is hidden from them, and everybody by the rest")
def filters(world):
    hidden = ("birth_year=2011", "birth_year_gte=2012", "birth_year_lte=2012", "date_joined__gte=2020-01-01", "ordering=-gender")
    open_to = {"prof_q": ("search=anna", "ordering=full_name", "user_type=learner"), "anna_q": ("search=anna", "user_type=learner")}
    for username, shown in open_to.items():
        client = world.sessions[username]
        world.tap.forget()
        for query in hidden:
            equal(client.get(f"{USERS}?{query}").status, 403, f"{username} {query}")
        equal(world.tap.count("GET", USERS), 0, "such questions that reached Kolibri")
        for query in shown:
            equal(client.get(f"{USERS}?{query}").status, 200, f"{username} {query}")
    for query in hidden:
        answer, wanted = (client.get(f"{USERS}?{query}") for client in (world.sessions["admin"], world.direct_admin))
        equal((answer.status, answer.body), (wanted.status, wanted.body), f"admin {query}")


@check("other spellings, ranges, codings and methods give a coach no more")
def spellings(world):
    client = world.sessions["prof_q"]
    hidden = [canary for person in PEOPLE for canary in secrets(person)]
    notes = []
    for path in (
        "/api/auth/%66acilityuser/", "/api/auth/facilityuser%2f", "/api//auth/facilityuser/", "/api/auth/./facilityuser/",
        "/api/auth/x/../facilityuser/", "/api/auth/x/%2e%2e/facilityuser/", "/api/auth/facilityuser;a=b/", "//api/auth/facilityuser/",
        "/api/auth/facilityuser/%00", "/api/auth/facilityuser", "/api/auth\\facilityuser/", "/api/auth/facilityuser.json%2f",
        f"{USERS}{world.kolibri.ids['anna_q']}.quelconque/", "/API/auth/facilityuser/",
    ):
        answer = client.get(path)
        absent(answer.text, hidden, path)
        notes.append(f"{path} {answer.status}")
    for coding in ("gzip", "br, gzip", "gzip;q=0", "identity", "zstd", None):
        answer = client.get(USERS, Accept_Encoding=coding)
        equal(answer.status, 200, f"Accept-Encoding: {coding}")
        that(b"NIE-" not in answer.raw, "a number")
        if answer.get("Content-Encoding") in ("", "gzip", "identity"):
            absent(answer.text, hidden, f"Accept-Encoding: {coding}")
    answer = client.get(USERS, Range="bytes=0-200")
    equal(answer.status, 200, "a range of a redacted body")
    absent(answer.text, hidden, "a range")
    head, whole = client.send("HEAD", USERS), client.get(USERS)
    equal((head.status, head.raw), (200, b""), "HEAD")
    that(head.get("Content-Length") in ("", str(len(whole.raw))), f"HEAD tells of {head.get('Content-Length')} bytes")
    absent(client.send("OPTIONS", USERS).text, hidden, "OPTIONS")
    absent(client.send("GET", USERS, headers={"X-HTTP-Method-Override": "POST", "Accept": "text/html"}).text, hidden, "Accept: text/html")
    return "; ".join(notes)
