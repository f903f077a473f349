"""`users`: how many may use an API, before a gate that counts them."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, request
from lockgate.config import ConfigErrors
from policies.entitled import Entitled, compiled, document, explained, people, session, step
from support.vectors import Case, cases, name
from support.waiting import until

CASES = cases("users")
NOW = [case for case in CASES if not any(one.get("after") or one.get("stays") for one in case["comes"])]
"""Those that need no clock but the gate's own."""
DAY_S = 86_400
NUMBERS = itertools.count()
"""The gate lives longer than a test, and remembers who came."""


def capped(*caps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The configuration of an API of which so many may be users."""
    said: object = {"caps": list(caps), **more} if more else list(caps)
    made = document({"allow": "authenticated", "users": said}, api={"path": "/"})
    made["apis"][f"orders-{next(NUMBERS)}"] = made["apis"].pop("orders")
    return made


def said_of(case: Case) -> dict[str, Any]:
    """The cap of a case, as the configuration says it."""
    words = {"distinct": "distinct_per_day", "concurrent": "concurrent", "by": "by"}
    return {"idle": "1m", **{words[name]: value for name, value in case["cap"].items()}}


class Api:
    """An API, and those who come."""

    def __init__(
        self, gate: Gate, folder: Path, *caps: dict[str, Any], sections: dict[str, Any] | None = None, **more: Any
    ) -> None:
        self.gate, self.folder, self.said = gate, folder, {**capped(*caps, **more), **(sections or {})}
        self.upstream = AutoUpstream()

    def __enter__(self) -> Self:
        self.upstream.__enter__()
        self.shop = Entitled(self.gate, self.upstream.port, self.folder, self.said)
        return self

    def __exit__(self, *_: object) -> None:
        self.upstream.__exit__(None, None, None)

    def comes(self, who: str, **claims: Any) -> Message:
        return self.shop.token("GET", "/orders", sub=who, **claims)


def claims(one: dict[str, Any]) -> dict[str, Any]:
    """What the token of one who comes says besides."""
    words = {"app": "client_id", "tenant": "tenant"}
    return {words[name]: value for name, value in one.items() if name in words}


@pytest.mark.parametrize("case", NOW, ids=name)
def test_the_gate(case: Case, gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, said_of(case)) as api:
        got = [api.comes(one["who"], **claims(one)) for one in case["comes"]][-1]
        if case["verdict"] == "allow":
            assert got.status == 200
        else:
            assert (got.status, got.reason) == (429, case["reason"])


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine_begins_without_users(case: Case, tmp_path: Path) -> None:
    said = people({"allow": "authenticated", "users": said_of(case)})
    # That there are programs at all.
    said["apis"]["orders"]["authenticate"].append("api_key")
    told = explained(compiled(tmp_path, said), "GET", "/orders", session({"sub": "ann"}))
    assert step(told, "users")[:2] == ("allow", None)


def test_who_is_one_too_many_hears_when_to_come_again(gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, {"distinct_per_day": 1}) as api:
        before = gate.count("lockgate_users_refused_total")
        assert api.comes("ann").status == 200
        refused = api.comes("bob")
        assert (refused.status, refused.reason) == (429, "users-a-day")
        wait = refused.get("retry-after")
        assert wait is not None
        assert 1 <= int(wait) <= DAY_S + 301, "no more than five minutes past midnight"
        assert b"At most 1 different users may come in a day." in refused.body
        assert gate.event(refused.id)["room"] == "users"
        assert gate.count("lockgate_users_refused_total") == before + 1


def test_metrics_tell_how_full_each_cap_is(gate: Gate, tmp_path: Path) -> None:
    free = {"roles": {"free": {"who": {"claim": "plan", "equals": "free"}}}}
    caps: list[dict[str, Any]] = [
        {"distinct_per_day": 5, "concurrent": 4},
        {"by": {"claim": "tenant"}, "distinct_per_day": 3},
        {"role": "free", "concurrent": 2},
    ]
    with Api(gate, tmp_path, *caps, sections=free) as api:
        for who, tenant in [("ann", "a"), ("bob", "b"), ("cyd", "b")]:
            assert api.comes(who, tenant=tenant).status == 200
        name = next(iter(api.said["apis"]))

        def told(metric: str, **labels: str) -> int:
            return gate.count(f"lockgate_users_{metric}", api=name, **labels)

        for labels, fullest, cap in [
            ({"by": "api", "role": "", "of": "day"}, 3, 5),
            ({"by": "api", "role": "", "of": "once"}, 3, 4),
            ({"by": "claim:tenant", "role": "", "of": "day"}, 2, 3),
            ({"by": "api", "role": "free", "of": "once"}, 0, 2),
        ]:
            assert (told("fullest", **labels), told("cap", **labels)) == (fullest, cap), labels


def test_explain_refuses_where_so_many_others_are_there(tmp_path: Path) -> None:
    bundle = compiled(tmp_path, people({"allow": "authenticated", "users": {"distinct_per_day": 5}}))
    for others, verdict in [(0, ("allow", None)), (4, ("allow", None)), (5, ("deny", "users-a-day"))]:
        told = explained(bundle, "GET", "/orders", session({"sub": "ann"}), others=others)
        assert step(told, "users")[:2] == verdict


def test_a_second_device_takes_no_second_place(gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, {"distinct_per_day": 1, "concurrent": 1}) as api:
        assert [api.comes("ann", jti=f"t-{one}").status for one in range(5)] == [200] * 5


def test_who_may_not_call_takes_no_place(gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, {"distinct_per_day": 1}) as api:
        authorize = next(iter(api.said["apis"].values()))["authorize"]
        authorize["scopes"] = {"orders:read": ["GET"]}
        api.shop = Entitled(gate, api.upstream.port, tmp_path, api.said)
        assert api.comes("bob").reason == "scope-missing"
        assert api.comes("ann", scope="orders:read").status == 200
        assert api.comes("cyd", scope="orders:read").reason == "users-a-day"


def test_a_plan_is_a_role(gate: Gate, tmp_path: Path) -> None:
    caps: list[dict[str, Any]] = [{"distinct_per_day": 10}, {"distinct_per_day": 1, "role": "free"}]
    plans = {"roles": {"free": {"who": {"claim": "plan", "equals": "free"}}}}
    with Api(gate, tmp_path, *caps, sections=plans) as api:
        assert api.comes("ann", plan="free").status == 200
        assert api.comes("bob", plan="free").reason == "users-a-day"
        assert api.comes("cyd", plan="gold").status == 200


def test_observing_counts_apart(gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, {"distinct_per_day": 1}, mode="observe") as api:
        assert api.comes("ann").status == 200
        let = api.comes("bob")
        assert let.status == 200
        told = {one["policy"]: one for one in gate.event(let.id)["verdicts"]}
        assert (told["users"]["outcome"], told["users"]["reason"]) == ("observe-deny", "users-a-day")
        next(iter(api.said["apis"].values()))["authorize"]["users"]["mode"] = "enforce"
        api.shop = Entitled(gate, api.upstream.port, tmp_path, api.said)
        assert api.comes("bob").status == 200, "what was observed has taken no place"


def test_a_restart_gives_no_places_away(tmp_path: Path) -> None:
    said = capped({"distinct_per_day": 2})
    with AutoUpstream() as upstream:

        def come(gate: Gate, *people: str) -> list[int]:
            shop = Entitled(gate, upstream.port, tmp_path, said)
            return [shop.token("GET", "/orders", sub=who).status for who in people]

        with Gate(tmp_path / "state") as gate:
            assert come(gate, "ann", "bob", "cyd") == [200, 200, 429]
            gate.kill()
        written = tmp_path / "state/gate/users"
        assert (written.stat().st_size, written.stat().st_mode & 0o777) == (2 * 24, 0o600)
        assert b"ann" not in written.read_bytes()
        with Gate(tmp_path / "state") as gate:
            assert come(gate, "dan", "ann", "bob") == [429, 200, 200]


BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\none\n\n\n\r\n"


def test_what_is_under_way_keeps_its_place(gate: Gate, tmp_path: Path) -> None:
    with Api(gate, tmp_path, {"concurrent": 1, "idle": "1s"}) as api, AutoUpstream(lambda _: BEGUN) as endless:
        port = api.upstream.port
        api.shop = Entitled(gate, endless.port, tmp_path, api.said)
        with gate.client() as ann:
            ann.send(request("/events", f"Authorization: {api.shop.tokens.bearer(2**31, sub='ann')}"))
            ann.until(b"one")
            api.shop = Entitled(gate, port, tmp_path, api.said)
            bob = f"Authorization: {api.shop.tokens.bearer(2**31, sub='bob')}"
            by = time.monotonic() + 1.5  # Longer than a place is kept for when nobody is there.
            while True:
                assert api.shop.ask("GET", "/orders", bob).reason == "users-at-once"
                if time.monotonic() > by:
                    break
        until(lambda: api.shop.ask("GET", "/orders", bob).status == 200, "the place of who has hung up")
        assert api.comes("ann").reason == "users-at-once"


@pytest.mark.parametrize(
    ("users", "code"),
    [
        ({"concurrent": 0}, "out-of-range"),
        ({"distinct_per_day": 1_000_001}, "out-of-range"),
        ({"idle": "5m"}, "users-uncapped"),
        ({"concurrent": 1, "idle": "25h"}, "out-of-range"),
        ({"concurrent": 1, "by": "ap"}, "by-unknown"),
        ({"concurrent": 1, "by": {"claim": ""}}, "by-malformed"),
        ({"concurrent": 1, "role": "nobody"}, "role-unknown"),
        ([{"concurrent": 1}, {"distinct_per_day": 1}], "users-twice"),
        ({"concurent": 1}, "unknown-key"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(users: object, code: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as errors:
        compiled(tmp_path, document({"allow": "authenticated", "users": users}))
    assert code in [error.code for error in errors.value.errors]
