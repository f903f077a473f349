"""Sessions of people as they are kept: found by their issuer, whatever it is called now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.admin.api.app import make_app
from lockgate.admin.clock import now_ms
from lockgate.admin.control import Control
from lockgate.admin.store.models import Bundle
from lockgate.admin.tokens import By
from lockgate.identity.app import SignedIn
from lockgate.state import StateFolder
from support.asgi import Client

ADDRESS = "127.0.0.1:8081"
URL = "https://login.example.com"
OTHER = "https://other.example.com"


@pytest.fixture
def control(state: StateFolder, tmp_path: Path) -> Iterator[Control]:
    """With issuers of which two have one `iss`, and one was called `old` before."""
    named = {"company": URL, "partners": URL, "new": OTHER}
    issuers = [
        {"name": name, "rules": {"issuer": iss, "max_age_ms": None, "skew_ms": 0}} for name, iss in named.items()
    ]
    control = Control.open(state, tmp_path / "lockgate.yaml")
    text = json.dumps({"apis": [], "issuers": issuers})
    columns = {"hash": "h", "content_hash": "c", "created_ms": 1, "key_id": "k", "signature": "s"}
    with control.store.write() as session:
        session.add(Bundle(sequence=1, text=text, admin_address=ADDRESS, duties=None, refused=None, **columns))
    yield control
    control.close()


@pytest.fixture
def client(control: Control) -> Iterator[Client]:
    token = {"Authorization": f"Bearer {control.state.admin_token()}"}
    app = make_app(control, address=ADDRESS)
    with Client(app, base_url=f"http://{ADDRESS}", headers=token) as client:
        yield client


def begin(control: Control, number: int, issuer: str, iss: str, device: str | None = None) -> str:
    at_ms = now_ms()
    session = SignedIn(f"{number:032x}", "staff", issuer, iss, "ann", "sid", at_ms, at_ms + 60_000, "", device=device)
    control.sign_ins.sessions.begin(session, b"")
    return session.id


def test_sessions_are_found_by_each_name_that_their_issuer_has_and_had(control: Control, client: Client) -> None:
    said = (("company", URL), ("partners", URL), ("old", OTHER))
    one, two, renamed = (begin(control, number, *each) for number, each in enumerate(said))
    wanted = {
        URL: {one, two},
        "company": {one, two},
        "partners": {one, two},
        OTHER: {renamed},
        "new": {renamed},
        "old": {renamed},
    }
    for issuer, expected in wanted.items():
        found = client.get("/v1/sessions", params={"issuer": issuer}).json()["items"]
        assert {each["id"] for each in found} == expected, issuer
    # Nothing is there of a known one, and a slip is told.
    assert client.get("/v1/sessions", params={"issuer": "new", "subject": "bob"}).json()["items"] == []
    for path in ("/v1/sessions", "/v1/factors", "/v1/devices"):
        answer = client.get(path, params={"issuer": "compny"})
        assert (answer.status_code, answer.json()["code"]) == (422, "issuer-unknown")
        assert "there are: company" in answer.json()["detail"]


def test_a_session_is_ended_whatever_its_issuer_is_called_now(control: Control, client: Client) -> None:
    session = begin(control, 1, "old", OTHER)
    ended = client.request("DELETE", f"/v1/sessions/{session}")
    assert (ended.status_code, ended.json()["ended_ms"] is not None) == (200, True)
    [revocation] = control.tokens.page()
    assert (revocation.issuer, revocation.value) == (OTHER, session)
    # A name that another has now is not whose token it was.
    swapped = begin(control, 2, "new", URL)
    assert client.request("DELETE", f"/v1/sessions/{swapped}").status_code == 200
    assert control.tokens.page()[-1].issuer == URL


@pytest.mark.parametrize(
    ("by", "value"),
    [("subject", "ann"), ("session", "sid"), ("issuer", ""), ("token", f"{1:032x}"), ("device", "d" * 32)],
)
def test_a_session_whose_tokens_were_revoked_is_listed_as_ended(
    by: By, value: str, control: Control, client: Client
) -> None:
    begin(control, 1, "company", URL, "d" * 32)
    begin(control, 2, "old", OTHER, "d" * 32)
    control.tokens.revoke("tests", issuer="company", by=by, value=value)
    ended = {one["issuer"]: one["ended_ms"] for one in client.get("/v1/sessions").json()["items"]}
    assert (ended["company"] is not None, ended["old"]) == (True, None)


def test_a_session_that_began_after_a_revocation_goes_on(control: Control, client: Client) -> None:
    control.tokens.revoke("tests", issuer="company", by="subject", value="ann", before_ms=now_ms() - 60_000)
    begin(control, 1, "company", URL)
    assert [one["ended_ms"] for one in client.get("/v1/sessions").json()["items"]] == [None]
