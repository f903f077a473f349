"""What people allow programs of others, and what programs prove themselves by."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from lockgate.admin.api.apps import AppId
from lockgate.admin.api.context import ACTOR, Body, Gate, Reason, Waiting, WithControl, told
from lockgate.admin.api.problems import Problem
from lockgate.admin.apps import AppNotFoundError
from lockgate.admin.grants import GRACE_MAX_MS, GrantNotFoundError, GrantRecord

router = APIRouter(prefix="/v1", tags=["apps"])

GrantId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The grant's id.")]


class AppGrant(BaseModel):
    """What somebody has allowed a program."""

    id: str
    issuer: str = Field(description="Whose tokens the program gets: a name under `issuers`.")
    app: str
    iss: str = Field(description="Who knows the person.")
    subject: str
    scopes: list[str]
    created_ms: int
    used_ms: int | None
    until_ms: int
    ended_ms: int | None
    ended_reason: str | None


class AppGrants(BaseModel):
    """A page of them."""

    items: list[AppGrant]
    next: str | None = Field(description="Give this as `after` for the next page.")


class EndedGrant(AppGrant):
    """One that was ended."""

    gate: Gate
    waiting: Waiting


class End(Body):
    """Why."""

    reason: Reason | None = None


class NewSecret(Body):
    """How long the one before it is good."""

    grace_ms: Annotated[int, Field(ge=0, le=GRACE_MAX_MS)] = 86_400_000


class AppSecret(BaseModel):
    """A program's new secret; it is shown this once."""

    app: str
    secret: str


class Invitation(BaseModel):
    """What one program registers itself with (RFC 7591); it is shown this once."""

    token: str
    until_ms: int


@router.get("/app-grants")
async def list_app_grants(
    control: WithControl,
    app: Annotated[str | None, Query(max_length=64)] = None,
    subject: Annotated[str | None, Query(max_length=400)] = None,
    after: Annotated[str | None, Query(max_length=32)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> AppGrants:
    """List what people have allowed programs: one program's, or one person's."""
    rows = await asyncio.to_thread(control.grants.page, app=app, subject=subject, after=after, limit=limit)
    following = rows[-1].id if len(rows) == limit else None
    return AppGrants(items=[AppGrant(**asdict(row)) for row in rows], next=following)


@router.post("/app-grants/{grant_id}/end")
async def end_app_grant(control: WithControl, grant_id: GrantId, body: End | None = None) -> EndedGrant:
    """Take back what somebody allowed. With `gate: applied` no token that came of it opens anything any more."""
    reason = (body.reason if body is not None else None) or "taken back by an operator"

    def end() -> GrantRecord:
        found = control.grants.one(grant_id)
        control.grants.end(ACTOR, found.issuer, grant_id, reason)
        return control.grants.one(grant_id)

    row = await _done(end)
    settled = await told(control)
    return EndedGrant(**asdict(row), gate=settled.state, waiting=list(settled.waiting))


@router.post("/apps/{app_id}/secret", status_code=201)
async def make_app_secret(control: WithControl, app_id: AppId, body: NewSecret | None = None) -> AppSecret:
    """Make a secret that a program proves itself by when it gets tokens. The one before is good for `grace_ms`."""
    grace_ms = (body or NewSecret()).grace_ms
    secret = await _done(lambda: control.grants.make_secret(ACTOR, app_id, grace_ms))
    return AppSecret(app=app_id, secret=secret)


@router.post("/app-invitations", status_code=201)
async def invite_app(control: WithControl) -> Invitation:
    """Make a token that one program registers itself with, within seven days."""
    token, until_ms = await asyncio.to_thread(control.grants.invite, ACTOR)
    return Invitation(token=token, until_ms=until_ms)


async def _done(work: Any) -> Any:
    try:
        return await asyncio.to_thread(work)
    except AppNotFoundError as error:
        raise Problem("app-not-found", str(error)) from error
    except GrantNotFoundError as error:
        raise Problem("grant-not-found", str(error)) from error
