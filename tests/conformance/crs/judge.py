"""What came of a stage, held against what the case expects, by the rules of go-ftw."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.crs import module
from conformance.crs.ftw import Case, Output

OVERRIDES = Path(__file__).with_name("overrides.toml")


@dataclass(frozen=True)
class Result:
    """What a subject did with one stage's request."""

    status: int | None
    ids: frozenset[int]
    """Rules that logged."""
    log: str = ""
    """The lines that they logged."""
    error: str | None = None
    """Why no answer came."""
    answer: str = ""
    """The whole answer."""
    refused: str | None = None
    """The reason for which it was refused before any rule was asked."""


@dataclass(frozen=True)
class Override:
    """Something else that a subject is held to in a case, and why."""

    reason: str
    output: Output | None
    """None where the subject is known to be wrong."""


def overrides(subject: str) -> dict[str, Override]:
    """What `overrides.toml` says for a subject, by a case's name."""
    found: dict[str, Override] = {}
    for entry in tomllib.loads(OVERRIDES.read_text(encoding="utf-8")).get(subject, []):
        told = dict(entry)
        cases, reason, fails = told.pop("cases"), told.pop("reason"), told.pop("fails", False)
        output = Output(
            status=told.pop("status", None),
            expect_ids=tuple(told.pop("expect_ids", ())),
            no_expect_ids=tuple(told.pop("no_expect_ids", ())),
            expect_error=told.pop("expect_error", None),
        )
        if told or not reason or fails == (output != Output()):
            raise ValueError(f"an entry for {cases} wants a reason, and either what is expected or `fails`")
        for case in cases:
            if case in found:
                raise ValueError(f"{case} stands twice in {OVERRIDES.name}")
            found[case] = Override(reason, None if fails else output)
    return found


def wrong(output: Output, result: Result) -> str | None:
    """What is not as expected; nothing if all is."""
    if output.expect_error:
        return None if result.error is not None else f"an answer came, {result.status}, and none was expected"
    if result.error is not None:
        return f"no answer: {result.error}"
    if output.status is not None and result.status != output.status:
        return f"the status is {result.status} and not {output.status}"
    if output.response_contains and output.response_contains not in result.answer:
        return f"the answer does not contain {output.response_contains!r}"
    if output.match_regex and not re.search(output.match_regex, result.log):
        return f"the log does not match {output.match_regex!r}; rules {sorted(result.ids)}"
    missed = sorted(set(output.expect_ids) - result.ids)
    if missed:
        return f"did not log: {missed}; logged: {sorted(result.ids)}; status {result.status}"
    if output.isolated and len(result.ids) != 1:
        return f"one rule was to log, and {sorted(result.ids)} did"
    if output.no_match_regex and re.search(output.no_match_regex, result.log):
        return f"the log matches {output.no_match_regex!r}"
    unwanted = sorted(set(output.no_expect_ids) & result.ids)
    return f"logged, and must not: {unwanted}" if unwanted else None


def problem(case: Case, results: Sequence[Result], instead: Output | None = None) -> str | None:
    """What is wrong with a case: its first stage that does not end as expected."""
    if len(results) != len(case.stages):
        return f"{len(results)} of {len(case.stages)} stages were run"
    for number, (stage, result) in enumerate(zip(case.stages, results, strict=True)):
        told = wrong(instead or stage.output, result)
        if told is not None:
            return told if len(case.stages) == 1 else f"stage {number}: {told}"
    return None


def summed_up(cases: Sequence[Case], results: Mapping[str, Sequence[Result]], subject: str) -> str:
    """Holds all cases against what is expected of a subject; a line that sums them up.

    Raises:
        AssertionError: If a case fails that may not, or an override is not needed or not known.
    """
    others = overrides(subject)
    # They are written for one version; another one may have fewer cases, or others under the same names.
    strict = module.chosen() == module.VERSION
    unknown = sorted(others.keys() - {case.id for case in cases}) if strict else []
    failed: dict[str, str] = {}
    own = 0
    for case in cases:
        told = problem(case, results[case.id])
        other = others.get(case.id)
        if other is None:
            own += told is None
        elif told is None and not strict:
            continue
        elif told is None:
            told = "it passes as it stands: take its override away"
        else:
            told = None if other.output is None else problem(case, results[case.id], other.output)
        if told is not None:
            failed[case.id] = told
    if failed or unknown:
        listed = "\n".join(f"- {case}: {told}" for case, told in failed.items())
        raise AssertionError(f"{len(failed)} of {len(cases)} cases fail; overrides of no case: {unknown}\n{listed}")
    wrongs = sum(other.output is None for other in others.values())
    return (
        f"{len(cases)} cases: {own} pass as they stand, {len(others) - wrongs} with an override, "
        f"{wrongs} fail as they are known to"
    )
