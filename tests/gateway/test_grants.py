"""People let programs in, and take that back; programs register themselves."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from gateway.harness.upstream import AutoUpstream
from support.command import Ended, lockgate
from support.people import GOOD, PeoplePlace, enter, send
from support.processes import Processes
from support.sign_in import Browser
from support.waiting import until

pytestmark = pytest.mark.full

BACK = "https://crm.example.com/callback"
PAGE = "/.lockgate/staff"
CRM = {
    "owner": "sales@example.com",
    "title": "CRM Sync",
    "tier": "reviewed",
    "clients": [],
    "apis": ["shop"],
    "scopes": ["orders:read", "orders:write"],
    "redirect_uris": [BACK, "http://127.0.0.1/back"],
}


class Pkce(NamedTuple):
    """What a program makes for one authorization."""

    verifier: str
    challenge: str

    @classmethod
    def new(cls) -> Pkce:
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        return cls(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


class Place(PeoplePlace):
    """The same, whose people let programs use an API."""

    def __init__(self, processes: Processes, folder: Path, upstream: int) -> None:
        super().__init__(processes, folder, upstream)
        self.issuer = f"{self.base}{PAGE}"
        self.grants: dict[str, Any] = {
            "sign_in": "staff",
            "scopes": {"orders:read": "see your orders", "orders:write": "change your orders"},
        }
        self.config["issuers"]["here"] = {"issuer": self.issuer, "grants": self.grants}
        self.config["apps"] = {"crm": dict(CRM)}
        self.config["apis"]["shop"] = {
            "path": "/shop",
            "upstream": f"http://127.0.0.1:{upstream}",
            "authenticate": [{"jwt": {"issuer": "here"}}],
            "authorize": {"scopes": {"orders:read": "GET", "orders:write": "POST"}},
        }
        self.reload()
        self.add("ann")

    def command(self, *words: str, code: int = 0) -> Ended:
        ended = lockgate("apps", *words, cwd=self.folder)
        assert ended.code == code, ended.out + ended.err
        return ended

    def json_grants(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.command("grants", "--json").out)
        return found

    def secret(self, *words: str) -> str:
        return self.command("secret", "crm", *words).out.strip()


class Program:
    """A program, with somebody's browser."""

    def __init__(self, place: Place, browser: Browser, client_id: str = "crm", back: str = BACK) -> None:
        self.place, self.browser, self.id, self.back = place, browser, client_id, back
        self.auth: tuple[str, str] | None = None
        self.pkce = Pkce.new()

    def query(self, **more: str | None) -> str:
        said = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.back,
            "scope": "orders:read",
            "state": "s t&=/",
            "code_challenge": self.pkce.challenge,
            "code_challenge_method": "S256",
            **more,
        }
        return urlencode({name: value for name, value in said.items() if value is not None})

    def ask(self, **more: str | None) -> httpx.Response:
        """The page that asks."""
        return self.browser.get(f"{PAGE}/authorize?{self.query(**more)}")

    def decide(self, page: httpx.Response, do: str = "allow") -> dict[str, str]:
        """What the program is told."""
        asked = re.search(r'name="asked" value="([^"]+)"', page.text)
        assert asked is not None, page.text
        got = send(self.browser, f"{PAGE}/authorize", asked=html.unescape(asked[1]), do=do)
        assert got.status_code == 303, got.text
        return self.told(got)

    def told(self, got: httpx.Response) -> dict[str, str]:
        """The answer in the address that the browser is sent to."""
        to = urlsplit(got.headers["location"])
        assert f"{to.scheme}://{to.netloc}{to.path}" == self.back.partition("?")[0]
        said = {name: values[0] for name, values in parse_qs(to.query).items()}
        assert said["iss"] == self.place.issuer
        return said

    def code(self, **more: str | None) -> str:
        return self.decide(self.ask(**more))["code"]

    def post(self, path: str, **said: str) -> httpx.Response:
        form = said if self.auth is not None else {"client_id": self.id, **said}
        with self.place.client() as client:
            return client.post(f"{self.place.base}{PAGE}/{path}", data=form, auth=self.auth or httpx.USE_CLIENT_DEFAULT)

    def redeem(self, code: str, **more: str) -> httpx.Response:
        said = {"redirect_uri": self.back, "code_verifier": self.pkce.verifier, **more}
        return self.post("token", grant_type="authorization_code", code=code, **said)

    def tokens(self, **more: str | None) -> dict[str, Any]:
        got = self.redeem(self.code(**more))
        assert got.status_code == 200, got.text
        made: dict[str, Any] = got.json()
        return made

    def renew(self, refresh: str) -> httpx.Response:
        return self.post("token", grant_type="refresh_token", refresh_token=refresh)

    def use(self, token: str, method: str = "GET") -> tuple[int, str | None]:
        with self.place.client() as client:
            got = client.request(method, f"{self.place.base}/shop/1", headers={"Authorization": f"Bearer {token}"})
        return got.status_code, None if got.status_code == 200 else got.json()["reason"]


@pytest.fixture
def place(processes: Processes, tmp_path: Path) -> Iterator[Place]:
    with AutoUpstream() as upstream:
        yield Place(processes, tmp_path, upstream.port)


@pytest.fixture
def crm(place: Place) -> Iterator[Program]:
    with place.browser() as browser:
        enter(browser, "ann", GOOD)
        yield Program(place, browser)


def test_somebody_lets_a_program_in_and_takes_that_back(place: Place, crm: Program) -> None:
    page = crm.ask()
    assert page.status_code == 200
    for words in ("Let CRM Sync in?", "see your orders", "<code>crm.example.com</code>", "ann"):
        assert words in page.text
    assert "change your orders" not in page.text
    assert "form-action 'self' https://crm.example.com;" in page.headers["content-security-policy"]
    told = crm.decide(page)
    assert told["state"] == "s t&=/"
    got = crm.redeem(told["code"])
    made = got.json()
    assert (got.headers["cache-control"], made["token_type"], made["scope"]) == ("no-store", "Bearer", "orders:read")
    assert crm.use(made["access_token"]) == (200, None)
    assert crm.use(made["access_token"], "POST") == (403, "scope-missing")
    assert "CRM Sync" in crm.browser.get(f"{PAGE}/grants").text
    [grant] = place.json_grants()
    assert (grant["app"], grant["subject"], grant["scopes"]) == ("crm", "ann", ["orders:read"])
    began = time.monotonic()
    send(crm.browser, f"{PAGE}/grants", id=grant["id"], do="revoke")
    assert crm.use(made["access_token"]) == (401, "jwt-revoked")
    assert time.monotonic() - began < 5, "it is at once; the bound is of a slow machine"
    assert crm.renew(made["refresh_token"]).json()["error"] == "invalid_grant"
    assert "There are none." in crm.browser.get(f"{PAGE}/grants").text


def test_nobody_is_asked_who_is_not_signed_in(place: Place) -> None:
    with place.browser() as browser:
        crm = Program(place, browser)
        first = crm.ask()
        assert first.status_code == 303
        assert first.headers["location"].startswith(f"{PAGE}/sign-in?to=")
        back = parse_qs(urlsplit(first.headers["location"]).query)["to"][0]
        page = browser.follow(enter(browser, "ann", GOOD, back))
        assert "Let CRM Sync in?" in page.text
        assert crm.decide(page, "deny")["error"] == "access_denied"
        assert place.json_grants() == []


@pytest.mark.parametrize(
    "more",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://crm.example.com/callback/"},
        {"redirect_uri": "https://crm.example.com/callback?x=1"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "https://crm.example.com@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/back"},
        {"redirect_uri": "http://127.0.0.1:8000/other"},
        {"redirect_uri": 'https://crm.example.com/call"back'},
        {"redirect_uri": None},
    ],
    ids=str,
)
def test_nobody_is_sent_to_an_address_that_is_not_the_programs(more: dict[str, str | None], crm: Program) -> None:
    got = crm.ask(**more)
    assert (got.status_code, "location" in got.headers) == (400, False)
    assert "authorize-malformed" in got.text
    assert "evil.example/" not in re.sub(r"<code>.*?</code>", "", got.text) or more["redirect_uri"] is not None


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "orders:delete"}, "invalid_scope"),
        ({"prompt": "none"}, "consent_required"),
    ],
    ids=str,
)
def test_a_program_that_asks_wrongly_is_told_so(more: dict[str, str | None], error: str, crm: Program) -> None:
    told = crm.told(crm.ask(**more))
    assert (told["error"], told["state"]) == (error, "s t&=/")


def test_a_parameter_stands_there_once(place: Place, crm: Program) -> None:
    got = crm.browser.get(f"{PAGE}/authorize?{crm.query()}&scope=orders:write")
    assert got.status_code == 400
    with place.client() as client:
        got = client.post(
            f"{place.base}{PAGE}/token",
            content="grant_type=authorization_code&client_id=crm&code=a&code=b",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
    assert (got.status_code, got.json()["error"]) == (400, "invalid_request")


def test_a_page_of_another_site_lets_no_program_in(place: Place, crm: Program) -> None:
    asked = re.search(r'name="asked" value="([^"]+)"', crm.ask().text)
    assert asked is not None
    page, at = html.unescape(asked[1]), f"{PAGE}/authorize"
    got = send(crm.browser, at, {"Sec-Fetch-Site": "cross-site"}, asked=page, do="allow")
    assert (got.status_code, "grant-cross-site" in got.text) == (403, True)
    place.add("ben")
    with place.browser() as other:
        enter(other, "ben", GOOD)
        got = send(other, at, asked=page, do="allow")
        assert (got.status_code, "location" in got.headers) == (400, False), "it is another person's page"
    assert send(crm.browser, at, asked=page, do="allow").status_code == 303
    assert send(crm.browser, at, asked=page, do="allow").status_code == 400, "it counts once"
    assert len(place.json_grants()) == 1


def test_a_code_counts_once_and_for_who_asked(place: Place, crm: Program) -> None:
    code = crm.code()
    other = Pkce.new()
    assert crm.redeem(code, code_verifier=other.verifier).json()["error"] == "invalid_grant"
    assert crm.redeem(code).json()["error"] == "invalid_grant", "who guesses has used it up"
    made = crm.tokens()
    code = crm.code()
    assert crm.redeem(code, redirect_uri="http://127.0.0.1/back").json()["error"] == "invalid_grant"
    code = crm.code()
    made = crm.redeem(code).json()
    assert crm.use(made["access_token"]) == (200, None)
    assert crm.redeem(code).json()["error"] == "invalid_grant"
    # A code that was used twice was stolen once; gates hear of it beside the answer.
    until(lambda: crm.use(made["access_token"]) == (401, "jwt-revoked"), "the gate to refuse what came of it")


def test_a_refresh_token_counts_once(crm: Program) -> None:
    first = crm.tokens()
    second = crm.renew(first["refresh_token"]).json()
    assert crm.use(second["access_token"]) == (200, None)
    assert crm.renew(first["refresh_token"]).json()["error"] == "invalid_grant"
    # So soon it was sent again because the answer got lost: nothing is lost besides.
    assert crm.use(second["access_token"]) == (200, None)
    third = crm.renew(second["refresh_token"]).json()
    assert crm.use(third["access_token"]) == (200, None)
    got = crm.post("token", grant_type="refresh_token", refresh_token=third["refresh_token"], scope="orders:write")
    assert got.json()["error"] == "invalid_scope", "nobody allowed that"
    got = crm.post("token", grant_type="refresh_token", refresh_token=third["refresh_token"], scope=" ")
    assert got.json()["error"] == "invalid_scope", "nothing is asked for"
    assert crm.renew(third["refresh_token"]).status_code == 200, "and it cost nothing"


def test_a_program_with_a_secret_shows_it(place: Place, crm: Program) -> None:
    secret = place.secret()
    code = crm.code()
    assert crm.redeem(code).json()["error"] == "invalid_client"
    crm.auth = ("crm", "wrong")
    refused = crm.redeem(code)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert "its secret is wrong" in refused.json()["error_description"]
    for to in ("token", "revoke"):
        told = []
        for name in ("crm", "nobody"):
            for auth, said in (((name, "wrong"), {}), (None, {"client_id": name, "client_secret": "wrong"})):
                crm.auth = auth
                answer = crm.post(to, grant_type="client_credentials", token="x", **said)
                told.append((answer.status_code, answer.text, answer.headers["www-authenticate"]))
        assert len(set(told)) == 1, "which programs there are is not told"
    crm.auth = ("crm", secret)
    made = crm.redeem(code).json()
    assert crm.use(made["access_token"]) == (200, None)
    newer = place.secret("--grace", "1h")
    own = crm.post("token", grant_type="client_credentials", scope="orders:write").json()
    assert crm.use(own["access_token"], "POST") == (200, None), "for itself, with the secret before"
    crm.auth = ("crm", newer)
    assert crm.renew(made["refresh_token"]).status_code == 200
    crm.auth = ("crm", place.secret("--grace", "0s"))
    assert crm.post("token", grant_type="client_credentials").status_code == 200
    crm.auth = ("crm", newer)
    assert crm.post("token", grant_type="client_credentials").status_code == 401
    crm.auth = ("crm", place.secret())
    place.command("stop", "crm")
    for to, kind in (("token", "client_credentials"), ("token", "refresh_token"), ("revoke", "")):
        refused = crm.post(to, grant_type=kind, refresh_token="x", token="x")
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), "its own secret helps no more"


def test_a_program_gives_back_what_it_was_allowed(place: Place, crm: Program) -> None:
    for kind in ("access_token", "refresh_token"):
        made = crm.tokens()
        assert crm.post("revoke", token=made[kind]).status_code == 200
        assert crm.use(made["access_token"]) == (401, "jwt-revoked")
    assert crm.post("revoke", token="nobody's").status_code == 200
    assert [grant["ended_reason"] for grant in place.json_grants()] == ["given back by the program"] * 2


def test_operators_end_what_people_allowed(place: Place, crm: Program) -> None:
    made = crm.tokens()
    [grant] = place.json_grants()
    assert "ann" in place.command("grants", "crm").out
    place.command("take-back", grant["id"], "--reason", "she asked for it")
    assert crm.use(made["access_token"]) == (401, "jwt-revoked")
    place.command("take-back", "f" * 32, code=2)
    place.command("take-back", "all", code=2)
    made = crm.tokens()
    place.command("stop", "crm")
    assert crm.use(made["access_token"]) == (403, "app-stopped")
    assert crm.renew(made["refresh_token"]).json()["error"] == "invalid_client"
    assert "authorize-malformed" in crm.ask().text
    place.command("start", "crm")
    assert crm.use(made["access_token"]) == (200, None)
    place.users("suspend", "ann")
    assert crm.use(made["access_token"]) == (401, "jwt-revoked"), "with the person goes what they allowed"


def test_programs_find_what_they_have_to_know(place: Place, crm: Program) -> None:
    made = crm.tokens()
    with place.client() as client:
        got = client.get(f"{place.base}/.well-known/oauth-authorization-server{PAGE}")
        said = got.json()
        keys = client.get(said["jwks_uri"]).json()
    assert got.headers["access-control-allow-origin"] == "*", "pages in browsers are programs, too"
    assert crm.post("token").headers["access-control-allow-origin"] == "*"
    assert said["issuer"] == place.issuer
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert "registration_endpoint" not in said
    assert all("d" not in key for key in keys["keys"])
    token = jwt.decode(made["access_token"], KeySet.import_key_set(keys), algorithms=["ES256"])
    assert (token.header["typ"], token.claims["aud"], token.claims["client_id"]) == ("at+jwt", place.issuer, "crm")
    assert (token.claims["sub"], token.claims["idp"]) == ("ann", "urn:lockgate:people")


def test_a_program_on_somebodys_own_machine_has_any_port(place: Place, crm: Program) -> None:
    crm.back = "http://127.0.0.1:49152/back"
    made = crm.redeem(crm.code(redirect_uri=crm.back)).json()
    assert crm.use(made["access_token"]) == (200, None)


def register(place: Place, token: str | None = None, **more: Any) -> httpx.Response:
    said = {"client_name": "Helper", "redirect_uris": ["https://helper.example/back"], "scope": "orders:read", **more}
    with place.client() as client:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return client.post(f"{place.base}{PAGE}/register", json=said, headers=headers)


def test_programs_register_themselves_where_they_may(place: Place, crm: Program) -> None:
    assert register(place).status_code == 404
    place.grants["registration"] = {"apis": ["shop"], "scopes": ["orders:read"], "most": 2}
    place.reload()
    assert register(place).status_code == 401
    assert register(place, "made up").status_code == 401
    token = place.command("invite").out.strip()
    got = register(place, token, scope="orders:read orders:write", client_name="<b>Helper</b>")
    assert got.status_code == 201, got.text
    made = got.json()
    assert made["scope"] == "orders:read", "it gets no more than it may be given"
    assert register(place, token).status_code == 401, "an invitation is for one"
    helper = Program(place, crm.browser, made["client_id"], "https://helper.example/back")
    helper.auth = (made["client_id"], made["client_secret"])
    page = helper.ask(scope="orders:read orders:write")
    assert "&lt;b&gt;Helper&lt;/b&gt;" in page.text
    assert "Nobody here has looked at this program yet." in page.text
    assert "change your orders" not in page.text
    for more in ({"prompt": "none"}, {"scope": "orders:delete"}, {"code_challenge": None}):
        got = helper.ask(**more)
        assert (got.status_code, "location" in got.headers) == (400, False), "nobody looked at it: no redirector"
    tokens = helper.redeem(helper.decide(page)["code"]).json()
    assert helper.use(tokens["access_token"]) == (200, None)
    assert helper.post("token", grant_type="client_credentials").json()["error"] == "unauthorized_client"
    own = {"Authorization": f"Bearer {made['registration_access_token']}"}
    with place.client() as client:
        at = made["registration_client_uri"]
        assert client.get(at, headers=own).json()["client_name"] == "<b>Helper</b>"
        assert client.get(at, headers={"Authorization": "Bearer x"}).status_code == 401
        assert client.get(at.replace(made["client_id"], "crm"), headers=own).status_code == 401
        changed = {**made, "redirect_uris": ["https://helper.example/other"], "scope": "orders:read orders:write"}
        got = client.put(at, json=changed, headers=own)
        assert (got.status_code, got.json()["scope"]) == (200, "orders:read")
        assert helper.ask().status_code == 400
        assert client.delete(at, headers=own).status_code == 204
        assert client.get(at, headers=own).status_code == 401
    assert helper.use(tokens["access_token"]) == (401, "jwt-revoked")


@pytest.mark.parametrize(
    "more",
    [
        {"redirect_uris": []},
        {"redirect_uris": "https://helper.example/back"},
        {"redirect_uris": ["https://helper.example/*"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": [7]},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"grant_types": ["client_credentials"]},
        {"response_types": ["token"]},
        {"contacts": "me"},
        {"client_name": {"en": "x"}},
        {"redirect_uris": ["https://helper.example;script-src/back"]},
        {"client_uri": "javascript:alert(1)"},
        {"scope": ["orders:read"]},
    ],
    ids=str,
)
def test_what_a_program_may_not_say_of_itself(more: dict[str, Any], place: Place) -> None:
    place.grants["registration"] = {"apis": ["shop"], "scopes": ["orders:read"], "open": True, "most": 1}
    place.reload()
    got = register(place, **more)
    assert (got.status_code, got.json()["error"][:8]) == (400, "invalid_"), got.text
    assert register(place).status_code == 201
    assert register(place).json()["error"] == "access_denied", "there are as many as there may be"


def test_a_program_for_itself_is_nobody_who_signs_in(place: Place, crm: Program) -> None:
    place.config["apps"]["ann"] = {**CRM, "redirect_uris": []}
    place.reload()
    secret = place.command("secret", "ann").out.strip()
    program = Program(place, crm.browser, "ann")
    program.auth = ("ann", secret)
    got = program.post("token", grant_type="client_credentials").json()["access_token"]
    claims = json.loads(base64.urlsafe_b64decode(got.split(".")[1] + "=="))
    assert (claims["sub"], claims["client_id"]) == ("app:ann", "ann")
    assert program.use(got)[0] == 200
    assert program.post("revoke", token=got).status_code == 200
    assert program.use(got) == (401, "jwt-revoked")


def test_yes_is_said_to_what_was_shown(place: Place, crm: Program) -> None:
    place.config["apps"]["crm"]["scopes"] = ["orders:read"]
    place.reload()
    page = crm.ask(scope=None)
    assert "change your orders" not in page.text
    place.config["apps"]["crm"]["scopes"] = ["orders:read", "orders:write"]
    place.reload()
    asked = re.search(r'name="asked" value="([^"]+)"', page.text)
    assert asked is not None
    got = send(crm.browser, f"{PAGE}/authorize", asked=html.unescape(asked[1]), do="allow")
    assert (got.status_code, "location" in got.headers) == (400, False)
    assert place.json_grants() == []


@pytest.mark.parametrize(
    "header", ["Basic /////w==", "Basic é", "Basic a", "Basic " + base64.b64encode(b"crm").decode()], ids=ascii
)
def test_credentials_that_cannot_be_read_are_refused(header: str, place: Place) -> None:
    with place.client() as client:
        sent = [(b"Authorization", header.encode("latin-1"))]
        form = {"grant_type": "client_credentials"}
        got = client.post(f"{place.base}{PAGE}/token", data=form, headers=sent)
    assert (got.status_code, got.json()["error"]) == (401, "invalid_client")


def test_issuer_and_program_are_taken_out_together(place: Place, crm: Program) -> None:
    made = crm.tokens()
    issuer = place.config["issuers"].pop("here")
    apps, shop = place.config.pop("apps"), place.config["apis"].pop("shop")
    place.reload()
    place.config["issuers"]["here"], place.config["apps"], place.config["apis"]["shop"] = issuer, apps, shop
    place.reload()
    assert crm.renew(made["refresh_token"]).json()["error"] == "invalid_grant"
    assert crm.use(made["access_token"]) == (401, "jwt-revoked")
