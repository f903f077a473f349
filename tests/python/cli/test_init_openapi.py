"""`lockgate init --openapi`: a configuration from a document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lockgate.config import load
from support.command import lockgate
from support.tree import ROOT

PATHS: dict[str, Any] = {"/things": {"get": {"operationId": "listThings"}}}


def written(folder: Path, **more: Any) -> Path:
    file = folder / "api.json"
    info = {"title": "Things & more", "version": "1"}
    file.write_text(json.dumps({"openapi": "3.1.0", "info": info, "paths": PATHS, **more}), encoding="utf-8")
    return file


def test_a_document_says_what_it_can(tmp_path: Path) -> None:
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Things-Key"},
        "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "token": {"$ref": "#/components/securitySchemes/bearer"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    servers = [{"url": "https://api.example.com/v2"}, {"url": "http://127.0.0.1:9000/v2"}]
    written(tmp_path, servers=servers, components={"securitySchemes": schemes})
    ended = lockgate("init", "--openapi", "api.json", "--yes", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "The document has 1 operation" in ended.out
    assert "session: apiKey in cookie" in ended.out
    assert "token: bearer" in ended.out
    assert "curl -H 'X-Things-Key: lg_live_" in ended.out
    loaded = load(tmp_path / "lockgate.yaml")
    assert loaded.warnings == []
    bundle = loaded.compile(0, 0)
    [api] = bundle["apis"]
    assert (api["name"], api["upstream"], api["paths"]) == ("things-more", "things-more", [{"prefix": "/v2"}])
    assert api["policies"]["authenticate"][0]["api_key"]["config"]["header"] == "X-Things-Key"
    assert [target["url"] for target in bundle["upstreams"][0]["targets"]] == ["http://127.0.0.1:9000"]
    assert [operation["name"] for operation in bundle["documents"][0]["operations"]] == ["listThings"]


def test_the_shops_document(tmp_path: Path) -> None:
    ended = lockgate(
        "init", "--openapi", str(ROOT / "examples/shop/openapi.json"), "--upstream", "http://127.0.0.1:9000", "--yes",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    [api] = load(tmp_path / "lockgate.yaml").compile(0, 0)["apis"]
    assert (api["name"], api["paths"]) == ("shop", [{"prefix": "/"}])


def test_where_no_server_can_be_asked_one_is_wanted(tmp_path: Path) -> None:
    written(tmp_path, servers=[{"url": "/v1"}])
    ended = lockgate("init", "--openapi", "api.json", "--yes", cwd=tmp_path)
    assert ended.code == 2
    assert "Say where your API is" in ended.err
    assert not (tmp_path / "lockgate.yaml").exists()


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "lockgate.yaml").write_text("version: 1\n", encoding="utf-8")
    ended = lockgate("init", "--openapi", "api.json", "--upstream", "http://127.0.0.1:9", "--yes", cwd=tmp_path)
    assert ended.code == 2
    assert (tmp_path / "lockgate.yaml").read_text(encoding="utf-8") == "version: 1\n"


@pytest.mark.parametrize(
    ("paths", "code"),
    [({}, "openapi-empty"), ({"/a/{b": {"get": {}}}, "operation-path"), ({"/a": []}, "openapi-malformed")],
)
def test_a_broken_document_writes_nothing(paths: dict[str, Any], code: str, tmp_path: Path) -> None:
    written(tmp_path, paths=paths)
    (tmp_path / "lockgate.yaml").write_text("version: 1\n", encoding="utf-8")
    words = ("--openapi", "api.json", "--upstream", "http://127.0.0.1:9000", "--yes", "--force")
    ended = lockgate("init", *words, cwd=tmp_path)
    assert ended.code == 2
    assert f"[{code}]" in ended.err
    assert "api.json:1:" in ended.err
    assert (tmp_path / "lockgate.yaml").read_text(encoding="utf-8") == "version: 1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.json", "lockgate.yaml"]


def test_a_missing_document_is_told(tmp_path: Path) -> None:
    ended = lockgate("init", "--openapi", "api.json", "--upstream", "http://127.0.0.1:9000", "--yes", cwd=tmp_path)
    assert (ended.code, "there is no file api.json" in ended.err) == (2, True)
