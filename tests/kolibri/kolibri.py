"""Kolibri itself: installed from PyPI, provisioned, filled with people whose every detail can be found again."""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

from wire import Client, free_port

REQUIREMENT = "kolibri>=0.19,<0.20"
FACILITY = "Lycée Rempart"
CLASS = "Terminale S1"

# Every text here is a canary: it appears nowhere but in what Kolibri knows of this person.
PEOPLE = {
    "admin": {"password": "rempart-admin-1", "kind": "superuser", "full_name": "admin"},
    "fadmin_q": {
        "password": "motdepasse-fanny-1", "kind": "admin", "full_name": "Fanny Administre", "id_number": "NIE-FANNY-7001",
        "birth_year": "1971", "gender": "FEMALE", "boarding": "dortoir-fanny",
    },
    "prof_q": {
        "password": "motdepasse-camille-2", "kind": "coach", "full_name": "Camille Professe", "id_number": "NIE-CAMILLE-7002",
        "birth_year": "1982", "gender": "FEMALE", "boarding": "dortoir-camille",
    },
    "prof2_q": {
        "password": "motdepasse-claude-3", "kind": "class coach", "full_name": "Claude Tutorat", "id_number": "NIE-CLAUDE-7003",
        "birth_year": "1983", "gender": "MALE", "boarding": "dortoir-claude",
    },
    "anna_q": {
        "password": "motdepasse-anna-4", "kind": "learner", "full_name": "Anna Élève", "id_number": "NIE-ANNA-7004",
        "birth_year": "2011", "gender": "FEMALE", "boarding": "dortoir-anna",
    },
    "bruno_q": {
        "password": "motdepasse-bruno-5", "kind": "learner", "full_name": "Bruno Scolaire", "id_number": "NIE-BRUNO-7005",
        "birth_year": "2012", "gender": "MALE", "boarding": "dortoir-bruno",
    },
    "chloe_q": {
        "password": "motdepasse-chloe-6", "kind": "learner", "full_name": "Chloé Lycéenne", "id_number": "NIE-CHLOE-7006",
        "birth_year": "2013", "gender": "FEMALE", "boarding": "dortoir-chloe",
    },
    "denis_q": {
        "password": "motdepasse-denis-7", "kind": "deleted", "full_name": "Denis Partant", "id_number": "NIE-DENIS-7007",
        "birth_year": "2010", "gender": "MALE", "boarding": "dortoir-denis",
    },
}

# Run inside Kolibri: what a learner typed into an exercise; there is no lesson to do it in without a network.
PLANT = """
import uuid
from django.utils import timezone
from kolibri.core.auth.models import FacilityUser
from kolibri.core.logger.models import AttemptLog, ContentSessionLog, ContentSummaryLog, MasteryLog
now = timezone.now()
for username in ("anna_q", "bruno_q"):
    user = FacilityUser.objects.get(username=username)
    content, channel = uuid.uuid5(uuid.NAMESPACE_DNS, "exercise").hex, uuid.uuid5(uuid.NAMESPACE_DNS, "channel").hex
    common = dict(user=user, content_id=content, channel_id=channel, start_timestamp=now, end_timestamp=now, kind="exercise")
    session = ContentSessionLog.objects.create(**common)
    summary = ContentSummaryLog.objects.create(**common)
    mastery = MasteryLog.objects.create(
        user=user, summarylog=summary, mastery_criterion={"type": "do_all"}, start_timestamp=now, mastery_level=1)
    text = "devoir-secret-" + username
    AttemptLog.objects.create(
        user=user, masterylog=mastery, sessionlog=session, item="1", start_timestamp=now, end_timestamp=now, correct=0,
        complete=True, answer={"texte": text}, simple_answer=text, interaction_history=[{"type": "answer", "answer": text}])
FacilityUser.objects.filter(username="anna_q").update(picture_password="3.71.29")
print("PLANTED", content)
"""

# Run inside Kolibri: every URL that it answers to GET.
ROUTES = """
import json
from django.urls import get_resolver
found = []
def walk(patterns, prefix):
    for one in patterns:
        text = prefix + str(one.pattern)
        if hasattr(one, "url_patterns"):
            walk(one.url_patterns, text)
        else:
            actions = getattr(one.callback, "actions", None)
            if actions is None or "get" in actions:
                found.append(text)
walk(get_resolver().url_patterns, "")
print("ROUTES" + json.dumps(found))
"""


class Kolibri:
    def __init__(self, cache):
        self.cache = pathlib.Path(cache)
        self.home = self.cache / "home"
        self.bin = self.cache / "venv" / "bin"
        self.port, self.content_port = free_port(), free_port()
        self.ids = {}
        self._process = None

    def install(self):
        """Once; pip decides whether anything is missing."""
        if not (self.bin / "python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.cache / "venv")], check=True)
        subprocess.run([str(self.bin / "pip"), "install", "--quiet", "--disable-pip-version-check", REQUIREMENT], check=True)
        shown = subprocess.run([str(self.bin / "kolibri"), "--version"], check=True, capture_output=True, text=True)
        return shown.stdout.strip()

    def _environment(self, content_origin=""):
        return os.environ | {
            "KOLIBRI_HOME": str(self.home),
            "KOLIBRI_HTTP_PORT": str(self.port),
            "KOLIBRI_ZIP_CONTENT_PORT": str(self.content_port),
            "KOLIBRI_ZIP_CONTENT_ORIGIN": content_origin,
            "KOLIBRI_LISTEN_ADDRESS": "127.0.0.1",
            "KOLIBRI_RUN_MODE": "rempart-test",
            "DISABLE_PING": "true",
        }

    def manage(self, *arguments, mark=None):
        command = [str(self.bin / "kolibri"), "manage", *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"kolibri manage {arguments[0]} failed:\n{done.stdout}\n{done.stderr}")
        if mark is None:
            return None
        lines = [line[len(mark):].strip() for line in done.stdout.splitlines() if line.startswith(mark)]
        if not lines:
            raise RuntimeError(f"kolibri manage {arguments[0]} said nothing after {mark}:\n{done.stdout}\n{done.stderr}")
        return lines[0]

    def provision(self):
        """A new facility where passwords are needed, in an empty home."""
        subprocess.run(["rm", "-rf", str(self.home)], check=True)
        self.home.mkdir(parents=True)
        facility = self.cache / "facility_settings.json"
        facility.write_text(json.dumps({
            "learner_can_login_with_no_password": False, "learner_can_edit_password": True,
        }))
        device = self.cache / "device_settings.json"
        device.write_text(json.dumps({"allow_guest_access": False}))
        self.manage(
            "provisiondevice", "--facility", FACILITY, "--superusername", "admin",
            "--superuserpassword", PEOPLE["admin"]["password"], "--preset", "formal", "--language_id", "en", "--noinput",
            "--facility_settings", str(facility), "--device_settings", str(device),
        )

    def start(self, content_origin):
        log = open(self.cache / "kolibri.log", "wb")
        self._process = subprocess.Popen(
            [str(self.bin / "kolibri"), "start", "--foreground"], env=self._environment(content_origin), stdout=log,
            stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )
        log.close()
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"Kolibri ended at once; see {self.cache / 'kolibri.log'}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/public/info/", timeout=5):
                    return
            except OSError:
                time.sleep(0.3)
        raise RuntimeError("Kolibri did not start within 120 s")

    def stop(self):
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def direct(self):
        """A client that does not pass through the gateway."""
        return Client(self.port)

    def populate(self):
        """People, a class, attendance and an export, through Kolibri's own API."""
        admin = self.direct()
        admin.sign_in("admin", PEOPLE["admin"]["password"])

        def done(answer, wanted):
            if answer.status != wanted:
                raise RuntimeError(f"Kolibri refused while being filled: {answer}")
            return answer.json() if answer.raw else None

        facility = done(admin.get("/api/auth/facility/"), 200)[0]
        self.ids |= {"facility": facility["id"], "dataset": facility["dataset"]["id"]}
        self.ids["admin"] = done(admin.get("/api/auth/facilityuser/"), 200)[0]["id"]
        field = {
            "id": "boarding", "description": "Internat", "translations": [],
            "enumValues": [
                {"value": one["boarding"], "defaultLabel": "dortoir", "translations": []}
                for one in PEOPLE.values() if "boarding" in one
            ],
        }
        extra = facility["dataset"]["extra_fields"] | {"demographic_fields": [field], "pin_code": "7319"}
        done(admin.send("PATCH", f"/api/auth/facilitydataset/{self.ids['dataset']}/", {"extra_fields": extra, "enable_mark_attendance": True}), 200)
        classroom = {"name": CLASS, "parent": self.ids["facility"]}
        self.ids["class"] = done(admin.send("POST", "/api/auth/classroom/", classroom), 201)["id"]
        for username, one in PEOPLE.items():
            if username == "admin":
                continue
            user = {key: one[key] for key in ("full_name", "password", "id_number", "birth_year", "gender")}
            user |= {
                "username": username, "facility": self.ids["facility"], "extra_demographics": {"boarding": one["boarding"]}
            }
            self.ids[username] = done(admin.send("POST", "/api/auth/facilityuser/", user), 201)["id"]

            def role(kind, collection):
                wanted = {"user": self.ids[username], "collection": self.ids[collection], "kind": kind}
                done(admin.send("POST", "/api/auth/role/", wanted), 201)

            if one["kind"] == "admin":
                role("admin", "facility")
            elif one["kind"] == "coach":
                role("coach", "facility")
            elif one["kind"] == "class coach":
                role("classroom assignable coach", "facility")
                role("coach", "class")
            else:
                member = {"user": self.ids[username], "collection": self.ids["class"]}
                done(admin.send("POST", "/api/auth/membership/", member), 201)
        done(admin.send("DELETE", f"/api/auth/facilityuser/{self.ids['denis_q']}/"), 204)

        coach = self.direct()
        coach.sign_in("prof_q", PEOPLE["prof_q"]["password"])
        called = [{"user": self.ids[name], "present": name == "anna_q"} for name in ("anna_q", "bruno_q", "chloe_q")]
        session = {"collection": self.ids["class"], "attendance_records": called}
        self.ids["attendance"] = done(coach.send("POST", "/api/attendance/attendancesession/", session), 201)["id"]

        self.ids["content"] = self.manage("shell", "-c", PLANT, mark="PLANTED")

        task = {"type": "kolibri.core.auth.tasks.exportuserstocsv", "facility": self.ids["facility"], "locale": "fr-fr"}
        job = done(admin.send("POST", "/api/tasks/tasks/", task), 200)["id"]
        end = time.monotonic() + 60
        while done(admin.get(f"/api/tasks/tasks/{job}/"), 200)["status"] != "COMPLETED":
            if time.monotonic() > end:
                raise RuntimeError("Kolibri's export of users did not finish")
            time.sleep(0.3)
