"""Parts of an API, as rules of who may do what name them: methods, operations, paths, permissions."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, NamedTuple

from lockgate.addresses import METHODS, RARE_METHODS, parse_method
from lockgate.paths import PathMatch, parse_path
from lockgate.scalars import Scalar, parse_text, refusal, shown

EVERYTHING: Final = "*"
MAX_PARTS: Final = 1_000
"""Of one role or scope in one API."""
_WITH_PATH: Final = re.compile(r"([A-Za-z-]+) +(/.*)")
BELOW: Final = "/**"
"""What a path ends with where all below it is meant as well."""
_ALLOWED: Final = (
    "a method (`GET`), an operation of the document (`listOrders`), a path (`/orders/{id}`, or `/orders/**` for all "
    "below it), both (`GET /orders/{id}`), a name under `permissions`, or `*` for everything"
)


class Part(NamedTuple):
    """A part of an API."""

    text: str
    """As the file says it: it may be the name of an operation or of a permission, whatever else it looks like."""
    method: str | None = None
    path: PathMatch | None = None

    @property
    def is_name(self) -> bool:
        """Whether nothing but an operation or a permission can be meant."""
        return self.method is None and self.path is None and self.text != EVERYTHING

    def only(self) -> dict[str, Any]:
        """As the bundle writes it, where it is no name."""
        return {
            "methods": [self.method] if self.method is not None else [],
            "operations": [],
            "paths": [{self.path.kind: self.path.path}] if self.path is not None else [],
        }


def operations(names: list[str]) -> dict[str, Any]:
    """These operations, as the bundle writes them."""
    return {"methods": [], "operations": names, "paths": []}


def parse_part(value: object) -> Part:
    """One part. A path is that path alone, and any value in place of braces; one that ends in `/**` is all below it."""
    if isinstance(value, Part):
        return value
    if not isinstance(value, str):
        raise refusal("part-malformed", f"{shown(value)} is no part of an API", allowed=_ALLOWED)
    text = parse_text(value)
    if found := _WITH_PATH.fullmatch(text):
        return Part(text, parse_method(found[1]), _path(found[2]))
    if text.startswith("/"):
        return Part(text, path=_path(text))
    if text in METHODS or text in RARE_METHODS:
        return Part(text, method=text)
    if text.upper() in METHODS and not text.isupper():
        raise refusal(
            "method-malformed", f"{shown(text)} is not in upper case", allowed=_ALLOWED, hint=f"write `{text.upper()}`"
        )
    return Part(text)


def _path(text: str) -> PathMatch:
    if text.endswith(BELOW):
        return parse_path({"prefix": text.removesuffix(BELOW) or "/"})
    if text.endswith("*"):
        plain = text.rstrip("*").rstrip("/")
        raise refusal(
            "path-malformed",
            f"{shown(text)} ends in a star",
            hint=f"write `{plain}{BELOW}` for all below it, `{plain}/{{name}}` for any one name in the star's place",
        )
    return parse_path({"template" if "{" in text else "exact": text})


PartText = Annotated[
    Part, Scalar(parse_part, {"type": "string", "minLength": 1, "maxLength": 1_000}, lambda part: str(part.text))
]


def parse_parts(value: object) -> object:
    """One part alone is a list of one."""
    if value == []:
        raise refusal("parts-empty", "this opens nothing", hint="name what it opens, or take it out")
    return [value] if isinstance(value, str) else value
