"""What the gate answers to, one row per path of an API."""

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lockgate.admin.api.context import Limit, WithControl, current_bundle, document_of
from lockgate.admin.routes import Route, routes_of

router = APIRouter(prefix="/v1/routes", tags=["routes"])


class Routes(BaseModel):
    """A page of routes."""

    bundle: str = Field(description="Hash of the bundle that they come from.")
    items: list[Route]
    next: int | None = Field(description="Give this as `after` for the next page.")


@router.get("")
async def list_routes(control: WithControl, limit: Limit = 1000, after: int = 0) -> Routes:
    """List the routes of the bundle that is served."""
    bundle = await asyncio.to_thread(current_bundle, control)
    rows = routes_of(document_of(bundle))
    page = rows[after : after + limit]
    more = after + limit < len(rows)
    return Routes(bundle=bundle.hash, items=page, next=after + limit if more else None)
