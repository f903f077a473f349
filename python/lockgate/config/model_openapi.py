"""`openapi`: the document whose operations an API has."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from lockgate.paths import parse_path
from lockgate.policies import Mode, Settings
from lockgate.scalars import Scalar, ShortForm, Text, refusal, shown

MAX_BASES: Final = 32


def _base(value: object) -> str:
    if value == "/":
        return ""
    if isinstance(value, str):
        return parse_path(value).path
    raise refusal("path-malformed", f"{shown(value)} is not a path", allowed="a path such as `/v1`, or `/` for none")


def _bases(value: object) -> object:
    if isinstance(value, list) and not 0 < len(value) <= MAX_BASES:
        raise refusal("bases-malformed", f"these are {len(value)} bases", allowed=f"1 to {MAX_BASES}")
    return value if isinstance(value, list) else [value]


_BASE: Final = {"type": "string", "pattern": "^/"}


class Openapi(Settings):
    """An OpenAPI 3.0 or 3.1 document, in JSON or YAML."""

    file: Text = Field(
        description="The file, relative to this one. Files that it refers to are read as well; nothing is fetched.",
        examples=["openapi.yaml"],
    )
    base: Annotated[list[Annotated[str, Scalar(_base, _BASE)]] | None, BeforeValidator(_bases), ShortForm(_BASE)] = (
        Field(
            default=None,
            description="What stands before the document's paths in what the API gets, instead of the paths of its "
            "`servers`; `/` for nothing.",
            examples=["/v1"],
        )
    )
    mode: Mode = Field(
        default="enforce",
        description="What happens to requests that the document does not know: `enforce` refuses them, `observe` "
        "writes it down and lets them go on, `off` lets them go on.",
        examples=["observe"],
    )


def parse_openapi(value: object) -> object:
    """The short form, a file's name alone, as the long one."""
    return {"file": value} if isinstance(value, str) else value


OPENAPI: Final = ShortForm({"type": "string"})
