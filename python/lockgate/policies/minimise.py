"""`minimise`: what a caller may read of an answer; the rest does not go out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Authorization, Lists, Settings
from lockgate.policies._fields import OpenFields, said
from lockgate.policies._parts import EVERYTHING, MAX_PARTS, PartText, parse_parts
from lockgate.scalars import Scalar, ShortForm, refusal, shown, size

_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def parse_type(value: object) -> str:
    """A media type other than those of JSON, without parameters."""
    kind = value.lower() if isinstance(value, str) else ""
    if _TYPE.fullmatch(kind) and not kind.endswith(("/json", "+json")):
        return kind
    raise refusal(
        "minimise-type",
        f"{shown(value)} is no type of answers that could go out as they are",
        allowed="a type such as `image/png`, without parameters; JSON is cut",
    )


class MinimiseRule(Settings):
    """Of what, and who may read which of its fields."""

    operations: Annotated[
        list[PartText], BeforeValidator(parse_parts), Field(max_length=MAX_PARTS), ShortForm({"type": "string"})
    ] = Field(
        description="What it is for: operations of the document, methods, paths, permissions.",
        examples=[["getUser"], "GET /users/{id}", "*"],
    )
    read: OpenFields = Field(
        description="Who may read what: `anyone`, `role NAME` or `scope NAME`, and a list of fields (a name, or a JSON "
        "Pointer in which `*` is every item of a list), or `all`. A caller reads what any of theirs opens.",
        examples=[{"anyone": ["id", "name"], "scope support": ["email"], "role admin": "all"}],
    )


def _rules(value: object) -> object:
    """Who may read what of everything, or rules."""
    return [{"operations": EVERYTHING, "read": value}] if isinstance(value, Mapping) else value


class Minimise(Authorization):
    """What a caller may read of an answer; the rest does not go out."""

    room: ClassVar[str] = "minimise"

    fields: Annotated[
        list[MinimiseRule],
        BeforeValidator(_rules),
        Field(min_length=1, max_length=1_000),
        ShortForm({"type": "object"}),
    ] = Field(
        description="Who may read what, of all answers; or rules, of which the first that is for a request holds.",
        examples=[
            {"scope profile:read": ["id", "name"], "scope support": ["id", "name", "email"]},
            [{"operations": ["getUser"], "read": {"anyone": ["id", "name"], "role admin": "all"}}],
        ],
    )
    errors: Literal["known", "all"] = Field(
        default="known",
        description="What goes out of an answer that is no success: `known`, what says what went wrong (`title`, "
        "`detail`, `code`, `message` and the like) and nothing of what is no JSON; or `all` of it.",
        examples=["all"],
    )
    types: list[Annotated[str, Scalar(parse_type, {"type": "string"})]] = Field(
        default=[],
        max_length=100,
        description="Types of answers that go out as they are. Whatever else is no JSON is refused.",
        examples=[["image/png", "application/pdf"]],
    )
    answer: Annotated[int, size(1, 16 * 2**20)] = Field(
        default=2**20,
        description="Longest answer that is cut, unpacked; a longer one is refused. It is held until that is done.",
        examples=["4MiB"],
        json_schema_extra={"default": "1MiB"},
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for what its rules are for, which the API tells."""
        return {
            "rules": [{"open": said(rule.read)} for rule in self.fields],
            "errors": self.errors,
            "types": self.types,
            "answer_bytes": self.answer,
        }
