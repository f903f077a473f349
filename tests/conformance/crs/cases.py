"""Writes the cases as JSON lines, one per stage, for a runner that has the engine alone.

Example:
    PYTHONPATH=tests python -m conformance.crs.cases > cases.jsonl
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from typing import Any

from conformance.crs import ftw, module
from conformance.crs.answer import Answer, answer
from conformance.crs.request import Parsed, built, read


def packed(octets: bytes) -> str:
    """Base64."""
    return base64.b64encode(octets).decode()


def seen(parsed: Parsed) -> dict[str, Any]:
    """A request, parsed."""
    return {
        "method": parsed.method,
        "target": parsed.target,
        "version": parsed.version,
        "headers": parsed.fields,
        "body": packed(parsed.body),
        "trailers": parsed.trailers,
        "rest": packed(parsed.rest),
        "missing": parsed.missing,
    }


def answered(found: Answer) -> dict[str, Any]:
    """The backend's answer."""
    return {"status": found.status, "headers": found.fields, "body": packed(found.body)}


def expectation(output: ftw.Output) -> dict[str, Any]:
    """What the stage expects; what it does not say is empty, zero or null."""
    return {
        "status": output.status,
        "expect_ids": output.expect_ids,
        "no_expect_ids": output.no_expect_ids,
        "match_regex": output.match_regex,
        "no_match_regex": output.no_match_regex,
        "expect_error": output.expect_error,
        "response_contains": output.response_contains,
        "isolated": output.isolated,
        "retry_once": output.retry_once,
    }


def lines(cases: list[ftw.Case]) -> Iterator[dict[str, Any]]:
    """A line for each request of each stage."""
    for case in cases:
        for number, stage in enumerate(case.stages):
            for uri in stage.input.uris or (None,):
                raw = built(stage.input, uri)
                parsed = read(raw)
                yield {
                    "case": case.id,
                    "rule": case.rule,
                    "test": case.test,
                    "stage": number,
                    "description": case.description,
                    "raw": packed(raw),
                    "request": seen(parsed),
                    "response": answered(answer(parsed.method, parsed.target, parsed.body, stage.input.response)),
                    "expected": expectation(stage.output),
                }


def main() -> None:
    """Writes them to standard output."""
    for line in lines(ftw.cases(module.installed() / "tests")):
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
