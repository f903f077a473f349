"""Regular expressions of the configuration. The core says which it can match in linear time."""

from __future__ import annotations

from typing import Annotated

from lockgate import _native
from lockgate.scalars import Scalar, refusal, shown


def parse_regex(value: object) -> str:
    """A regular expression that can be matched in linear time."""
    if not isinstance(value, str) or not value:
        raise refusal("regex-malformed", f"{shown(value)} is not a regular expression", allowed="a text in quotes")
    fault = _native.pattern_fault(value)
    if fault is not None:
        code, message, advice = fault
        raise refusal(code, message, hint=advice)
    return value


Regex = Annotated[str, Scalar(parse_regex, {"type": "string", "minLength": 1})]
