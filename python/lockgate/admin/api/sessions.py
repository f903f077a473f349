"""Sessions of people who have signed in with a browser."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from lockgate.admin.api.context import ACTOR, Gate, Limit, OfIssuer, Waiting, WithControl, iss_of, told, unless_a_slip
from lockgate.admin.api.problems import Problem
from lockgate.admin.sign_ins import Kept, SessionNotFoundError

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

SessionId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The session's id.")]


class Session(BaseModel):
    """A session that has not had its time."""

    id: str
    sign_in: str
    issuer: str = Field(description="Who signed the person in: a name under `issuers`.")
    subject: str = Field(description="Who it is, as the provider's `sub` says it.")
    provider_session: str | None = Field(description="The provider's own session (`sid`).")
    created_ms: int
    until_ms: int
    ended_ms: int | None = Field(description="When it was ended before its time.")


class Sessions(BaseModel):
    """A page of sessions."""

    items: list[Session]
    next: str | None = Field(description="Give this as `after` for the next page.")


class EndedSession(Session):
    """A session that was ended."""

    gate: Gate
    waiting: Waiting


@router.get("")
async def list_sessions(
    control: WithControl,
    limit: Limit = 100,
    after: str | None = None,
    subject: Annotated[str | None, Query(max_length=255, description="Of this person alone.")] = None,
    issuer: OfIssuer = None,
) -> Sessions:
    """List sessions that have not had their time, oldest first."""
    sessions = control.sign_ins.sessions

    def page() -> list[Kept]:
        iss = iss_of(control, issuer)
        return sessions.page(subject=subject, issuer=issuer, iss=iss, after=after, limit=limit)

    try:
        found = await asyncio.to_thread(page)
    except SessionNotFoundError as error:
        raise Problem("session-not-found", f"no session has the id {error}") from error
    await unless_a_slip(control, issuer, found or after)
    more = found[-1].id if len(found) == limit else None
    return Sessions(items=[Session(**_members(kept)) for kept in found], next=more)


@router.delete("/{session_id}")
async def end_session(control: WithControl, session_id: SessionId) -> EndedSession:
    """End a session. With `gate: applied` it opens nothing any more, on no gate, and what was open has ended."""
    try:
        kept = await asyncio.to_thread(control.sign_ins.sessions.end, ACTOR, session_id)
    except SessionNotFoundError as error:
        raise Problem("session-not-found", f"no session has the id {error}") from error
    settled = await told(control)
    return EndedSession(**_members(kept), gate=settled.state, waiting=list(settled.waiting))


def _members(kept: Kept) -> dict[str, object]:
    return {name: getattr(kept, name) for name in Kept.__slots__}
