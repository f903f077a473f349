"""Real documents: the sample shop's, and GitHub's, which is fetched once into `target/`."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from lockgate import _native
from lockgate.config import load
from support.tree import ROOT

FETCHED = ROOT / "target" / "fetched"
PACKAGE = "@octokit/openapi@23"
DOCUMENT = "package/generated/api.github.com.json"
CONFIG = """\
version: 1
apis:
  real:
    upstream: http://127.0.0.1:9000
    public: {{owner: tests, reason: A case., until: 2100-01-01}}
    openapi: {document}
"""


@pytest.fixture(scope="module")
def github() -> Path:
    """GitHub's document, by npm; a second run finds it there."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to fetch GitHub's document with")
    FETCHED.mkdir(parents=True, exist_ok=True)
    with (FETCHED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = FETCHED / DOCUMENT
        if not file.exists():
            command = [npm, "pack", PACKAGE, "--silent", "--pack-destination", str(FETCHED)]
            fetched = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
            archives = sorted(FETCHED.glob("octokit-openapi-*.tgz"))
            if fetched.returncode or not archives:
                pytest.skip(f"GitHub's document cannot be fetched: {fetched.stderr.strip()[:200]}")
            with tarfile.open(archives[-1]) as archive:
                archive.extract(DOCUMENT, FETCHED, filter="data")
            archives[-1].unlink()
        return file


def engine(document: Path, folder: Path) -> tuple[_native.Engine, list[dict[str, object]]]:
    (folder / "lockgate.yaml").write_text(CONFIG.format(document=document), encoding="utf-8")
    bundle = load(folder / "lockgate.yaml").compile(1, 1)
    return _native.Engine(json.dumps(bundle).encode()), bundle["documents"][0]["operations"]


def named(engine: _native.Engine, method: str, target: str) -> str | None:
    told = engine.evaluate({"method": method, "target": target, "headers": [("Host", "a.example")]})
    operation = told["route"]["operation"]
    return None if operation is None else str(operation["name"])


def filled(path: str) -> str:
    """The path with something in the place of each brace."""
    return path.replace("{", "x-").replace("}", "-x")


def by_its_own_paths(engine: _native.Engine, operations: list[dict[str, object]]) -> None:
    """Each operation, asked for by its own path, is found under its own name."""
    for operation in operations:
        asked = named(engine, str(operation["method"]), filled(str(operation["path"])))
        assert asked == operation["name"], operation["path"]


@pytest.mark.full
@pytest.mark.timeout(400)
def test_githubs_document(github: Path, tmp_path: Path) -> None:
    made, operations = engine(github, tmp_path)
    assert len(operations) > 1_000
    by_its_own_paths(made, operations)
    assert named(made, "GET", "/repos/octocat/hello-world/issues/7") == "issues/get"
    assert named(made, "GET", "/repos/octocat/hello-world/compare/main...next") == "repos/compare-commits"
    assert named(made, "GET", "/user") == "users/get-authenticated"
    assert named(made, "GET", "/nothing/of/the/kind") is None


def test_the_shops_document(tmp_path: Path) -> None:
    made, operations = engine(ROOT / "examples/shop/openapi.json", tmp_path)
    assert len(operations) > 10
    by_its_own_paths(made, operations)
    assert named(made, "GET", "/products/AB-100") == "getProduct"
