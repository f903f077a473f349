"""`device`: people with several browsers, and what their portal lets them do from each."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.harness.upstream import AutoUpstream
from gateway.test_devices import CHROME, FIREFOX, command, devices
from gateway.test_second_factor import code_of, enrolled, send
from support.places import section
from support.processes import Processes
from support.sign_in import Browser, SignInPlace
from support.waiting import until

pytestmark = pytest.mark.full


@pytest.fixture
def portal() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


def place_of(processes: Processes, folder: Path, portal: AutoUpstream, **device: Any) -> SignInPlace:
    said = {"second_factor": ["totp"]}
    made = SignInPlace(processes, folder, portal.port, sign_in=said)
    asks(made, **device)
    return made


def asks(place: SignInPlace, **device: Any) -> None:
    """The portal asks for devices so from now on."""
    place.config["apis"]["portal"]["device"] = device
    place.config["apis"]["portal"]["headers"] = {"request": {"set": {"X-Device": "{device}"}}}
    place.write()
    with place.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()


def called(browser: Browser) -> str:
    """What a page's script hears."""
    answer = browser.client.get(f"{browser.base}/orders", headers={"Sec-Fetch-Mode": "cors"})
    return "ok" if answer.status_code == 200 else str(answer.json()["reason"])


def logged(place: SignInPlace) -> list[dict[str, Any]]:
    """The events of requests."""
    words = [sys.executable, "-m", "lockgate", "logs", "--json"]
    said = subprocess.run(words, cwd=place.folder, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in said.splitlines()]


def test_a_new_device_is_confirmed_by_a_second_factor(
    processes: Processes, tmp_path: Path, portal: AutoUpstream
) -> None:
    place = place_of(processes, tmp_path, portal)
    with place.browser() as laptop, place.browser() as phone:
        laptop.client.headers["User-Agent"], phone.client.headers["User-Agent"] = FIREFOX, CHROME
        asked = laptop.sign_in("ada", "/orders")
        assert "/.lockgate/staff/step-up" in str(asked.url), asked.text
        assert called(laptop) == "step-up-wanted"
        assert not portal.requests
        secret, _ = enrolled(laptop)
        assert called(laptop) == "ok"
        [known] = devices(place)
        assert (known["state"], known["name"]) == ("confirmed", "Firefox on Linux")
        assert portal.requests[-1].get("x-device") == known["id"], "who is behind the gate is told which it is"

        # Another browser of the same person is as new as the first one was.
        phone.sign_in("ada", "/orders")
        assert called(phone) == "step-up-wanted"
        assert called(laptop) == "ok"
        proved = send(phone, "step-up", code=code_of(secret, 1), to="/orders")
        assert proved.status_code == 303, proved.text
        assert called(phone) == "ok"
        states = {one["name"]: one["state"] for one in devices(place)}
        assert states == {"Firefox on Linux": "confirmed", "Chrome on Windows": "confirmed"}
        # The page does not send back who would be sent there again: what was proved is older than what is doubted.
        now_s = int(time.time())
        page = "/.lockgate/staff/step-up?amr=mfa&within=60&to=/orders&since="
        assert phone.get(f"{page}{now_s - 3_600}").status_code == 303
        assert phone.get(f"{page}{now_s + 3_600}").status_code == 200
        told = [one["device"]["signals"] for one in logged(place) if one.get("reason") == "step-up-wanted"]
        assert told[-1] == ["unapproved", "new"]


def test_an_operator_approves_and_counts(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = place_of(processes, tmp_path, portal, unapproved="deny", most=1)
    with place.browser() as laptop, place.browser() as phone:
        laptop.sign_in("ada", "/orders")
        assert called(laptop) == "device-unapproved"
        [known] = devices(place, state="unapproved")
        command(place, "approve", known["id"])
        until(lambda: called(laptop) == "ok", "the gate to hear that it was approved")
        # Two at once are more than one.
        phone.sign_in("ada", "/orders")
        assert called(phone) == "device-crowd"
        second = devices(place, state="unapproved")[0]
        command(place, "revoke", second["id"])
        assert called(phone) == "session-ended"


def test_a_session_in_other_hands_is_not_the_device(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = place_of(processes, tmp_path, portal, new="allow", changed="deny")
    with place.browser() as laptop:
        laptop.client.headers["User-Agent"] = FIREFOX
        laptop.sign_in("ada", "/orders")
        assert called(laptop) == "ok"
        stolen = {"Cookie": f"__Host-lockgate-staff={laptop.session}", "User-Agent": CHROME}
        # Another program, by what it says of itself and by what its TLS offers.
        context = ssl.create_default_context(cafile=str(place.authority.pem))
        context.set_ciphers("ECDHE+AESGCM")
        with httpx.Client(verify=context) as thief:
            answer = thief.get(f"{place.base}/orders", headers=stolen)
            assert (answer.status_code, answer.json()["reason"]) == (403, "device-changed")
            [known] = devices(place)
            assert known["changed_ms"]
            looks = {one["agent"]: one for one in known["looks"]}
            own, other = looks["Firefox on Linux"], looks["Chrome on Windows"]
            assert [one["changed"] for one in (own, other)] == [False, True]
            # The owner sees both, and an operator approves the one that is meant.
            page = laptop.get("/.lockgate/staff/devices").text
            assert ("It was seen as:" in page, "(not as before)" in page) == (True, True)
            listed = command(place, "approve", known["id"], code=2)
            assert (own["name"] in listed, other["name"] in listed, "--look NAME" in listed) == (True, True, True)
            assert "32 digits" in command(place, "approve", known["id"], "--look", "firefox", code=2)
            shown = command(place, "show", known["id"])
            assert ("no operator has approved" in shown, other["name"] in shown) == (True, True)
            with place.running.admin as admin:
                refused = admin.post(f"/v1/devices/{known['id']}/approve")
                assert (refused.status_code, refused.json()["code"]) == (409, "device-look")
                assert other["name"] in refused.json()["detail"]
                assert admin.post(f"/v1/devices/{known['id']}/approve", json={"look": "a"}).status_code == 422
            command(place, "approve", known["id"], "--look", own["name"])
            assert called(laptop) == "ok"
            answer = thief.get(f"{place.base}/orders", headers=stolen)
            assert answer.json()["reason"] == "device-changed"
            command(place, "approve", known["id"], "--look", other["name"])

            def lets_in() -> bool:
                return thief.get(f"{place.base}/orders", headers=stolen).status_code == 200

            until(lets_in, "the gate to hear that this look was approved")


def test_it_goes_on_by_what_is_known_while_nobody_can_be_asked(
    processes: Processes, tmp_path: Path, portal: AutoUpstream
) -> None:
    place = place_of(processes, tmp_path, portal, new="allow", changed="allow", travel="allow")
    with place.browser() as laptop, place.browser() as phone:
        laptop.sign_in("ada", "/orders")
        phone.sign_in("ada", "/.lockgate/staff/devices")
        assert called(laptop) == "ok"
        control = place.running.pids()["control"]
        os.kill(control, signal.SIGSTOP)
        try:
            assert called(laptop) == "ok"
            assert called(phone) == "device-unavailable"
        finally:
            os.kill(control, signal.SIGCONT)
        until(lambda: called(phone) == "ok", "the control process to answer again")


def test_nobody_is_in_two_countries_within_a_minute(processes: Processes, tmp_path: Path, portal: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, portal.port)
    places = {"127.0.0.0/29": {"country": "NL", "network": 64500}, "127.0.0.9/32": {"country": "US", "network": 64501}}
    place.config["geo"] = section(tmp_path, places)
    asks(place, new="allow", travel="deny")
    with place.browser() as laptop:
        laptop.sign_in("ada", "/orders")
        assert called(laptop) == "ok"
        assert devices(place)[0]["country"] == "NL"
        stolen = {"Cookie": f"__Host-lockgate-staff={laptop.session}"}
        context = ssl.create_default_context(cafile=str(place.authority.pem))
        elsewhere = httpx.HTTPTransport(verify=context, local_address="127.0.0.9")
        base = place.base.replace("localhost", "127.0.0.1")
        with httpx.Client(transport=elsewhere) as thief:
            answer = thief.get(
                f"{base}/orders", headers={**stolen, "Host": "localhost"}, extensions={"sni_hostname": "localhost"}
            )
        assert (answer.status_code, answer.json()["reason"]) == (403, "device-travel")
        told = [one for one in logged(place) if one.get("reason") == "device-travel"]
        assert (told[-1]["country"], told[-1]["device"]["signals"]) == ("US", ["unapproved", "new", "travel"])
