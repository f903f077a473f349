"""Findings and waivers."""

import asyncio
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lockgate.admin.api.context import Limit, WithControl

router = APIRouter(prefix="/v1/findings", tags=["findings"])


class Finding(BaseModel):
    """A weakness that somebody should look at, or a waiver that somebody answers for."""

    id: int
    source: str = Field(description="What part of Lockgate says so.")
    kind: str = Field(description="`finding` or `waiver`.")
    code: str
    object: str = Field(description="What it is about.")
    message: str
    severity: str = Field(description="`info`, `warning` or `error`.")
    owner: str | None
    reason: str | None
    until_ms: int | None
    file: str | None
    line: int | None
    first_seen_ms: int
    last_seen_ms: int
    closed_ms: int | None = Field(description="When it was seen no more.")


class Findings(BaseModel):
    """A page of findings."""

    items: list[Finding]
    next: int | None = Field(description="Give this as `after` for the next page.")


@router.get("")
async def list_findings(
    control: WithControl,
    kind: Literal["finding", "waiver"] | None = None,
    closed: bool = False,
    limit: Limit = 1000,
    after: int = 0,
) -> Findings:
    """List findings and waivers, oldest first; with `closed` also those that are over."""
    rows = await asyncio.to_thread(
        lambda: control.findings.page(kind=kind, include_closed=closed, after=after, limit=limit)
    )
    items = [Finding(**row) for row in rows]
    return Findings(items=items, next=items[-1].id if len(items) == limit else None)
