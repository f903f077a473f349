"""`objects`, before a weak API: attacks that succeed without it, and fail with it, while good calls go on."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer, chunked, request
from lockgate import _native
from lockgate.config import ConfigErrors, load
from policies.entitled import Entitled, compiled, document, explained, people, session, step
from policies.test_session import PEPPER
from support.vectors import Case, cases, name
from support.vectors import document as vectors

CASES = cases("objects")
RELATIONS: list[dict[str, Any]] = vectors("objects")["relations"]
ROLES = {"support": {"who": {"claim": "groups", "contains": "support"}}}
SAME_SITE = ("Sec-Fetch-Site", "same-origin")
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders": {"get": {"operationId": "listOrders"}, "post": {"operationId": "newOrder"}},
        "/orders/{id}": {
            "get": {"operationId": "getOrder"},
            "delete": {"operationId": "deleteOrder"},
            "post": {"operationId": "touchOrder"},
        },
        "/customers/{customer}": {"get": {"operationId": "getCustomer"}},
        "/search": {"get": {"operationId": "search"}},
    },
}
RULES = [
    {
        "operations": "getCustomer",
        "path": "customer",
        "must_equal": "claim:sub",
        "unless": "role:support",
        "hidden": True,
    },
    {"operations": ["search"], "query": "customer", "must_equal": "claim:sub"},
    {"operations": ["newOrder"], "body": "/customer", "must_equal": "claim:sub"},
    {"operations": ["getOrder"], "response": "/customer", "must_equal": "claim:sub", "unless": ["support"]},
    {"operations": ["listOrders"], "response": "/orders/*/customer", "must_equal": "claim:sub", "filter": True},
]
ORDERS = {"1": {"id": 1, "customer": "ann", "sum": 1.50}, "2": {"id": 2, "customer": "bob", "sum": 2.0}}


def weak(asked: Message) -> bytes:
    """An API that gives anything to anybody: its orders are found by number, and whose they are is never looked at."""
    path, _, query = asked.target.partition("?")
    coding = "gzip" if "packed=gzip" in query else "deflate" if "packed=deflate" in query else None
    if path == "/orders":
        body = json.dumps({"total": 2, "orders": list(ORDERS.values())}).encode()
    elif path.startswith("/orders/"):
        order = ORDERS.get(path.removeprefix("/orders/"))
        if order is None:
            return answer(b'{"error": "no such order"}', "Content-Type: application/json", status="404 Not Found")
        body = json.dumps(order).encode()
    else:
        body = json.dumps({"secret": "of " + path}).encode()
    headers = ["Content-Type: application/json", 'ETag: "1"']
    if coding is not None:
        headers.append(f"Content-Encoding: {coding}")
        body = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    if "chunked" in query:
        pieces = [body[at : at + 3] for at in range(0, len(body), 3)]
        return (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + "\r\n".join(headers) + "\r\n\r\n"
        ).encode() + chunked(*pieces)
    return answer(body, *headers)


def held_to(folder: Path, rules: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """The configuration's authorization, and what else it has."""
    (folder / "openapi.yaml").write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    objects: dict[str, Any] = {"rules": RULES if rules is None else rules, **more}
    return {
        "authorize": {"allow": "authenticated", "objects": objects},
        "roles": ROLES,
        "api": {"openapi": "openapi.yaml", "path": "/"},
    }


@pytest.fixture
def shop(gate: Gate, tmp_path: Path) -> Any:
    """The weak API, behind a gate that knows whose things are."""
    with AutoUpstream(weak) as upstream:
        yield Entitled(gate, upstream.port, tmp_path, document(**held_to(tmp_path)))


@pytest.fixture
def open_shop(gate: Gate, tmp_path: Path) -> Any:
    """The same API, behind a gate that does not."""
    said = document("authenticated", api={"path": "/"})
    with AutoUpstream(weak) as upstream:
        yield Entitled(gate, upstream.port, tmp_path, said)


ATTACKS = ["/orders/2", "/customers/bob", "/search?customer=bob", "/orders/2?packed=gzip", "/orders/2?chunked"]


@pytest.mark.parametrize("target", ATTACKS)
def test_an_attack_succeeds_without_it(target: str, open_shop: Entitled) -> None:
    assert open_shop.token("GET", target, sub="ann").status == 200


@pytest.mark.parametrize("target", ATTACKS)
def test_and_fails_with_it(target: str, shop: Entitled) -> None:
    refused = shop.token("GET", target, sub="ann")
    if refused.status == 404:  # What is hidden does not say so.
        assert refused.body == PLAIN
    else:
        assert (refused.status, refused.reason) == (403, "object-not-own")
    assert b"bob" not in refused.body.replace(b"/customers/bob", b"")
    assert b"secret" not in refused.body


@pytest.mark.parametrize("target", ["/orders/1", "/customers/ann", "/search?customer=ann", "/orders/1?packed=gzip"])
def test_good_calls_go_on(target: str, shop: Entitled) -> None:
    assert shop.token("GET", target, sub="ann").status == 200


def test_who_helps_may_read_anything(shop: Entitled) -> None:
    for target in ("/orders/2", "/customers/bob"):
        assert shop.token("GET", target, sub="eve", groups=["support"]).status == 200
    assert shop.token("GET", "/search?customer=bob", sub="eve", groups=["support"]).status == 403


@pytest.mark.parametrize("query", ["", "?packed=gzip", "?packed=deflate", "?chunked", "?chunked&packed=gzip"])
def test_a_list_is_the_callers_own(query: str, shop: Entitled) -> None:
    got = shop.token("GET", f"/orders{query}", sub="ann")
    assert got.status == 200
    assert got.body == b'{"total": 2, "orders": [{"id": 1, "customer": "ann", "sum": 1.5}]}'
    assert (got.get("etag"), got.get("content-encoding")) == (None, None)
    nobody = shop.token("GET", f"/orders{query}", sub="eve")
    assert json.loads(nobody.body) == {"total": 2, "orders": []}


def test_an_answer_of_which_nothing_is_taken_out_stays(shop: Entitled) -> None:
    got = shop.token("GET", "/orders/1", sub="ann")
    assert got.body == json.dumps(ORDERS["1"]).encode()
    assert got.get("etag") == '"1"'
    packed = shop.token("GET", "/orders/1?packed=gzip", sub="ann")
    assert json.loads(gzip.decompress(packed.body)) == ORDERS["1"]


def test_a_head_tells_no_more_than_its_get(shop: Entitled) -> None:
    own = shop.token("HEAD", "/orders/1", sub="ann")
    assert (own.status, own.body, own.get("content-length")) == (200, b"", str(len(json.dumps(ORDERS["1"]))))
    other = shop.token("HEAD", "/orders/2", sub="ann")
    assert (other.status, other.body) == (403, b"")
    assert shop.token("GET", "/orders/1", sub="ann").status == 200


def test_what_the_client_has_already_is_asked_anew(gate: Gate, tmp_path: Path) -> None:
    seen: list[Message] = []

    def reply(asked: Message) -> bytes:
        seen.append(asked)
        return weak(asked)

    with AutoUpstream(reply) as upstream:
        shop = Entitled(gate, upstream.port, tmp_path, document(**held_to(tmp_path)))
        bearer = f"Authorization: {shop.tokens.bearer(2**31, sub='ann')}"
        conditions = ['If-None-Match: "1"', "Range: bytes=0-3", "Accept-Encoding: br"]
        assert shop.ask("GET", "/orders/2", bearer, *conditions).status == 403
    assert seen[-1].get("accept-encoding") == "identity"
    assert [seen[-1].get(field) for field in ("if-none-match", "range")] == [None, None]


def post(shop: Entitled, target: str, body: bytes, **claims: Any) -> Message:
    bearer = f"Authorization: {shop.tokens.bearer(2**31, **claims)}"
    with shop.gate.client() as client:
        client.send(request(target, bearer, "Content-Type: application/json", method="POST", body=body))
        return client.message()


def test_a_body_is_judged_before_the_api_is_asked(shop: Entitled) -> None:
    assert post(shop, "/orders", b'{"customer": "ann"}', sub="ann").status == 200
    assert post(shop, "/orders", b'{"customer": "bob"}', sub="ann").reason == "object-not-own"
    assert post(shop, "/orders", b'{"customer": "bob", "customer": "ann"}', sub="ann").reason == "object-unreadable"
    assert post(shop, "/orders", b"[" * 200, sub="ann").reason == "object-unreadable"


BAD_ANSWERS = [
    (b'{"owner": "ann"}', [], "has no"),
    (b"<html>ann</html>", [], "no JSON"),
    (b"", [], "no JSON"),
    (b'{"customer": "ann", "customer": "bob"}', [], "twice"),
    (b"[" * 200, [], "deeply"),
    (b'{"customer": "ann", "x": "' + b"x" * 5000 + b'"}', [], "longer"),
    (gzip.compress(b'{"customer": "ann", "x": "' + b"x" * 500_000 + b'"}'), ["Content-Encoding: gzip"], "longer"),
    (b'{"customer": "ann"}', ["Content-Encoding: gzip"], None),
    (b'{"customer": "ann"}', ["Content-Encoding: unknown"], "coding"),
]


@pytest.mark.parametrize(("body", "headers", "told"), BAD_ANSWERS)
def test_an_answer_that_does_not_tell_is_refused(
    body: bytes, headers: list[str], told: str | None, gate: Gate, tmp_path: Path
) -> None:
    with AutoUpstream(lambda _: answer(body, *headers)) as upstream:
        shop = Entitled(gate, upstream.port, tmp_path, document(**held_to(tmp_path, answer="4KiB")))
        refused = shop.token("GET", "/orders/1", sub="ann")
        assert refused.status == 502
        assert b'"ann"' not in refused.body
        if told is not None:
            assert (refused.reason, told in refused.problem["detail"]) == ("object-answer-unreadable", True)


def test_errors_of_the_api_go_on(shop: Entitled) -> None:
    missing = shop.token("GET", "/orders/9", sub="ann")
    assert (missing.status, missing.body) == (404, b'{"error": "no such order"}')


def test_observing_lets_through_and_tells(gate: Gate, tmp_path: Path) -> None:
    waiver = {"owner": "shop", "reason": "a trial", "until": "2099-01-01"}
    with AutoUpstream(weak) as upstream:
        said = document(**held_to(tmp_path, mode="observe", waiver=waiver))
        shop = Entitled(gate, upstream.port, tmp_path, said)
        for target in ("/orders/2", "/customers/bob", "/orders/2?packed=gzip"):
            let = shop.token("GET", target, sub="ann")
            assert let.status == 200
            told = {one["policy"]: one for one in gate.event(let.id)["verdicts"]}
            assert told["objects"]["outcome"] == "observe-deny"
        whole = shop.token("GET", "/orders", sub="ann")
        assert len(json.loads(whole.body)["orders"]) == 2


PLAIN = b'{"type":"about:blank","title":"Not Found","status":404}'


@pytest.mark.parametrize("known", [True, False])
def test_what_is_hidden_looks_like_what_is_not_there(known: bool, gate: Gate, tmp_path: Path) -> None:
    rules = [{"operations": ["getOrder"], "response": "/customer", "must_equal": "claim:sub", "hidden": True}]
    more = {"not_found": {"body": '{"error": "no such order"}'}} if known else {}
    with AutoUpstream(weak) as upstream:
        shop = Entitled(gate, upstream.port, tmp_path, document(**held_to(tmp_path, rules, **more)))
        hidden, missing = (shop.token("GET", f"/orders/{number}", sub="ann") for number in (2, 3))
        said = shop.gate.event(hidden.id)
    assert (hidden.status, missing.status, said["reason"]) == (404, 404, "object-hidden")
    assert b"hidden" not in hidden.body
    if known:
        assert hidden.body == missing.body
        names = ["content-type", "cache-control", "content-length"]
        assert [hidden.get(name) for name in names] == ["application/json", None, str(len(missing.body))]
        assert hidden.get("content-type") == missing.get("content-type")
    else:
        assert (hidden.body, hidden.get("content-type")) == (PLAIN, "application/problem+json")


def teams_of(folder: Path, text: str) -> dict[str, Any]:
    """A configuration in which orders belong to teams, who is in which stands in a file."""
    (folder / "teams.csv").write_text(text, encoding="utf-8")
    theirs: dict[str, Any] = {"must_be_in": "claim:sub via teams via customers"}
    rules: list[dict[str, Any]] = [
        {"operations": "getOrder", "response": "/customer", **theirs},
        {"operations": "listOrders", "response": "/orders/*/customer", "filter": True, **theirs},
        {"operations": "search", "query": "team", "must_be_in": "claim:sub via teams"},
    ]
    relations = {"teams": {"file": "teams.csv"}, "customers": {"pairs": {"red": ["ann"], "blue": "bob"}}}
    return document(**held_to(folder, rules), relations=relations)


def test_what_no_claim_tells_is_looked_up(gate: Gate, tmp_path: Path) -> None:
    with AutoUpstream(weak) as upstream:
        shop = Entitled(gate, upstream.port, tmp_path, teams_of(tmp_path, "# who, team\neve,red\n"))
        assert shop.token("GET", "/orders/1", sub="eve").status == 200
        assert shop.token("GET", "/orders/2", sub="eve").reason == "object-not-own"
        assert [one["id"] for one in json.loads(shop.token("GET", "/orders", sub="eve").body)["orders"]] == [1]
        assert shop.token("GET", "/search?team=red", sub="eve").status == 200
        assert shop.token("GET", "/search?team=blue", sub="eve").reason == "object-not-own"
        assert shop.token("GET", "/search?team=red", sub="ann").reason == "object-not-own"


def pairs_of(bundle: Mapping[str, Any], name: str) -> dict[str, list[str]]:
    """What a table of the bundle holds."""
    (found,) = [one["pairs"] for one in bundle["relations"] if one["name"] == name]
    return dict(found)


def test_a_table_is_read_again(tmp_path: Path) -> None:
    said = teams_of(tmp_path, 'eve,red\n"doe, j",blue\n')
    assert pairs_of(compiled(tmp_path, said), "teams") == {"eve": ["red"], "doe, j": ["blue"]}
    loaded = load(tmp_path / "lockgate.yaml")
    assert tmp_path / "teams.csv" in loaded.files
    (tmp_path / "teams.csv").write_text("eve,red\neve,red\neve,blue\n", encoding="utf-8")
    assert pairs_of(load(tmp_path / "lockgate.yaml").compile(1, 0), "teams") == {"eve": ["red", "blue"]}


def test_tables_are_bounded(tmp_path: Path) -> None:
    said = teams_of(tmp_path, "".join(f"{number},red\n" for number in range(199_998)))
    assert len(pairs_of(compiled(tmp_path, said), "teams")) == 199_998
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, teams_of(tmp_path, "".join(f"{number},red\n" for number in range(199_999))))
    assert [error.code for error in errors.value.errors] == ["relations-too-large"]


def test_the_event_names_the_rule(shop: Entitled) -> None:
    refused = shop.token("GET", "/orders/2", sub="ann")
    event = shop.gate.event(refused.id)
    written = (Path(shop.gate.state).parent, event["span"]["line"])
    assert (event["reason"], event["room"]) == ("object-not-own", "objects"), written


# What a request tells: the engine alone can be shown no answer.
TOLD = [case for case in CASES if "answer" not in case]


@pytest.mark.parametrize("case", TOLD, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    whose = case["whose"]
    rule = {"operations": "*", "must_equal": "owner"}
    said = people("authenticated", api={"openapi": "openapi.yaml"})
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    rule |= {"query": "x"}
    said["apis"]["orders"]["authorize"] = {"allow": "authenticated", "objects": [rule]}
    bundle = compiled(tmp_path, said) | {"relations": RELATIONS}
    config = bundle["apis"][0]["policies"]["objects"]["config"]
    config["rules"][0] |= {"whose": whose, "must": case["must"], "hidden": case.get("hidden", False)}
    who = session({"sub": "ann", "accounts": ["a1", "a2"]})
    body = case["body"].encode() if "body" in case else None
    more = (who, SAME_SITE, ("Content-Type", "application/json"))
    answer_ = explained(bundle, case.get("method", "GET"), case["target"], *more, body=body)
    assert step(answer_, "objects")[:2] == (case["verdict"], case.get("reason"))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"operations": ["deleteOrder"], "response": "/customer", "must_equal": "owner"}, "objects-too-late"),
        ({"operations": ["DELETE"], "response": "/customer", "must_equal": "owner"}, "objects-too-late"),
        ({"operations": ["/orders/**"], "response": "/customer", "must_equal": "owner"}, "objects-too-late"),
        ({"operations": "*", "response": "/customer", "must_equal": "owner"}, "objects-too-late"),
        ({"operations": ["getOrder"], "path": "customer", "must_equal": "owner"}, "objects-path"),
        ({"operations": ["GET"], "path": "customer", "must_equal": "owner"}, "objects-path"),
        ({"operations": ["getOder"], "query": "x", "must_equal": "owner"}, "operation-unknown"),
        ({"operations": ["getOrder"], "query": "x", "must_equal": "sub"}, "objects-known"),
        ({"operations": ["getOrder"], "query": "x", "must_be_in": "owner"}, "objects-rule"),
        ({"operations": ["getOrder"], "query": "x", "must_be_in": "owner via lost"}, "relation-unknown"),
        ({"operations": ["getOrder"], "query": "x", "must_equal": "owner via lost"}, "objects-rule"),
        ({"operations": ["getOrder"], "query": "x", "must_be_in": "owner via"}, "objects-known"),
        ({"operations": ["getOrder"], "query": "x", "must_be_in": "owner via  x"}, "objects-via"),
        ({"operations": ["getOrder"], "query": "x"}, "objects-rule"),
        ({"operations": ["getOrder"], "must_equal": "owner"}, "objects-rule"),
        ({"operations": ["getOrder"], "query": "x", "path": "id", "must_equal": "owner"}, "objects-rule"),
        ({"operations": ["getOrder"], "response": "customer", "must_equal": "owner"}, "objects-pointer"),
        ({"operations": ["getOrder"], "response": "/a~2", "must_equal": "owner"}, "objects-pointer"),
        ({"operations": ["getOrder"], "response": "/customer", "must_equal": "owner", "filter": True}, "objects-rule"),
        ({"operations": ["getOrder"], "query": "x", "must_equal": "owner", "unless": ["nobody"]}, "role-unknown"),
        ({"operations": ["getOrder"], "query": "x", "must_equal": "owner", "unless": [7]}, "objects-role"),
        ({"operations": [], "query": "x", "must_equal": "owner"}, "parts-empty"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, Any], code: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, document(**held_to(tmp_path, [rule])))
    assert [error.code for error in errors.value.errors] == [code]


@pytest.mark.parametrize("target", ["/orders/7", "/orders/7/", "/Orders/7", "/orders/%37", "/ORDERS/7/"])
def test_no_spelling_of_a_path_gets_around_a_rule(target: str, tmp_path: Path) -> None:
    rule = {"operations": "GET /orders/{id}", "query": "customer", "must_equal": "claim:sub"}
    said = people({"allow": "authenticated", "objects": [rule]}, api={"path": "/"})
    answer_ = explained(compiled(tmp_path, said), "GET", f"{target}?customer=bob", session({"sub": "ada"}))
    assert answer_["reason"]["code"] == "object-not-own"


@pytest.mark.parametrize(
    "query",
    ["Customer=bob&customer=ada", "customer=ada&customer[]=bob", "customer=ada&customer[0]=bob", "CUSTOMER=bob"],
)
def test_a_name_that_frameworks_take_for_another_is_refused(query: str, tmp_path: Path) -> None:
    rule = {"operations": "*", "query": "customer", "must_equal": "claim:sub"}
    bundle = compiled(tmp_path, people({"allow": "authenticated", "objects": [rule]}))
    answer_ = explained(bundle, "GET", f"/orders?{query}", session({"sub": "ada"}))
    assert answer_["reason"]["code"] == "object-unreadable"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", '{"customer":"ada","x":"&customer=bob&"}'),
        ("text/plain", '{"customer":"ada"}'),
        ("application/json; charset=utf-16", '{"customer":"ada"}'),
        ("application/json", '{"customer":"ada","Customer":"bob"}'),
    ],
)
def test_a_body_that_could_be_something_else_is_refused(kind: str, body: str, tmp_path: Path) -> None:
    rule = {"operations": "POST", "body": "/customer", "must_equal": "claim:sub"}
    bundle = compiled(tmp_path, people({"allow": "authenticated", "objects": [rule]}))
    who = (session({"sub": "ada"}), SAME_SITE, ("Content-Type", kind))
    answer_ = explained(bundle, "POST", "/orders", *who, body=body.encode())
    assert answer_["reason"]["code"] == "object-unreadable"


NESTED = [
    '{"orders":[{"id":7,"card":"of bob"},{"lines":[{"customer":"ann"}]}]}',
    '{"orders":[{"id":7,"card":"of bob"}]}',
    '{"orders":[{"lines":[],"card":"of bob"}]}',
    '{"orders":[{"lines":null,"card":"of bob"}]}',
    '{"orders":[{"lines":{"customer":"ann"},"card":"of bob"}]}',
]


@pytest.mark.parametrize("body", NESTED)
@pytest.mark.parametrize("filtered", [True, False])
def test_an_item_that_says_nothing_is_nobodys(body: str, filtered: bool, gate: Gate, tmp_path: Path) -> None:
    place = {"response": "/orders/*/lines/*/customer", "must_equal": "claim:sub", "filter": filtered}
    with AutoUpstream(lambda _: answer(body.encode())) as upstream:
        rules = [{"operations": "listOrders", **place}]
        shop = Entitled(gate, upstream.port, tmp_path, document(**held_to(tmp_path, rules)))
        got = shop.token("GET", "/orders", sub="ann")
    assert b"of bob" not in got.body
    assert got.status == (200 if filtered else 403)


def test_an_applications_process_refuses_rules_that_look_at_answers(tmp_path: Path) -> None:
    rule = {"operations": "GET", "response": "/customer", "must_equal": "claim:sub"}
    bundle = compiled(tmp_path, document({"allow": "authenticated", "objects": [rule]}))
    with pytest.raises(_native.LockgateError, match="look at answers"):
        _native.InProcess(json.dumps(bundle).encode(), pepper=PEPPER)
