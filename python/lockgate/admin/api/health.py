"""Up or down, for probes; the only resources that want no credential."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from lockgate.admin.api.context import WithControl

router = APIRouter(tags=["health"])

ASKED_SECONDS = 0.5
"""For the gate's word of its guards: probes wait for a second by default, and readiness must not hang on it."""


class Health(BaseModel):
    """Up."""

    status: str = "ok"


Guards = Literal["refuse", "told-to-let-through", "let-through", "none", "unknown"]


class Readiness(BaseModel):
    """Ready, or why not."""

    ready: bool
    gate: str = Field(description="`serving`, `without-bundle` or `absent`.")
    guards: Guards = Field(
        description=(
            "What the policies `waf` that are enforced do with attacks that they were tried with: `refuse` all; "
            "`let-through` some; `told-to-let-through`, where the configuration says why; `none` where no API has one. "
            "It does not decide readiness. `GET /v1/status` names APIs and attacks."
        )
    )


@router.get("/healthz")
async def healthz() -> Health:
    """Answer as long as the control process lives."""
    return Health()


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def readyz(control: WithControl) -> Response:
    """Whether the database answers and a gate serves a bundle; 503 where not. Says also what its guards are worth."""
    gate = control.link.gate
    state = "absent" if gate is None else "serving" if gate.bundle_hash else "without-bundle"
    await asyncio.to_thread(control.bundles.latest)
    ready = state == "serving"
    answer = await gate.ask("stats", ASKED_SECONDS) if gate is not None and ready else None
    told = Readiness(ready=ready, gate=state, guards=_guards((answer or {}).get("stats")))
    return JSONResponse(told.model_dump(), 200 if ready else 503)


def _guards(stats: dict[str, Any] | None) -> Guards:
    """In one word: this is told to anybody, and nobody else should learn which attacks pass."""
    if stats is None or "guarded" not in stats:
        return "unknown"
    if stats["unguarded"]:
        return "let-through"
    if stats["lenient"]:
        return "told-to-let-through"
    return "refuse" if stats["guarded"] else "none"
