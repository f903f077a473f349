"""`relations`: what leads to what, for rules of `objects` that look it up."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from lockgate.policies import Settings
from lockgate.scalars import Scalar, ShortForm, Text, refusal, shown

MAX_VALUE: Final = 256
"""Characters of a name of a person, a team, an account."""


def parse_related(value: object) -> str:
    """A text, or a whole number as it is written."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and 0 < len(text) <= MAX_VALUE and text == text.strip():
        return text
    raise refusal(
        "relation-value",
        f"{shown(value)} cannot be related to anything",
        allowed=f"a text of 1 to {MAX_VALUE} characters without spaces around it, or a whole number",
    )


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


_VALUE: Final = {"type": ["string", "integer"]}
Value = Annotated[str, Scalar(parse_related, _VALUE)]
Values = Annotated[list[Value], BeforeValidator(_listed), ShortForm(_VALUE)]


class Relation(Settings):
    """What leads to what: people to their teams, teams to their accounts."""

    file: Text | None = Field(
        default=None,
        description="A file with a pair in each line, `ann,red`, relative to the file that names it; `#` begins a "
        "line that is a comment. It is read again when it changes.",
        examples=["relations/teams.csv"],
    )
    pairs: dict[str, Values] | None = Field(
        default=None, description="The same written here: to each what it leads to.", examples=[{"ann": ["red"]}]
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.file is None) == (self.pairs is None):
            hint = "write `file: relations/teams.csv`, or `pairs: {ann: [red]}` where they are few"
            raise refusal("relation-malformed", "a relation has its pairs in a file, or here", hint=hint)
        for name in self.pairs or {}:
            parse_related(name)
        return self
