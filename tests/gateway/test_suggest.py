"""What a gate notes for `lockgate access suggest`: places and names of claims, and nothing else of an answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Message, answer, chunked, parse_head, request
from policies.entitled import Entitled, document
from support.waiting import until

JSON = "Content-Type: application/json"
ORDER = json.dumps({"id": 7, "customer": "ann", "team": "red", "sum": 1.5, "secret": "hush"}).encode()
LIST = json.dumps({"orders": [{"by": "ann"}, {"by": "bob"}], "mine": [{"by": "ann"}], "none": []}).encode()
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders": {"get": {"operationId": "listOrders"}},
        "/orders/{id}": {"get": {"operationId": "getOrder"}, "post": {"operationId": "touchOrder"}},
        "/customers/{customer}": {"get": {"operationId": "getCustomer"}},
    },
}


def shop(asked: Message) -> bytes:
    """An API that answers in every form."""
    path, _, query = asked.target.partition("?")
    body = LIST if path == "/orders" else ORDER
    match query:
        case "packed":
            return answer(gzip.compress(body), JSON, "Content-Encoding: gzip")
        case "broken":
            return answer(b"no gzip", JSON, "Content-Encoding: gzip")
        case "chunked":
            head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{JSON}\r\n\r\n"
            return head.encode() + chunked(body[:5], body[5:])
        case "text":
            return answer(body, "Content-Type: text/plain")
        case "slip":
            return answer(body + b"}", JSON)
        case "long":
            return answer(b" " * 5_000 + body, JSON)
        case "long-chunked":
            head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{JSON}\r\n\r\n"
            return head.encode() + chunked(*[b" " * 1_000] * 5, body)
        case "away":
            return answer(b'{"customer": "ann"}', JSON, status="404 Not Found")
    return answer(body, JSON)


def configured(folder: Path, suggest: Any) -> dict[str, Any]:
    (folder / "openapi.yaml").write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    authorize = {"allow": "authenticated", **({"suggest": suggest} if suggest else {})}
    return document(authorize, api={"openapi": "openapi.yaml", "path": "/"})


@pytest.fixture
def noting(gate: Gate, tmp_path: Path) -> Iterator[Entitled]:
    with AutoUpstream(shop) as upstream:
        yield Entitled(gate, upstream.port, tmp_path, configured(tmp_path, {"share": "100%", "answer": "4KiB"}))


def noted(shop: Entitled, target: str, method: str = "GET", **claims: Any) -> tuple[Message, dict[str, Any]]:
    """The answer, and what its event says."""
    got = shop.token(method, target, **{"sub": "ann", "teams": ["red", "blue"], **claims})
    return got, shop.gate.event(got.id)


IN_ANSWER = {"response:/customer claim:sub", "response:/team claim:teams[]"}


@pytest.mark.parametrize("query", ["", "?packed", "?chunked"])
def test_an_answer_goes_on_as_it_came_and_is_noted(query: str, noting: Entitled) -> None:
    got, event = noted(noting, f"/orders/7{query}")
    assert got.status == 200
    assert (gzip.decompress(got.body) if query == "?packed" else got.body) == ORDER
    assert (event["looked"], event["operation"]) == ("answer", "getOrder")
    assert set(event["noted_own"]) >= IN_ANSWER
    assert "hush" not in json.dumps(event)


def test_so_are_paths_queries_and_lists(noting: Entitled) -> None:
    _, event = noted(noting, "/customers/ann?team=red&x=y")
    assert set(event["noted_own"]) >= {"path:customer claim:sub", "query:team claim:teams[]"} | IN_ANSWER
    _, event = noted(noting, "/orders")
    assert "response:/mine/*/by claim:sub" in event["noted_own"]
    assert "response:/orders/*/by claim:sub" in event["noted_partly"]
    assert event["noted_empty"] == ["response:/none/*"]
    _, event = noted(noting, "/orders/7", sub="eve", teams=[])
    assert (event["looked"], event.get("noted_own")) == ("answer", None)


@pytest.mark.parametrize("query", ["broken", "text", "slip", "long", "long-chunked"])
def test_what_cannot_be_looked_at_goes_on_all_the_same(query: str, noting: Entitled) -> None:
    got, event = noted(noting, f"/customers/ann?{query}")
    assert (got.status, event["looked"]) == (200, "request")
    assert set(event["noted_own"]) == {"path:customer claim:sub", "path:customer owner"}
    assert len(got.body) > 5


def test_nobody_waits_for_one_that_comes_piece_by_piece(gate: Gate, tmp_path: Path) -> None:
    whole = b'{"customer":"ann", "more": "' + b"x" * 400 + b'"}'
    with Upstream() as upstream:
        shop = Entitled(gate, upstream.port, tmp_path, configured(tmp_path, "100%"))
        bearer = f"Authorization: {shop.tokens.bearer(2**31, sub='ann')}"
        with gate.client() as client:
            client.send(request("/customers/ann", bearer))
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(whole)}\r\n{JSON}\r\n\r\n".encode()
            connection, _ = upstream.serve(head + whole[:10])
            sent = iter(range(10, len(whole)))

            def comes() -> bool:
                at = next(sent, None)
                assert at is not None, "all of it was sent, and nothing came"
                connection.send(whole[at : at + 1])
                return not client.silent()

            until(comes, "what is there of the answer")
            for at in sent:
                connection.send(whole[at : at + 1])
            got = client.message()
        event = gate.event(got.id)
    assert (got.body, event["looked"]) == (whole, "request")


def test_nobody_waits_for_an_answer_that_goes_on(gate: Gate, tmp_path: Path) -> None:
    with Upstream() as upstream:
        shop = Entitled(gate, upstream.port, tmp_path, configured(tmp_path, "100%"))
        bearer = f"Authorization: {shop.tokens.bearer(2**31, sub='ann')}"
        with gate.client() as client:
            client.send(request("/customers/ann", bearer))
            head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{JSON}\r\n\r\n".encode()
            connection, _ = upstream.serve(head + b'c\r\n{"customer":\r\n')
            got = client.until(b"\r\n\r\n")
            # It comes though the rest is not there.
            assert client.chunk() == b'{"customer":'
            connection.send(b'6\r\n"ann"}\r\n0\r\n\r\n')
            assert (client.chunk(), client.chunk()) == (b'"ann"}', b"")
        event = gate.event(parse_head(got).id)
    assert (event["looked"], "path:customer claim:sub" in event["noted_own"]) == ("request", True)


def test_what_is_no_success_tells_nothing(noting: Entitled) -> None:
    got, event = noted(noting, "/orders/7?away")
    assert (got.status, event.get("looked"), event.get("noted_own")) == (404, None, None)


def test_the_head_of_an_answer_has_no_body(noting: Entitled) -> None:
    got, event = noted(noting, "/customers/ann", "HEAD")
    assert (got.status, event["looked"]) == (200, "request")


def test_nothing_is_noted_unless_it_is_said(gate: Gate, tmp_path: Path) -> None:
    with AutoUpstream(shop) as upstream:
        silent = Entitled(gate, upstream.port, tmp_path, configured(tmp_path, None))
        got, event = noted(silent, "/customers/ann")
    assert got.body == ORDER
    assert [event[name] for name in ("looked", "noted_own", "noted_partly", "noted_empty")] == [None] * 4


def test_a_share_is_drawn(gate: Gate, tmp_path: Path) -> None:
    with AutoUpstream(shop) as upstream:
        some = Entitled(gate, upstream.port, tmp_path, configured(tmp_path, "50%"))
        looked = [noted(some, "/orders/7")[1]["looked"] for _ in range(30)]
    assert set(looked) == {None, "answer"}
