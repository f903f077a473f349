"""The admin API's resources, with no gate behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate import _native
from lockgate.admin.api.app import make_app, make_resources
from lockgate.admin.api.problems import CODES
from lockgate.admin.control import Control
from lockgate.admin.journal import admin_actor
from lockgate.state import StateFolder
from support.acme import TestAuthority
from support.asgi import Client
from support.exposition import labels_told

ADDRESS = "127.0.0.1:8081"

CONFIG = """\
version: 1
apis:
  shop:
    hosts: [shop.example.com]
    path: [/shop, {exact: /}]
    methods: [GET, POST]
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize: authenticated
  open:
    path: /open
    upstream: http://127.0.0.1:9001
    public: {owner: web, reason: a catalogue, until: 2199-01-01}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lockgate.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def control(state: StateFolder, config: Path) -> Iterator[Control]:
    control = Control.open(state, config)
    yield control
    control.close()


@pytest.fixture
def client(control: Control) -> Iterator[Client]:
    token = {"Authorization": f"Bearer {control.state.admin_token()}"}
    app = make_app(control, address=ADDRESS)
    with Client(app, base_url=f"http://{ADDRESS}", headers=token) as client:
        yield client


@pytest.fixture
def loaded(client: Client) -> Client:
    assert client.post("/v1/reload").json()["result"] == "signed"
    return client


def problem(answer: Any, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (CODES[code][0], code), body
    assert body["type"].endswith(code)
    assert body["detail"]
    return body


def audited(control: Control) -> list[dict[str, Any]]:
    events, _ = _native.read_events(str(control.state.control_events), filter={"classes": ["audit"]})
    return events


def test_a_key_is_made_shown_and_revoked(loaded: Client, control: Control) -> None:
    made = loaded.post("/v1/keys", json={"name": "export", "owner": "sales", "apis": ["shop"]})
    assert made.status_code == 201
    key = made.json()
    assert _native.key_digest(key["key"], control.state.pepper())
    assert key["gate"] == "absent"
    shown = loaded.get(f"/v1/keys/{key['id']}").json()
    assert shown["status"] == "active"
    assert "key" not in shown
    assert "digest" not in shown
    revoked = loaded.post(f"/v1/keys/{key['id']}/revoke", json={"reason": "left"}).json()
    assert (revoked["status"], revoked["revoked_reason"]) == ("revoked", "left")
    assert [event["action"] for event in audited(control)] == ["config.reload", "key.create", "key.revoke"]


def test_an_audit_event_is_chained_and_names_the_actor(loaded: Client, control: Control) -> None:
    loaded.post("/v1/keys", json={"name": "export", "owner": "sales"})
    first, second = audited(control)
    assert second["prev"] == first["hash"]
    assert second["actor"] == admin_actor()


def test_keys_are_listed_by_pages(client: Client) -> None:
    for n in range(3):
        client.post("/v1/keys", json={"name": str(n), "owner": "o"})
    page = client.get("/v1/keys", params={"limit": 2}).json()
    assert [key["name"] for key in page["items"]] == ["0", "1"]
    rest = client.get("/v1/keys", params={"limit": 2, "after": page["next"]}).json()
    assert ([key["name"] for key in rest["items"]], rest["next"]) == (["2"], None)
    problem(client.get("/v1/keys", params={"after": "key_" + "a" * 20}), "key-not-found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "n"},
        {"name": "", "owner": "o"},
        {"name": "n", "owner": "o", "colour": "red"},
        {"name": "n\nm", "owner": "o"},
        {"name": "n", "owner": "o", "apis": []},
        {"name": "n", "owner": "o", "environment": "LIVE"},
        {"name": "n", "owner": "o", "expires_ms": 0},
        {"name": "n" * 201, "owner": "o"},
    ],
)
def test_a_key_that_is_not_as_it_should_be_is_refused(client: Client, body: dict[str, Any]) -> None:
    found = problem(client.post("/v1/keys", json=body), "admin-body-malformed")
    assert found["errors"][0]["pointer"].startswith("#/")


def test_a_key_for_an_unknown_api_is_refused(loaded: Client) -> None:
    refused = problem(loaded.post("/v1/keys", json={"name": "n", "owner": "o", "apis": ["shp"]}), "api-unknown")
    assert "shop" in refused["detail"]


@pytest.mark.parametrize("path", ["/v1/keys/key_" + "a" * 20, "/v1/keys/key_" + "a" * 20 + "/revoke"])
def test_an_unknown_key_is_not_found(client: Client, path: str) -> None:
    problem(client.post(path) if path.endswith("revoke") else client.get(path), "key-not-found")


def test_an_id_that_is_none_is_refused(client: Client) -> None:
    problem(client.get("/v1/keys/1%20OR%201"), "admin-body-malformed")


def test_keys_are_imported_once(client: Client) -> None:
    body = {"source": "test", "keys": [{"digest": "0" * 64, "name": "n", "owner": "o"}]}
    assert client.post("/v1/keys/import", json=body).json() == {"added": 1, "known": 0}
    assert client.post("/v1/keys/import", json=body).json() == {"added": 0, "known": 1}
    problem(client.post("/v1/keys/import", json={**body, "keys": [{"digest": "x"}]}), "admin-body-malformed")


def test_routes_say_where_each_is_said(loaded: Client) -> None:
    rows = loaded.get("/v1/routes").json()["items"]
    assert [(row["api"], row["match"], row["path"], row["access"]) for row in rows] == [
        ("shop", "prefix", "/shop", "api_key"),
        ("shop", "exact", "/", "api_key"),
        ("open", "prefix", "/open", "public"),
    ]
    assert [row["line"] for row in rows] == [3, 3, 10]
    assert {row["file"].rpartition("/")[2] for row in rows} == {"lockgate.yaml"}
    page = loaded.get("/v1/routes", params={"limit": 1, "after": 1}).json()
    assert (page["items"], page["next"]) == ([rows[1]], 2)


def test_apis_have_their_policies(loaded: Client) -> None:
    listed = loaded.get("/v1/apis").json()["items"]
    assert [api["name"] for api in listed] == ["shop", "open"]
    assert loaded.get("/v1/apis/open").json() == listed[1]
    assert listed[1]["public"]["owner"] == "web"
    assert "api_key" in listed[0]["policies"]["authenticate"][0]
    assert listed[0]["targets"] == ["http://127.0.0.1:9000"]
    problem(loaded.get("/v1/apis/closed"), "admin-not-found")


@pytest.mark.parametrize("path", ["/v1/routes", "/v1/apis", "/v1/apis/shop"])
def test_without_a_configuration_there_is_nothing_to_list(client: Client, path: str) -> None:
    problem(client.get(path), "bundle-absent")


def test_a_reload_takes_over_a_change_and_says_when_there_was_none(loaded: Client, config: Path) -> None:
    assert loaded.post("/v1/reload").json()["result"] == "unchanged"
    config.write_text(CONFIG.replace("/open", "/catalogue"))
    done = loaded.post("/v1/reload").json()
    assert (done["result"], done["sequence"]) == ("signed", 2)
    assert "/catalogue" in loaded.get("/v1/routes").text


def test_a_refused_reload_names_every_error_and_keeps_the_old_one(
    loaded: Client, config: Path, control: Control
) -> None:
    before = loaded.get("/v1/routes").json()
    config.write_text(CONFIG.replace("methods", "methds").replace("path: /open", "path: open"))
    refused = problem(loaded.post("/v1/reload"), "config-refused")
    assert sorted(error["line"] for error in refused["errors"]) == [6, 11]
    assert "and 1 more" in refused["detail"]
    assert loaded.get("/v1/routes").json() == before
    [finding] = [row for row in loaded.get("/v1/findings").json()["items"] if row["code"] == "config-refused"]
    assert (finding["severity"], finding["line"]) == ("error", 6)
    events, _ = _native.read_events(str(control.state.control_events), filter={"classes": ["system"]})
    assert "config-refused" in [event["code"] for event in events]
    config.write_text(CONFIG)
    assert loaded.post("/v1/reload").json()["result"] == "unchanged"
    assert "config-refused" not in loaded.get("/v1/findings").text
    assert "config-refused" in loaded.get("/v1/findings", params={"closed": True}).text


def test_waivers_stand_in_the_findings(loaded: Client) -> None:
    [waiver] = loaded.get("/v1/findings", params={"kind": "waiver"}).json()["items"]
    assert (waiver["owner"], waiver["reason"], waiver["closed_ms"]) == ("web", "a catalogue", None)
    assert waiver["line"] == 13


def test_explain_judges_with_the_engine(loaded: Client) -> None:
    url = "http://shop.example.com/shop/1?a=b"
    refused = loaded.post("/v1/explain", json={"url": url}).json()
    assert (refused["verdict"], refused["status"], refused["reason"]["code"]) == ("deny", 401, "key-missing")
    assert refused["reason"]["span"]["line"] == 8
    assert "not-reached" in [step["verdict"] for step in refused["steps"]]
    key = loaded.post("/v1/keys", json={"name": "n", "owner": "sales"}).json()
    allowed = loaded.post("/v1/explain", json={"url": url, "key": key["key"]}).json()
    assert (allowed["verdict"], allowed["identity"]["owner"]) == ("allow", "sales")
    loaded.post(f"/v1/keys/{key['id']}/revoke")
    closed = loaded.post("/v1/explain", json={"url": url, "key": key["key"]}).json()
    assert closed["reason"]["code"] == "key-revoked"


def test_explain_knows_a_key_among_the_headers(loaded: Client) -> None:
    made = loaded.post("/v1/keys", json={"name": "n", "owner": "o"}).json()
    question = {"url": "http://shop.example.com/shop/1", "headers": [["x-api-key", made["key"]]]}
    answer = loaded.post("/v1/explain", json=question)
    assert answer.json()["identity"]["credential"] == made["id"], answer.text
    assert made["key"] not in answer.text


def test_explain_refuses_what_is_no_request(loaded: Client) -> None:
    problem(loaded.post("/v1/explain", json={"url": "shop"}), "request-unreadable")
    problem(loaded.post("/v1/explain", json={"url": "/", "peer": "nowhere"}), "request-unreadable")
    problem(loaded.get("/v1/explain/no-such-id"), "event-not-found")


def test_events_follow_a_cursor(loaded: Client) -> None:
    page = loaded.get("/v1/events").json()
    assert [event["class"] for event in page["items"]][-2:] == ["system", "audit"]
    loaded.post("/v1/keys", json={"name": "n", "owner": "o"})
    following = loaded.get("/v1/events", params={"cursor": page["next"]}).json()
    assert [event["action"] for event in following["items"]] == ["key.create"]
    assert loaded.get("/v1/events", params={"cursor": following["next"]}).json()["items"] == []
    audits = loaded.get("/v1/events", params={"class": "audit"}).json()["items"]
    assert [event["action"] for event in audits] == ["config.reload", "key.create"]


@pytest.mark.parametrize("cursor", ["x", "e30x", "WzFd", "eyJnYXRlIjoxfQ==", "eyJjb250cm9sIjoieCJ9"])
def test_a_cursor_that_is_none_of_ours_is_refused(client: Client, cursor: str) -> None:
    problem(client.get("/v1/events", params={"cursor": cursor}), "admin-request-malformed")


def test_status_says_that_there_is_no_gate(loaded: Client) -> None:
    told = loaded.get("/v1/status").json()
    assert told["gate"]["up"] is False
    assert told["control"]["last_reload"]["result"] == "signed"
    assert told["supervisor"] == {}


def test_probes_want_no_credential(client: Client) -> None:
    del client.headers["Authorization"]
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        503,
        {"ready": False, "gate": "absent", "guards": "unknown"},
    )


def test_metrics_say_that_the_gate_is_down_and_count_reloads(loaded: Client, control: Control) -> None:
    control.state.supervisor_file.write_text(json.dumps({"processes": {"gate": {"restarts": 3}}}))
    text = loaded.get("/metrics").text
    assert "lockgate_gate_up 0\n" in text
    assert 'lockgate_reloads_total{result="signed"} 1\n' in text
    assert 'lockgate_process_restarts_total{process="gate"} 3\n' in text
    assert 'lockgate_admin_requests_total{method="POST",status="200"} 1\n' in text
    declared = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared))
    assert labels_told(text)["lockgate_issuer_fetches_total"] == ["issuer", "result"]


def test_what_is_not_there_is_a_problem_too(client: Client) -> None:
    problem(client.get("/v1/nothing"), "admin-not-found")
    problem(client.request("DELETE", "/v1/keys"), "admin-method-not-allowed")
    problem(client.post("/v1/keys", content=b"{", headers={"content-type": "application/json"}), "admin-body-malformed")


def test_a_fault_of_ours_says_nothing_of_its_insides(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret insides")

    monkeypatch.setattr("lockgate.admin.keys.Keys.page", broken)
    answer = client.get("/v1/keys")
    problem(answer, "admin-internal")
    assert "insides" not in answer.text


def test_every_resource_is_described() -> None:
    document = make_resources().openapi()
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert len(operations) >= 15
    assert [each["operationId"] for each in operations if not each.get("description")] == []


CERTIFIED = """\
version: 1
listeners: {public: {address: 127.0.0.1:8443, tls: {imported: shop.example.com}}}
apis:
  shop: {hosts: [shop.example.com], upstream: "http://127.0.0.1:9", authenticate: [api_key], authorize: authenticated}
"""


def test_certificates_are_imported_shown_and_not_renewed(client: Client, control: Control, config: Path) -> None:
    config.write_text(CERTIFIED)
    assert client.post("/v1/reload").json()["result"] == "signed"
    [row] = client.get("/v1/certificates").json()["items"]
    assert (row["name"], row["source"], row["state"], row["listeners"]) == (
        *("shop.example.com", "imported", "missing"),
        ["public"],
    )
    authority = TestAuthority()
    chain, key = authority.issue("shop.example.com", "www.shop.example.com")
    taken = client.post("/v1/certificates/import", json={"certificates": chain, "key": key})
    assert (taken.status_code, taken.json()["state"], taken.json()["listeners"]) == (200, "good", ["public"])
    assert key not in taken.text
    shown = client.get("/v1/certificates/www.shop.example.com").json()
    assert (shown["chain"], shown["hosts"]) == (chain, ["shop.example.com", "www.shop.example.com"])
    [told] = client.get("/v1/status").json()["certificates"]
    assert told["fingerprint"] == shown["fingerprint"]
    problem(client.post("/v1/certificates/shop.example.com/renew", json={}), "certificate-not-renewable")
    problem(client.post("/v1/certificates/other.example.com/renew", json={}), "certificate-not-found")
    problem(client.get("/v1/certificates/other.example.com"), "certificate-not-found")
    other = problem(
        client.post("/v1/certificates/import", json={"certificates": chain, "key": authority.issue("a.example")[1]}),
        "certificate-refused",
    )
    assert "PRIVATE" not in str(other)
    assert "certificate.import" in [event["action"] for event in audited(control)]


def test_a_request_is_made_and_its_key_stays(client: Client, control: Control, config: Path) -> None:
    config.write_text(CERTIFIED)
    client.post("/v1/reload")
    first = client.post("/v1/certificates/requests", json={"hosts": ["shop.example.com"]})
    assert first.status_code == 201
    request = x509.load_pem_x509_csr(first.json()["request"].encode())
    again = client.post("/v1/certificates/requests", json={"hosts": ["shop.example.com"]}).json()["request"]
    assert x509.load_pem_x509_csr(again.encode()).public_key() == request.public_key()
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    chain = TestAuthority().issue_for(key, "shop.example.com")
    assert client.post("/v1/certificates/import", json={"certificates": chain}).json()["listeners"] == ["public"]
    problem(client.post("/v1/certificates/requests", json={"hosts": ["not a host"]}), "certificate-refused")
    assert [event["action"] for event in audited(control)][-3:] == [
        *("certificate.request", "certificate.request"),
        "certificate.import",
    ]
