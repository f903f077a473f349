"""The configuration that `lockgate init` writes."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass


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
    targets: [{answers.upstream}]{insecure}

apis:
  api:
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
    # A JSON string is a YAML string, whatever stands in it.
    owner, reason = (json.dumps(text, ensure_ascii=False) for text in (waived.owner, waived.reason))
    return f"{{owner: {owner}, reason: {reason}, until: {waived.until}}}"
