"""Paths of an API as the configuration names them: exact, prefix, template or regular expression."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NamedTuple

from lockgate.expressions import parse_regex
from lockgate.scalars import Scalar, ShortForm, refusal, shown

PathKind = Literal["exact", "prefix", "template", "regex"]

KINDS: Final = ("exact", "prefix", "template", "regex")
MAX_PATH: Final = 4096
MAX_SEGMENTS: Final = 64
RESERVED: Final = ".lockgate"
"""First segment of what the gate answers itself; such a request never reaches an API."""

_SEGMENT_TEXT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})*")
_NAME: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]{0,63}\}")
_PATH_BYTES: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@")
"""Bytes whose triplets are decoded before a path is compared (`for_matching` in lockgate-wire)."""


class PathMatch(NamedTuple):
    """A path that an API answers to."""

    kind: PathKind
    path: str


_LIKE_REGEX: Final = re.compile(r"^\^|[\[\]\\|]|\(\?|[.)\]][*]+\$?$")
"""What stands in regular expressions and cannot stand in a path, or not there."""
_NO_REGEX: Final = (
    '`/orders` matches all below it, and `{template: "/orders/{id}"}` any one segment; '
    "an expression is written `{regex: …}`"
)


def parse_paths(value: object) -> object:
    """One path alone is a list of one."""
    if value == []:
        raise refusal("path-empty", "the list of paths is empty", hint="leave `path` out to answer to every path")
    return value if isinstance(value, list) else [value]


def parse_path(value: object) -> PathMatch:
    """One path. A bare text is a prefix."""
    if isinstance(value, PathMatch):
        return value
    if isinstance(value, str):
        return PathMatch("prefix", _checked(value, "prefix"))
    allowed = "a prefix such as `/orders`, or one of `{exact: …}`, `{prefix: …}`, `{template: …}`, `{regex: …}`"
    if not isinstance(value, dict):
        raise refusal("path-malformed", f"{shown(value)} is not a path", allowed=allowed)
    kinds = [kind for kind in KINDS if kind in value]
    unknown = [key for key in value if key not in KINDS]
    if unknown or len(kinds) != 1:
        what = f"a path has no {shown(unknown[0])}" if unknown else "a path is of one kind"
        regex = any(key in {"regexp", "pattern"} for key in unknown)
        raise refusal("path-malformed", what, allowed=allowed, hint=_NO_REGEX if regex else None)
    text = value[kinds[0]]
    if not isinstance(text, str):
        raise refusal("path-malformed", f"{shown(text)} is not a path", allowed="a text such as `/orders`")
    match kinds[0]:
        case "exact":
            return PathMatch("exact", _checked(text, "exact"))
        case "regex":
            return PathMatch("regex", _expression(text))
        case "prefix":
            return PathMatch("prefix", _checked(text, "prefix"))
        case _:
            return PathMatch("template", _checked(text, "template"))


def _expression(text: str) -> str:
    parse_regex(text)
    if not text.removeprefix("^").startswith("/"):
        raise refusal(
            "path-malformed",
            f"{shown(text)} does not begin with `/`, so no path matches it",
            hint="an expression matches the whole path: begin it with `/`",
        )
    return text


def _checked(path: str, kind: PathKind) -> str:
    if _LIKE_REGEX.search(path):
        raise refusal("path-malformed", f"{shown(path)} looks like a regular expression", hint=_NO_REGEX)
    if not path.startswith("/"):
        hint = f"write `/{path}`" if path and _SEGMENT_TEXT.fullmatch(path.replace("/", "")) else None
        raise refusal(
            "path-malformed", f"{shown(path)} does not begin with `/`", allowed="a path such as `/orders`", hint=hint
        )
    if len(path) > MAX_PATH:
        raise refusal("path-malformed", "this path is too long", allowed=f"at most {MAX_PATH} characters")
    if "?" in path or "#" in path:
        raise refusal("path-malformed", f"{shown(path)} has more than a path", hint="leave out what follows `?` or `#`")
    if kind == "prefix" and path != "/" and path.endswith("/"):
        raise refusal(
            "path-trailing-slash",
            f"the prefix {shown(path)} ends in `/`",
            hint=f"write `{path.rstrip('/') or '/'}`: it matches that path and all below it, by whole segments",
        )
    if path.endswith("*"):
        plain = path.rstrip("*").rstrip("/") or "/"
        raise refusal(
            "path-malformed", f"{shown(path)} ends in a star", hint=f"write `{plain}`: a prefix matches all below it"
        )
    segments = path[1:].split("/")
    if "" in segments[:-1]:
        raise refusal("path-malformed", f"{shown(path)} has an empty segment", hint="write one `/` where there are two")
    if len(segments) > MAX_SEGMENTS:
        raise refusal("path-malformed", "this path has too many segments", allowed=f"at most {MAX_SEGMENTS}")
    if segments[0] == RESERVED:
        raise refusal(
            "path-reserved",
            f"{shown(path)} is within `/{RESERVED}`, where the gate answers itself",
            hint="choose another path: the API would never be asked",
        )
    names: list[str] = []
    for segment in segments:
        _segment(segment, path, kind, names)
    return path


def _segment(segment: str, path: str, kind: PathKind, names: list[str]) -> None:
    if segment in {".", ".."}:
        raise refusal(
            "path-malformed", f"{shown(path)} has a segment {shown(segment)}", hint="write the path that is meant"
        )
    if "{" in segment or "}" in segment:
        if kind != "template":
            hint = f'write `path: {{template: "{path}"}}`'
            raise refusal("path-malformed", f"{shown(path)} has braces, but is no template", hint=hint)
        if not _NAME.fullmatch(segment):
            allowed = "a name in braces as a whole segment, such as `/orders/{id}`"
            raise refusal("path-template", f"{shown(segment)} is not a part of a template", allowed=allowed)
        if segment in names:
            raise refusal("path-template", f"{shown(segment)} is in the template twice", hint="give each its own name")
        names.append(segment)
        return
    if not _SEGMENT_TEXT.fullmatch(segment):
        advice: str | None = None
        if not segment.isascii() or " " in segment:
            advice = "write it percent-encoded, in upper case, such as `%20` for a space"
        elif "%" in segment:
            advice = "a percent sign is followed by two hexadecimal digits in upper case"
        raise refusal(
            "path-malformed", f"{shown(segment)} cannot stand in a path", allowed="RFC 3986's characters", hint=advice
        )
    for encoded in re.findall(r"%([0-9A-F]{2})", segment):
        if int(encoded, 16) in _PATH_BYTES:
            plain = chr(int(encoded, 16))
            raise refusal(
                "path-not-normal",
                f"`%{encoded}` in {shown(path)} never matches",
                hint=f"write `{plain}`: paths are compared in normal form",
            )
        if encoded in {"00", "2F", "5C"}:
            raise refusal(
                "path-not-normal", f"`%{encoded}` in {shown(path)} is refused by the gate before any API is chosen"
            )


_TEXT_SCHEMA: Final = {"type": "string", "pattern": "^/"}
_ONE_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {**_TEXT_SCHEMA, "description": "A prefix: this path and all below it, by whole segments."},
        *(
            {
                "type": "object",
                "properties": {kind: _TEXT_SCHEMA if kind != "regex" else {"type": "string"}},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in KINDS
        ),
    ]
}
PATH: Final = Scalar(parse_path, _ONE_SCHEMA)
PATHS: Final = ShortForm(_ONE_SCHEMA)
