"""Who may import whom: ARCHITECTURE.md holds the tables, and this walks the code."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

from support.tree import ROOT, matching, quoted, table, text

PYTHON = {row[0].strip("`"): set(quoted(row[1])) for row in table("ARCHITECTURE.md", "### Python: who may import whom")}
CRATES = {row[0].strip("`"): set(quoted(row[1])) for row in table("ARCHITECTURE.md", "### Rust: who may import whom")}
ANYTHING = "*"
PACKAGE = "lockgate"  # Holds the version and imports nothing.


def room_of(module: str) -> str:
    """The row of the table that a module belongs to: the longest that it begins with."""
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        candidate = ".".join(parts[:length])
        if candidate in PYTHON:
            return candidate
    return PACKAGE


def imported(path: Path) -> set[str]:
    """Every module of ours that a file imports, wherever in the file it does so; not for types alone."""
    found: set[str] = set()
    tree = ast.parse(text(path))
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    free = {id(inner) for node in typing for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if id(node) in free:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; write the whole name"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name == "lockgate" or name.startswith("lockgate.")}


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__")


def test_python_imports_only_what_it_may() -> None:
    files = matching(r"python/lockgate/.*\.py$")
    assert len(files) > 20
    forbidden = []
    for path in files:
        room = room_of(module_of(path))
        allowed = PYTHON.get(room)
        if allowed is None or ANYTHING in allowed:
            continue
        forbidden += [
            f"{path}: {room} may not import {target}"
            for name in sorted(imported(path))
            if (target := room_of(name)) not in {room, PACKAGE} and target not in allowed
        ]
    assert not forbidden, "ARCHITECTURE.md says who may import whom"


def test_every_python_room_is_in_the_table() -> None:
    """A package that nobody put into the table would be free to import everything."""
    rooms = {module_of(path) for path in matching(r"python/lockgate/[^/]+(/__init__)?\.py$")} - {"lockgate"}
    missing = {room for room in rooms if room_of(room) == "lockgate"}
    assert not missing
    gone = {room for room in PYTHON if not exists(room)}
    assert not gone, "the table names what is not there"


def exists(room: str) -> bool:
    base = ROOT / "python" / Path(*room.split("."))
    return base.is_dir() or base.with_suffix(".py").exists() or base.with_suffix(".pyi").exists()


def test_nothing_imports_in_a_circle() -> None:
    def reach(room: str, path: tuple[str, ...]) -> None:
        assert room not in path, " → ".join([*path, room])
        for target in PYTHON.get(room, set()) - {ANYTHING}:
            reach(target, (*path, room))

    for room in PYTHON:
        reach(room, ())


def test_crates_depend_only_on_what_they_may() -> None:
    answered = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    packages = {package["name"]: package for package in json.loads(answered.stdout)["packages"]}
    assert set(packages) == set(CRATES), "ARCHITECTURE.md's table names every crate, and no other"
    for name, package in packages.items():
        ours = {each["name"] for each in package["dependencies"] if each["name"].startswith("lockgate-")}
        assert ours <= CRATES[name], f"{name} depends on {ours - CRATES[name]}"


def test_only_the_border_knows_python() -> None:
    for path in matching(r"crates/(?!lockgate-py/).*(\.rs|Cargo\.toml)$"):
        assert "pyo3" not in text(path), f"{path}: only lockgate-py knows Python"


def test_the_pure_crates_do_no_io() -> None:
    for crate in ("lockgate-wire", "lockgate-policy"):
        manifest = text(Path("crates") / crate / "Cargo.toml")
        dependencies = manifest.split("[dependencies]")[1].split("[dev-dependencies]")[0]
        for doing in ("tokio", "hyper", "socket2", "mio"):
            assert doing not in dependencies, f"{crate} decides and does nothing; {doing} is for doing"
