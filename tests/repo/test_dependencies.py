"""Dependencies have bounds, and the lock file holds what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from support.tree import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
DEV = [Requirement(line) for line in PROJECT["dependency-groups"]["dev"]]


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    for requirement in [*RUN, *DEV]:
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">=", "<"}, f"{requirement}: give what is tested and what may break us"


def test_the_lock_file_is_fresh() -> None:
    locked = {
        canonicalize_name(name): Version(version)
        for name, version in re.findall(
            r"^([A-Za-z0-9._-]+)==([^ ;\\]+)",
            (ROOT / "requirements/dev.lock").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    }
    for requirement in [*RUN, *DEV]:
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked: run `make lock`"
        assert version in requirement.specifier, f"{requirement} against {version}: run `make lock`"


def test_every_locked_package_has_hashes() -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements/dev.lock").read_text(encoding="utf-8"))
    pinned = [entry for entry in entries if not entry.startswith("#")]
    assert len(pinned) > 20
    assert not [entry.splitlines()[0] for entry in pinned if "--hash=sha256:" not in entry]
