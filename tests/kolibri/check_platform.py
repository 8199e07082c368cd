"""Everything else that Kolibri answers: other people's data elsewhere, exports, files, the second origin."""

import hashlib
import json
import re
import subprocess
import zipfile

from check_people import HIDDEN_KEYS, everything, others, secrets
from expect import absent, check, equal, keys, that
from gateway import CONTENT_HOST, HOST
from kolibri import CLASS, PEOPLE, ROUTES

ALL = [canary for person in PEOPLE for canary in everything(person)]
HIDDEN = [canary for person in PEOPLE for canary in secrets(person)]


def reports(world):
    ids = world.kolibri.ids
    return {
        "class summary": f"/coach/api/classsummary/{ids['class']}/",
        "attendance": "/api/attendance/attendancerecord/",
        "attendance of a session": f"/api/attendance/attendancerecord/?attendance_session={ids['attendance']}",
        "classrooms": "/api/auth/classroom/",
        "classroom": f"/api/auth/classroom/{ids['class']}/",
        "attempts": "/api/logger/attemptlog/",
        "paged attempts": "/api/logger/attemptlog/?page=1&page_size=10",
        "tries": f"/api/logger/masterylog/?content={ids['content']}&user={ids['anna_q']}",
        "one try": f"/api/logger/masterylog/0/diff/?content={ids['content']}&user={ids['anna_q']}",
        "members": "/api/auth/membership/",
    }


@check("reports: a coach reads names, results and work, and no more; administrators read them unchanged")
def coach_reports(world):
    coach, admin = world.sessions["prof_q"], world.sessions["admin"]
    for name, path in reports(world).items():
        answer, whole = coach.get(path), world.direct_coach.get(path)
        equal(answer.status, 200, name)
        absent(answer.text, HIDDEN, name)
        that(not HIDDEN_KEYS & set(keys(answer.json())), f"{name}: {answer.text[:500]}")
        for person in PEOPLE:
            for canary in (PEOPLE[person]["full_name"], f"devoir-secret-{person}"):
                equal(canary in answer.text, canary in whole.text, f"{name}: whether {canary} is shown")
        seen, wanted = admin.get(path), world.direct_admin.get(path)
        equal((seen.status, seen.body), (wanted.status, wanted.body), f"{name} for an administrator")
    summary = coach.get(reports(world)["class summary"]).json()
    equal(summary["name"], CLASS, "the name of the class")
    equal(
        sorted(one["name"] for one in summary["learners"]), ["Anna Élève", "Bruno Scolaire", "Chloé Lycéenne"], "its learners"
    )
    equal(summary["coaches"][0]["name"], "Claude Tutorat", "its coach")


@check("reports: a learner reads their own attempts, and nobody reads anything without a session")
def learner_reports(world):
    anna, nobody = world.sessions["anna_q"], world.gateway.client()
    for name, path in reports(world).items():
        answer = anna.get(path)
        absent(answer.text, others("anna_q"), name)
        absent(nobody.get(path).text, ALL, name)
    for name in ("attempts", "one try"):
        path = reports(world)[name]
        equal(anna.get(path).body, world.direct_anna_q.get(path).body, name)
        that("devoir-secret-anna_q" in anna.get(path).text, name)


@check("exports: administrators get the CSV as it is, nobody else any of it")
def exports(world):
    path = f"/facility/api/downloadcsvfile/user/{world.kolibri.ids['facility']}/"
    for name, direct in (("admin", world.direct_admin), ("fadmin_q", world.direct_fadmin_q)):
        answer, wanted = world.sessions[name].get(path), direct.get(path)
        equal((answer.status, answer.body), (200, wanted.body), f"the export for {name}")
        that(answer.body.startswith(b"\xef\xbb\xbf"), "its byte order mark")
        equal(answer.get("Content-Type"), "text/csv", "Content-Type")
        equal(answer.get("Content-Disposition"), wanted.get("Content-Disposition"), "Content-Disposition")
        that("NIE-ANNA-7004" in answer.text, "its numbers")
    statuses = {}
    for name in ("prof_q", "anna_q", None):
        client = world.sessions[name] if name else world.gateway.client()
        answer = client.get(path)
        that(answer.status >= 400, f"{name}: {answer}")
        absent(answer.text, ALL, f"the export for {name}")
        statuses[name or "nobody"] = answer.status
    return str(statuses)


@check("the device's PIN is for administrators alone")
def pin(world):
    path = "/api/auth/facilitydataset/"
    that("7319" in world.kolibri.direct().get(path).text, "Kolibri no longer shows the PIN: this check proves nothing")
    for name in ("prof_q", "anna_q", None):
        client = world.sessions[name] if name else world.gateway.client()
        answer = client.get(path)
        equal(answer.status, 200, "status")
        that("pin_code" not in answer.text and "7319" not in answer.text, answer.text)
    that('"pin_code":"7319"' in world.sessions["admin"].get(path).text, "an administrator")


@check("HTTP Basic on the public API is no way around")
def basic(world):
    import base64
    for name in ("anna_q", "admin"):
        text = f"username={name}&facility={world.kolibri.ids['facility']}:{PEOPLE[name]['password']}"
        header = {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}
        path = f"/api/public/facilityuser/?facility_id={world.kolibri.ids['facility']}"
        that("NIE-ANNA-7004" in world.kolibri.direct().send("GET", path, headers=header).text, "Kolibri refuses it: no proof")
        world.tap.forget()
        answer = world.gateway.client().send("GET", path, headers=header)
        equal(answer.status, 401, "without a session")
        absent(answer.text, ALL, "the public users API")
        equal(world.tap.count("GET", "/api/public/facilityuser/"), 0, "passwords that Kolibri checked")
        answer = world.sessions["prof_q"].send("GET", path, headers=header)
        absent(answer.text, HIDDEN, "for a coach")


def known_paths(world):
    """Every URL of Kolibri, with ids that exist where there are any."""
    ids = world.kolibri.ids
    found = json.loads(world.kolibri.manage("shell", "-c", ROUTES, mark="ROUTES"))
    for text in found:
        text = text.replace("^", "").rstrip("$")
        pk = ids["facility"]
        for word, wanted in (
            ("facilityuser", "anna_q"), ("devicepermissions", "anna_q"), ("usersync", "anna_q"), ("userprogress", "anna_q"),
            ("classroom", "class"), ("classsummary", "class"), ("facilitydataset", "dataset"), ("ispin", "dataset"),
            ("attendancesession", "attendance"),
        ):
            if word in text:
                pk = ids[wanted]
        text = re.sub(r"\(\?P<csv_type>.*?\)/", "user/", text)
        text = re.sub(r"\(\?P<format>[^)]*\)", "json", text)
        text = re.sub(r"\(\?P<version>\[[^)]*\)", "v1", text)
        text = re.sub(r"\(\?P<\w+>\[[^)]*\]\{?\d*\}?\+?\)|\(\?P<\w+>\.\*\)|<\w+>|\(\[0-9a-f\]\{32\}\)", pk, text)
        text = text.replace("\\.", ".").replace("/?", "/")
        # Leaving would end the session; a restart would end Kolibri.
        if "logout" in text or "restart" in text:
            continue
        if re.search(r"[()\[\]?*+\\<>]", text):
            raise AssertionError(f"a URL of Kolibri that this check cannot fill in: {text}")
        yield "/" + text


def without_choices(document):
    """Without the answers that a facility offers for its own questions: they say nothing of anybody."""
    if isinstance(document, dict):
        return {key: without_choices(value) for key, value in document.items() if key != "demographic_fields"}
    if isinstance(document, list):
        return [without_choices(value) for value in document]
    return document


@check("every URL of Kolibri, asked by each kind of caller, shows nobody more than the charter does")
def sweep(world):
    paths = sorted(set(known_paths(world)))
    that(len(paths) > 150, f"only {len(paths)} URLs found")
    callers = {
        "nobody": (world.gateway.client(), ALL), "anna_q": (world.sessions["anna_q"], others("anna_q")),
        "prof_q": (world.sessions["prof_q"], HIDDEN), "admin": (world.sessions["admin"], []),
    }
    shown, statuses = {name: set() for name in callers}, {}
    for path in paths:
        for name, (client, forbidden) in callers.items():
            answer = client.get(path)
            text = answer.text
            try:
                # As a program reads it: without escapes.
                text = json.dumps(without_choices(json.loads(text)), ensure_ascii=False)
            except ValueError:
                pass
            absent(text, forbidden, f"{path} for {name}")
            shown[name] |= {canary for canary in ALL if canary in text}
            statuses.setdefault(name, {}).setdefault(answer.status, []).append(path)
    that(set(HIDDEN) <= shown["admin"], f"the administrator did not see {set(HIDDEN) - shown['admin']}")
    for name in callers:
        for status, where in statuses[name].items():
            that(status not in (502, 504) or name != "admin", f"{status} for an administrator: {where}")
    table = {name: {status: len(where) for status, where in sorted(by.items())} for name, by in statuses.items()}
    refused = {name: by.get(502, []) for name, by in statuses.items() if by.get(502)}
    return f"{len(paths)} URLs; {table}; unreadable, so refused: {refused}"


@check("an administrator's other bodies are unchanged too")
def unchanged(world):
    client, direct = world.sessions["admin"], world.direct_admin
    volatile, same = [], 0
    for path in sorted(set(known_paths(world))):
        if path.startswith(("/api/auth/portal", "/api/content/remotechannel", "/api/discovery")):
            # These ask the network, which is not there, and take their time.
            volatile.append(path)
            continue
        before, seen, after = direct.get(path), client.get(path), direct.get(path)
        if (before.status, before.body) != (after.status, after.body):
            volatile.append(path)
            equal(seen.status, after.status, path)
            continue
        # Kolibri writes its own address into some answers.
        wanted = before.body.replace(direct.origin.encode(), b"ORIGIN")
        found = seen.body
        for origin in (client.origin, client.origin.replace("https:", "http:")):
            found = found.replace(origin.encode(), b"ORIGIN")
        if before.status == 405:
            # Routes of the gateway for one method say so themselves.
            equal(seen.status, 405, path)
            continue
        equal((seen.status, found), (before.status, wanted), path)
        same += 1
    that(same > 120, f"only {same} bodies could be compared")
    return f"{same} identical; not comparable: {volatile}"


@check("scripts and files pass untouched: compressed, conditional, in ranges")
def files(world):
    client, direct = world.gateway.client(), world.kolibri.direct()
    script = re.search(r'src="(/static/[^"]+\.js)"', direct.get("/en/auth/").text).group(1)
    for coding in (None, "gzip"):
        answer, wanted = client.get(script, Accept_Encoding=coding), direct.get(script, Accept_Encoding=coding)
        equal((answer.status, answer.raw), (200, wanted.raw), f"{script} {coding}")
        equal(answer.get("Content-Encoding"), wanted.get("Content-Encoding"), "its coding")
        equal(answer.get("ETag"), wanted.get("ETag"), "its ETag")
    tag = client.get(script).get("ETag")
    equal(client.get(script, If_None_Match=tag).status, 304, "a condition")
    page = client.get("/en/learn/")
    equal((page.status, page.body), (200, direct.get("/en/learn/").body), "a page")
    video = bytes(range(256)) * 400
    digest = hashlib.md5(video).hexdigest()
    place = world.kolibri.home / "content" / "storage" / digest[0] / digest[1]
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{digest}.mp4").write_bytes(video)
    path = f"/content/storage/{digest[0]}/{digest[1]}/{digest}.mp4"
    answer = client.get(path, Range="bytes=1000-1999")
    equal((answer.status, answer.raw), (206, video[1000:2000]), "a part of a video")
    equal(answer.get("Content-Range"), f"bytes 1000-1999/{len(video)}", "Content-Range")


@check("zipped lessons come from the second origin")
def second_origin(world):
    made = world.cache / "lesson.zip"
    with zipfile.ZipFile(made, "w") as lesson:
        lesson.writestr("index.html", "<html><body>Un exercice</body></html>")
    data = made.read_bytes()
    digest = hashlib.md5(data).hexdigest()
    place = world.kolibri.home / "content" / "storage" / digest[0] / digest[1]
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{digest}.zip").write_bytes(data)
    client = world.gateway.client(CONTENT_HOST)
    answer = client.get(f"/content/zipcontent/{digest}.zip/index.html")
    that(answer.status == 200 and "Un exercice" in answer.text, answer)
    policy = world.gateway.client().get("/en/learn/").get("Content-Security-Policy")
    that(CONTENT_HOST in policy, policy)


@check("HTTP/2, with the cookies in crumbs")
def http2(world):
    client = world.sessions["prof_q"]
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--http2", "--cacert", str(world.gateway.ca), "--resolve",
         f"{HOST}:{world.gateway.port}:127.0.0.1", "-H", f"Cookie: kolibri={client.cookies['kolibri']}",
         "-H", f"Cookie: kolibri_csrftoken={client.cookies['kolibri_csrftoken']}", "-w", "\n%{http_version} %{http_code}",
         f"{client.origin}/api/auth/facilityuser/"],
        capture_output=True, text=True, check=True,
    )
    body, said = done.stdout.rsplit("\n", 1)
    equal(said, "2 200", "version and status")
    absent(body, HIDDEN, "HTTP/2")
    equal(json.loads(body), client.get("/api/auth/facilityuser/").json(), "the same document as by HTTP/1.1")
