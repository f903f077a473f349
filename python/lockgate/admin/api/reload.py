"""Taking over the configuration as its files stand now."""

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lockgate.admin.api.context import ACTOR, WithControl
from lockgate.admin.api.problems import Problem

router = APIRouter(prefix="/v1/reload", tags=["configuration"])


class Reloaded(BaseModel):
    """What became of a reload."""

    result: str = Field(
        description="`applied`: the gate serves it. `unchanged`: it did already. `signed`: it will, once it connects."
    )
    sequence: int | None = Field(description="The bundle's number.")
    hash: str | None = Field(description="The bundle's hash, as events cite it.")
    took_ms: int = Field(description="From asking to live.")
    gate_took_ms: float | None = Field(description="Of that, the gate's part.")
    since_ms: int | None = Field(description="When it was taken over, or began to serve; milliseconds since the epoch.")
    by: str | None = Field(description="What made it so then: `file` where a file changed, `api`, `signal`, `start`.")
    warnings: list[dict[str, Any]]
    needs_restart: list[str] = Field(description="What has changed and is not taken over before a restart, in words.")


@router.post("")
async def reload(control: WithControl) -> Reloaded:
    """Read, check and take over the configuration: all of it or nothing."""
    outcome = await control.reloader.reload("api")
    detail = {"result": outcome.result, "sequence": outcome.sequence, "errors": len(outcome.errors)}
    await asyncio.to_thread(control.journal.audit, ACTOR, "config.reload", str(control.reloader.path), detail)
    if outcome.result == "refused":
        first = outcome.errors[0]
        place = f"{first['file']}:{first['line']}: " if first.get("file") else ""
        more = f" (and {len(outcome.errors) - 1} more in `errors`)" if len(outcome.errors) > 1 else ""
        detail_text = f"{place}{first['message']}{more}"
        raise Problem("config-refused", detail_text, errors=outcome.errors, warnings=outcome.warnings)
    taken = control.reloader.taken
    return Reloaded(
        result=outcome.result,
        sequence=outcome.sequence,
        hash=outcome.hash,
        took_ms=outcome.took_ms,
        gate_took_ms=outcome.gate_took_ms,
        since_ms=taken.at_ms if taken is not None else None,
        by=taken.cause if taken is not None else None,
        warnings=outcome.warnings,
        needs_restart=control.reloader.needs_restart(),
    )
