"""Every mistake that a person makes, and the very words that answer it.

Beside each configuration under `golden/` lies what `lockgate check` says of
it. `LOCKGATE_UPDATE_GOLDEN=1` writes those files anew; read the difference.
"""

import ast
import os
import re
from pathlib import Path

import pytest

import lockgate.config
from lockgate.config import ConfigErrors, load
from lockgate.config.render import Renderer

GOLDEN = Path(__file__).parent / "golden"
ENVIRONMENT = {"PART": "part"}
CASES = sorted([path for path in GOLDEN.iterdir() if path.suffix == ".yaml" or path.is_dir()])

SHOWN_ELSEWHERE = {
    "internal",  # test_load.py breaks a rule on purpose.
    "file-too-large",  # test_bounds.py; the files would be large.
    "relations-too-large",  # test_objects.py; the same.
    "waf-rules-too-large",  # test_rule_sets.py; the same.
    "too-many-files",  # The same.
    "brownouts-malformed",  # The same.
    "openapi-too-large",  # test_openapi.py; the document would be large.
    "certificate-expired",  # test_tls.py; a certificate kept here would be so one day, whatever it is to show.
    "certificate-not-valid-yet",  # The same.
    "trust-without-authority",  # The same.
    "crl-of-another",  # The same.
    "certificate-ends-soon",  # The same.
    "host-without-certificate",  # The same.
    "secret-readable",  # test_references.py; git keeps no such mode.
}


def said_of(case: Path) -> str:
    main = case / "lockgate.yaml" if case.is_dir() else case
    renderer = Renderer(base=main.parent)
    try:
        loaded = load(main, environment=ENVIRONMENT)
        problems = list(loaded.warnings)
    except ConfigErrors as refused:
        problems = sorted([*refused.errors, *refused.warnings], key=lambda problem: problem.order)
    return "\n".join(renderer.problems(problems)).replace(str(main.parent) + os.sep, "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_says(case: Path) -> None:
    expected = case.with_suffix(".txt") if case.is_file() else case / "expected.txt"
    said = said_of(case)
    if os.environ.get("LOCKGATE_UPDATE_GOLDEN"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    assert said, "a case without a problem shows nothing"


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 80


def test_every_code_has_a_case() -> None:
    said = "".join(path.read_text(encoding="utf-8") for path in GOLDEN.rglob("*.txt"))
    told = set(re.findall(r"\[([a-z0-9-]+)\]$", said, re.MULTILINE))
    assert codes_in_the_source() - told == SHOWN_ELSEWHERE


def codes_in_the_source() -> set[str]:
    """The codes that the sources pass to what notes a problem."""
    package = Path(lockgate.config.__file__).parent.parent
    files = [*package.glob("*.py"), *(package / "config").rglob("*.py"), *(package / "policies").glob("*.py")]
    place = {"refusal": 0, "add": 1, "_add": 2, "_warn": 2}
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            index = place.get(name)
            if index is not None and len(node.args) > index:
                code = node.args[index]
                if (
                    isinstance(code, ast.Constant)
                    and isinstance(code.value, str)
                    and re.fullmatch("[a-z0-9-]+", code.value)
                ):
                    found.add(code.value)
    assert len(found) > 50
    return found
