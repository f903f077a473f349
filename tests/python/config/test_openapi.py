"""OpenAPI documents: the look-up's cases by way of files, references, servers, bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockgate import _native
from lockgate.config import ConfigErrors, load
from lockgate.config.openapi import operations as reading
from support.vectors import Case, cases, document, name

from .conftest import Read, Write

HEAD = """\
version: 1
apis:
  shop:
    upstream: http://127.0.0.1:9000
    public: {owner: tests, reason: A case., until: 2100-01-01}
"""


def written(operations: dict[str, str], servers: list[str] | None = None) -> dict[str, Any]:
    """A document with these operations."""
    paths: dict[str, dict[str, Any]] = {}
    for what, called in operations.items():
        method, _, path = what.partition(" ")
        # A name that is the made one is left out, so that it is made.
        paths.setdefault(path, {})[method.lower()] = {} if called == what else {"operationId": called}
    return {
        "openapi": "3.1.0",
        "info": {"title": "A case", "version": "1"},
        **({"servers": [{"url": f"https://api.example.com{url}"} for url in servers]} if servers else {}),
        "paths": paths,
    }


@pytest.fixture(scope="module", params=["json", "yaml"])
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, _native.Engine]:
    """An engine for each document of the cases, in either spelling."""
    made = {}
    for called, told in document("operation")["documents"].items():
        folder = tmp_path_factory.mktemp(called)
        # HTTP's QUERY is no method of OpenAPI 3.1's.
        listed = {what: one for what, one in told["operations"].items() if not what.startswith("QUERY")}
        text = written(listed, told.get("servers"))
        file = folder / f"document.{request.param}"
        file.write_text(json.dumps(text, indent=2) if request.param == "json" else yaml.safe_dump(text), "utf-8")
        main = folder / "lockgate.yaml"
        main.write_text(HEAD + f"    openapi: {file.name}\n", encoding="utf-8")
        made[called] = _native.Engine(json.dumps(load(main).compile(1, 1)).encode())
    return made


LISTED = [case for case in cases("operation") if case.get("method") != "QUERY"]


@pytest.mark.parametrize("case", LISTED, ids=name)
def test_the_look_up(case: Case, engines: dict[str, _native.Engine]) -> None:
    asked = {"method": case.get("method", "GET"), "target": case["path"], "headers": [("Host", "a.example")]}
    told = engines[case["document"]].evaluate(asked)
    found = (told["route"]["operation"] or {}).get("name")
    assert (found, (told["reason"] or {}).get("code")) == (case.get("operation"), case.get("reason"))
    [step] = [step for step in told["steps"] if step["policy"] == "operation"]
    assert step["verdict"] == ("deny" if "reason" in case else "allow")


@pytest.mark.parametrize("case", document("operation")["refused"], ids=name)
def test_what_cannot_be_an_operation(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "document.json"
    file.write_text(json.dumps(written(case["operations"]), indent=2), encoding="utf-8")
    (tmp_path / "lockgate.yaml").write_text(HEAD + "    openapi: document.json\n", encoding="utf-8")
    with pytest.raises(ConfigErrors) as refused:
        load(tmp_path / "lockgate.yaml")
    [error] = refused.value.errors
    assert (error.code, error.source.path) == (case["code"], file)
    assert error.region.line > 5, "the place is the operation's own"


def operations(read: Read, api: str, **files: str) -> list[dict[str, Any]]:
    [one] = read(HEAD + api, **files).compile(1, 1)["documents"]
    return [{**operation, "bases": operation["bases"] or one["bases"]} for operation in one["operations"]]


def test_references_are_followed_and_watched(tmp_path: Path) -> None:
    files = {
        "lockgate.yaml": HEAD + "    openapi: docs/api.yaml\n",
        "docs/api.yaml": "openapi: 3.0.3\npaths:\n  /a: {$ref: paths/a.yaml}\n  /b: {$ref: 'paths/all.json#/~1b'}\n"
        "x-parts:\n  b: {get: {operationId: getB}, parameters: []}\n",
        "docs/paths/a.yaml": "get: {operationId: getA}\n",
        "docs/paths/all.json": '{"/b": {"$ref": "../api.yaml#/x-parts/b"}}',
    }
    for file, text in files.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    loaded = load(tmp_path / "lockgate.yaml")
    [one] = loaded.compile(1, 1)["documents"]
    assert [operation["name"] for operation in one["operations"]] == ["getA", "getB"]
    sources = [source.name for source in loaded.sources]
    assert [sources[operation["span"]["file"]] for operation in one["operations"]] == [
        "docs/paths/a.yaml",
        "docs/api.yaml",
    ]
    assert {tmp_path / file for file in files} <= set(loaded.files)


def test_a_broken_document_is_watched_until_it_is_mended(write: Write, tmp_path: Path) -> None:
    main = write(HEAD + "    openapi: api.yaml\n", api_yaml="openapi: 3.1.0\npaths: [\n")
    with pytest.raises(ConfigErrors) as refused:
        load(main)
    assert tmp_path / "api.yaml" in refused.value.files


SERVED = "openapi: 3.1.0\nservers: {servers}\npaths:\n  /a: {{get: {{operationId: getA{own}}}}}\n"


@pytest.mark.parametrize(
    ("servers", "bases"),
    [
        ("[]", [""]),
        ("[{url: /}]", [""]),
        ("[{url: 'https://api.example.com'}]", [""]),
        ("[{url: 'https://api.example.com/v1/'}]", ["/v1"]),
        ("[{url: 'https://api.example.com/v1'}, {url: 'http://localhost:9000/v1'}]", ["/v1"]),
        ("[{url: v1}, {url: ./v2}]", ["/v1", "/v2"]),
        ("[{url: '//api.example.com/v1'}]", ["/v1"]),
        (
            (
                "[{url: '{scheme}://{host}/{base}', variables: {scheme: {default: https}, host: {default: a.example}, "
                "base: {default: v1, enum: [v1, v2]}}}]"
            ),
            ["/v1", "/v2"],
        ),
    ],
)
def test_bases_are_the_paths_of_the_servers(servers: str, bases: list[str], read: Read) -> None:
    found = operations(read, "    openapi: api.yaml\n", api_yaml=SERVED.format(servers=servers, own=""))
    assert found[0]["bases"] == bases


def test_an_operation_may_have_servers_of_its_own(read: Read) -> None:
    own = ", servers: [{url: /own}]"
    found = operations(read, "    openapi: api.yaml\n", api_yaml=SERVED.format(servers="[{url: /v1}]", own=own))
    assert found[0]["bases"] == ["/own"]


@pytest.mark.parametrize(
    ("api", "bases"),
    [
        ("    openapi: {file: api.yaml, base: /v9}\n", ["/v9"]),
        ("    openapi: {file: api.yaml, base: /}\n", [""]),
        ("    openapi: {file: api.yaml, base: [/v8, /v9]}\n", ["/v8", "/v9"]),
        ("    openapi: api.yaml\n    path: /v1\n", ["/v1"]),
        ("    openapi: api.yaml\n    path: /v1\n    strip_path: true\n", [""]),
        ("    openapi: api.yaml\n    path: /shop\n    strip_path: true\n", ["/v1"]),
    ],
)
def test_what_stands_before_the_paths(api: str, bases: list[str], read: Read) -> None:
    found = operations(read, api, api_yaml=SERVED.format(servers="[{url: /v1}]", own=""))
    assert found[0]["bases"] == bases


def test_a_document_that_two_apis_name_is_there_once(read: Read) -> None:
    api = "upstream: http://127.0.0.1:9000, authenticate: [api_key], authorize: authenticated, openapi: api.yaml"
    text = f"version: 1\napis:\n  a: {{path: /v1/a, {api}}}\n  b: {{path: /v1/b, {api}}}\n"
    bundle = read(text, api_yaml=SERVED.format(servers="[{url: /v1}]", own="")).compile(1, 1)
    assert len(bundle["documents"]) == 1
    assert [one["openapi"]["document"] for one in bundle["apis"]] == [0, 0]


def test_a_document_has_a_bound(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_OPERATIONS", 1)
    text = "openapi: 3.1.0\npaths:\n  /a: {get: {}, put: {}}\n"
    with pytest.raises(ConfigErrors) as refused:
        load(write(HEAD + "    openapi: api.yaml\n", api_yaml=text))
    assert [error.code for error in refused.value.errors] == ["openapi-too-large"]


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_depth_is_bounded(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"api.{suffix}"
    file.write_text('{"openapi": ' + "[" * 200_000 + "]" * 200_000 + "}", encoding="utf-8")
    (tmp_path / "lockgate.yaml").write_text(HEAD + f"    openapi: {file.name}\n", encoding="utf-8")
    with pytest.raises(ConfigErrors) as refused:
        load(tmp_path / "lockgate.yaml")
    assert [error.code for error in refused.value.errors] == ["too-deep"]


def test_aliases_do_not_multiply(write: Write) -> None:
    """Nine lines that stand for a thousand million values: nobody walks them."""
    lines = ["a0: &a0 {get: {}}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    text = "openapi: 3.1.0\npaths: {/a: {get: {}}}\nx-bomb:\n  " + "\n  ".join(lines) + "\n"
    [one] = load(write(HEAD + "    openapi: api.yaml\n", api_yaml=text)).compile(1, 1)["documents"]
    assert [operation["name"] for operation in one["operations"]] == ["GET /a"]
