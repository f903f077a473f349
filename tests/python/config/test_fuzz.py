"""No input gives a traceback: every text is either taken, or refused with places and words."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lockgate.config import ConfigErrors, load
from lockgate.config.render import Renderer

from .test_load import EVERYTHING

GOLDEN = Path(__file__).parent / "golden"
SEEDS = [EVERYTHING, *(path.read_text(encoding="utf-8") for path in sorted(GOLDEN.glob("*.yaml")))]
_WORDS = """
version include listeners admin facts events problems upstreams defaults apis address trusted_proxies insecure
limits targets timeouts credential header value hosts path methods upstream strip_path public authenticate authorize
ip_filter body_limit api_key allow deny file bytes mode on_error waiver owner reason until exact prefix template
tls max_age then retain base
"""
KEYS = _WORDS.split()
VALUES = [
    "1", "0", "-1", "1.5", "true", "off", "~", "''", "1e400", "9" * 30, "0x10", ".inf", ".nan", "2027-01-01", "10MiB",
    "127.0.0.1:8080", "http://127.0.0.1:9000", "https://x", "/", "/a/{id}", "*", "*.a.b", "api_key", "GET", "get",
    "${env:X}", "'${env:X}'", "'${file:/dev/null}'", "'a${env:X}'", "'${'", "&a", "*a", "!!str", "!x", "[", "]", "{",
    "}",
    "- ", "? ", ": ", "|\n  ", ">-\n  ", "#", "\t", "\\", "'\\0'", "\"\\0\"", "\"\\uD800\"", "\u2028", "\x85", "\ufeff",
    "%YAML 1.1\n---\n", "---\n", "...\n", "\x00", "\x1b[31m", "\u0663", "\uff11", "\U0001f512", "a" * 200,
]  # fmt: skip
CASES = int(os.environ.get("LOCKGATE_FUZZ_CASES", "0"))


def judged(content: bytes) -> str:
    """Load the content; `taken`, or `refused` with problems that can be shown and are no fault of Lockgate's."""
    with tempfile.TemporaryDirectory() as folder:
        main = Path(folder) / "lockgate.yaml"
        main.write_bytes(content)
        refused: ConfigErrors | None = None
        try:
            loaded = load(main, environment={"X": "x", "TOKEN": "t"})
        except ConfigErrors as error:
            refused = error
        else:
            loaded.compile(1, 1)
            loaded.findings()
        if refused is None:
            return "taken"
        assert refused.errors, "what is refused says why"
        problems = (*refused.errors, *refused.warnings)
        assert all(problem.code != "internal" for problem in problems), str(refused)
        assert all(problem.region.line >= 1 and problem.region.column >= 1 for problem in problems)
        text = "".join(Renderer(base=main.parent).problems(problems))
        assert text.replace("\n", "").isprintable(), "nothing reaches a terminal that could drive it"
        return "refused"


yamlish = st.recursive(
    st.one_of(st.sampled_from(VALUES), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=12,
)
documents = st.lists(st.tuples(st.sampled_from(KEYS), yamlish), max_size=6).map(
    lambda pairs: "version: 1\n" + "".join(f"{key}: {value}\n" for key, value in pairs)
)
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_seeds_are_worth_changing() -> None:
    assert judged(EVERYTHING.encode()) == "taken"
    assert sum(judged(seed.encode()) == "refused" for seed in SEEDS) > 60


@relaxed
@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe\x00v")
def test_bytes(content: bytes) -> None:
    judged(content)


@relaxed
@given(documents)
def test_things_like_yaml(text: str) -> None:
    judged(text.encode("utf-8", "surrogatepass"))


@relaxed
@given(st.randoms(use_true_random=False), st.sampled_from(SEEDS), st.integers(1, 6))
def test_changed_configurations(source: random.Random, seed: str, changes: int) -> None:
    judged(mutated(source, seed, changes).encode("utf-8", "surrogatepass"))


@pytest.mark.slow
def test_changed_configurations_for_long() -> None:
    source = random.Random(CASES)  # noqa: S311 -- Repeatable, not secret.
    texts = (mutated(source, source.choice(SEEDS), source.randint(1, 6)) for _ in range(CASES or 20_000))
    outcomes = {judged(text.encode()) for text in texts}
    assert outcomes == {"taken", "refused"}


def mutated(source: random.Random, text: str, changes: int) -> str:
    """The text after some changes that a slip, a merge or an enemy makes."""
    for _ in range(changes):
        lines = text.split("\n")
        at = source.randrange(len(lines))
        place = source.randrange(len(text) + 1)
        match source.randrange(8):
            case 0:
                del lines[at]
                text = "\n".join(lines)
            case 1:
                lines.insert(source.randrange(len(lines) + 1), lines[at])
                text = "\n".join(lines)
            case 2:
                lines[at] = source.choice(["  ", " ", "\t", "- "]) + lines[at]
                text = "\n".join(lines)
            case 3:
                lines[at] = lines[at].lstrip(" ")
                text = "\n".join(lines)
            case 4:
                text = text[:place] + text[place + source.randint(1, 4) :]
            case 5:
                text = text[:place] + source.choice(VALUES) + text[place:]
            case 6:
                old, new = source.choice(KEYS), source.choice(KEYS)
                text = text.replace(f"{old}:", f"{new}:", 1)
            case _:
                head, colon, _ = lines[at].partition(":")
                lines[at] = head + colon + " " + source.choice(VALUES)
                text = "\n".join(lines)
    return text
