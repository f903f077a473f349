"""Every flow with a real Keycloak: tokens, introspection, signing in and out, renewing, exchanging, other keys."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.harness.upstream import AutoUpstream
from support.keycloak import PASSWORD, Keycloak
from support.processes import Processes
from support.sign_in import Browser, SignInPlace
from support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    folder = tmp_path_factory.mktemp("keycloak")
    processes = Processes(folder)
    try:
        running = Keycloak(processes, folder)
        with running.admin:
            yield running
    finally:
        processes.end()


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


CONFIG = {"outgoing": {"allow": ["127.0.0.0/8", "::1/128"]}}


def place_at(
    keycloak: Keycloak, processes: Processes, folder: Path, upstream: AutoUpstream, **more: Any
) -> SignInPlace:
    """A gate in front of an API that people sign in to at Keycloak."""
    return SignInPlace(
        processes,
        folder,
        upstream.port,
        issuer={"issuer": keycloak.issuer, "audience": "orders", **more.pop("issuer", {})},
        provider_port=keycloak.port,
        **more,
    )


def registered(keycloak: Keycloak, place: SignInPlace) -> None:
    """Keycloak is told where the gate is."""
    said = keycloak.client("gate")
    back = f"{place.base}/.lockgate/staff/back-channel-logout"
    said["attributes"] = {**said["attributes"], "backchannel.logout.url": back}
    keycloak.told("PUT", f"/main/clients/{said['id']}", said)


def sign_in(browser: Browser, who: str, at: str = "/orders") -> httpx.Response:
    """Fill in Keycloak's own form."""
    form = browser.follow(browser.get(at))
    found = re.search(r'<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"', form.text)
    assert found, re.sub(r"(?s)<script.*?</script>|<[^>]+>|\s+", " ", form.text)[:500]
    said = {"username": who, "password": PASSWORD}
    answer = browser.client.post(unescape(found[1]), data=said, headers={"Accept": "text/html"})
    return browser.follow(answer)


def api(browser: Browser, path: str = "/orders") -> httpx.Response:
    said = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
    return browser.client.get(f"{browser.base}{path}", headers=said)


def reason(answer: httpx.Response) -> str:
    return "ok" if answer.status_code == 200 else str(answer.json()["reason"])


def told(upstream: AutoUpstream) -> dict[str, Any]:
    """What the token says that the upstream got."""
    fields = {name.lower(): value for name, value in upstream.requests[-1].headers}
    part = fields["authorization"].removeprefix("Bearer ").split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return said


def test_people_sign_in_are_renewed_and_leave(
    keycloak: Keycloak, processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    named = {"targets": [f"http://127.0.0.1:{upstream.port}"], "assertion": {"audience": "portal"}}
    place = place_at(
        keycloak,
        processes,
        tmp_path,
        upstream,
        sign_in={"refresh": "1s", "claims": ["groups", "email", "auth_time"]},
        more={"upstreams": {"portal": named}},
    )
    place.config["apis"]["portal"]["upstream"] = "portal"
    place.write()
    with place.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()
    registered(keycloak, place)
    ada = keycloak.person("ada")["id"]
    with place.browser() as browser:
        assert sign_in(browser, "ada").status_code == 200
        assert any("request_uri=" in url for url in browser.visited), "what is asked was pushed before (PAR)"
        assert sorted(told(upstream)["groups"]) == ["math", "staff"]
        first = told(upstream)["auth_time"]
        # Groups change at Keycloak, and here.
        [math] = keycloak.told("GET", "/main/groups?search=math")
        keycloak.told("DELETE", f"/main/users/{ada}/groups/{math['id']}")

        def renewed() -> bool:
            return reason(api(browser)) == "ok" and told(upstream)["groups"] == ["staff"]

        until(renewed, "the session to say what holds now", within=60)
        assert told(upstream)["auth_time"] == first
        keycloak.told("PUT", f"/main/users/{ada}/groups/{math['id']}")
        # It lives on through a restart of each of our processes.
        for name in ("control", "gate"):
            place.kill(name)
            until(lambda: reason(api(browser)) == "ok", "the session to be known again")
        # Its administrator ends all that ada has open.
        keycloak.told("POST", f"/main/users/{ada}/logout")
        until(lambda: reason(api(browser)) == "session-ended", "the session to end", within=60)
    with place.browser() as browser:
        sign_in(browser, "bob")
        bob = keycloak.person("bob")
        keycloak.told("PUT", f"/main/users/{bob['id']}", {**bob, "enabled": False})
        until(lambda: reason(api(browser)) == "session-ended", "who may not come in any more to be out", within=60)
        keycloak.told("PUT", f"/main/users/{bob['id']}", {**bob, "enabled": True})
    with place.browser() as browser:
        sign_in(browser, "ada")
        question = browser.get("/.lockgate/staff/sign-out")
        left = browser.follow(browser.submit(question))
        assert "You are signed out" in left.text
        form = browser.follow(browser.get("/orders"))
        assert "kc-form-login" in form.text, "Keycloak asks again"


def test_an_upstream_gets_a_token_of_its_own(
    keycloak: Keycloak, processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    named = {
        "targets": [f"http://127.0.0.1:{upstream.port}"],
        "token": {"issuer": "company", "audience": "orders"},
    }
    place = place_at(keycloak, processes, tmp_path, upstream, more={"upstreams": {"portal": named}})
    place.config["apis"]["portal"]["upstream"] = "portal"
    place.write()
    with place.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()
    registered(keycloak, place)
    with place.browser() as browser:
        assert sign_in(browser, "ada").status_code == 200
        said = told(upstream)
        assert (said["iss"], said["aud"], said["azp"]) == (keycloak.issuer, "orders", "gate")
        assert said["email"] == "ada@example.com"
        # Keycloak does not know the audience: that is ours to mend, and told as a finding.
        place.config["upstreams"]["portal"]["token"]["audience"] = "nobody-knows-it"
        place.write()
        with place.running.admin as admin:
            admin.post("/v1/reload").raise_for_status()
        assert reason(api(browser)) == "token-unavailable"
        with place.running.admin as admin:
            found = [one["code"] for one in admin.get("/v1/findings").json()["items"]]
        assert "upstream-token-failing" in found


def ways(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    return list(entries)


def test_its_keys_change_under_load(
    keycloak: Keycloak, processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    """Three times another key signs; no request with a good token is refused."""
    place = place_at(keycloak, processes, tmp_path, upstream, ways=ways({"jwt": {"issuer": "company"}}))
    tokens, ending, counts = [keycloak.token()], threading.Event(), {"ok": 0}
    failed: list[str] = []

    def more_than(count: int) -> bool:
        return counts["ok"] > count

    def keep_asking() -> None:
        with place.browser() as browser:
            number = 0
            while not ending.is_set():
                # The newest, and those from before, which are good as well.
                token = tokens[-1 - number % len(tokens)]
                number += 1
                headers = {"Authorization": f"Bearer {token}"}
                answer = browser.client.get(f"{place.base}/orders", headers=headers)
                if answer.status_code == 200:
                    counts["ok"] += 1
                else:
                    failed.append(answer.text)

    with place.browser() as browser:
        headers = {"Authorization": f"Bearer {tokens[0]}"}
        until(
            lambda: browser.client.get(f"{place.base}/orders", headers=headers).status_code == 200,
            "Keycloak's keys to be there",
        )
    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            before = counts["ok"]
            keycloak.new_key()
            tokens.append(keycloak.token())
            until(partial(more_than, before + 100), "more requests")
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    kids = {json.loads(base64.urlsafe_b64decode(one.split(".")[0] + "=="))["kid"] for one in tokens}
    assert len(kids) == 4
    assert failed == [], f"{len(failed)} of {counts['ok']} were refused"


def test_it_is_asked_about_tokens(
    keycloak: Keycloak, processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    entry = {"introspection": {"issuer": "company", "cache": "0s", "require": ["aud"]}}
    place = place_at(keycloak, processes, tmp_path, upstream, ways=ways(entry))
    token = keycloak.token()
    with place.browser() as browser:

        def asked(token: str) -> str:
            headers = {"Authorization": f"Bearer {token}"}
            return reason(browser.client.get(f"{place.base}/orders", headers=headers))

        until(lambda: asked(token) == "ok", "it to be asked")
        assert asked("made-up") == "introspection-inactive"
        form = {"token": token, "client_id": "robot", "client_secret": "hush & more: 100%"}
        url = f"{keycloak.issuer}/protocol/openid-connect/revoke"
        assert httpx.post(url, data=form, trust_env=False).status_code == 200
        assert asked(token) == "introspection-inactive"
