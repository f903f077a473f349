"""Events of the gate and of the control process, by cursor."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from lockgate.admin import event_log
from lockgate.admin.api.context import Limit, WithControl
from lockgate.admin.api.problems import Problem

router = APIRouter(prefix="/v1/events", tags=["events"])


class Events(BaseModel):
    """A page of events."""

    items: list[dict[str, Any]] = Field(description="Events in their JSON form, in the order of their time.")
    next: str = Field(description="Give this as `cursor` for what comes after; also for what has not happened yet.")


@router.get("")
async def list_events(
    control: WithControl,
    cursor: str | None = None,
    limit: Limit = 100,
    class_: Literal["access", "security", "audit", "system"] | None = Query(default=None, alias="class"),
    api: str | None = None,
    reason: str | None = None,
    key: str | None = None,
    app: str | None = None,
) -> Events:
    """List events, oldest first: up to `limit` of each process."""
    from lockgate._native import LockgateError

    wanted: dict[str, Any] = {
        "classes": [class_] if class_ is not None else [],
        "api": api,
        "reason": reason,
        "key": key,
        "app": app,
    }
    try:
        page = await asyncio.to_thread(lambda: event_log.page(control.state, cursor=cursor, limit=limit, wanted=wanted))
    except (event_log.CursorError, LockgateError) as error:
        raise Problem("admin-request-malformed", str(error)) from error
    return Events(items=page.events, next=page.cursor)
