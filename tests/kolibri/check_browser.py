"""A real browser: Kolibri's own pages must go on working behind the gate."""

import shutil
import tempfile

from check_people import secrets
from expect import absent, check, equal, that
from kolibri import PEOPLE
from webdriver import Browser

HIDDEN = [canary for person in PEOPLE for canary in secrets(person)]


class Visit:
    def __init__(self, world):
        self.origin = world.gateway.client().origin
        self.profile = tempfile.mkdtemp(prefix="rempart-kolibri-")
        self.browser = Browser(self.profile)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def sign_in(self, username, landing):
        self.browser.open(self.origin + "/")
        self.browser.type("input[autocomplete=username]", username)
        self.browser.click("button.login-btn")
        self.browser.type("input[type=password]", PEOPLE[username]["password"])
        self.browser.click("button.login-btn")
        self.browser.wait(f"page {landing}", lambda: landing in self.browser.url())

    def shows(self, path, *texts):
        self.browser.open("about:blank")
        self.browser.open(self.origin + path)
        for text in texts:
            self.browser.wait(f"text {text!r}", lambda: text in self.browser.text())
        return self.browser.text()

    def no_failures(self, allowed=()):
        """Nothing that the page asked for was refused or broken."""
        failed = [
            (method, url, status) for method, url, status, _ in self.browser.requests()
            if status >= 400 and (method, url.replace(self.origin, ""), status) not in allowed
        ]
        equal(failed, [], "failed requests")

    def cookies(self):
        return {one["name"]: one for one in self.browser.cookies()}


# The password-less question of the sign-in page.
PROBE = ("POST", "/api/auth/session/", 400)


@check("browser: a learner signs in, sees their own profile, and carries no tracker")
def learner(world):
    with Visit(world) as visit:
        visit.sign_in("anna_q", "/en/learn/")
        one = PEOPLE["anna_q"]
        visit.shows("/en/profile/", one["full_name"], "anna_q", one["birth_year"], "Female")
        cookies = visit.cookies()
        equal(sorted(cookies), ["kolibri", "kolibri_csrftoken"], "cookies of the browser")
        that(cookies["kolibri"]["httpOnly"] and cookies["kolibri"]["secure"], cookies["kolibri"])
        that(cookies["kolibri_csrftoken"]["secure"], cookies["kolibri_csrftoken"])
        script = visit.browser.script("return document.cookie")
        that("kolibri_csrftoken=" in script and "visitor_id" not in script and "kolibri=" not in script, script)
        visit.no_failures([PROBE])
        visit.browser.open(visit.origin + "/en/logout/")
        visit.browser.find("input[autocomplete=username]")
        equal(sorted(visit.cookies()), ["kolibri_csrftoken"], "cookies after signing out")


@check("browser: a wrong password is told, and the right one still works")
def wrong_password(world):
    with Visit(world) as visit:
        visit.browser.open(visit.origin + "/")
        visit.browser.type("input[autocomplete=username]", "chloe_q")
        visit.browser.click("button.login-btn")
        visit.browser.type("input[type=password]", "faux")
        visit.browser.click("button.login-btn")
        visit.browser.wait("message", lambda: "ncorrect" in visit.browser.text())
        that("/auth/" in visit.browser.url(), visit.browser.url())
        visit.sign_in("chloe_q", "/en/learn/")


@check("browser: a coach sees the class by name; the profile page does without what is hidden")
def coach(world):
    learners = [PEOPLE[name]["full_name"] for name in ("anna_q", "bruno_q", "chloe_q")]
    with Visit(world) as visit:
        visit.sign_in("prof_q", "/en/coach/")
        page = visit.shows(f"/en/coach/#/{world.kolibri.ids['class']}/learners", *learners)
        absent(page, HIDDEN, "the coach's page")
        page = visit.shows("/en/profile/", PEOPLE["prof_q"]["full_name"])
        absent(page, HIDDEN + [PEOPLE["prof_q"]["birth_year"], "Female"], "the coach's profile")
        visit.no_failures([PROBE])


@check("browser: a coach who saves their profile destroys nothing that is hidden from them")
def profile(world):
    path = f"/api/auth/facilityuser/{world.kolibri.ids['prof2_q']}/"
    before = world.direct_admin.get(path).json()
    with Visit(world) as visit:
        visit.sign_in("prof2_q", "/en/coach/")
        visit.browser.open(visit.origin + "/en/profile/#/edit")
        visit.browser.wait("the name", lambda: visit.browser.script("return document.querySelector('input[type=text]').value"))
        visit.browser.type("input[type=text]", " bis")
        visit.browser.click("button[type=submit]")
        visit.browser.wait("text 'Changes saved'", lambda: "Changes saved" in visit.browser.text())
        visit.no_failures([PROBE])
    equal(world.direct_admin.get(path).json(), before | {"full_name": before["full_name"] + " bis"}, "what Kolibri keeps")


@check("browser: an administrator's list of users is complete")
def administrator(world):
    with Visit(world) as visit:
        visit.sign_in("admin", "/en/device/")
        numbers = [one["id_number"] for one in PEOPLE.values() if "id_number" in one and one["kind"] != "deleted"]
        visit.shows(f"/en/facility/#/{world.kolibri.ids['facility']}/users", "Anna Élève", "2011", *numbers)
        visit.no_failures([PROBE])
