"""What holds for every crate."""

from __future__ import annotations

import re
import tomllib

from support.tree import ROOT, matching, text

# The one crate that touches Python's memory, by way of PyO3.
MAY_BE_UNSAFE = "crates/lockgate-py/"
UNSAFE = re.compile(r"\bunsafe\s*(\{|fn\b|impl\b|extern\b)")


def test_unsafe_stays_at_the_border() -> None:
    sources = matching(r"crates/.*\.rs$")
    assert len(sources) > 10
    using = [
        str(path) for path in sources if UNSAFE.search(text(path)) and not path.as_posix().startswith(MAY_BE_UNSAFE)
    ]
    assert not using


def test_every_unsafe_says_why_it_is_safe() -> None:
    for path in matching(MAY_BE_UNSAFE + r".*\.rs$"):
        source = text(path).splitlines()
        for number, line in enumerate(source):
            if UNSAFE.search(line):
                above = "\n".join(source[max(0, number - 6) : number])
                assert "// SAFETY:" in above, f"{path}:{number + 1} has no `// SAFETY:` above it"


def test_every_crate_but_the_border_forbids_unsafe() -> None:
    lints = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["lints"]["rust"]
    assert lints["unsafe_code"] == "forbid"
    manifests = matching(r"crates/[^/]+/Cargo\.toml$")
    assert len(manifests) >= 4
    for manifest in manifests:
        if not manifest.as_posix().startswith(MAY_BE_UNSAFE):
            assert tomllib.loads(text(manifest)).get("lints", {}).get("workspace") is True, manifest


def test_every_crate_says_what_it_is_for() -> None:
    for path in matching(r"crates/[^/]+/src/lib\.rs$"):
        assert text(path).startswith("//!"), f"{path} begins with its purpose, as a `//!` comment"


def test_policies_open_with_what_they_are() -> None:
    """Description, Config, Reasons, Example: the same four parts, in the same order, in every room."""
    rooms = [
        path for path in matching(r"crates/lockgate-policy/src/[a-z_]+\.rs$") if "pub const NAME: &str" in text(path)
    ]
    assert len(rooms) >= 3
    for path in rooms:
        headings = re.findall(r"^//! # (\w+)$", text(path), re.MULTILINE)
        assert headings == ["Description", "Config", "Reasons", "Example"], path
