"""A second factor at the gate: passkeys in Chromium, codes of another implementation, and what must not work."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from gateway.test_sign_in_browser import CHROMIUM, picture
from support.processes import Processes
from support.providers import FOLDER
from support.sign_in import Browser, SignInPlace
from support.waiting import until

pytestmark = pytest.mark.full

RULES = {"rules": [{"methods": ["POST"], "within": "5m", "amr": ["mfa"]}]}
NODE = shutil.which("node") or "node"


def served(asked: Message) -> bytes:
    return answer(b"<!doctype html><title>Portal</title><h1>Orders</h1>", "Content-Type: text/html")


@pytest.fixture
def portal() -> Iterator[AutoUpstream]:
    with AutoUpstream(served) as running:
        yield running


def place_of(processes: Processes, folder: Path, portal: AutoUpstream, rules: object = RULES) -> SignInPlace:
    said = {"second_factor": ["passkey", "totp"], "title": "the Example portal"}
    made = SignInPlace(processes, folder, portal.port, sign_in=said)
    made.config["apis"]["portal"]["step_up"] = rules
    made.write()
    with made.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()
    return made


def code_of(secret: str, ahead: int = 0) -> str:
    """What an app would show, by another implementation."""
    words = [NODE, str(FOLDER / "totp.mjs"), secret, str(int(time.time()) + 30 * ahead)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def post(browser: Browser) -> httpx.Response:
    headers = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    return browser.client.post(f"{browser.base}/orders", headers=headers)


def send(browser: Browser, path: str, host: str | None = None, **form: str) -> httpx.Response:
    headers = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    if host is not None:
        headers["Host"] = host
    return browser.client.post(f"{browser.base}/.lockgate/staff/{path}", data=form, headers=headers)


def enrolled(browser: Browser) -> tuple[str, list[str]]:
    """Adds an app; its secret, and the recovery codes."""
    page = send(browser, "factors", do="totp-begin")
    found = re.search(r"type it in: <code>([A-Z2-7 ]+)</code>", page.text)
    assert found is not None, page.text
    secret = found[1].replace(" ", "")
    kept = send(browser, "factors", do="totp", code=code_of(secret), name="My phone")
    codes = re.search(r"<pre>([^<]+)</pre>", kept.text)
    assert codes is not None, kept.text
    return secret, codes[1].split()


def test_codes_of_an_app(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = place_of(processes, tmp_path, portal)
    with place.browser() as browser, place.browser() as later:
        browser.sign_in("ada", "/orders")
        refused = post(browser)
        assert (refused.status_code, refused.json()["reason"]) == (401, "step-up-wanted")
        assert 'url="/.lockgate/staff/step-up"' in refused.headers["www-authenticate"]
        assert 'max_age="300"' in refused.headers["www-authenticate"]
        assert "and you have none yet" in browser.get("/.lockgate/staff/step-up?amr=mfa&to=/orders").text
        secret, codes = enrolled(browser)
        assert len(set(codes)) == 10
        assert post(browser).status_code == 200, "adding it has proved it"

        # Another session of hers has to prove itself; the code that was used is not taken again.
        later.sign_in("ada", "/orders")
        assert post(later).status_code == 401
        step_up = "step-up?amr=mfa&to=/orders"
        assert "Code of your app" in later.get(f"/.lockgate/staff/{step_up}").text
        wrong = send(later, step_up, code="000000")
        assert (wrong.status_code, "This is not the code" in wrong.text) == (403, True)
        good = send(later, step_up, code=code_of(secret, ahead=1))
        assert (good.status_code, good.headers.get("location")) == (303, "/orders"), good.text
        assert post(later).status_code == 200
        again = send(later, step_up, code=code_of(secret, ahead=1))
        assert (again.status_code, "used before" in again.text) == (403, True)

        # A code for when the phone is lost is good once.
        assert send(later, step_up, code=codes[0].upper().replace("-", " ")).status_code == 303
        assert send(later, step_up, code=codes[0]).status_code == 403
        with place.running.admin as admin:
            [factor] = admin.get("/v1/factors", params={"subject": "ada"}).json()["items"]
            assert (factor["kind"], factor["name"], set(factor) & {"secret", "mark"}) == ("totp", "My phone", set())
            assert secret.encode() not in (tmp_path / ".lockgate/control/lockgate.db").read_bytes()
            assert admin.delete(f"/v1/factors/{factor['id']}").status_code == 200
            metrics = admin.get("/metrics").text
            assert 'lockgate_sign_in_outcomes_total{sign_in="staff",outcome="stepped-up"} 2' in metrics
        assert send(later, step_up, code=codes[1]).status_code == 200, "with the last factor went the codes"


def test_wrong_codes_are_locked_out(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = place_of(processes, tmp_path, portal)
    with place.browser() as browser, place.browser() as other:
        browser.sign_in("ada", "/orders")
        secret, codes = enrolled(browser)
        path = "step-up?amr=mfa"
        said = [send(browser, path, code="123123").status_code for _ in range(6)]
        assert said == [403] * 5 + [429]
        locked = send(browser, path, code=code_of(secret, ahead=1))
        assert (locked.status_code, "factor-locked" in locked.text) == (429, True), "also the right one waits"
        assert send(browser, path, code=codes[0]).status_code == 429
        # Nobody else waits for it.
        other.sign_in("bob", "/orders")
        enrolled(other)


def test_guesses_that_race_are_counted_one_by_one(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = place_of(processes, tmp_path, portal)
    with place.browser() as browser, ThreadPoolExecutor(24) as threads:
        browser.sign_in("ada", "/orders")
        enrolled(browser)
        guesses = threads.map(lambda _: send(browser, "step-up?amr=mfa", code="123123").status_code, range(48))
        assert Counter(guesses) == {403: 5, 429: 43}


def test_who_was_revoked_adds_nothing(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = place_of(processes, tmp_path, portal)
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        with place.running.admin as admin:
            revoked = {"issuer": "company", "by": "subject", "value": "ada"}
            admin.post("/v1/tokens/revocations", json=revoked).raise_for_status()
        answer = send(browser, "factors", do="totp-begin")
        assert (answer.status_code, "/sign-in" in answer.headers.get("location", "")) == (303, True)


def test_what_a_provider_does_not_give_leads_to_no_circle(
    processes: Processes, tmp_path: Path, portal: AutoUpstream
) -> None:
    place = SignInPlace(processes, tmp_path, portal.port)
    place.config["apis"]["portal"]["step_up"] = {"rules": [{"amr": ["mfa"]}]}
    place.write()
    with place.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()
    with place.browser() as browser:
        form = browser.sign_in("ada", "/orders")
        assert "Who are you?" in form.text, "the provider is asked once more"
        end = browser.follow(browser.submit(form, login="ada"))
        assert (end.status_code, "step-up-not-given" in end.text) == (403, True)


def test_what_another_must_not_do(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = place_of(processes, tmp_path, portal)
    with place.browser() as ada, place.browser() as bob, place.browser() as nobody:
        ada.sign_in("ada", "/orders")
        secret, codes = enrolled(ada)
        bob.sign_in("bob", "/orders")
        enrolled(bob)
        path = "step-up?amr=mfa"
        assert send(bob, path, code=code_of(secret, ahead=1)).status_code == 403, "her code is not his"
        assert send(bob, path, code=codes[0]).status_code == 403
        with place.running.admin as admin:
            [hers] = admin.get("/v1/factors", params={"subject": "ada"}).json()["items"]
            send(bob, "factors", do="remove", id=hers["id"])
            assert admin.get("/v1/factors", params={"subject": "ada"}).json()["items"] == [hers]
        # Without a session, or one that has ended, there is nothing to prove.
        for page in ("factors", path):
            assert nobody.get(f"/.lockgate/staff/{page}").headers["location"].startswith("/.lockgate/staff/sign-in")
        ended = str(ada.session)
        ada.submit(ada.get("/.lockgate/staff/sign-out"))
        cookie = {"Cookie": f"__Host-lockgate-staff={ended}"}
        back = nobody.client.get(f"{place.base}/.lockgate/staff/factors", headers=cookie)
        assert back.headers["location"].startswith("/.lockgate/staff/sign-in")
        # Another site adds nothing, and proves nothing.
        for page in ("factors", path):
            forged = bob.client.post(
                f"{place.base}/.lockgate/staff/{page}",
                data={"do": "totp-begin", "code": "1"},
                headers={"Sec-Fetch-Site": "cross-site"},
            )
            assert (forged.status_code, "factor-cross-site" in forged.text) == (403, True)


def test_an_old_session_adds_nothing(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    """Who finds an open screen must not add a factor of their own: what is asked for is in the address."""
    place = place_of(processes, tmp_path, portal)
    with place.browser() as browser, place.browser() as other:
        browser.sign_in("ada", "/orders")
        enrolled(browser)
        other.sign_in("ada", "/orders")
        leads = other.get("/.lockgate/staff/factors").headers["location"]
        assert leads.startswith("/.lockgate/staff/step-up?to=%2F.lockgate%2Fstaff%2Ffactors&amr=mfa")


def test_where_factors_are_off_the_provider_is_asked_again(
    processes: Processes, tmp_path: Path, portal: AutoUpstream
) -> None:
    place = SignInPlace(processes, tmp_path, portal.port)
    place.config["apis"]["portal"]["step_up"] = {"rules": [{"methods": ["POST"], "amr": ["mfa"]}]}
    place.write()
    with place.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        assert post(browser).status_code == 401
        form = browser.follow(browser.get("/.lockgate/staff/step-up?to=/orders&amr=mfa"))
        assert "Who are you?" in form.text, "who is signed in there is asked again"
        browser.follow(browser.submit(form, login="ada"))
        assert browser.session is not None


def test_how_long_ago_the_provider_saw_the_person(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, portal.port)
    place.config["apis"]["portal"]["step_up"] = {"rules": [{"methods": ["POST"], "within": "2s"}]}
    place.write()
    with place.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        until(lambda: post(browser).status_code == 401, "the proof to be too old")
        form = browser.follow(browser.get("/.lockgate/staff/step-up?to=/orders&within=2"))
        assert "Who are you?" in form.text, "who is signed in there is asked again"


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("wants Debian's chromium (scripts/system-packages.sh installs it where it may)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 720, "height": 560})
        context.set_default_timeout(60_000)
        yield context.new_page()
        browser.close()


def authenticator(page: Page, *, verifies: bool = True, **more: object) -> Callable[[], object]:
    """A passkey's device, without a finger; and what takes it out."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
        **more,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return lambda: session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": added["authenticatorId"]})


def test_a_passkey(processes: Processes, tmp_path: Path, portal: AutoUpstream, page: Page) -> None:
    rules = {"rules": [{"within": "5m", "amr": ["hwk", "swk"]}]}
    place = place_of(processes, tmp_path, portal, rules)
    authenticator(page)
    page.goto(f"{place.base}/orders")
    page.fill("input[name=login]", "ada")
    page.click("text=Enter")
    page.wait_for_url(re.compile(r"/step-up\?"))
    assert page.inner_text("h1") == "One more proof is wanted"
    picture(page, "step-up-none-yet")
    page.click("text=Add one")
    page.fill("input[name=name]", "My laptop")
    picture(page, "factors-first")
    page.click("text=Add a passkey")
    page.wait_for_selector("pre")
    picture(page, "factors-recovery-codes")
    page.click("text=I have kept them")
    page.wait_for_url(f"{place.base}/orders")
    assert page.title() == "Portal"

    # Another browser window, signed in anew: the passkey is asked for, and shown.
    page.context.clear_cookies()
    page.goto(f"{place.base}/orders?again")
    page.fill("input[name=login]", "ada")
    page.click("text=Enter")
    page.wait_for_url(re.compile(r"/step-up\?"))
    assert page.inner_text("h1") == "Is it you?"
    assert page.locator("input[name=code]").count() == 0, "no code is one of the means that are wanted"
    picture(page, "step-up-passkey")
    page.click("text=Use a passkey")
    page.wait_for_url(f"{place.base}/orders?again")
    page.goto(f"{place.base}/.lockgate/staff/factors")
    assert "My laptop (passkey" in page.inner_text("main")
    page.click("text=Add an app with codes")
    page.wait_for_selector("svg")
    picture(page, "factors-app")


def enters(page: Page, place: SignInPlace) -> None:
    """Ada signs in anew, and looks at her factors."""
    page.context.clear_cookies()
    page.goto(f"{place.base}/.lockgate/staff/sign-in?to=/.lockgate/staff/factors")
    page.fill("input[name=login]", "ada")
    page.click("text=Enter")


def test_passkeys_come_by_passkeys(processes: Processes, tmp_path: Path, portal: AutoUpstream, page: Page) -> None:
    """Whoever has a code alone makes no `hwk` of it, where somebody has a passkey."""
    place = place_of(processes, tmp_path, portal)
    with place.browser() as first, place.browser() as thief:
        first.sign_in("ada", "/orders")
        secret, codes = enrolled(first)
        # The first passkey comes by what there is.
        authenticator(page, defaultBackupEligibility=True)
        enters(page, place)
        page.fill("input[name=code]", codes[0])
        page.click("text=Go on")
        page.click("text=Add a passkey")
        page.wait_for_selector("text=Passkey (passkey")

        thief.sign_in("ada", "/orders")
        assert send(thief, "step-up?amr=mfa&to=/orders", code=code_of(secret, ahead=1)).status_code == 303
        shown = thief.get("/.lockgate/staff/factors").text
        assert ("Show a passkey" in shown, "Add a passkey" in shown, "Add an app" in shown) == (True, False, True)
        with place.running.admin as admin:
            known = admin.get("/v1/factors", params={"subject": "ada"}).json()["items"]
            [passkey] = [one["id"] for one in known if one["kind"] == "passkey"]
            for form in ({"do": "passkey", "credential": "{}"}, {"do": "remove", "id": passkey}):
                answer = send(thief, "factors", **form)
                assert answer.status_code == 303, answer.text
                assert "/step-up?" in answer.headers["location"]
                assert "amr=hwk+swk" in answer.headers["location"]
                # Nor where the host is another, or the same in other letters: clients choose what they call it.
                elsewhere = send(thief, "factors", "other.localhost", **form)
                assert (elsewhere.status_code, "Your passkeys are of localhost" in elsewhere.text) == (403, True)
                assert "Add a passkey" not in elsewhere.text
                same = send(thief, "factors", "LocalHost.", **form)
                assert (same.status_code, "/step-up?" in same.headers["location"]) == (303, True)
            assert send(thief, "step-up?amr=hwk+swk", code=codes[1]).status_code == 403, "nor does a recovery code"
            assert len(admin.get("/v1/factors", params={"subject": "ada"}).json()["items"]) == 2
        assert "type it in" in send(thief, "factors", do="totp-begin").text, "an app comes by a code"

        # Who shows the passkey adds another: here the first that cannot leave its device.
        enters(page, place)
        page.click("text=Use a passkey")
        page.wait_for_selector("text=Add a passkey")
        take_out = authenticator(page, transport="usb")
        page.fill("input[name=name]", "My key")
        page.click("text=Add a passkey")
        page.wait_for_selector("text=My key (passkey")
        take_out()
        # And that is taken away by its like alone.
        enters(page, place)
        page.click("text=Use a passkey")
        page.wait_for_selector("text=Add a passkey")
        page.locator("li", has_text="My key").locator("button[value=remove]").click()
        page.wait_for_url(re.compile(r"/step-up\?.*amr=hwk&"))


def test_a_passkey_without_its_person(processes: Processes, tmp_path: Path, portal: AutoUpstream, page: Page) -> None:
    """The device is there, and the finger is not: user verification is demanded."""
    place = place_of(processes, tmp_path, portal)
    authenticator(page, verifies=False)
    page.goto(f"{place.base}/.lockgate/staff/sign-in?to=/.lockgate/staff/factors")
    page.fill("input[name=login]", "ada")
    page.click("text=Enter")
    page.wait_for_url("**/factors")
    page.click("text=Add a passkey")
    page.wait_for_function("document.querySelector('[role=status]').textContent != ''")
    with place.running.admin as admin:
        assert admin.get("/v1/factors").json()["items"] == []
