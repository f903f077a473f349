"""`enumeration`: who goes through all there is."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Lists, Policy, Settings
from lockgate.policies._parts import EVERYTHING, MAX_PARTS, PartText, parse_part, parse_parts
from lockgate.scalars import ShortForm, Text, count, duration

MAX_OBJECTS: Final = 10_000
"""That are told apart of one caller; the core says the same."""
MAX_STEPS: Final = 1_000_000
DAY_MS: Final = 86_400_000


class RefusedShare(Settings):
    """How many of a caller's requests may end with nothing."""

    percent: Annotated[int, count(0, 100)] = Field(
        default=50,
        description="From how many in a hundred on it is too much; `0` does not look at it.",
        examples=[30],
    )
    of: Annotated[int, count(1, 1_000_000)] = Field(
        default=40,
        description="Of so many at least: a few that are not there say nothing.",
        examples=[20],
    )


class Enumeration(Policy):
    """Who goes through all there is is refused for a while."""

    room: ClassVar[str] = "enumeration"

    operations: Annotated[
        list[PartText], BeforeValidator(parse_parts), Field(max_length=MAX_PARTS), ShortForm({"type": "string"})
    ] = Field(
        default=[parse_part(EVERYTHING)],
        description="What it is for: operations of the document, methods, paths, permissions; left out, everything.",
        examples=[["getOrder"], "GET"],
        json_schema_extra={"default": EVERYTHING},
    )
    query: list[Text] = Field(
        default=[],
        max_length=16,
        description="Parameters of the query that name objects, beside what the path says.",
        examples=[["id"]],
    )
    objects: Annotated[int, count(0, MAX_OBJECTS)] = Field(
        default=1_000,
        description="Most different objects that one caller asks for within `window`; `0` does not count them.",
        examples=[200],
    )
    steps: Annotated[int, count(0, MAX_STEPS)] = Field(
        default=100,
        description="Most numbers in a row, up or down, each at most ten from the last; `0` does not follow them.",
        examples=[20],
    )
    refused: RefusedShare = Field(
        default=RefusedShare(),
        description="How many of a caller's requests may end with 403, 404 or 410.",
        examples=[{"percent": 30, "of": 20}],
    )
    window: Annotated[int, duration(1_000, DAY_MS)] = Field(
        default=3_600_000,
        description="How long it is counted; it begins with a caller's first request, and ends with all that was seen.",
        examples=["10m"],
        json_schema_extra={"default": "1h"},
    )
    block: Annotated[int, duration(1_000, DAY_MS)] = Field(
        default=600_000,
        description="For how long a caller who was found is refused.",
        examples=["1h"],
        json_schema_extra={"default": "10m"},
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for what it is for, which the API tells."""
        return {
            "query": self.query,
            "bounds": {
                "objects": self.objects,
                "steps": self.steps,
                "percent": self.refused.percent,
                "of": self.refused.of,
                "window_ms": self.window,
                "block_ms": self.block,
            },
        }
