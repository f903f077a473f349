"""What `lockgate tls audit` has found."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from lockgate.admin.api.context import ACTOR, WithControl
from lockgate.admin.findings import Seen
from lockgate.admin.tls_audit import Audit, Kind

router = APIRouter(prefix="/v1/tls-audits", tags=["findings"])

ITEMS = 10_000
UNKNOWN = 50_000

Object = Annotated[str, Field(max_length=400, pattern=r"^(listeners|upstreams)\..+")]


class Body(BaseModel):
    """A body knows all its members; another one is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Fault(Body):
    """One fault of a listener or a server."""

    object: Object = Field(description="`listeners.NAME`, or `upstreams.NAME` and the server.")
    code: str = Field(max_length=60, pattern=r"^[a-z0-9.-]+$")
    message: str = Field(max_length=1_000, description="What is wrong, and what to do.")
    severity: Literal["info", "warning", "error"]
    file: str | None = Field(default=None, max_length=4_096)
    line: int | None = Field(default=None, ge=1)


class Outcome(Body):
    """What one audit found."""

    items: list[Fault] = Field(max_length=ITEMS, description="All that is wrong now.")
    kinds: list[Kind] = Field(min_length=1, max_length=2, description="What was looked at.")
    unknown: list[Object] = Field(
        default=[], max_length=UNKNOWN, description="What could not be looked at: its findings stay open."
    )


class Kept(BaseModel):
    """What became of it."""

    open: int = Field(description="How many findings of the audit were handed over.")
    fresh: int = Field(description="How many of them were not open before.")


@router.post("")
async def keep_tls_audit(control: WithControl, body: Outcome) -> Kept:
    """Keep what an audit of TLS found; what it finds no more is closed."""
    rows = seen(body)
    outcome = Audit(rows, body.kinds, body.unknown)
    fresh = await asyncio.to_thread(outcome.keep, control.findings)
    detail = {"findings": len(rows), "fresh": len(fresh), "unknown": len(body.unknown)}
    await asyncio.to_thread(control.journal.audit, ACTOR, "tls.audit", ", ".join(body.kinds), detail)
    return Kept(open=len(rows), fresh=len(fresh))


def seen(outcome: Outcome) -> list[Seen]:
    """As the table has them."""
    return [
        Seen("finding", f"tls-{each.code}", each.object, each.message, each.severity, file=each.file, line=each.line)
        for each in outcome.items
    ]
