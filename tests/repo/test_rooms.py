"""A policy is one room: one name in Rust, Python, vectors, tests and docs."""

from __future__ import annotations

import pytest
import yaml

from lockgate import _native
from support.tree import ROOT, matching, text

ROOMS = sorted(_native.policies())
# Modules of lockgate-policy that are no policy: what policies are made of.
FOUNDATIONS = {
    "lib",
    "body",
    "broker",
    "conditions",
    "document",
    "facts",
    "fields",
    "geo",
    "only",
    "openings",
    "pattern",
    "placement",
    "ranges",
    "template",
    "verdict",
    "view",
    "ways",
}
FILES = {
    "Rust": "crates/lockgate-policy/src/{room}.rs",
    "Rust tests": "crates/lockgate-policy/src/{room}/tests.rs",
    "Python model": "python/lockgate/policies/{room}.py",
    "vectors": "tests/vectors/{room}.yaml",
    "tests": "tests/policies/test_{room}.py",
    "docs": "docs/policies/{room}.md",
}
OTHER_VECTORS = {"framing", "target", "host", "forwarded", "route", "operation", "version"}


def test_there_are_policies() -> None:
    assert len(ROOMS) >= 3


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_everything(room: str) -> None:
    missing = [what for what, place in FILES.items() if not (ROOT / place.format(room=room)).is_file()]
    assert not missing, f"{room} lacks its {', '.join(missing)}; CONTRIBUTING.md says what a policy consists of"


@pytest.mark.parametrize(
    ("what", "pattern", "apart"),
    [
        ("Rust", r"crates/lockgate-policy/src/[a-z_]+\.rs$", FOUNDATIONS),
        ("Python model", r"python/lockgate/policies/[a-z][a-z_]*\.py$", set()),
        ("vectors", r"tests/vectors/[a-z_]+\.yaml$", OTHER_VECTORS),
        ("tests", r"tests/policies/test_[a-z_]+\.py$", set()),
        ("docs", r"docs/policies/[a-z_]+\.md$", set()),
    ],
)
def test_nothing_stands_without_a_room(what: str, pattern: str, apart: set[str]) -> None:
    found = {path.stem.removeprefix("test_") for path in matching(pattern)} - apart
    assert found <= set(ROOMS), f"{what} that belong to no policy: {found - set(ROOMS)}"


@pytest.mark.parametrize("room", ROOMS)
def test_vectors_hold_allowed_and_refused(room: str) -> None:
    cases = yaml.safe_load(text(ROOT.joinpath(FILES["vectors"].format(room=room)).relative_to(ROOT)))["cases"]
    assert len({case["name"] for case in cases}) == len(cases) >= 3, "names of cases are unique, and there are some"


def test_every_policy_has_its_place_in_the_pipeline() -> None:
    order = [(step["name"], step["part"]) for step in _native.pipeline()]
    assert set(ROOMS) <= {name for name, _ in order}
    assert len(order) == len(set(order)), "a room that stands in two places says which part of it stands where"
    assert all(len(step["why"]) > 20 and step["why"].endswith(".") for step in _native.pipeline())


def test_identity_comes_before_what_needs_it() -> None:
    """The order that everything else leans on; a change of it is a change of what the gate promises."""
    order = [step["name"] for step in _native.pipeline()]
    assert order.index("ip_filter") < order.index("api_key") < order.index("body_limit")


def test_limits_stand_on_both_sides_of_authentication() -> None:
    """A flood must not cost authentication; and who calls must be known before a client is counted."""
    order = [(step["name"], step["part"]) for step in _native.pipeline()]
    by_address, by_client = order.index(("limits", "by address")), order.index(("limits", "by client"))
    assert by_address < order.index(("api_key", "")) < by_client < order.index(("authorize", ""))
