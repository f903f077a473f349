"""The configuration that `lockgate init` writes."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lockgate.cli._init_openapi import Described

PLAIN: Final = re.compile(r"[A-Za-z0-9/._~-]+")
"""What YAML takes as it stands."""

WAF: Final = "    waf: {rules: native}         # what looks like an attack is refused; `lockgate waf status`\n"

API: Final = "api"
"""The name of the one API that it writes, unless a document tells a better one."""


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
    document: Described | None = None
    """What an OpenAPI document says of the API."""

    @property
    def name(self) -> str:
        """The API's name."""
        return API if self.document is None else self.document.name

    @property
    def header(self) -> str:
        """The header that carries a key."""
        return "X-API-Key" if self.document is None else self.document.header


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
  {answers.name}:
    targets: [{_quoted(answers.upstream)}]{insecure}

apis:
  {answers.name}:
    path: {_paths(answers.document)}
    upstream: {answers.name}
{_openapi(answers.document)}{_who(answers)}{WAF}"""


def _paths(document: Described | None) -> str:
    paths = ("/",) if document is None else document.paths
    words = [path if PLAIN.fullmatch(path) else _quoted(path) for path in paths]
    said = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
    return f"{said:<24} # this path and all below it" if len(paths) == 1 else said


def _openapi(document: Described | None) -> str:
    if document is None:
        return ""
    return f"    openapi: {_quoted(document.file)}   # what it does not know is refused\n"


def _who(answers: Answers) -> str:
    if answers.public is not None:
        return f"""\
    # Anyone may call until that day; then the API is closed.
    public: {_waiver(answers.public)}
"""
    left = answers.document.left if answers.document is not None else ()
    remarks = "".join(f"      # the document also names {one}: not asked for by the gate\n" for one in left)
    return f"""\
    authenticate:
      - api_key: {{header: {answers.header}}}   # make more: `lockgate keys create`
{remarks}    authorize: authenticated   # everyone whom it knows may call
"""


def _waiver(waived: Waived) -> str:
    return f"{{owner: {_quoted(waived.owner)}, reason: {_quoted(waived.reason)}, until: {waived.until}}}"


def _quoted(text: str) -> str:
    """What somebody typed, so that YAML reads back just that: a JSON string is a YAML string."""
    return json.dumps(text, ensure_ascii=False)
