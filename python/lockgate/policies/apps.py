"""`apps`: a program of others does no more than it was given, and its tier bounds it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Authorization, Lists
from lockgate.policies._parts import MAX_PARTS, PartText, parse_parts
from lockgate.scalars import ShortForm, refusal, shown

WORDS: Final = ("required", "optional")
_ALLOWED: Final = "`required`, `optional`, or a mapping with `registered` and `bulk`"


class Apps(Authorization):
    """Through which programs the API is used; who they are stands under the document's `apps`."""

    room: ClassVar[str] = "apps"

    registered: Literal["required", "optional"] = Field(
        default="required",
        description="`required`: a program that its credential names and nobody has registered is "
        "refused. `optional`: it is let through, as if it were nobody's.",
        examples=["optional"],
    )
    bulk: Annotated[
        list[PartText], BeforeValidator(parse_parts), Field(max_length=MAX_PARTS), ShortForm({"type": "string"})
    ] = Field(
        default=[],
        description="What reads much at once: methods, operations, paths, permissions. Tiers say whose programs may "
        "not.",
        examples=[["exportOrders", "GET /orders/all"]],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for what is bulk, which the API's operations and permissions tell."""
        return {"registered": self.registered == "required", "bulk": []}


def _long(value: object) -> object:
    if isinstance(value, str) and value not in WORDS:
        raise refusal("not-a-choice", f"{shown(value)} is not a choice for `apps`", allowed=_ALLOWED)
    return {"registered": value} if isinstance(value, str) else value


APPS: Final = (BeforeValidator(_long), ShortForm({"enum": list(WORDS)}))
