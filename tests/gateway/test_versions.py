"""A gate before several versions of one API: where each goes, and how one comes to its end."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gateway.harness import bundles
from gateway.harness.bundles import DAY_MS, now_ms
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate.config.bundle_types import Version, VersionBy, Versions


@pytest.fixture
def old(ends: ExitStack) -> AutoUpstream:
    """Where version v1 goes; v2 goes to `auto`."""
    return ends.enter_context(AutoUpstream())


def serve(
    gate: Gate, auto: AutoUpstream, old: AutoUpstream, versions: Versions, *, strip: bool = False, path: str = "/api"
) -> None:
    api = bundles.api("api", path, to="new", strip_path=strip, versions=versions)
    upstreams = [bundles.upstream(auto.port, name="new"), bundles.upstream(old.port, name="old")]
    documents = [bundles.document({"GET /things": "listThings"}, bases=["/api/v1"])]
    gate.load(bundles.bundle([api], upstreams, documents=documents))


def v1(**more: object) -> Version:
    return {**bundles.version("v1", to="old"), **more}  # type: ignore[typeddict-item]


V2 = bundles.version("v2")


@pytest.mark.parametrize(("strip", "seen"), [(False, "/api/v1/things"), (True, "/things")])
def test_each_version_has_its_upstream(
    strip: bool, seen: str, gate: Gate, auto: AutoUpstream, old: AutoUpstream
) -> None:
    serve(gate, auto, old, bundles.versions(v1(), V2), strip=strip)
    client = gate.client()
    got = client.get("/api/v1/things?a=1")
    assert (got.status, old.requests[-1].target) == (200, f"{seen}?a=1")
    assert gate.event(got.id)["version"] == "v1"
    got = client.get("/api/v2/things")
    assert (got.status, auto.requests[-1].target) == (200, seen.replace("v1", "v2"))
    refusal = client.get("/api/v3/things")
    assert (refusal.status, refusal.reason) == (404, "version-unknown")
    assert refusal.problem["detail"] == "the versions are v1, v2"
    event = gate.event(refusal.id)
    assert (event["version"], event["span"]["line"]) == (None, 60)
    refusal = client.get("/api")
    assert (refusal.status, refusal.reason) == (400, "version-missing")
    assert (len(old.requests), len(auto.requests)) == (1, 1)


@pytest.mark.parametrize(
    ("by", "path", "header"),
    [
        ({"header": "X-API-Version"}, "/api", "X-API-Version: v1"),
        ({"media_type": "version"}, "/api", "Accept: application/json; version=v1"),
        ({"query": "version"}, "/api?version=v1", "X-Other: 1"),
    ],
)
def test_something_else_may_say_the_version(
    by: VersionBy, path: str, header: str, gate: Gate, auto: AutoUpstream, old: AutoUpstream
) -> None:
    serve(gate, auto, old, bundles.versions(v1(), V2, by=by, default="v2"))
    assert gate.client().get(path, header).status == 200
    assert gate.client().get("/api").status == 200
    assert (old.requests[0].target, auto.requests[0].target) == (path, "/api")


def test_answers_tell_of_the_end(gate: Gate, auto: AutoUpstream, old: AutoUpstream) -> None:
    sunset = now_ms() + DAY_MS
    ending = v1(deprecated_ms=1_780_272_000_000, sunset_ms=sunset, successor="v2", notice="https://docs.example.com/v1")
    serve(gate, auto, old, bundles.versions(ending, V2))
    got = gate.client().get("/api/v1/things?a=1")
    assert (got.status, got.get("deprecation")) == (200, "@1780272000")
    assert (got.get("sunset") or "").endswith(" GMT")
    assert got.all("link") == [
        '<https://docs.example.com/v1>; rel="deprecation"; type="text/html"',
        '</api/v2/things?a=1>; rel="successor-version"',
    ]
    plain = gate.client().get("/api/v2/things")
    assert (plain.get("deprecation"), plain.get("sunset"), plain.get("link")) == (None, None, None)


def test_after_its_end_it_is_gone(gate: Gate, auto: AutoUpstream, old: AutoUpstream) -> None:
    serve(gate, auto, old, bundles.versions(v1(sunset_ms=now_ms() - 1, successor="v2"), V2))
    refusal = gate.client().get("/api/v1/things")
    assert (refusal.status, refusal.reason) == (410, "version-sunset")
    assert refusal.problem["detail"] == "use version v2"
    assert refusal.all("link") == ['</api/v2/things>; rel="successor-version"']
    assert gate.event(refusal.id)["version"] == "v1"
    assert old.requests == []


def test_a_brownout_ends_by_itself(gate: Gate, auto: AutoUpstream, old: AutoUpstream) -> None:
    now = now_ms()
    past = {"start_ms": now - 2_000, "end_ms": now - 1_000}
    present = {"start_ms": now - 1_000, "end_ms": now + 600_000}
    serve(gate, auto, old, bundles.versions(v1(brownouts=[past, present]), V2))
    refusal = gate.client().get("/api/v1/things")
    assert (refusal.status, refusal.reason) == (503, "version-brownout")
    assert 590 < int(refusal.get("retry-after") or 0) <= 600
    assert gate.client().get("/api/v2/things").status == 200
    serve(gate, auto, old, bundles.versions(v1(brownouts=[past]), V2))
    assert gate.client().get("/api/v1/things").status == 200


def test_each_version_has_its_document(gate: Gate, auto: AutoUpstream, old: AutoUpstream) -> None:
    serve(gate, auto, old, bundles.versions(v1(openapi=bundles.attached()), V2))
    got = gate.client().get("/api/v1/things")
    event = gate.event(got.id)
    assert (event["version"], event["operation"]) == ("v1", "listThings")
    assert gate.client().get("/api/v1/others").reason == "operation-unknown"
    got = gate.client().get("/api/v2/others")
    assert got.status == 200
    outcomes = {step["policy"]: step["outcome"] for step in gate.event(got.id)["verdicts"]}
    assert (outcomes["version"], outcomes["operation"]) == ("allow", "off")
