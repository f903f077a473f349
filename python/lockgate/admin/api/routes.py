"""What the gate answers to, one row per path of an API."""

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lockgate.admin.api.context import Limit, WithControl, current_bundle, document_of, place

router = APIRouter(prefix="/v1/routes", tags=["routes"])


class Route(BaseModel):
    """One path of an API."""

    api: str = Field(description="Name of the API.")
    hosts: list[str] = Field(description="Hosts it answers to; empty means any.")
    match: str = Field(description="`exact`, `prefix` or `template`.")
    path: str = Field(description="The path, as the configuration says it.")
    methods: list[str] = Field(description="Methods it answers to; empty means any.")
    upstream: str = Field(description="Name of its upstream.")
    access: str = Field(description="`public`, or the ways to prove an identity.")
    file: str = Field(description="Where the configuration says it.")
    line: int = Field(description="The line, from 1.")


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


def routes_of(document: dict[str, Any]) -> list[Route]:
    """The routes of a bundle, in the order of the configuration."""
    return [route for api in document["apis"] for route in _of_api(document, api)]


def _of_api(document: dict[str, Any], api: dict[str, Any]) -> list[Route]:
    file, line = place(document, api["span"])
    authenticators = [name for way in api["policies"]["authenticate"] for name in way]
    return [
        Route(
            api=api["name"],
            hosts=api["hosts"],
            match=match,
            path=path,
            methods=api["methods"],
            upstream=api["upstream"],
            access="public" if api["public"] is not None else " or ".join(authenticators),
            file=file,
            line=line,
        )
        for matcher in api["paths"]
        for match, path in matcher.items()
    ]
