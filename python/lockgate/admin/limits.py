"""The limits of a bundle, for people."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from lockgate.admin.routes import place
from lockgate.policies.limits import Rate


class LimitRow(BaseModel):
    """A limit, and the APIs that share it."""

    name: str = Field(description="Its name.")
    scope: str = Field(description="Where it is said; limits of one name and scope share their counters.")
    apis: list[str] = Field(description="The APIs whose requests it counts.")
    count: str = Field(description="`requests` or `failures`.")
    by: list[str] = Field(description="What it counts by.")
    allow: str = Field(description="How many in how long.")
    burst: int = Field(description="How many at once.")
    early: bool = Field(description="Whether it stands before authentication.")
    mode: str = Field(description="`enforce`, `observe` or `off`.")
    said: bool = Field(description="Whether the configuration says it; else it is there by default.")
    file: str = Field(description="Where the configuration says it.")
    line: int = Field(description="The line, from 1.")


def limits_of(document: dict[str, Any]) -> list[LimitRow]:
    """The limits of a bundle, in the order of the configuration; what APIs share stands there once."""
    rows: dict[tuple[str, str], LimitRow] = {}
    for api in document["apis"]:
        for placed in api["policies"]["limits"]:
            config = placed["config"]
            key = (config["scope"], config["name"])
            if key in rows:
                rows[key].apis.append(api["name"])
            else:
                rows[key] = _row(document, api["name"], placed)
    return list(rows.values())


def _row(document: dict[str, Any], api: str, placed: dict[str, Any]) -> LimitRow:
    config = placed["config"]
    file, line = place(document, placed["span"])
    kinds = {part for part in config["by"] if isinstance(part, str)}
    named = [part for part in config["by"] if not isinstance(part, str)]
    return LimitRow(
        name=config["name"],
        scope=config["scope"],
        apis=[api],
        count=config["count"],
        by=[part if isinstance(part, str) else " ".join(*part.items()) for part in config["by"]],
        allow=str(Rate(config["allow"], config["per_ms"])),
        burst=config["burst"],
        early="address" in kinds and not named and not kinds & {"client", "app"},
        mode=placed["mode"],
        said=config["scope"] != "built-in",
        file=file,
        line=line,
    )
