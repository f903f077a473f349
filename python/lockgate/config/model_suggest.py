"""`authorize.suggest`: of which requests it is noted where they say what is verified of their callers."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from lockgate.config.model_balance import parse_percent, say_percent
from lockgate.policies import Settings
from lockgate.scalars import Scalar, ShortForm, refusal, size


def parse_share(value: object) -> int:
    """A share of the requests that is not none of them."""
    share = parse_percent(value)
    if share == 0:
        raise refusal("percent-malformed", "of no request nothing is learnt", hint="take `suggest` out")
    return share


_PERCENT: Final = {"type": "string", "pattern": "^[0-9]{1,3} ?%$"}


class Suggest(Settings):
    """What `lockgate access suggest` goes by. It refuses nobody, and no value is noted."""

    share: Annotated[int, Scalar(parse_share, _PERCENT, say_percent)] = Field(
        default=10,
        description="Of how many requests it is noted where they, or the API's answers, say what is verified of their "
        "callers.",
        examples=["100%"],
        json_schema_extra={"default": "10%"},
    )
    answer: Annotated[int, size(1, 2**20)] = Field(
        default=64 * 2**10,
        description="Longest answer that is looked at, unpacked. It is held until it is there, or pauses.",
        examples=["256KiB"],
        json_schema_extra={"default": "64KiB"},
    )


def _long(value: object) -> object:
    return {"share": value} if isinstance(value, str | int | float) else value


SUGGEST: Final = (BeforeValidator(_long), ShortForm(_PERCENT))
