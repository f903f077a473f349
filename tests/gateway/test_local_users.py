"""People of this installation sign in with a password on the gate's own pages."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from gateway.harness.upstream import AutoUpstream
from gateway.test_second_factor import enrolled
from support.certificates import Authority
from support.people import GOOD, OTHER, PeoplePlace, alert, enter, orders, send
from support.processes import Processes
from support.slapd import PEOPLE, READER, SECRET, SLAPD, slapd
from support.waiting import until

pytestmark = pytest.mark.full

LINK = "/.lockgate/staff/link?t="


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


@pytest.fixture
def place(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> PeoplePlace:
    return PeoplePlace(processes, tmp_path, upstream.port)


def test_a_person_is_invited_signs_in_and_signs_out(place: PeoplePlace) -> None:
    said = place.users("add", "Ann", "--email", "ann@example.com", "--group", "staff", "--display", "Ann Example")
    assert "lockgate users invite ann" in said
    link = place.link("ann")
    assert link.startswith(LINK)
    with place.browser() as browser, place.browser() as other:
        page = browser.follow(browser.get("/orders?q=1"))
        assert ('name="password"' in page.text, "forgotten" in page.text) == (True, False)
        assert enter(browser, "ann", GOOD).status_code == 403, "there is no password yet"

        page = browser.get(link)
        assert ("Welcome to the Example portal" in page.text, 'value="ann" readonly' in page.text) == (True, True)
        assert page.headers["referrer-policy"] == "no-referrer"
        assert browser.get(link).status_code == 200, "looking at a link uses nothing up: mailboxes look at links, too"
        done = send(browser, link, password=GOOD, again=GOOD)
        assert "The password is set" in done.text
        assert "link-not-good" in send(browser, link, password=OTHER, again=OTHER).text, "it is good once"

        got = enter(browser, "ANN", GOOD, "/orders?q=1")
        assert (got.status_code, got.headers["location"]) == (303, "/orders?q=1")
        assert orders(browser) == "ok"
        first = browser.session
        assert enter(browser, "ann", GOOD).status_code == 303
        assert browser.session != first, "a session that was there before is never kept on"
        with place.running.admin as admin:
            [session, _] = admin.get("/v1/sessions").json()["items"]
            events = admin.get("/v1/events", params={"limit": 200}).json()["items"]
        assert (session["subject"], session["issuer"], session["sign_in"]) == ("ann", "people", "staff")
        assert {event["key"] for event in events if event.get("path") == "/orders" and event.get("status") == 200} == {
            "people/ann"
        }
        shown = json.loads(place.users("show", "ann", "--json"))
        assert (shown["state"], shown["groups"], shown["signed_in_ms"] > shown["changed_ms"]) == (
            "active",
            ["staff"],
            True,
        )

        enter(other, "ann", GOOD)
        left = browser.follow(send(browser, "/.lockgate/staff/sign-out"))
        assert "You are signed out" in left.text
        assert (orders(browser), orders(other)) == ("session-missing", "ok")


@pytest.mark.parametrize("how", ["suspend", "remove", "reset", "change", "groups"])
def test_sessions_end_with_what_they_stood_on(place: PeoplePlace, how: str) -> None:
    place.add("ann")
    with place.browser() as browser, place.browser() as other:
        enter(browser, "ann", GOOD)
        enter(other, "ann", GOOD)
        basic = base64.b64encode(f"ann:{GOOD}".encode()).decode()

        def api() -> int:
            return other.client.get(f"{place.base}/api", headers={"Authorization": f"Basic {basic}"}).status_code

        assert (orders(browser), orders(other), api()) == ("ok", "ok", 200)
        match how:
            case "suspend" | "remove" | "groups":
                place.users(how, "ann")
            case "reset":
                assert (
                    "The password is set" in send(browser, place.link("ann", "reset"), password=OTHER, again=OTHER).text
                )
            case "change":
                page = send(browser, "/.lockgate/staff/password", present=GOOD, password=OTHER, again=OTHER)
                assert "The password is set" in page.text
        # They are ended when the command or the page has answered: nobody waits here.
        assert (orders(browser), orders(other)) == ("session-ended", "session-ended")
        assert api() == (200 if how == "groups" else 401), "nor is a password believed that was right a moment ago"
        assert enter(browser, "ann", GOOD).status_code == (303 if how == "groups" else 403)
        if how == "suspend":
            place.users("resume", "ann")
            assert enter(browser, "ann", GOOD).status_code == 303
            assert orders(browser) == "ok"
        if how in {"reset", "change"}:
            assert enter(browser, "ann", OTHER).status_code == 303
            assert orders(browser) == "ok"


def test_a_removed_name_is_nobody_elses(place: PeoplePlace) -> None:
    place.add("ann")
    place.users("remove", "ann")
    with place.running.admin as admin:
        assert admin.post("/v1/users", json={"name": "ann"}).json()["code"] == "user-exists"
        assert admin.get("/v1/users").json()["items"] == []


def test_what_is_wrong_is_not_told_and_the_operator_learns_it(place: PeoplePlace) -> None:
    place.add("ann")
    place.users("add", "bob")
    place.add("cid")
    place.users("suspend", "cid")
    with place.browser() as browser:
        answers = [
            enter(browser, name, password)
            for name, password in (("ann", "wrong"), ("nobody", GOOD), ("bob", GOOD), ("cid", GOOD), ("a b", GOOD))
        ]
    assert {(got.status_code, got.text.split("role=")[1][:200]) for got in answers} == {
        (403, answers[0].text.split("role=")[1][:200])
    }
    assert alert(answers[0]) == "The name or the password is not right."
    found = [(event["detail"]["reason"], event["detail"]["name"]) for event in place.events("login-refused")]
    assert sorted(found, key=str) == [
        ("login-no-password", "bob"),
        ("login-suspended", "cid"),
        ("login-unknown-user", None),
        ("login-unknown-user", None),
        ("login-wrong-password", "ann"),
    ], "a name that nobody has may be a password in the wrong field"


def test_links_are_one_at_a_time_and_bound(place: PeoplePlace) -> None:
    place.users("add", "ann")
    first, second = place.link("ann"), place.link("ann")
    with place.browser() as browser:
        assert "link-not-good" in browser.get(first).text, "a new one makes the one before void"
        assert "link-not-good" in browser.get(LINK + "x" * 43).text
        assert browser.get(LINK + "x" * 100).status_code == 400
        foreign = send(browser, second, {"Sec-Fetch-Site": "cross-site"}, password=GOOD, again=GOOD)
        assert (foreign.status_code, "sign-in-cross-site" in foreign.text) == (403, True)
        for password, again, wanted in (
            (GOOD, OTHER, "The two are not the same"),
            ("short", "short", "at least 12 characters"),
            ("x" * 2_000, "x" * 2_000, "at most 1024 bytes"),
            ("a" * 20, "a" * 20, "one character again"),
            ("lockgate-ann-1", "lockgate-ann-1", "nearly your own name"),
            ("seven\0green chairs", "seven\0green chairs", "no control characters"),
        ):
            page = send(browser, second, password=password, again=again)
            assert (page.status_code, wanted in page.text) == (422, True), (wanted, page.text)
        assert "The password is set" in send(browser, second, password=GOOD, again=GOOD).text
        assert place.users("invite", "ann", code=2) == "", "who has a password is not invited"


def test_strangers_forms_do_nothing(place: PeoplePlace) -> None:
    place.add("ann")
    with place.browser() as browser:
        foreign = enter(browser, "ann", GOOD, **{"Sec-Fetch-Site": "cross-site"})
        assert (foreign.status_code, "sign-in-cross-site" in foreign.text, browser.session) == (403, True, None)
        for to in ("//evil.example", "https://evil.example/", "/\\evil.example", "/.lockgate/staff/sign-in"):
            assert enter(browser, "ann", GOOD, to).headers["location"] == "/"
        url = f"{place.base}/.lockgate/staff/sign-in"
        assert browser.client.head(url, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
        assert place.events("login-refused") == [], "who only looks tries nothing"
        same = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        for body in (
            b"name=ann&password=" + b"x" * 40_000,
            "&".join(f"a{number}=1" for number in range(20)).encode(),
            b"\xff\xfe=1",
            b"name=%ff%fe&password=x",
        ):
            got = browser.client.post(url, content=body, headers=same)
            assert (got.status_code, "sign-in-malformed" in got.text) == (400, True), body[:30]
        assert browser.client.post(url, content=b"x" * 70_000, headers=same).status_code == 413
        twice = browser.client.post(url, content=b"name=ann&name=bob&password=x", headers=same)
        assert twice.status_code == 403, "what stands there twice is not there"
        assert browser.client.post(url, content=b"name=ann%00&password=x%00y", headers=same).status_code == 403
    with place.browser() as nobody:
        changed = nobody.get("/.lockgate/staff/password")
        assert (changed.status_code, "sign-in" in changed.headers["location"]) == (303, True)


def test_the_owner_gets_in_while_strangers_guess(place: PeoplePlace) -> None:
    place.add("ann")
    with place.browser() as owner, place.browser() as stranger:
        assert enter(owner, "ann", GOOD).status_code == 303
        # The same address: by the place nobody is known any more, by the device she still is.
        with place.running.admin as admin:
            admin.patch("/v1/users/people/ann", json={"groups": ["a"]}).raise_for_status()
        for _ in range(6):
            assert enter(stranger, "ann", "wrong guess").status_code == 403
        locked = enter(stranger, "ann", GOOD)
        assert (locked.status_code, alert(locked)) == (403, "The name or the password is not right.")
        assert [event["detail"]["reason"] for event in place.events("login-refused")][-2:] == [
            "login-account-waits",
            "login-account-waits",
        ]
        assert enter(owner, "ann", GOOD).status_code == 303, "a stranger shuts out strangers"
        # It survives the process.
        place.kill("control")
        until(lambda: enter(stranger, "ann", GOOD).status_code == 403, "the pages to be back")
        reasons: list[Any] = [event["detail"]["reason"] for event in place.events("login-refused")]
        assert reasons[-1] == "login-account-waits"


def test_basic_is_taken_by_the_gate(place: PeoplePlace, upstream: AutoUpstream) -> None:
    place.add("ann", password="grüne Stühle: sieben")
    with place.client() as client:

        def get(name: str, password: str) -> Any:
            both = base64.b64encode(f"{name}:{password}".encode()).decode()
            return client.get(f"{place.base}/api/x", headers={"Authorization": f"Basic {both}"})

        asked = client.get(f"{place.base}/api/x")
        assert (asked.status_code, asked.json()["reason"]) == (401, "basic-missing")
        assert asked.headers["www-authenticate"] == 'Basic realm="orders", charset="UTF-8"'
        assert get("ann", "grüne Stühle: sieben").status_code == 200
        sent = {name.lower() for name, _ in upstream.requests[-1].headers}
        assert "authorization" not in sent
        # The same letters, composed in another way (RFC 8265).
        assert get("ANN", "gru\u0308ne Stu\u0308hle: sieben").status_code == 200
        assert get("ann", "wrong").json()["reason"] == "basic-wrong"
        assert get("nobody", "wrong").json()["reason"] == "basic-wrong"
        assert get("ann", "").json()["reason"] == "basic-malformed"
    with place.running.admin as admin:
        events = admin.get("/v1/events", params={"limit": 100}).json()["items"]
    assert {event["key"] for event in events if event.get("status") == 200 and event.get("path") == "/api/x"} == {
        "people/ann"
    }
    whole = json.dumps(events) + json.dumps(place.events("login-refused"))
    assert "sieben" not in whole
    assert base64.b64encode("ann:grüne Stühle: sieben".encode()).decode() not in whole


def told(place: PeoplePlace, metric: str) -> dict[str, float]:
    """The samples of a metric."""
    with place.running.admin as admin:
        lines = admin.get("/metrics").text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{metric}{{")}


def test_a_crowd_with_one_password_has_it_looked_at_once(place: PeoplePlace) -> None:
    place.add("ann")
    both = {"Authorization": f"Basic {base64.b64encode(f'ann:{GOOD}'.encode()).decode()}"}
    with place.client() as client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.get(f"{place.base}/api", headers=both).status_code, range(60)))
    assert set(answers) == {200}
    counted = told(place, "lockgate_login_attempts_total")
    assert counted == {'lockgate_login_attempts_total{issuer="people",way="basic",outcome="ok"}': 1.0}


def test_while_the_control_process_is_away_who_is_known_goes_on(place: PeoplePlace) -> None:
    place.add("ann")

    def get(client: httpx.Client, password: str) -> httpx.Response:
        both = base64.b64encode(f"ann:{password}".encode()).decode()
        return client.get(f"{place.base}/api", headers={"Authorization": f"Basic {both}"})

    with place.client() as client:
        assert get(client, GOOD).status_code == 200
        stopped = place.running.pids()["control"]
        os.kill(stopped, signal.SIGSTOP)
        try:
            assert get(client, GOOD).status_code == 200
            until(lambda: get(client, "unknown").json()["reason"] == "basic-unavailable", "nobody to be asked")
            assert "retry-after" in get(client, "unknown").headers
        finally:
            os.kill(stopped, signal.SIGCONT)
        until(lambda: get(client, "unknown").json()["reason"] == "basic-wrong", "somebody to be asked again")


def test_guesses_by_basic_are_turned_away_by_the_gate_too(place: PeoplePlace) -> None:
    """They count as failures to authenticate, for which `limits` have a penalty by address."""
    place.add("ann")
    # Addresses of this machine are exempt: a proxy on it says whom it speaks for.
    place.config["listeners"]["public"]["trusted_proxies"] = ["127.0.0.1"]
    place.config["defaults"] = {"limits": [{"name": "failed-authentication", "allow": "5/m"}]}
    place.reload()
    with place.client() as client:
        reasons = []
        for number in range(10):
            both = base64.b64encode(f"ann:guess {number}".encode()).decode()
            headers = {"Authorization": f"Basic {both}", "X-Forwarded-For": "198.51.100.7"}
            answer = client.get(f"{place.base}/api", headers=headers)
            reasons.append(answer.json()["reason"])
            if reasons[-1] != "basic-wrong":
                break
    assert reasons[0] == "basic-wrong", len(reasons)
    assert reasons[-1] == "too-many-failures"
    assert {event["detail"]["source"] for event in place.events("login-refused")} == {"198.51.100.7"}
    with place.browser() as browser:
        # What a client writes before what the proxy says counts for nothing, on the pages too.
        enter(browser, "ann", "guess", **{"X-Forwarded-For": "203.0.113.66, 198.51.100.8"})
    assert place.events("login-refused")[-1]["detail"]["source"] == "198.51.100.8"


def test_explain_looks_at_a_password_as_the_gate_would(place: PeoplePlace) -> None:
    place.add("ann")
    both = base64.b64encode(f"ann:{GOOD}".encode()).decode()
    said = {"method": "GET", "url": f"{place.base}/api", "headers": [["Authorization", f"Basic {both}"]]}
    with place.running.admin as admin:
        answer = admin.post("/v1/explain", json=said)
        wrong = admin.post("/v1/explain", json={**said, "headers": [["Authorization", "Basic YW5uOng="]]})
    assert answer.json()["verdict"] == "allow", answer.text
    assert wrong.json()["reason"]["code"] == "basic-wrong"


def test_the_command_line(place: PeoplePlace) -> None:
    place.users("add", "ann", "--password", "--group", "a", "--group", "b", typed=f"{GOOD}\n")
    with place.browser() as browser:
        assert enter(browser, "ann", GOOD).status_code == 303
    assert place.users("add", "ann", code=2) == "", "there is one already"
    place.users("add", "bob", "--password", typed="short\n", code=2)
    place.users("add", "bob", "--password", typed="\n", code=2)
    place.users("show", "nobody", code=2)
    place.users("add", "a b", code=2)
    listed = json.loads(place.users("list", "--json"))
    assert [(row["name"], row["state"], row["groups"]) for row in listed] == [("ann", "active", ["a", "b"])]
    assert "password" not in json.dumps(listed)
    assert "ann" in place.users("list")
    file = place.folder / "people.csv"
    file.write_text("name,email,groups\ncid,cid@example.com,a b\nAnn,,\n")
    assert place.users("import", str(file)).strip() == "Added 1 person; 1 was known already."
    kept = PasswordHasher(1, 64, 1).hash(OTHER)
    (place.folder / "people.jsonl").write_text(json.dumps({"name": "dan", "hash": kept}) + "\n")
    place.users("import", "people.jsonl")
    (place.folder / "bad.jsonl").write_text(json.dumps({"name": "eve", "hash": "$2b$12$x"}) + "\n")
    place.users("import", "bad.jsonl", code=2)
    with place.browser() as browser:
        assert enter(browser, "dan", OTHER).status_code == 303, "with the hash of another system"
    said = json.loads(place.users("invite", "cid", "--json"))
    assert (said["sent_to"], said["link"].startswith(LINK)) == (None, True)
    place.users("remove", "cid")
    assert json.loads(place.users("list", "--json"))[-1]["name"] == "dan"


def test_the_admin_api_refuses_what_is_wrong(place: PeoplePlace) -> None:
    with place.running.admin as admin:

        def code(method: str, path: str, **said: Any) -> str:
            return str(admin.request(method, f"/v1/users{path}", json=said).json()["code"])

        admin.post("/v1/users", json={"name": "ann"}).raise_for_status()
        assert code("POST", "", name="ann") == "user-exists"
        assert code("POST", "", name="a:b") == "user-unfit"
        assert code("POST", "", name="bob", issuer="others") == "user-issuer-unknown"
        assert code("POST", "", name="bob", password="short") == "user-password-refused"
        assert code("POST", "", name="bob", email="no address") == "admin-body-malformed"
        assert code("POST", "", name="bob", groups=["x"] * 65) == "admin-body-malformed"
        assert code("PATCH", "/people/bob", suspended=True) == "user-not-found"
        assert code("PATCH", "/people/ann", suspended=False) == "user-state"
        assert code("POST", "/people/bob/invitation") == "user-not-found"
        assert code("POST", "/import", users=[{"name": "bob", "hash": "plain"}]) == "user-unfit"


def test_who_has_forgotten_is_sent_a_link(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    script = tmp_path / "mail"
    script.write_text(f"#!/bin/sh\ncat > {tmp_path}/sent.part\nmv {tmp_path}/sent.part {tmp_path}/sent\n")
    script.chmod(0o755)
    users = {"pages": "https://portal.example.com", "mail": {"command": [str(script)]}}
    place = PeoplePlace(processes, tmp_path, upstream.port, issuer={"users": users})
    place.add("ann", email="ann@example.com")
    with place.browser() as browser:
        page = browser.follow(browser.get("/orders"))
        assert "/.lockgate/staff/forgotten?with=people" in page.text
        path = "/.lockgate/staff/forgotten?with=people"
        assert "address of your mailbox" in browser.get(path).text
        nobody = send(browser, path, {"Host": f"localhost:{place.port}"}, name="nobody")
        somebody = send(browser, path, name="ann@example.com")
        assert (nobody.status_code, nobody.text) == (somebody.status_code, somebody.text), "nothing is told"
        assert send(browser, path, {"Sec-Fetch-Site": "cross-site"}, name="ann").status_code == 403
        until((tmp_path / "sent").exists, "the mail")
        mail = json.loads((tmp_path / "sent").read_text())
        link = next(word for word in mail["text"].split() if word.startswith("https://"))
        # By what the configuration says, whatever the request calls its host.
        assert link.startswith("https://portal.example.com/.lockgate/staff/link?t=")
        done = send(browser, link.removeprefix("https://portal.example.com"), password=OTHER, again=OTHER)
        assert "The password is set" in done.text
        assert enter(browser, "ann", OTHER).status_code == 303
    assert place.users("reset", "ann").startswith("Sent to ann@example.com")


def test_without_a_way_nobody_asks_for_a_link(place: PeoplePlace) -> None:
    with place.browser() as browser:
        assert "sign-in-malformed" in browser.get("/.lockgate/staff/forgotten").text


def test_lost_passwords_are_refused(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    (tmp_path / "lost.txt").write_text("".join(sorted(f"{word}\n" for word in ("correct horse battery", "letmein"))))
    users = {"leaked": {"file": "lost.txt"}}
    place = PeoplePlace(processes, tmp_path, upstream.port, issuer={"users": users})
    place.users("add", "ann")
    link = place.link("ann")
    with place.browser() as browser:
        page = send(browser, link, password="correct horse battery", again="correct horse battery")
        assert (page.status_code, "lost by somebody before" in page.text) == (422, True)
        (tmp_path / "lost.txt").unlink()
        closed = send(browser, link, password=GOOD, again=GOOD)
        assert closed.status_code == 503, "a list that cannot be read lets nothing pass"
        (tmp_path / "lost.txt").write_text("letmein\n")
        assert send(browser, link, password=GOOD, again=GOOD).status_code == 200


@pytest.mark.skipif(SLAPD is None, reason="wants Debian's slapd (scripts/system-packages.sh installs it)")
def test_people_of_a_directory(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    (tmp_path / "ldap.password").write_text(SECRET)
    (tmp_path / "ldap.password").chmod(0o600)
    folder = tmp_path / "ldap"
    folder.mkdir()
    with slapd(folder / "slapd", Authority(folder)) as serving:
        said = {
            "url": serving.secure,
            "trust": str(serving.trust),
            "bind": {"dn": READER, "password": "${file:ldap.password}"},
            "base": PEOPLE,
            "claims": {"email": "mail", "name": "cn", "groups": "employeeType"},
        }
        place = PeoplePlace(processes, tmp_path, upstream.port, issuer={"ldap": said})
        both = {"Authorization": f"Basic {base64.b64encode(f'ann:{GOOD}'.encode()).decode()}"}
        with place.browser() as browser:
            assert enter(browser, "ann", GOOD).status_code == 303
            assert orders(browser) == "ok"
            assert enter(browser, "ann", "wrong").status_code == 403
            assert enter(browser, "*", GOOD).status_code == 403
            assert browser.client.get(f"{place.base}/api", headers=both).status_code == 200
            assert browser.get("/.lockgate/staff/password").status_code == 303, "it is not changed here"
            with place.running.admin as admin:
                assert admin.get("/v1/sessions").json()["items"][0]["subject"] == "ann"
                assert admin.post("/v1/users", json={"name": "x"}).json()["code"] == "user-issuer-unknown"
    # The directory is gone.
    with place.browser() as browser:
        down = enter(browser, "bob", "eight brown tables")
        assert (down.status_code, "nobody can be signed in" in down.text) == (503, True)
        wrong = {"Authorization": f"Basic {base64.b64encode(b'bob:x').decode()}"}
        assert browser.client.get(f"{place.base}/api", headers=wrong).json()["reason"] == "basic-unavailable"
        with place.running.admin as admin:
            codes = [row["code"] for row in admin.get("/v1/findings").json()["items"]]
        assert "people-failing" in codes


def test_a_form_beside_a_provider(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = PeoplePlace(processes, tmp_path, upstream.port)
    place.config["issuers"]["company"] = {"issuer": "https://login.example.com", "client": {"id": "gate"}}
    place.config["issuers"]["partners"] = {"users": {}}
    place.config["sign_in"]["staff"]["issuers"] = ["company", "people"]
    place.reload()
    place.add("ann", issuer="people")
    with place.browser() as browser:
        page = browser.get("/.lockgate/staff/sign-in?to=/orders")
        assert ('name="password"' in page.text, "with=company" in page.text) == (True, True)
        assert enter(browser, "ann", GOOD).status_code == 303
        place.config["sign_in"]["staff"]["issuers"] = ["company", "people", "partners"]
        place.reload()
        page = browser.get("/.lockgate/staff/sign-in?to=/orders")
        assert ("Who knows you" in page.text, page.text.count("with=")) == (True, 3)
        assert 'name="password"' in browser.get("/.lockgate/staff/sign-in?with=partners").text
        url = "/.lockgate/staff/sign-in?with=partners"
        assert send(browser, url, name="ann", password=GOOD).status_code == 403, "each knows its own"
        assert send(browser, "/.lockgate/staff/sign-in?with=people", name="ann", password=GOOD).status_code == 303
        assert orders(browser) == "ok"


def test_people_of_one_name_are_told_apart(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = PeoplePlace(processes, tmp_path, upstream.port, sign_in={"second_factor": ["totp"]})
    place.config["issuers"]["partners"] = {"users": {}}
    place.config["sign_in"]["staff"]["issuers"] = ["people", "partners"]
    place.reload()

    def command(*words: str, code: int = 0) -> str:
        said = [sys.executable, "-m", "lockgate", *words]
        done = subprocess.run(said, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    with place.browser() as ours, place.browser() as theirs:
        for issuer, browser in (("people", ours), ("partners", theirs)):
            place.add("ann", issuer=issuer)
            url = f"/.lockgate/staff/sign-in?with={issuer}"
            assert send(browser, url, name="ann", password=GOOD).status_code == 303
            enrolled(browser)
        both = json.loads(command("factors", "list", "--subject", "ann", "--json"))
        for issuer in ("partners", "urn:lockgate:partners"):
            [known] = json.loads(command("factors", "list", "--subject", "ann", "--issuer", issuer, "--json"))
            assert known["iss"] == "urn:lockgate:partners"
            [session] = json.loads(command("sessions", "list", "--issuer", issuer, "--json"))
            assert (session["issuer"], session["subject"]) == ("partners", "ann")
        assert "urn:lockgate:partners" in command("factors", "list")
        refused = command("factors", "remove", "--subject", "ann", code=2)
        assert "--issuer (urn:lockgate:partners, urn:lockgate:people)" in refused
        assert json.loads(command("factors", "list", "--json")) == both, "of neither one was taken away"
        assert "1 factor" in command("factors", "remove", "--subject", "ann", "--issuer", "partners")
        assert [one["iss"] for one in json.loads(command("factors", "list", "--json"))] == ["urn:lockgate:people"]
        assert "Ended 1 session" in command("sessions", "end", "--subject", "ann", "--issuer", "partners")
        assert (orders(ours), orders(theirs)) == ("ok", "session-ended")
        refused = command("sessions", "end", "--subject", "ann", "--issuer", "nobody", code=2)
        assert "there is no issuer 'nobody'; there are: partners, people" in refused
        for words in (("sessions", "end", "a" * 32), ("factors", "remove", "a" * 32)):
            assert "goes with --subject" in command(*words, "--issuer", "people", code=2)
