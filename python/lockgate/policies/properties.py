"""`properties`: what a caller may set of a thing."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Authorization, Lists, Settings
from lockgate.policies._fields import OpenFields, said
from lockgate.policies._parts import MAX_PARTS, PartText, parse_parts
from lockgate.scalars import Flag, ShortForm, size


class PropertyRule(Settings):
    """Of what, and who may set which of its fields."""

    operations: Annotated[
        list[PartText], BeforeValidator(parse_parts), Field(max_length=MAX_PARTS), ShortForm({"type": "string"})
    ] = Field(
        description="What it is for: operations of the document, methods, paths, permissions.",
        examples=[["updateUser"], "PATCH /users/{id}"],
    )
    write: OpenFields = Field(
        description="Who may set what: `anyone`, `role NAME` or `scope NAME`, and a list of fields (a name, or a JSON "
        "Pointer in which `*` is every item of a list), or `all`. A caller may set what any of theirs opens.",
        examples=[{"anyone": ["name", "email"], "role support": ["note"], "role admin": "all"}],
    )
    otherwise: Literal["refuse", "drop"] = Field(
        default="refuse",
        description="What becomes of a body with something else in it: it is refused, or the API gets it without that. "
        "A JSON Patch, and what is signed, is refused.",
        examples=["drop"],
    )
    query: Flag = Field(
        default=False,
        description="Parameters of the query are fields as well, for frameworks that bind both alike.",
        examples=[True],
    )


class Properties(Authorization):
    """What a caller may set of a thing."""

    room: ClassVar[str] = "properties"

    rules: list[PropertyRule] = Field(
        min_length=1,
        max_length=1_000,
        description="The rules; the first that is for a request holds.",
        examples=[[{"operations": ["updateUser"], "write": {"anyone": ["name"], "role admin": "all"}}]],
    )
    body: Annotated[int, size(1, 16 * 2**20)] = Field(
        default=2**20,
        description="Longest body that is looked at; it is awaited whole, and refused where it is longer.",
        examples=["64KiB"],
        json_schema_extra={"default": "1MiB"},
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for what its rules are for, which the API tells."""
        rules = [
            {"open": said(rule.write), "drop": rule.otherwise == "drop", "query": rule.query} for rule in self.rules
        ]
        return {"rules": rules, "body_bytes": self.body}


def _long(value: object) -> object:
    return {"rules": value} if isinstance(value, list) else value


PROPERTIES: Final = (BeforeValidator(_long), ShortForm({"type": "array", "items": {"type": "object"}}))
