"""Who may call what, and why."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from lockgate.admin.access import Role, Row, Told, UnknownPartError, matrix, told
from lockgate.admin.api.context import Limit, WithControl, current_bundle
from lockgate.admin.api.problems import Problem
from lockgate.admin.control import Control
from lockgate.admin.suggest import Suggestions, suggestions

router = APIRouter(prefix="/v1/access", tags=["access"])

OfApi = Annotated[str | None, Query(max_length=200, description="Of this API alone.")]
KEYS_PAGE = 1_000
SUGGESTED_MS = 7 * 86_400_000


class Rows(BaseModel):
    """A page of who may call what."""

    bundle: str = Field(description="Hash of the bundle that was asked.")
    roles: list[Role] = Field(description="The roles that there are.")
    items: list[Row]
    next: int | None = Field(description="Give this as `after` for the next page.")


class Who(BaseModel):
    """Who may call what is asked about."""

    bundle: str = Field(description="Hash of the bundle that was asked.")
    items: list[Told] = Field(description="One for each API, route and version that has it.")


@router.get("/matrix")
async def access_matrix(control: WithControl, api: OfApi = None, limit: Limit = 1000, after: int = 0) -> Rows:
    """Say for each operation, or for each part of an API that rules name, who may call it."""
    return await asyncio.to_thread(_matrix, control, api, limit, max(after, 0))


@router.get("/who")
async def who_may_call(
    control: WithControl,
    what: Annotated[
        str, Query(min_length=1, max_length=4096, description="An operation, or a method and a path: `GET /orders/7`.")
    ],
    api: OfApi = None,
) -> Who:
    """Say who may call an operation, and why: roles and who has them, scopes and the keys that have them."""
    return await asyncio.to_thread(_who, control, what, api)


@router.get("/suggest")
async def suggested_rules(
    control: WithControl,
    api: OfApi = None,
    since_ms: Annotated[int | None, Query(ge=0, description="From when on; left out, the last seven days.")] = None,
) -> Suggestions:
    """Propose rules of `objects` from what `authorize.suggest` has noted, each with its evidence."""
    return await asyncio.to_thread(_suggested, control, api, since_ms)


def _suggested(control: Control, api: str | None, since_ms: int | None) -> Suggestions:
    document = json.loads(current_bundle(control).text)
    if api is not None and api not in {one["name"] for one in document["apis"]}:
        raise Problem("access-unknown", f"there is no API `{api}`")
    since = since_ms if since_ms is not None else int(time.time() * 1000) - SUGGESTED_MS
    return suggestions(control.state, document, since, api)


def _matrix(control: Control, api: str | None, limit: int, after: int) -> Rows:
    bundle = current_bundle(control)
    try:
        found = matrix(bundle.text, api)
    except UnknownPartError as error:
        raise Problem("access-unknown", str(error)) from error
    page = found.rows[after : after + limit]
    more = after + limit < len(found.rows)
    return Rows(bundle=bundle.hash, roles=found.roles, items=page, next=after + limit if more else None)


def _who(control: Control, what: str, api: str | None) -> Who:
    bundle = current_bundle(control)
    try:
        return Who(bundle=bundle.hash, items=told(bundle.text, what, lambda: _keys(control), api).items)
    except UnknownPartError as error:
        raise Problem("access-unknown", str(error)) from error


def _keys(control: Control) -> Iterator[Mapping[str, Any]]:
    after: str | None = None
    while page := control.keys.page(after=after, limit=KEYS_PAGE):
        yield from map(asdict, page)
        after = page[-1].id
