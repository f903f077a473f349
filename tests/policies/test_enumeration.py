"""`enumeration`: who goes through all there is, before a gate that counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from lockgate.config import ConfigErrors
from policies.entitled import Entitled, compiled, document, explained, people, session, step
from support.vectors import Case, cases, name
from support.vectors import document as vectors

CASES = cases("enumeration")
BOUNDS = vectors("enumeration")["bounds"]
SET = {
    "objects": BOUNDS["objects"],
    "steps": BOUNDS["steps"],
    "refused": {"percent": BOUNDS["percent"], "of": BOUNDS["of"]},
}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders/{id}": {"get": {"operationId": "getOrder"}},
        "/v2/orders": {"get": {"operationId": "listOrders"}},
    },
}


CALLERS = itertools.count()
"""The gate lives longer than a test, and remembers whom it found."""


class Ask(NamedTuple):
    """One request of a case, and how the API ends it."""

    target: str
    status: int


def asks(case: Case) -> Iterator[Ask]:
    for one in case["asks"]:
        by = one.get("by", 1)
        last = one.get("to", 1) + (1 if by > 0 else -1)
        for number in range(one.get("from", 1), last, by):
            said = one["path"] + (f"?{one['query']}" if "query" in one else "")
            yield Ask(said.replace("{n}", str(number)), one.get("status", 200))
            if "between" in one:
                yield Ask(one["between"], 200)


def counted(**more: Any) -> dict[str, Any]:
    """The configuration of an API whose callers are counted."""
    return {"authorize": {"allow": "authenticated", "enumeration": {**SET, **more}}, "api": {"path": "/"}}


class Api:
    """An API that ends each request as it is told."""

    def __init__(self, gate: Gate, folder: Path, said: dict[str, Any]) -> None:
        self.status = 200
        self.caller = f"ann-{next(CALLERS)}"
        self.upstream = AutoUpstream(lambda _: answer(b"{}", status=f"{self.status} Said"))
        self.gate, self.folder, self.said = gate, folder, said

    def __enter__(self) -> Self:
        self.upstream.__enter__()
        self.shop = Entitled(self.gate, self.upstream.port, self.folder, document(**self.said))
        return self

    def __exit__(self, *_: object) -> None:
        self.upstream.__exit__(None, None, None)

    def ask(self, *asked: Ask, sub: str | None = None) -> Message:
        """The answer to the last of these."""
        bearer = f"Authorization: {self.shop.tokens.bearer(2**31, sub=sub or self.caller)}"
        with self.gate.client() as client:
            *before, last = asked
            for one in before:
                self.status = one.status
                client.get(one.target, bearer)
            self.status = last.status
            return client.get(last.target, bearer)


def walked(count: int) -> list[Ask]:
    """So many orders in a row."""
    return [Ask(f"/orders/{number}", 200) for number in range(1, count + 1)]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_gate(case: Case, gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, counted(query=case.get("query", []))) as api:
        got = api.ask(*asks(case))
        if case["verdict"] == "allow":
            assert got.status == list(asks(case))[-1].status
        else:
            assert (got.status, got.reason) == (429, case["reason"])


@pytest.mark.parametrize("case", [case for case in CASES if case["verdict"] == "allow"], ids=name)
def test_the_engine_has_seen_nothing_yet(case: Case, tmp_path: Path) -> None:
    said = people({"allow": "authenticated", "enumeration": SET}, api={"path": "/"})
    target = next(asks(case)).target
    told = explained(compiled(tmp_path, said), "GET", target, session({"sub": "ann"}))
    assert step(told, "enumeration")[:2] == ("allow", None)


def test_who_was_found_waits_and_others_do_not(gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, counted()) as api:
        before = gate.count("lockgate_enumeration_found_total")
        refused = api.ask(*walked(11))
        assert (refused.status, refused.reason) == (429, "enumeration-walking")
        wait = refused.get("retry-after")
        assert wait is not None
        assert 600 <= int(wait) <= 752
        event = gate.event(refused.id)
        assert (event["class"], event["room"]) == ("security", "enumeration")
        assert api.ask(Ask("/orders/7", 200)).status == 429
        assert api.ask(Ask("/orders", 200)).status == 200, "that names no object"
        assert api.ask(Ask("/orders/7", 200), sub=f"bob-{api.caller}").status == 200
        assert gate.count("lockgate_enumeration_found_total") == before + 1


def test_what_objects_refuses_counts(gate: Gate, tmp_path: Path) -> None:
    said = counted(steps=0)
    rule = {"operations": "*", "query": "customer", "must_equal": "claim:sub"}
    said["authorize"]["objects"] = [rule]
    with Api(gate, tmp_path, said) as api:
        tried = [Ask(f"/orders/{number * 50}?customer=bob", 200) for number in range(8)]
        assert api.ask(*tried).reason == "object-not-own"
        assert api.ask(Ask(f"/orders/7?customer={api.caller}", 200)).reason == "enumeration-refused"


def test_an_operation_tells_what_names_its_object(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    said = counted(operations=["getOrder", "listOrders"])
    said["api"]["openapi"] = "openapi.yaml"
    with Api(gate, tmp_path, said) as api:
        lists = [Ask("/v2/orders", 404)] * 20
        assert api.ask(*lists).status == 404, "a digit in a path names nothing there"
        assert api.ask(*walked(11)).reason == "enumeration-walking"


def test_observing_lets_through_and_tells(gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, counted(mode="observe")) as api:
        let = api.ask(*walked(11))
        assert let.status == 200
        told = {one["policy"]: one for one in gate.event(let.id)["verdicts"]}
        assert (told["enumeration"]["outcome"], told["enumeration"]["reason"]) == (
            "observe-deny",
            "enumeration-walking",
        )


def test_what_people_do_is_not_found_by_default(gate: Gate, tmp_path: Path) -> None:
    said = counted()
    said["authorize"]["enumeration"] = {}
    with Api(gate, tmp_path, said) as api:
        # Ten pages of a list, of each of which five are opened, and some that are gone.
        scrolled: list[Ask] = []
        for page in range(10):
            scrolled.append(Ask(f"/orders?page={page}", 200))
            scrolled += [Ask(f"/orders/{page * 50 + one * 9}", 200) for one in range(5)]
            scrolled.append(Ask(f"/orders/{page * 50 + 49}", 404))
        assert api.ask(*scrolled, Ask("/orders/7", 200)).status == 200
        # A client that fetches each item of a page by itself.
        assert api.ask(*walked(50)).status == 200


@pytest.mark.parametrize(
    ("enumeration", "code"),
    [
        ({"operations": ["getOrder"]}, "operation-unknown"),
        ({"objects": 10_001}, "out-of-range"),
        ({"refused": {"percent": 101}}, "out-of-range"),
        ({"window": "0s"}, "out-of-range"),
    ],
)
def test_what_makes_no_sense_is_refused(enumeration: dict[str, Any], code: str, tmp_path: Path) -> None:
    said = counted()
    said["authorize"]["enumeration"] = enumeration
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, document(**said))
    assert [error.code for error in errors.value.errors] == [code]
