"""`minimise`, before an API that answers with all it has: each caller reads what is open to them, and no more."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer, chunked, request
from lockgate import _native
from lockgate.config import ConfigErrors
from policies.entitled import Entitled, compiled, document, explained, people, session, step
from policies.test_session import PEPPER
from support.vectors import Case, cases, name
from support.vectors import document as vectors

CASES = cases("minimise")
ROLES = {
    "support": {"who": {"claim": "groups", "contains": "support"}},
    "manager": {"who": {"claim": "groups", "contains": "manager"}, "includes": "support"},
}
READ = {"anyone": ["id", "name"], "scope support": ["email"], "role manager": "all"}
USER = {"id": 7, "name": "Ann", "email": "ann@example.com", "hash": "$2b$", "address": {"city": "Ulm"}}
USERS = [USER, {**USER, "id": 8, "name": "Bob"}]
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Users", "version": "1"},
    "paths": {
        "/users": {"get": {"operationId": "listUsers"}, "post": {"operationId": "newUser"}},
        "/users/{id}": {"get": {"operationId": "getUser"}},
    },
}


def talkative(asked: Message) -> bytes:
    """An API that tells everybody everything."""
    path, _, query = asked.target.partition("?")
    body = json.dumps(USERS if path == "/users" and asked.method == "GET" else USER).encode()
    headers = ["Content-Type: application/json", 'ETag: "1"', "Cache-Control: public, max-age=60, s-maxage=600"]
    headers += ["Surrogate-Control: max-age=600", "Content-Digest: sha-256=:eA==:"]
    coding = next((one for one in ("gzip", "deflate") if one in query), None)
    if coding is not None:
        headers.append(f"Content-Encoding: {coding}")
        body = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    if asked.method == "HEAD":
        raise AssertionError("it is asked as a GET")
    if "chunked" in query:
        pieces = [body[at : at + 3] for at in range(0, len(body), 3)]
        head = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers])
        return head.encode() + b"\r\n\r\n" + chunked(*pieces)
    return answer(body, *headers)


def cut_to(fields: Any = None, **more: Any) -> dict[str, Any]:
    """The configuration, and the roles that it names."""
    minimise = {"fields": READ if fields is None else fields, **more}
    return {"authorize": "authenticated", "roles": ROLES, "api": {"path": "/", "minimise": minimise}}


@pytest.fixture
def users(gate: Gate, tmp_path: Path) -> Any:
    """The talkative API, behind a gate that knows who may read what."""
    with AutoUpstream(talkative) as upstream:
        yield Entitled(gate, upstream.port, tmp_path, document(**cut_to()))


ENCODINGS = ["", "?gzip", "?deflate", "?chunked", "?chunked&gzip"]


@pytest.mark.parametrize("query", ENCODINGS)
def test_a_caller_reads_what_is_open_to_them(query: str, users: Entitled) -> None:
    got = users.token("GET", f"/users/7{query}", sub="ann")
    assert (got.status, got.body) == (200, b'{"id": 7, "name": "Ann"}')
    names = ("etag", "content-encoding", "content-digest", "surrogate-control")
    assert [got.get(one) for one in names] == [None] * 4
    assert got.get("cache-control") == "private, max-age=60"
    if "chunked" not in query:
        assert got.get("content-length") == str(len(got.body))
    helping = users.token("GET", f"/users/7{query}", sub="eve", scope="support")
    assert json.loads(helping.body) == {"id": 7, "name": "Ann", "email": "ann@example.com"}


@pytest.mark.parametrize("query", ENCODINGS)
def test_a_list_is_cut_item_by_item(query: str, users: Entitled) -> None:
    got = users.token("GET", f"/users{query}", sub="ann")
    assert json.loads(got.body) == [{"id": 7, "name": "Ann"}, {"id": 8, "name": "Bob"}]


def test_who_may_read_all_gets_it_as_it_came(users: Entitled) -> None:
    got = users.token("GET", "/users/7", sub="max", groups=["manager"])
    assert (got.body, got.get("etag")) == (json.dumps(USER).encode(), '"1"')
    assert got.get("cache-control") == "private, max-age=60", "others may not have it from a cache"


def test_without_it_all_of_it_goes_out(gate: Gate, tmp_path: Path) -> None:
    with AutoUpstream(talkative) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, document("authenticated", api={"path": "/"}))
        assert b"$2b$" in api.token("GET", "/users/7", sub="ann").body


def test_a_head_tells_no_more_than_its_get(users: Entitled) -> None:
    got = users.token("HEAD", "/users/7", sub="ann")
    assert (got.status, got.body, got.get("content-length"), got.get("etag")) == (200, b"", "24", None)


def test_what_the_client_has_already_is_asked_anew(gate: Gate, tmp_path: Path) -> None:
    seen: list[Message] = []

    def reply(asked: Message) -> bytes:
        seen.append(asked)
        return talkative(asked)

    with AutoUpstream(reply) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, document(**cut_to()))
        bearer = f"Authorization: {api.tokens.bearer(2**31, sub='ann')}"
        asked = ['If-None-Match: "1"', "Range: bytes=0-3", "Accept-Encoding: br"]
        assert api.ask("GET", "/users/7", bearer, *asked).body == b'{"id": 7, "name": "Ann"}'
    assert [seen[0].get(one) for one in ("if-none-match", "range", "accept-encoding")] == [None, None, "identity"]


def test_what_a_change_answers_is_cut_as_well(users: Entitled) -> None:
    bearer = f"Authorization: {users.tokens.bearer(2**31, sub='ann')}"
    with users.gate.client() as client:
        client.send(request("/users", bearer, "Content-Type: application/json", method="POST", body=b"{}"))
        assert client.message().body == b'{"id": 7, "name": "Ann"}'


REFUSED = [
    (answer(b"id,hash", "Content-Type: text/csv"), "Content-Type"),
    (answer(b"<id>7</id>", "Content-Type: application/json"), "no JSON"),
    (answer(b'"$2b$"', "Content-Type: application/json"), "no object or list"),
    (answer(b'{"id": "' + b"x" * 5000 + b'"}'), "longer"),
    (answer(b"[" * 200), "deeply"),
    (answer(b"{}", "Content-Range: bytes 0-1/9", status="206 Partial Content"), "part"),
    (answer(b"{}", "Content-Encoding: unknown"), "coding"),
    (answer(gzip.compress(b'{"id": "' + b"x" * 500_000 + b'"}'), "Content-Encoding: gzip"), "longer"),
]


@pytest.mark.parametrize(("sent", "told"), REFUSED)
def test_what_cannot_be_cut_does_not_go_out(sent: bytes, told: str, gate: Gate, tmp_path: Path) -> None:
    with AutoUpstream(lambda _: sent) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, document(**cut_to(answer="4KiB")))
        refused = api.token("GET", "/users/7", sub="ann")
        assert (refused.status, refused.reason) == (502, "answer-not-minimised")
        assert told in refused.problem["detail"]
        assert b"$2b$" not in refused.body
        assert api.token("GET", "/users/7", sub="max", groups=["manager"]).status in {200, 206}


ERRORS = [
    (answer(b'{"title": "no", "trace": "at x.py"}', status="500 Internal Server Error"), b'{"title": "no"}'),
    (answer(b"<h1>at x.py</h1>", "Content-Type: text/html", status="500 Internal Server Error"), b""),
    (answer(b'{"id": 7, "hash": "x"}', "Location: /users/7", status="302 Found"), b"{}"),
]


@pytest.mark.parametrize(("sent", "left"), ERRORS)
def test_an_error_says_what_went_wrong_and_no_more(sent: bytes, left: bytes, gate: Gate, tmp_path: Path) -> None:
    with AutoUpstream(lambda _: sent) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, document(**cut_to()))
        got = api.token("GET", "/users/7", sub="ann")
        assert (got.body, got.get("content-length")) == (left, str(len(left)))
        assert got.status in {302, 500}
        all_of_it = Entitled(gate, upstream.port, tmp_path, document(**cut_to(errors="all")))
        assert all_of_it.token("GET", "/users/7", sub="ann").body not in {left, b""}


def test_types_that_are_named_go_out(gate: Gate, tmp_path: Path) -> None:
    with AutoUpstream(lambda _: answer(b"%PDF", "Content-Type: application/pdf")) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, document(**cut_to(types=["application/pdf"])))
        assert api.token("GET", "/users/7", sub="ann").body == b"%PDF"


def test_both_who_look_see_it_at_once(gate: Gate, tmp_path: Path) -> None:
    orders = {"total": 2, "orders": [{"id": 1, "by": "ann", "card": "1"}, {"id": 2, "by": "bob", "card": "2"}]}
    said = cut_to({"anyone": ["/orders/*/id"], "role support": ["/orders/*/by"]})
    rule = {"operations": "GET", "response": "/orders/*/by", "must_equal": "claim:sub", "filter": True}
    said["authorize"] = {"allow": "authenticated", "objects": [rule]}
    with AutoUpstream(lambda _: answer(json.dumps(orders).encode())) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, document(**said))
        assert api.token("GET", "/orders", sub="ann").body == b'{"orders": [{"id": 1}]}'
        helping = api.token("GET", "/orders", sub="bob", groups=["support"])
        assert helping.body == b'{"orders": [{"id": 2, "by": "bob"}]}'
    with AutoUpstream(lambda _: answer(b'{"orders": [{"id": 1, "by": "ann", "by": "bob"}]}')) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, document(**said))
        assert api.token("GET", "/orders", sub="ann").reason == "object-answer-unreadable"


def test_observing_lets_through_and_tells_what_would_be_refused(gate: Gate, tmp_path: Path) -> None:
    waiver = {"owner": "shop", "reason": "a trial", "until": "2099-01-01"}
    said = document(**cut_to(mode="observe", waiver=waiver))
    with AutoUpstream(talkative) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, said)
        assert api.token("GET", "/users/7", sub="ann").body == json.dumps(USER).encode()
    with AutoUpstream(lambda _: answer(b"id,hash", "Content-Type: text/csv")) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, said)
        let = api.token("GET", "/users/7", sub="ann")
        assert let.body == b"id,hash"
        told = {one["policy"]: one for one in gate.event(let.id)["verdicts"]}
        assert told["minimise"]["outcome"] == "observe-deny"


def test_a_rule_is_for_operations(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    rules = [
        {"operations": ["listUsers"], "read": {"anyone": ["/*/id"]}},
        {"operations": "*", "read": {"anyone": "all"}},
    ]
    said = cut_to(rules)
    said["api"]["openapi"] = "openapi.yaml"
    with AutoUpstream(talkative) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, document(**said))
        assert api.token("GET", "/users", sub="ann").body == b'[{"id": 7}, {"id": 8}]'
        whole = api.token("GET", "/users/7", sub="ann")
        assert json.loads(whole.body) == USER
        assert whole.get("cache-control") == "public, max-age=60, s-maxage=600", "it is the same for all"


@pytest.mark.parametrize("case", [case for case in CASES if case["verdict"] == "allow"], ids=name)
def test_the_engine_lets_go_on_what_the_gate_will_cut(case: Case, tmp_path: Path) -> None:
    bundle = compiled(tmp_path, people("authenticated", roles=ROLES, api={"minimise": {"fields": READ}}))
    (rule,) = bundle["apis"][0]["policies"]["minimise"]["config"]["rules"]
    rule["open"] = vectors("minimise")["open"]
    told = explained(bundle, "GET", "/orders", session({"sub": "ann", "groups": case.get("groups", [])}))
    assert step(told, "minimise")[:2] == ("allow", None)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_gate(case: Case, gate: Gate, tmp_path: Path) -> None:
    said = document(**cut_to(types=["application/pdf"], errors=case.get("errors", "known")))

    def change(bundle: dict[str, Any]) -> None:
        config = bundle["apis"][0]["policies"]["minimise"]["config"]
        config["answer_bytes"] = 256
        config["rules"][0]["open"] = vectors("minimise")["open"]

    headers = [f"Content-Type: {case.get('type', 'application/json')}"]
    sent = answer(case["answer"].encode(), *headers, status=f"{case.get('status', 200)} Said")
    with AutoUpstream(lambda _: sent) as upstream:
        api = Entitled(gate, upstream.port, tmp_path, said, change)
        got = api.token(case.get("method", "GET"), "/users", sub="ann", groups=case.get("groups", []))
    if case["verdict"] == "deny":
        assert got.reason == case["reason"]
    else:
        assert (got.status, got.body.decode()) == (case.get("status", 200), case.get("left", case["answer"]))


@pytest.mark.parametrize(
    ("minimise", "code"),
    [
        ({"fields": {"support": ["a"]}}, "fields-holder"),
        ({"fields": {"role nobody": ["a"]}}, "role-unknown"),
        ({"fields": {}}, "fields-empty"),
        ({"fields": {"anyone": ["a/b"]}}, "fields-field"),
        ({"fields": READ, "types": ["application/json"]}, "minimise-type"),
        ({"fields": READ, "types": ["image/png; q=1"]}, "minimise-type"),
        ({"fields": [{"operations": ["getUser"], "read": READ}]}, "operation-unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(minimise: dict[str, Any], code: str, tmp_path: Path) -> None:
    said = cut_to()
    said["api"]["minimise"] = minimise
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, document(**said))
    assert [error.code for error in errors.value.errors] == [code]


def test_an_applications_process_refuses_it(tmp_path: Path) -> None:
    bundle = compiled(tmp_path, document(**cut_to()))
    with pytest.raises(_native.LockgateError, match="cuts answers"):
        _native.InProcess(json.dumps(bundle).encode(), pepper=PEPPER)
