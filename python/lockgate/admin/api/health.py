"""Up or down, for probes; the only resources that want no credential."""

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from lockgate.admin.api.context import WithControl

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Up."""

    status: str = "ok"


class Readiness(BaseModel):
    """Ready, or why not."""

    ready: bool
    gate: str = Field(description="`serving`, `without-bundle` or `absent`.")


@router.get("/healthz")
async def healthz() -> Health:
    """Answer as long as the control process lives."""
    return Health()


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def readyz(control: WithControl) -> Response:
    """Whether the database answers and a gate serves a bundle; 503 where not."""
    gate = control.link.gate
    state = "absent" if gate is None else "serving" if gate.bundle_hash else "without-bundle"
    await asyncio.to_thread(control.bundles.latest)
    ready = state == "serving"
    return JSONResponse(Readiness(ready=ready, gate=state).model_dump(), 200 if ready else 503)
