"""`cedar`: policies in Cedar say who may do what."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Authorization, Lists
from lockgate.scalars import ShortForm, Text, size


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Cedar(Authorization):
    """Policies in Cedar, checked against the schema of the API."""

    room: ClassVar[str] = "cedar"

    policies: Annotated[
        list[Text], BeforeValidator(_listed), Field(min_length=1, max_length=1_000), ShortForm({"type": "string"})
    ] = Field(
        description="The files of policies, relative to this one; a `*` in a name stands for any.",
        examples=["policies/orders.cedar", ["policies/*.cedar"]],
    )
    body: Annotated[int, size(1, 16 * 2**20)] = Field(
        default=2**20,
        description="Longest body that policies look at; it is awaited whole where one does.",
        examples=["64KiB"],
        json_schema_extra={"default": "1MiB"},
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for the policies themselves and what they are about."""
        return {"body_bytes": self.body}


def _long(value: object) -> object:
    return {"policies": value} if isinstance(value, str | list) else value


CEDAR: Final = (BeforeValidator(_long), ShortForm({"anyOf": [{"type": "string"}, {"type": "array"}]}))
