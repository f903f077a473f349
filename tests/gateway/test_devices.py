"""Devices of people who sign in: known again, confirmed, named, approved and revoked, on every gate at once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.test_bound_tokens import Place
from gateway.test_second_factor import code_of, enrolled
from gateway.test_sign_in_browser import CHROMIUM, picture
from support.people import GOOD, PeoplePlace, alert, enter, orders, send
from support.processes import Processes
from support.sign_in import Browser, SignInPlace
from support.waiting import until

pytestmark = pytest.mark.full

PAGE = "/.lockgate/staff/devices"
DEVICE = "__Host-lockgate-staff.device"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


def devices(place: SignInPlace | Place, **asked: str) -> list[dict[str, Any]]:
    """All that are known, the oldest first."""
    with place.running.admin as admin:
        got = admin.get("/v1/devices", params=asked)
    assert got.status_code == 200, got.text
    return list(got.json()["items"])


def command(place: SignInPlace | Place, *words: str, code: int = 0) -> str:
    """What `lockgate devices` says."""
    said = [sys.executable, "-m", "lockgate", "devices", *words]
    done = subprocess.run(said, cwd=place.folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def cookie_of(browser: Browser) -> str | None:
    return next((one.value for one in browser.client.cookies.jar if one.name == DEVICE), None)


def listed(page: httpx.Response) -> dict[str, str]:
    """The names on the page, and what stands beside them."""
    return dict(re.findall(r"<li><strong>([^<]*)</strong>([^<]*)<", page.text))


def anew(browser: Browser) -> httpx.Response:
    """Sign in again; the provider still knows them."""
    return browser.follow(browser.get("/.lockgate/staff/sign-in?to=/orders"))


def test_people_see_name_and_revoke_their_devices(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port, sign_in={"title": "the Example portal"})
    with place.browser() as laptop, place.browser() as phone, place.browser() as bobs:
        laptop.client.headers["User-Agent"], phone.client.headers["User-Agent"] = FIREFOX, CHROME
        # Who is not signed in does that first, and comes back.
        page = laptop.sign_in("ada", PAGE)
        assert (page.status_code, listed(page)) == (200, {"Firefox on Linux": " (this one)"})
        assert page.headers["cache-control"] == "no-store"
        assert "script" not in page.text
        first, cookie = laptop.session, cookie_of(laptop)
        assert anew(laptop).status_code == 200
        assert laptop.session != first
        assert cookie_of(laptop) not in (None, cookie), "each sign-in renews the cookie"
        phone.sign_in("ada", "/orders")
        bobs.sign_in("bob", "/orders")
        known = devices(place)
        assert [(one["subject"], one["name"], one["state"]) for one in known] == [
            ("ada", "Firefox on Linux", "new"),
            ("ada", "Chrome on Windows", "new"),
            ("bob", "python-httpx", "new"),
        ]
        assert {one["address"] for one in known} == {"127.0.0.0/24"}
        assert known[0]["last_ms"] > known[0]["first_ms"]
        assert listed(laptop.get(PAGE)) == {"Firefox on Linux": " (this one)", "Chrome on Windows": ""}

        own, other, foreign = (one["id"] for one in known)
        assert send(laptop, PAGE, id=other, do="name", name="Ada's <b>phone</b>").status_code == 303
        page = laptop.get(PAGE)
        assert "Ada&#x27;s &lt;b&gt;phone&lt;/b&gt;" in page.text
        for name, word in (("a" * 300, "too long"), ("a\x07b", "cannot be seen"), (" ", "needs a name")):
            refused = send(laptop, PAGE, id=other, do="name", name=name)
            assert (refused.status_code, word in alert(refused)) == (422, True), refused.text
        crossed = send(laptop, PAGE, {"Sec-Fetch-Site": "cross-site"}, id=other, do="revoke")
        assert (crossed.status_code, "device-cross-site" in crossed.text) == (403, True)
        for wrong in ({"id": foreign, "do": "revoke"}, {"id": other, "do": "approve"}, {"do": "revoke"}):
            unknown = send(laptop, PAGE, **wrong)
            assert (unknown.status_code, "device-unknown" in unknown.text) == (404, True)
        assert orders(phone) == "ok"

        # What is revoked is out when the page answers, with every copy of its cookie.
        stolen = {"Cookie": f"__Host-lockgate-staff={phone.session}"}
        assert send(laptop, PAGE, id=other, do="revoke").status_code == 303
        assert (orders(phone), orders(laptop), orders(bobs)) == ("session-ended", "ok", "ok")
        with place.browser() as thief:
            assert thief.client.get(f"{place.base}/orders", headers=stolen).json()["reason"] == "session-ended"
        assert "device-unknown" in send(laptop, PAGE, id=other, do="revoke").text
        assert "sign-in?" in phone.get(PAGE).headers["location"], "nor do the pages know it"
        # Whoever signs in there again is a new device, and stays one.
        assert anew(phone).status_code == 200
        assert anew(phone).status_code == 200
        assert (orders(phone), len(devices(place, subject="ada"))) == ("ok", 3)
        assert [one["id"] for one in devices(place, subject="ada", state="revoked")] == [other]

        assert f'href="{PAGE}"' in laptop.get("/.lockgate/staff/sign-out").text
        left = laptop.follow(send(laptop, PAGE, id=own, do="revoke"))
        assert "You are signed out" in left.text
        assert (laptop.session, cookie_of(laptop), orders(laptop)) == (None, None, "session-missing")
    with place.running.admin as admin:
        told = json.dumps(admin.get("/v1/events", params={"limit": 500}).json()["items"])
        revoked = admin.get("/v1/tokens/revocations").json()["items"]
        metrics = admin.get("/metrics").text
    assert "device.enrol" in told
    assert not [one["value"] for one in revoked if one["value"] in told], "what it is known by is in no event"
    assert {one["by"] for one in revoked} == {"device"}
    assert 'lockgate_sign_in_outcomes_total{sign_in="staff",outcome="device-revoked"} 2' in metrics


def test_operators_approve_and_revoke_devices(processes: Processes, tmp_path: Path) -> None:
    with Upstream() as upstream:
        place = SignInPlace(processes, tmp_path, upstream.port)
        with place.browser() as browser, ThreadPoolExecutor(1) as beside:
            form = browser.follow(browser.get("/orders"))
            back = browser.follow(browser.submit(form, login="ada"), until="/orders")
            assert back.status_code == 303
            [known] = devices(place)
            assert known["id"] in command(place, "list", "--only", "unapproved", "--issuer", "company")
            assert "Approved" in command(place, "approve", known["id"])
            assert "There are no such devices" in command(place, "list", "--only", "unapproved")
            assert json.loads(command(place, "list", "--only", "approved", "--json"))[0]["approved_by"]
            assert "It is called Ada's laptop." in command(place, "name", known["id"], "Ada's laptop")
            assert "too long" in command(place, "name", known["id"], "a" * 300, code=2)
            assert "cannot be seen" in command(place, "name", known["id"], "a\nb", code=2)
            shown = command(place, "show", known["id"])
            assert ("Ada's laptop" in shown, "approved" in shown, "127.0.0.0/24" in shown) == (True, True, True)
            assert "no device" in command(place, "show", "dev_" + "a" * 20, code=2)
            assert "begin with dev_" in command(place, "revoke", "laptop", code=2)

            # An answer that is under way ends with the device.
            asked = browser.client.build_request("GET", f"{place.base}/events", headers={"Accept": "text/plain"})
            answer = beside.submit(browser.client.send, asked, stream=True)
            upstream.serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")
            pieces = answer.result().iter_raw()
            assert next(pieces) == b"one\n"
            said = command(place, "revoke", known["id"], "--reason", "lost on a train")
            assert "The gate acts on it already." in said
            with pytest.raises(httpx.RemoteProtocolError):
                next(pieces)
            assert orders(browser) == "session-ended"
            assert "enrol anew" in command(place, "approve", known["id"], code=2)
            assert json.loads(command(place, "show", known["id"], "--json"))["state"] == "revoked"
            # It outlives a restart.
            place.running.again()
            place.running.serving()
            assert orders(browser) == "session-ended"


def test_a_second_factor_confirms_the_browser(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port, sign_in={"second_factor": ["totp"]})
    with place.browser() as browser, place.browser() as later:
        browser.sign_in("ada", "/orders")
        secret, _ = enrolled(browser)
        later.sign_in("ada", "/orders")
        assert [one["state"] for one in devices(place)] == ["confirmed", "new"]
        step_up = "/.lockgate/staff/step-up?amr=mfa&to=/orders"
        assert send(later, step_up, code="000000").status_code == 403
        assert devices(place)[1]["state"] == "new"
        assert send(later, step_up, code=code_of(secret, ahead=1)).status_code == 303
        first, second = devices(place)
        assert second["state"] == "confirmed"
        assert PAGE in later.get("/.lockgate/staff/factors").text
        page = later.get(PAGE)
        assert ("this one, confirmed" in page.text, "/.lockgate/staff/factors" in page.text) == (True, True)
        # The session that was stepped up still says which it is.
        with place.running.admin as admin:
            assert admin.post(f"/v1/devices/{second['id']}/revoke").json()["gate"] == "applied"
        assert (orders(later), orders(browser)) == ("session-ended", "ok")
        assert "sign-in?" in later.get(step_up).headers["location"], "nothing can be proved there any more"
        assert first["id"] == devices(place, state="confirmed")[0]["id"]


def test_a_provider_that_asked_for_a_second_factor_confirms_the_browser(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port, provider={"amr": True})
    for amr, wanted in (("pwd", "new"), ("pwd otp", "confirmed")):
        with place.browser() as browser:
            form = browser.follow(browser.get("/orders"))
            assert browser.follow(browser.submit(form, login="ada", amr=amr)).status_code == 200
        assert devices(place)[-1]["state"] == wanted, amr


def test_a_session_that_is_renewed_keeps_its_device(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    refreshed = {"claims": ["groups"], "refresh": "1s"}
    place = SignInPlace(processes, tmp_path, upstream.port, sign_in=refreshed, provider={"refresh": True})
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        before = browser.session

        def renewed() -> bool:
            assert orders(browser) == "ok"
            return browser.session != before

        until(renewed, "the session to be sealed anew")
        [known] = devices(place)
        assert "this one" in browser.get(PAGE).text
        command(place, "revoke", known["id"])
        assert orders(browser) == "session-ended"


def test_browsers_of_people_with_passwords(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = PeoplePlace(processes, tmp_path, upstream.port)
    place.add("ann")
    place.add("bob")
    with place.browser() as shared:
        enter(shared, "ann", GOOD)
        anns = shared.session
        enter(shared, "bob", GOOD)
        known = devices(place, issuer="people")
        assert [one["subject"] for one in known] == ["ann", "bob"], "two people in one browser are two devices"
        enter(shared, "ann", GOOD)
        assert len(devices(place)) == 2, "and it is known of each who comes back"
        command(place, "revoke", known[0]["id"])
        assert orders(shared) == "session-ended"
        stolen = {"Cookie": f"__Host-lockgate-staff={anns}"}
        with place.browser() as thief:
            assert thief.client.get(f"{place.base}/orders", headers=stolen).json()["reason"] == "session-ended"
        enter(shared, "bob", GOOD)
        assert orders(shared) == "ok", "what was revoked of the one is not revoked of the other"
        enter(shared, "ann", GOOD)
        assert (orders(shared), len(devices(place, subject="ann"))) == ("ok", 2)
        place.users("remove", "ann")
        assert devices(place, subject="ann") == []


def test_the_api_refuses_what_cannot_be(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    with place.browser() as browser, place.running.admin as admin:
        browser.sign_in("ada", "/orders")
        [known] = devices(place)
        one = f"/v1/devices/{known['id']}"
        assert "mark" not in known
        assert admin.get(one).json() == known
        for name in ("a" * 300, "a\x00b", ""):
            said = admin.patch(one, json={"name": name})
            assert (said.status_code, said.json()["code"]) == (422, "device-unfit"), name
        assert admin.patch(one, json={"name": "Laptop", "state": "approved"}).status_code == 422
        assert admin.patch(one, json={"name": "Laptop"}).json()["name"] == "Laptop"
        assert admin.get("/v1/devices/dev_" + "a" * 20).json()["code"] == "device-not-found"
        assert admin.get("/v1/devices", params={"state": "odd"}).status_code == 422
        assert admin.post(f"{one}/revoke", json={"reason": "lost"}).json()["state"] == "revoked"
        assert admin.post(f"{one}/approve").json()["code"] == "device-revoked"
        [revocation] = admin.get("/v1/tokens/revocations").json()["items"]
        restored = admin.delete(f"/v1/tokens/revocations/{revocation['id']}")
        assert (restored.status_code, restored.json()["code"]) == (409, "device-revoked")
        assert admin.get("/v1/devices", params={"limit": 1}).json()["next"] == known["id"]


@pytest.mark.skipif(
    CHROMIUM is None, reason="wants Debian's chromium (scripts/system-packages.sh installs it where it may)"
)
def test_in_a_real_browser(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = PeoplePlace(processes, tmp_path, upstream.port)
    place.add("ann")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with place.browser() as other:
            other.client.headers["User-Agent"] = FIREFOX
            enter(other, "ann", GOOD)
            context = chromium.new_context(
                ignore_https_errors=True, viewport={"width": 720, "height": 900}, java_script_enabled=False
            )
            context.set_default_timeout(60_000)
            page = context.new_page()
            page.goto(place.base + PAGE)
            page.fill("input[name=name]", "ann")
            page.fill("input[name=password]", GOOD)
            page.click("button")
            assert page.inner_text("h1") == "Your devices"
            this = page.locator("li", has_text="this one")
            this.locator("input[name=name]").fill("Ann's laptop")
            this.locator("button[value=name]").click()
            assert page.locator("li strong").first.inner_text() == "Ann's laptop"
            picture(page, "devices")
            page.locator("li", has_text="Firefox on Linux").locator("button[value=revoke]").click()
            assert page.locator("li").count() == 1
            assert orders(other) == "session-ended"
            page.click("button[value=revoke]")
            assert page.inner_text("h1") == "You are signed out of the Example portal"
        chromium.close()
