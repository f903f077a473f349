"""`properties`, before an API that binds whatever it gets: with it nobody gives themselves a role."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

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

CASES = cases("properties")
JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"
SAME_SITE = ("Sec-Fetch-Site", "same-origin")
ROLES = {
    "support": {"who": {"claim": "groups", "contains": "support"}},
    "manager": {"who": {"claim": "groups", "contains": "manager"}, "includes": "support"},
}
WRITE = {"anyone": ["name", "/address/city"], "role support": ["note"], "role manager": "all"}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Users", "version": "1"},
    "paths": {"/users/{id}": {"patch": {"operationId": "updateUser"}, "get": {"operationId": "getUser"}}},
}


def held_to(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The configuration's authorization, and the roles that it names."""
    said = rules or ({"operations": "/users/{id}", "write": WRITE},)
    return {
        "authorize": {"allow": "authenticated", "properties": {"rules": list(said), **more}},
        "roles": ROLES,
        "api": {"path": "/"},
    }


def dropping(**more: Any) -> dict[str, Any]:
    """The same, where the rest goes on."""
    return held_to({"operations": "/users/{id}", "write": WRITE, "otherwise": "drop"}, **more)


class Binding:
    """An API that puts all of a body into its user, behind a gate."""

    def __init__(self, gate: Gate, folder: Path, said: dict[str, Any]) -> None:
        self.seen: list[Message] = []
        self.user: dict[str, Any] = {"name": "Ann", "role": "customer"}
        self.upstream = AutoUpstream(self._reply)
        self.gate, self.folder, self.said = gate, folder, said if "apis" in said else document(**said)

    def __enter__(self) -> Self:
        self.upstream.__enter__()
        self.api = Entitled(self.gate, self.upstream.port, self.folder, self.said)
        return self

    def __exit__(self, *_: object) -> None:
        self.upstream.__exit__(None, None, None)

    def _reply(self, asked: Message) -> bytes:
        self.seen.append(asked)
        if asked.body and asked.get("content-type") == "application/json":
            self.user |= json.loads(asked.body)
        return answer(json.dumps(self.user).encode(), JSON)

    def send(
        self, body: bytes, *headers: str, method: str = "PATCH", target: str = "/users/7", **claims: Any
    ) -> Message:
        bearer = f"Authorization: {self.api.tokens.bearer(2**31, **claims)}"
        with self.gate.client() as client:
            client.send(request(target, bearer, *(headers or (JSON,)), method=method, body=body))
            return client.message()


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    said = people("authenticated", roles=ROLES, api={"path": "/"})
    rule = {"operations": "*", "write": {"anyone": ["name"]}}
    said["apis"]["orders"]["authorize"] = {"allow": "authenticated", "properties": [rule]}
    bundle = compiled(tmp_path, said)
    (rule,) = bundle["apis"][0]["policies"]["properties"]["config"]["rules"]
    rule |= {"open": vectors("properties")["open"], "drop": case.get("drop", False), "query": case.get("query", False)}
    who = session({"sub": "ann", "groups": case.get("groups", [])})
    kind = ("Content-Type", case.get("type", "application/json"))
    told = explained(
        bundle,
        case.get("method", "PATCH"),
        case.get("target", "/orders/7"),
        *(who, SAME_SITE, kind),
        body=case["body"].encode(),
    )
    if told["reason"] is not None and told["reason"]["code"] == "framing-content-type-repeated":
        return
    assert step(told, "properties")[:2] == (case["verdict"], case.get("reason"))


def test_without_it_anybody_becomes_anything(gate: Gate, tmp_path: Path) -> None:
    with Binding(gate, tmp_path, document("authenticated", api={"path": "/"})) as users:
        assert users.send(b'{"role": "admin"}', sub="ann").status == 200
        assert users.user["role"] == "admin"


def test_and_with_it_nobody_does(gate: Gate, tmp_path: Path) -> None:
    with Binding(gate, tmp_path, held_to()) as users:
        refused = users.send(b'{"name": "Anna", "role": "admin", "note": "x"}', sub="ann")
        assert (refused.status, refused.reason) == (403, "property-not-writable")
        told = refused.problem["detail"]
        assert "`/note` may be set by the role `manager` or the role `support`" in told
        assert "`/role` may be set by the role `manager`" in told
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert users.send(b'{"role": "admin"}', method=method, sub="ann").reason == "property-not-writable"
        assert users.seen == []
        event = gate.event(refused.id)
        assert (event["room"], event["reason"], event["dropped"]) == ("properties", "property-not-writable", None)
        assert users.send(b'{"name": "Anna", "address": {"city": "Ulm"}}', sub="ann").status == 200
        assert users.send(b'{"note": "called"}', sub="eve", groups=["support"]).status == 200
        assert users.send(b'{"role": "admin"}', sub="max", groups=["manager"]).status == 200
        assert users.user == {"name": "Anna", "address": {"city": "Ulm"}, "note": "called", "role": "admin"}
        assert users.send(b"", method="GET", sub="ann").status == 200


def test_what_is_left_out_does_not_reach_the_api(gate: Gate, tmp_path: Path) -> None:
    with Binding(gate, tmp_path, dropping()) as users:
        digests = ["Digest: sha-256=x", "Content-Digest: sha-256=:eA==:", "Repr-Digest: sha-256=:eA==:"]
        body = b'{"role": "admin", "name": "\\u00c4nne" , "isAdmin": true}'
        got = users.send(body, JSON, *digests, "Content-MD5: x", sub="ann")
        assert got.status == 200
        assert (users.seen[0].body, users.seen[0].get("content-length")) == (b'{"name": "\\u00c4nne" }', "22")
        names = ("digest", "content-digest", "repr-digest", "content-md5", "transfer-encoding")
        assert [users.seen[0].get(one) for one in names] == [None] * 5
        assert gate.event(got.id)["dropped"] == "/role, /isAdmin"
        assert users.user["role"] == "customer"
        users.send(body, sub="max", groups=["manager"])
        assert users.seen[1].body == body


def test_a_body_in_chunks_is_left_something_out_of_as_well(gate: Gate, tmp_path: Path) -> None:
    with Binding(gate, tmp_path, dropping()) as users:
        bearer = f"Authorization: {users.api.tokens.bearer(2**31, sub='ann')}"
        head = f"PATCH /users/7 HTTP/1.1\r\nHost: a.example\r\n{bearer}\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
        with gate.client() as client:
            client.send(head.encode() + chunked(b'{"ro', b'le": 1, "na', b'me": "Anna"}'))
            assert client.message().status == 200
        assert users.seen[0].body == b'{"name": "Anna"}'
        assert (users.seen[0].get("content-length"), users.seen[0].get("transfer-encoding")) in {
            ("16", None),
            (None, "chunked"),
        }


def test_forms_are_judged(gate: Gate, tmp_path: Path) -> None:
    with Binding(gate, tmp_path, dropping()) as users:
        users.send(b"role=admin&name=Ann&address[city]=Ulm&address[zip]=89073", FORM, sub="ann")
        assert users.seen[0].body == b"name=Ann&address[city]=Ulm"


def test_what_is_signed_is_not_changed(gate: Gate, tmp_path: Path) -> None:
    with Binding(gate, tmp_path, dropping()) as users:
        signed = [JSON, "Signature-Input: a=();created=1", "Signature: a=:eA==:"]
        refused = users.send(b'{"role": "admin"}', *signed, sub="ann")
        assert (refused.status, refused.reason) == (403, "property-not-writable")
        assert "signed" in refused.problem["detail"]
        assert users.seen == []


def test_who_looks_later_sees_what_the_api_gets(gate: Gate, tmp_path: Path) -> None:
    attack = b'{"name": "Ann", "role": "1\' union select password from users--"}'
    waf = {"waf": {"rules": "native"}}
    said = held_to({"operations": "/users/{id}", "write": {"anyone": "all"}})
    said["api"] |= waf
    with Binding(gate, tmp_path, said) as users:
        assert users.send(attack, sub="ann").reason == "waf-refused"
    said = dropping()
    said["api"] |= waf
    with Binding(gate, tmp_path, said) as users:
        assert users.send(attack, sub="ann").status == 200
        assert users.seen[-1].body == b'{"name": "Ann"}'


def test_whose_it_is_is_told_by_what_the_api_gets(gate: Gate, tmp_path: Path) -> None:
    said = dropping()
    said["authorize"]["objects"] = [{"operations": "/users/{id}", "body": "/owner", "must_equal": "claim:sub"}]
    with Binding(gate, tmp_path, said) as users:
        # The owner is left out, so that nothing says whose it is.
        assert users.send(b'{"owner": "ann"}', sub="ann").reason == "object-unreadable"


def test_observing_lets_all_of_it_through_and_tells(gate: Gate, tmp_path: Path) -> None:
    waiver = {"owner": "shop", "reason": "a trial", "until": "2099-01-01"}
    for said in (held_to(mode="observe", waiver=waiver), dropping(mode="observe", waiver=waiver)):
        with Binding(gate, tmp_path, said) as users:
            let = users.send(b'{"role": "admin"}', sub="ann")
            assert (let.status, users.user["role"]) == (200, "admin")
            told = {one["policy"]: one for one in gate.event(let.id)["verdicts"]}
            assert told["properties"]["outcome"] == "observe-deny"


def test_a_body_that_is_too_long_or_packed_is_refused(gate: Gate, tmp_path: Path) -> None:
    with Binding(gate, tmp_path, held_to(body="64B")) as users:
        assert users.send(b'{"name": "' + b"x" * 100 + b'"}', sub="ann").reason == "property-unreadable"
        packed = users.send(b"x", JSON, "Content-Encoding: gzip", sub="ann")
        assert packed.reason == "property-unreadable"
        assert users.seen == []


def with_document(folder: Path, *rules: dict[str, Any]) -> dict[str, Any]:
    """A configuration whose API has a document."""
    (folder / "openapi.yaml").write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    said = held_to(*rules)
    said["api"]["openapi"] = "openapi.yaml"
    return said


def test_a_rule_is_for_operations(gate: Gate, tmp_path: Path) -> None:
    said = with_document(tmp_path, {"operations": ["updateUser"], "write": WRITE})
    with Binding(gate, tmp_path, said) as users:
        assert users.send(b'{"role": "admin"}', sub="ann").reason == "property-not-writable"
        assert users.send(b'{"name": "Anna"}', sub="ann").status == 200


@pytest.mark.parametrize("target", ["/users/7", "/users/7/", "/uSERS/7", "/users/%37", "/users/7;a=b", "/users//7"])
def test_no_spelling_of_a_path_gets_around_a_rule(target: str, gate: Gate, tmp_path: Path) -> None:
    said = with_document(tmp_path, {"operations": ["updateUser"], "write": WRITE})
    with Binding(gate, tmp_path, said) as users:
        assert users.send(b'{"role": "admin"}', target=target, sub="ann").status in {400, 403, 404, 405}
        assert users.seen == []


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"operations": ["updateUser"], "write": {"support": ["a"]}}, "fields-holder"),
        ({"operations": ["updateUser"], "write": {"role nobody": ["a"]}}, "role-unknown"),
        ({"operations": ["updateUser"], "write": {"anyone": ["a/b"]}}, "fields-field"),
        ({"operations": ["updateUser"], "write": {"anyone": ["/a~2"]}}, "fields-field"),
        ({"operations": ["updateUser"], "write": {"anyone": []}}, "fields-empty"),
        ({"operations": ["updateUser"], "write": {}}, "fields-empty"),
        ({"operations": ["updateUser"], "write": {"role support": "a", "role:support": "b"}}, "fields-twice"),
        ({"operations": ["updateUsr"], "write": WRITE}, "operation-unknown"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, Any], code: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, document(**with_document(tmp_path, rule)))
    assert [error.code for error in errors.value.errors] == [code]


def test_a_rule_that_another_is_before_is_refused(tmp_path: Path) -> None:
    rules = [{"operations": ["*"], "write": WRITE}, {"operations": ["updateUser"], "write": {"anyone": "all"}}]
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, document(**with_document(tmp_path, *rules)))
    assert [error.code for error in errors.value.errors] == ["fields-shadowed"]


def test_an_applications_process_judges_bodies_and_changes_none(tmp_path: Path) -> None:
    bundle = compiled(tmp_path, document(**held_to()))
    assert _native.InProcess(json.dumps(bundle).encode(), pepper=PEPPER) is not None
    bundle = compiled(tmp_path, document(**dropping()))
    with pytest.raises(_native.LockgateError, match="want a gate"):
        _native.InProcess(json.dumps(bundle).encode(), pepper=PEPPER)
