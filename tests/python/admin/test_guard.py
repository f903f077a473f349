"""What every request to the admin API passes before any resource sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lockgate.admin.api.guard import BODY_BYTES, Guard
from lockgate.admin.api.problems import CODES
from lockgate.admin.control import Counters
from support.asgi import Client

TOKEN = "lgadm_" + "x" * 43
OWN = {"Authorization": f"Bearer {TOKEN}"}


async def read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def client(counters: Counters) -> Iterator[Client]:
    inner = Starlette(routes=[Route("/{rest:path}", read, methods=["GET", "POST"])])
    guard = Guard(inner, token=TOKEN, address="127.0.0.1:8081", counters=counters)
    with Client(guard, base_url="http://127.0.0.1:8081") as client:
        yield client


def code(answer: Any) -> str | None:
    if answer.status_code == 200:
        return None
    body = answer.json()
    assert answer.status_code == CODES[body["code"]][0]
    return str(body["code"])


@pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost:8081", "LOCALHOST:8081", "[::1]:8081"])
def test_its_own_names_are_let_in(client: Client, host: str) -> None:
    assert code(client.get("/v1", headers={**OWN, "Host": host})) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:8082", "localhost:8081.evil.example", "127.0.0.1:8081:8081", "", "[::1]"],
)
def test_a_name_that_was_pointed_here_is_refused(client: Client, counters: Counters, host: str) -> None:
    for path in ("/v1", "/healthz"):
        assert code(client.get(path, headers={**OWN, "Host": host})) == "admin-host-unknown"
    assert counters.refused_requests == {"admin-host-unknown": 2}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8082"},
        {"Origin": "https://127.0.0.1:8081"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_is_refused_even_with_the_credential(client: Client, headers: dict[str, str]) -> None:
    assert code(client.post("/v1", headers={**OWN, **headers})) == "admin-origin-foreign"


@pytest.mark.parametrize("headers", [{"Origin": "http://127.0.0.1:8081"}, {"Sec-Fetch-Site": "same-origin"}])
def test_its_own_pages_are_let_in(client: Client, headers: dict[str, str]) -> None:
    assert code(client.post("/v1", headers={**OWN, **headers})) is None


def test_no_answer_opens_the_api_to_other_sites(client: Client) -> None:
    for answer in (
        client.get("/v1", headers=OWN),
        client.request("OPTIONS", "/v1", headers={"Origin": "http://evil.example"}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_without_a_credential_it_says_where_it_is(client: Client) -> None:
    answer = client.get("/v1")
    assert code(answer) == "admin-credential-missing"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "admin.token" in answer.json()["detail"]


@pytest.mark.parametrize(
    "given",
    ["Bearer wrong", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer \xe9"],
)
def test_a_wrong_credential_is_refused_and_counted(client: Client, counters: Counters, given: str) -> None:
    answer = client.get("/v1", headers={"Authorization": given.encode("latin-1")})
    assert code(answer) == "admin-credential-wrong"
    assert TOKEN not in answer.text
    assert counters.refused_requests == {"admin-credential-wrong": 1}


def test_two_credentials_are_none(client: Client) -> None:
    headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
    assert code(client.get("/v1", headers=headers)) == "admin-credential-wrong"


def test_the_credential_is_not_logged(client: Client, capsys: Any) -> None:
    client.get("/v1", headers=OWN)
    client.get("/v1", headers={"Authorization": f"Bearer {TOKEN}x"})
    assert TOKEN not in "".join(capsys.readouterr())


@pytest.mark.parametrize("path", ["/healthz/", "/healthz/../v1/keys", "/readyz/x", "/HEALTHZ"])
def test_only_the_probes_themselves_are_open(client: Client, path: str) -> None:
    assert client.get("/healthz").status_code == 200
    assert code(client.get(path)) == "admin-credential-missing"


def test_a_body_may_be_as_large_as_the_limit(client: Client) -> None:
    assert client.post("/v1", headers=OWN, content=bytes(BODY_BYTES)).text == str(BODY_BYTES)
    assert code(client.post("/v1", headers=OWN, content=bytes(BODY_BYTES + 1))) == "admin-body-too-large"


def test_a_body_that_does_not_say_its_size_is_bounded_too(client: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES // 65536 + 1):
            yield bytes(65536)

    answer = client.post("/v1", headers=OWN, content=chunks())
    assert code(answer) == "admin-body-too-large"


def test_what_is_refused_before_its_body_is_read_still_gets_an_answer(client: Client) -> None:
    assert code(client.post("/v1", content=bytes(10_000))) == "admin-credential-missing"
