"""People sign in at a real provider, and the gate knows them by their cookie."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.harness.upstream import AutoUpstream
from support.client_key import client_key
from support.processes import Processes
from support.sign_in import Browser, SignInPlace
from support.waiting import until

pytestmark = pytest.mark.full


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


def api(browser: Browser, method: str = "GET", path: str = "/orders", **headers: str) -> httpx.Response:
    """What a page's own script asks."""
    said = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Accept": "application/json", **headers}
    return browser.client.request(method, f"{browser.base}{path}", headers=said)


def reason(answer: httpx.Response) -> str:
    return "ok" if answer.status_code == 200 else str(answer.json()["reason"])


def events(place: SignInPlace, **params: Any) -> list[dict[str, Any]]:
    with place.running.admin as admin:
        return list(admin.get("/v1/events", params={"limit": 200, **params}).json()["items"])


def test_a_person_signs_in_works_and_signs_out(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    with place.browser() as browser, place.browser() as thief:
        assert reason(api(browser)) == "session-missing"
        page = browser.sign_in("ada", "/orders?q=1&x=a%20b")
        assert (page.status_code, str(page.request.url)) == (200, f"{place.base}/orders?q=1&x=a%20b")
        [asked] = [url for url in browser.visited if "/auth?" in url or "/request" in url][:1]
        assert parse_qs(urlsplit(asked).query).keys() == {"client_id", "request_uri"}, "what is asked was pushed before"

        # What pages do, and what other sites do.
        assert reason(api(browser, "POST")) == "ok"
        assert reason(api(browser, "POST", **{"Sec-Fetch-Site": "cross-site"})) == "session-cross-site"
        passed = {name.lower(): value for name, value in upstream.requests[-1].headers}
        assert "lockgate" not in passed.get("cookie", ""), "the session is the gate's alone"
        known = [event for event in events(place) if event.get("path") == "/orders" and event.get("status") == 200]
        assert {event["key"] for event in known} == {"company/ada"}

        # The cookie, and what may not be done with it.
        [cookie] = [one for one in browser.client.cookies.jar if one.name == "__Host-lockgate-staff"]
        assert (cookie.secure, cookie.path, cookie.has_nonstandard_attr("HttpOnly")) == (True, "/", True)
        assert "ada" not in base64.urlsafe_b64decode(str(cookie.value) + "==").decode("latin-1")
        bent = str(cookie.value)[:-6] + ("AAAAAA" if not str(cookie.value).endswith("AAAAAA") else "BBBBBB")
        for value, wanted in ((bent, "session-invalid"), (str(cookie.value), "ok")):
            thief.client.cookies.set("__Host-lockgate-staff", value, domain="localhost.local", path="/")
            got = thief.client.get(f"{place.base}/orders", headers={"Cookie": f"__Host-lockgate-staff={value}"})
            assert reason(got) == wanted

        # Out: of the gate at once, on every copy of the cookie, and of the provider.
        refused = browser.client.post(
            f"{place.base}/.lockgate/staff/sign-out", headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert (refused.status_code, "sign-out-cross-site" in refused.text) == (403, True)
        question = browser.get("/.lockgate/staff/sign-out")
        assert "form-action 'self' http://localhost" in question.headers["content-security-policy"]
        leaving = browser.follow(browser.submit(question))
        assert "Leave?" in leaving.text, "the provider is left, too"
        left = browser.follow(browser.submit(leaving, logout="yes"))
        assert "You are signed out" in left.text
        assert browser.session is None
        until(lambda: reason(api_with(place, str(cookie.value))) == "session-ended", "the stolen copy to end")
        form = browser.follow(browser.get("/orders"))
        assert "Who are you?" in form.text, "the provider asks again"


def test_another_api_of_the_host_gets_no_session(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    place.config["apis"]["open"] = {
        "path": "/open",
        "upstream": f"http://127.0.0.1:{upstream.port}",
        "public": {"owner": "tests", "reason": "a case", "until": "2100-01-01"},
    }
    place.write()
    with place.running.admin as admin:
        admin.post("/v1/reload").raise_for_status()
    with place.browser() as browser:
        browser.sign_in("ada", "/orders")
        browser.get("/.lockgate/staff/sign-in?to=/orders")
        browser.client.get(f"{place.base}/open/x", headers={"Cookie": f"__Host-lockgate-staff={browser.session}; a=b"})
        cookies = [value for name, value in upstream.requests[-1].headers if name.lower() == "cookie"]
        assert cookies == ["a=b"]


def test_what_a_provider_ends_stays_ended(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    """Its tokens are forgotten when they are too old; a session has its own lifetime."""
    place = SignInPlace(processes, tmp_path, upstream.port, issuer={"max_age": "1s", "audience": "x"})
    with place.running.admin as admin:
        revoked = {"issuer": "company", "by": "subject", "value": "ada"}
        told = admin.post("/v1/tokens/revocations", json=revoked).json()
    assert told["until_ms"] - told["created_ms"] > 30 * 86_400_000


def api_with(place: SignInPlace, session: str) -> httpx.Response:
    """A program with somebody's cookie."""
    with place.browser() as browser:
        return browser.client.get(f"{place.base}/orders", headers={"Cookie": f"__Host-lockgate-staff={session}"})


def test_what_comes_back_must_be_what_was_begun(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    callback = "/.lockgate/staff/callback"
    with place.browser() as browser, place.browser() as other:
        back = browser.sign_in("ada", until=callback)
        address = back.headers["location"]
        # Somebody else's answer signs nobody in (login CSRF).
        assert "sign-in-state-unknown" in other.get(address).text
        assert other.session is None
        for wrong in ({"state": "x"}, {"state": ""}, {}):
            assert "sign-in-state-unknown" in browser.client.get(f"{place.base}{callback}", params=wrong).text
        twice = browser.get(f"{address}&state=again")
        assert (twice.status_code, "sign-in-malformed" in twice.text) == (400, True)
        kept = {one.name: one.value for one in browser.client.cookies.jar if "flow" in one.name}
        assert browser.get(address).status_code == 303
        first = browser.session
        # The same answer once more, with the cookie of then.
        line = "; ".join(f"{name}={value}" for name, value in kept.items())
        again = other.client.get(address, headers={"Cookie": line})
        assert (again.status_code, "sign-in-state-unknown" in again.text) == (400, True)
        # A session that the browser had before is not kept on.
        browser.follow(browser.get("/.lockgate/staff/sign-in?to=/orders"))
        assert browser.session not in (None, first)

        form = other.follow(other.get("/orders"))
        refused = other.follow(other.submit(form, abort="1"))
        assert (refused.status_code, "access_denied" in refused.text, other.session) == (403, True, None)
        assert "sign-in-refused" in refused.text
        bent = browser.client.get(f"{place.base}{callback}", params={"error": "<script>", "state": "x"})
        assert "<script>" not in bent.text


LEADS = {
    "/a%2Fb%3Fc%3Dd": "/a/b?c=d",
    "https://evil.test/": "/",
    "//evil.test/": "/",
    "/%5Cevil.test": "/",
    "/%0d%0aSet-Cookie:x=y": "/",
    "javascript:alert(1)": "/",
    "/.lockgate/staff/sign-in": "/",
    "": "/",
}


def test_signing_in_leads_to_a_page_of_this_host_alone(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    for to, leads in LEADS.items():
        with place.browser() as browser:
            back = browser.sign_in("ada", f"/.lockgate/staff/sign-in?to={to}", until="/.lockgate/staff/callback")
            assert browser.get(back.headers["location"]).headers["location"] == leads, to


def test_the_provider_ends_sessions(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    """Back-channel: the person leaves the provider, and every session that it began ends, without the browser."""
    place = SignInPlace(processes, tmp_path, upstream.port)
    assert place.provider is not None
    with place.browser() as browser, place.browser() as unconcerned:
        browser.sign_in("ada", "/orders")
        unconcerned.sign_in("ada", "/orders")
        assert reason(api(browser)) == "ok"
        leaving = browser.get(f"{place.provider.url.replace('127.0.0.1', 'localhost')}/session/end")
        browser.submit(leaving, logout="yes")
        place.provider.process.wait_for_output("told", within=20)
        until(lambda: reason(api(browser)) == "session-ended", "the session to end")
        assert reason(api(unconcerned)) == "ok", "another session of the same person goes on"
        end = f"{place.base}/.lockgate/staff/back-channel-logout"
        for token in ("", "a.b.c", "e30.e30.e30", "x" * 40_000):
            said = browser.client.post(end, data={"logout_token": token})
            assert (said.status_code, said.headers["cache-control"]) == (400, "no-store"), said.text
            assert said.json()["error"] in {"invalid_token", "invalid_request"}


@pytest.mark.parametrize(
    ("method", "client", "pushed", "algorithm"),
    [
        ("client_secret_basic", {"secret": "${file:client.secret}"}, False, "RS256"),
        ("client_secret_post", {"secret": "${file:client.secret}", "method": "client_secret_post"}, True, "EdDSA"),
        ("private_key_jwt", {"key": "${file:client.key}", "kid": "client-1"}, True, "ES256"),
        ("private_key_jwt-rsa", {"key": "${file:client.key}", "kid": "client-1"}, False, "ES256"),
    ],
)
def test_the_gate_proves_itself_in_every_way(
    method: str,
    client: dict[str, Any],
    pushed: bool,
    algorithm: str,
    processes: Processes,
    tmp_path: Path,
    upstream: AutoUpstream,
) -> None:
    jwk = client_key("RSA" if method.endswith("rsa") else "EC", tmp_path) if "key" in client else None
    settings = {"method": method.removesuffix("-rsa"), "jwk": jwk, "pushed": pushed, "algorithm": algorithm}
    said = {"id": "gate", **client}
    place = SignInPlace(processes, tmp_path, upstream.port, client=said, provider=settings)
    with place.browser() as browser:
        assert browser.sign_in("bob", "/orders").status_code == 200
        asked = next(url for url in browser.visited if "client_id=gate" in url)
        assert ("request_uri=" in asked) == pushed
        if not pushed:
            wanted = parse_qs(urlsplit(asked).query)
            assert wanted["code_challenge_method"] == ["S256"]
            assert {"state", "nonce", "code_challenge"} <= wanted.keys()


def test_a_wrong_secret_is_told_and_never_shown(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    (tmp_path / "client.secret").write_text("not the secret at all")
    with place.browser() as browser:
        page = browser.get("/.lockgate/staff/sign-in")
        assert (page.status_code, "invalid_client" in page.text) == (403, True)
    written = place.running.output + json.dumps(events(place))
    assert "not the secret" not in written


def test_what_does_not_fit_into_a_session_is_told(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    with place.browser() as browser:
        page = browser.sign_in("eve", "/orders")
        assert (page.status_code, "sign-in-too-large" in page.text, "groups" in page.text) == (500, True, True)
        assert browser.session is None


def test_the_provider_is_away_for_a_while_and_changes_its_key(
    processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    assert place.provider is not None
    with place.browser() as browser, place.browser() as late, place.browser() as other:
        browser.sign_in("ada", "/orders")
        place.provider.process.stop()
        assert reason(api(browser)) == "ok", "who is signed in notices nothing"
        page = late.follow(late.get("/orders"))
        assert (page.status_code, "sign-in-provider-unavailable" in page.text) == (503, True)
        with place.running.admin as admin:
            found = admin.get("/v1/findings").json()["items"]
        assert "sign-in-provider-failing" in {one["code"] for one in found}
        place.start_provider("two")
        assert late.sign_in("bob", "/orders").status_code == 200, "its new key is asked for"
        assert other.sign_in("ada", "/orders").status_code == 200
        with place.running.admin as admin:
            found = admin.get("/v1/findings", params={"state": "open"}).json()["items"]
        assert "sign-in-provider-failing" not in {one["code"] for one in found if one.get("resolved_ms") is None}


def test_sessions_outlive_every_process(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    place = SignInPlace(processes, tmp_path, upstream.port)
    with place.browser() as browser, place.browser() as other:
        browser.sign_in("ada", "/orders")
        other.sign_in("bob", "/orders")
        ended = other.session
        other.submit(other.get("/.lockgate/staff/sign-out"))
        for name in ("control", "gate"):
            place.kill(name)
            until(lambda: reason(api(browser)) == "ok", "the session to be known again")
            assert reason(api_with(place, str(ended))) == "session-ended"
        other.follow(other.get("/orders"))
        assert other.session not in (None, ended), "the pages are back as well, and the provider still knows him"
