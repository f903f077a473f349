"""`lockgate limits`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command import lockgate

CONFIG = """\
version: 1
defaults:
  limits:
    - {name: per-client, by: client, allow: 100/s, burst: 200}
apis:
  shop:
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize: authenticated
    limits:
      - {name: search, by: [client, {header: X-Tenant}], allow: 5/10s, paths: [/search], mode: observe}
      - {name: flood, by: [address, route], allow: 1k/h}
  stock: {path: /stock, upstream: "http://127.0.0.1:9000", authenticate: [api_key], authorize: authenticated}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lockgate.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def test_limits_are_listed_once_with_all_that_share_them(folder: Path) -> None:
    ended = lockgate("limits", "--json", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    rows = {row["name"]: row for row in json.loads(ended.out)}
    assert list(rows) == ["failed-authentication", "per-client", "search", "flood"]
    assert rows["per-client"] == {
        "name": "per-client",
        "scope": "defaults",
        "apis": ["shop", "stock"],
        "count": "requests",
        "by": ["client"],
        "allow": "100/s",
        "burst": 200,
        "early": False,
        "mode": "enforce",
        "said": True,
        "file": "lockgate.yaml",
        "line": 4,
    }
    assert rows["search"]["apis"] == ["shop"]
    assert (rows["search"]["by"], rows["search"]["allow"]) == (["client", "header x-tenant"], "5/10s")
    assert (rows["search"]["mode"], rows["search"]["line"]) == ("observe", 11)
    assert (rows["flood"]["early"], rows["flood"]["allow"]) == (True, "1000/h")
    assert not rows["failed-authentication"]["said"]


def test_a_table_for_people(folder: Path) -> None:
    ended = lockgate("limits", cwd=folder, env={"COLUMNS": "200"})
    assert (ended.code, ended.err) == (0, "")
    (line,) = [line for line in ended.out.splitlines() if line.startswith("flood")]
    assert line.split() == [
        *["flood", "shop", "requests", "address,", "route", "1000/h", "1000"],
        *["before", "authentication", "enforce", "lockgate.yaml:12"],
    ]
    assert "by default" in ended.out


def test_a_refused_configuration_lists_nothing(folder: Path) -> None:
    (folder / "lockgate.yaml").write_text(CONFIG.replace("1k/h", "0/h"), encoding="utf-8")
    ended = lockgate("limits", cwd=folder)
    assert ended.code == 2
    assert "allow-zero" in ended.out + ended.err
