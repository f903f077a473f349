"""The configuration that `lockgate init` writes."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Final

API: Final = "api"
"""The name of the one API that it writes."""


@dataclass(frozen=True, slots=True)
class Waived:
    """Who answers for an exception, why, and until when."""

    owner: str
    reason: str
    until: dt.date


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked."""

    upstream: str
    public: Waived | None
    insecure: Waived | None


def first_config(answers: Answers) -> str:
    """Short, commented, and safe as it stands."""
    insecure = f"\n    insecure: {_waiver(answers.insecure)}  # plain HTTP" if answers.insecure else ""
    return f"""\
# Lockgate's configuration. `lockgate check` says what is wrong with it, `lockgate run` serves it.
# `lockgate config schema` is everything that may be said.
version: 1

listeners:
  public:
    address: 127.0.0.1:8080      # this machine only

upstreams:
  api:
    targets: [{_quoted(answers.upstream)}]{insecure}

apis:
  {API}:
    path: /                      # this path and all below it
    upstream: api
{_who(answers.public)}"""


def _who(public: Waived | None) -> str:
    if public is not None:
        return f"""\
    # Anyone may call until that day; then the API is closed.
    public: {_waiver(public)}
"""
    return """\
    authenticate:
      - api_key: {header: X-API-Key}   # make more: `lockgate keys create`
"""


def _waiver(waived: Waived) -> str:
    return f"{{owner: {_quoted(waived.owner)}, reason: {_quoted(waived.reason)}, until: {waived.until}}}"


def _quoted(text: str) -> str:
    """What somebody typed, so that YAML reads back just that: a JSON string is a YAML string."""
    return json.dumps(text, ensure_ascii=False)
