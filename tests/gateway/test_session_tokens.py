"""What a session says is renewed at the provider, and upstreams get tokens of the provider's."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.harness.upstream import AutoUpstream
from support.processes import Processes
from support.sign_in import Browser, SignInPlace
from support.waiting import until

pytestmark = pytest.mark.full

CLAIMS = ["groups", "email"]


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


def place_with(
    processes: Processes,
    folder: Path,
    upstream: AutoUpstream,
    *,
    sign_in: dict[str, Any],
    said: dict[str, Any] | None = None,
    **provider: Any,
) -> SignInPlace:
    """A gate whose upstream is told who calls, or given a token."""
    named = {"targets": [f"http://127.0.0.1:{upstream.port}"], **(said or {"assertion": {"audience": "portal"}})}
    place = SignInPlace(
        processes,
        folder,
        upstream.port,
        sign_in={"claims": CLAIMS, **sign_in},
        provider={"refresh": True, **provider},
        more={"upstreams": {"portal": named}},
    )
    place.config["apis"]["portal"]["upstream"] = "portal"
    place.write()
    with place.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()
    return place


def api(browser: Browser, path: str = "/orders") -> httpx.Response:
    """What a page's own script asks."""
    said = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
    return browser.client.get(f"{browser.base}{path}", headers=said)


def reason(answer: httpx.Response) -> str:
    return "ok" if answer.status_code == 200 else str(answer.json()["reason"])


def console(place: SignInPlace, what: str, **said: str) -> dict[str, Any]:
    """Somebody does something at the provider itself."""
    url = f"http://localhost:{place.provider_port}/console/{what}"
    told: dict[str, Any] = httpx.get(url, params=said, trust_env=False).json()
    return told


def passed(upstream: AutoUpstream, name: str) -> str | None:
    """A field of the last request that the upstream got."""
    fields = {key.lower(): value for key, value in upstream.requests[-1].headers}
    return fields.get(name)


def said_in(token: str) -> dict[str, Any]:
    """A token's claims; who signed it is another test's business."""
    part = token.split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return told


def groups(upstream: AutoUpstream) -> list[str]:
    token = (passed(upstream, "authorization") or "").removeprefix("Bearer ")
    return list(said_in(token)["groups"])


def test_a_session_says_what_the_provider_says_now(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    place = place_with(processes, tmp_path, upstream, sign_in={"refresh": "1s"})
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        assert groups(upstream) == ["math", "staff"]
        before = browser.session
        console(place, "groups", who="ada", groups="math")

        def renewed() -> bool:
            return reason(api(browser)) == "ok" and groups(upstream) == ["math"]

        until(renewed, "the session to say what holds now")
        assert browser.session != before, "the browser has it anew"
        stale = with_cookie(browser, str(before))
        if "set-cookie" in stale.headers:
            assert stale.headers["cache-control"] == "no-store", "no cache gives it to others"
        # Who is closed out there is out here, with every copy of the cookie.
        console(place, "close", who="ada")
        until(lambda: reason(api(browser)) == "session-ended", "the session to end")
        with place.browser() as other:
            assert reason(with_cookie(other, str(before))) == "session-ended"
    with place.running.admin as admin:
        [kept] = admin.get("/v1/sessions").json()["items"]
        assert kept["ended_ms"] is not None


def with_cookie(browser: Browser, cookie: str) -> httpx.Response:
    return browser.client.get(f"{browser.base}/orders", headers={"Cookie": f"__Host-lockgate-staff={cookie}"})


def test_many_tabs_at_once_use_a_refresh_token_once(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    """The provider takes each refresh token once, and ends everything for one that is used again."""
    place = place_with(processes, tmp_path, upstream, sign_in={"refresh": "2s"})
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        cookie = str(browser.session)
        for turn in range(1, 3):
            until(lambda: with_cookie(browser, cookie).headers.get("set-cookie") is not None, "it to be renewed")
            said: list[str] = []

            def tab(said: list[str] = said) -> None:
                with place.browser() as one:
                    said.append(reason(with_cookie(one, cookie)))

            tabs = [threading.Thread(target=tab) for _ in range(20)]
            for thread in tabs:
                thread.start()
            for thread in tabs:
                thread.join()
            assert said == ["ok"] * 20
            place.kill("control" if turn == 1 else "gate")
    assert console(place, "count")["refresh_token"] >= 2


def test_a_provider_that_is_away_ends_nothing_within_the_grace(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    place = place_with(processes, tmp_path, upstream, sign_in={"refresh": "1s", "grace": "1h"})
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        assert place.provider is not None
        place.provider.process.stop()

        def failing() -> bool:
            assert reason(api(browser)) == "ok"
            with place.running.admin as admin:
                found = admin.get("/v1/findings").json()["items"]
            return any(one["code"] == "sign-in-provider-failing" for one in found)

        until(failing, "it to be told that the provider is away")
        place.config["sign_in"]["staff"]["grace"] = "0s"
        place.write()
        with place.running.admin as admin:
            admin.post("/v1/reload").raise_for_status()
        until(lambda: reason(api(browser)) == "session-unrenewed", "the session to be closed")
        assert api(browser).headers["retry-after"].isdigit()


def test_a_session_keeps_what_was_proved(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    """Renewing proves nothing of the person, and unsays nothing."""
    claims = ["groups", "amr", "auth_time"]
    place = place_with(processes, tmp_path, upstream, sign_in={"refresh": "1s", "claims": claims})
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")

        def told() -> dict[str, Any]:
            return dict(said_in((passed(upstream, "authorization") or "").removeprefix("Bearer ")))

        first, before = told(), browser.session
        until(lambda: reason(api(browser)) == "ok" and browser.session != before, "the session to be renewed")
        assert told()["auth_time"] == first["auth_time"]
        assert told().get("amr") == first.get("amr")


def test_an_upstream_gets_a_token_that_opens_it_alone(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    token = {"issuer": "company", "audience": "orders", "scopes": ["orders:read", "orders:list"]}
    place = place_with(processes, tmp_path, upstream, sign_in={}, said={"token": token})
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        assert passed(upstream, "authorization") == "Bearer for.ada.orders.orders-read-orders-list"
        assert "lockgate" not in (passed(upstream, "cookie") or ""), "the session is the gate's alone"
        for _ in range(5):
            assert reason(api(browser)) == "ok"
        asked = console(place, "count")["exchange"]
        assert [one["who"] for one in asked] == ["ada"], "it is used again for as long as it lasts"
        # Whatever a client writes there itself does not arrive.
        said = {"Authorization": "Bearer mine", "Sec-Fetch-Site": "same-origin"}
        browser.client.get(f"{browser.base}/orders", headers=said)
        assert passed(upstream, "authorization") == "Bearer for.ada.orders.orders-read-orders-list"
        with place.browser() as other:
            other.sign_in("bob", "/orders")
            assert passed(upstream, "authorization") == "Bearer for.bob.orders.orders-read-orders-list"
        # The configuration asks for another one: what was got before is nobody's.
        for audience, wanted, finding in (
            ("others", "ok", None),
            ("forbidden", "token-refused", None),
            ("nowhere", "token-unavailable", "upstream-token-failing"),
        ):
            place.config["upstreams"]["portal"]["token"]["audience"] = audience
            place.write()
            with place.running.admin as admin:
                admin.post("/v1/reload").raise_for_status()
            assert reason(api(browser)) == wanted
            with place.running.admin as admin:
                found = [one["code"] for one in admin.get("/v1/findings").json()["items"]]
            assert ("upstream-token-failing" in found) == (finding is not None)
    log = place.running.output
    assert "for.ada" not in log, "tokens are in no log"


def test_an_upstream_gets_the_sessions_own_token(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    """The provider's tokens last for seconds here: the upstream never gets one that has ended."""
    said = {"token": {"issuer": "company", "take": "session", "header": "X-Token"}}
    place = place_with(processes, tmp_path, upstream, sign_in={"refresh": "8h"}, said=said, expires=12)
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        first = str(passed(upstream, "x-token"))
        userinfo = f"http://localhost:{place.provider_port}/me"
        answer = httpx.get(userinfo, headers={"Authorization": f"Bearer {first}"}, trust_env=False)
        assert answer.json()["sub"] == "ada"
        until(
            lambda: reason(api(browser)) == "ok" and passed(upstream, "x-token") != first,
            "another one before it ends",
        )
