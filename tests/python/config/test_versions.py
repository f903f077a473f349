"""`versions`: the cases by way of a configuration, and what becomes of what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockgate import _native
from lockgate.config import load
from support.vectors import Case, cases, name

from .conftest import Read

HEAD = """\
version: 1
upstreams:
  one: {targets: ["http://127.0.0.1:9001"]}
  two: {targets: ["http://127.0.0.1:9002"]}
apis:
  api:
    path: /api
    public: {owner: tests, reason: A case., until: 2100-01-01}
"""


@pytest.mark.parametrize("case", cases("version"), ids=name)
def test_which_version(case: Case, tmp_path: Path) -> None:
    config = yaml.safe_load(HEAD)
    by = "path" if case["by"] == {"path": {}} else case["by"]
    versions = {"v1": {"upstream": "one"}, "v2": {"upstream": "two"}}
    config["apis"]["api"] |= {"versions": versions, "version_by": by}
    if "default" in case:
        config["apis"]["api"]["default_version"] = case["default"]
    config["apis"]["api"]["public"]["until"] = "2100-01-01"
    (tmp_path / "lockgate.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    engine = _native.Engine(json.dumps(load(tmp_path / "lockgate.yaml").compile(1, 1)).encode())
    headers = [("Host", "a.example"), *((header, value) for header, value in case.get("headers", []))]
    told = engine.evaluate({"method": "GET", "target": case.get("path", "/api/things"), "headers": headers})
    version = (told["route"]["version"] or {}).get("name")
    assert (version, (told["reason"] or {}).get("code")) == (case.get("version"), case.get("reason"))
    if "version" in case:
        assert told["upstream"]["name"] == {"v1": "one", "v2": "two"}[case["version"]]


def versions(read: Read, text: str, **files: str) -> dict[str, Any]:
    bundle = read(HEAD + text, **files).compile(1, 1)
    made: dict[str, Any] = {**bundle["apis"][0], "documents": bundle["documents"]}
    return made


def test_all_that_may_be_said(read: Read) -> None:
    api = versions(
        read,
        """\
    versions:
      v2: {upstream: two, openapi: api.yaml}
      v1:
        upstream: one
        deprecated: 2026-06-01
        sunset: 2027-01-01
        brownouts: [{start: "2026-10-01T09:00:00Z", end: "2026-10-01T12:00:00+02:00"}]
        successor: v2
        notice: https://docs.example.com/v1
    default_version: v2
    version_by: {header: X-Version}
""",
        api_yaml="openapi: 3.1.0\npaths: {/things: {get: {}}}\n",
    )
    made = api["versions"]
    assert (api["upstream"], made["default"], made["by"]) == (None, "v2", {"header": "X-Version"})
    v2, v1 = made["list"]
    assert (v2["name"], v2["upstream"], v2["openapi"]["document"]) == ("v2", "two", 0)
    assert (v1["deprecated_ms"], v1["sunset_ms"]) == (1_780_272_000_000, 1_798_761_600_000)
    assert v1["brownouts"] == [{"start_ms": 1_790_845_200_000, "end_ms": 1_790_848_800_000}]
    assert (v1["successor"], v1["notice"]) == ("v2", "https://docs.example.com/v1")


@pytest.mark.parametrize(("strip", "bases"), [("true", [""]), ("false", ["/api/v1"])])
def test_a_servers_path_may_be_what_is_taken_off(strip: str, bases: list[str], read: Read) -> None:
    text = (
        f"    strip_path: {strip}\n    versions: {{v1: {{upstream: one, openapi: api.yaml}}, v2: {{upstream: two}}}}\n"
    )
    document = "openapi: 3.1.0\nservers: [{url: https://example.com/api/v1}]\npaths: {/things: {get: {}}}\n"
    assert versions(read, text, api_yaml=document)["documents"][0]["bases"] == bases


def test_a_version_without_an_upstream_goes_where_its_api_goes(read: Read) -> None:
    api = versions(read, "    upstream: one\n    versions: {v1: {}, v2: {upstream: two}}\n")
    assert (api["upstream"], [one["upstream"] for one in api["versions"]["list"]]) == ("one", [None, "two"])
