"""Gates: the one beside the control process, and those that enrolled from elsewhere."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from lockgate.admin.api.context import ACTOR, WithControl
from lockgate.admin.api.problems import Problem
from lockgate.admin.control import Control
from lockgate.admin.gates.registry import GateNameError, GateUnknownError
from lockgate.admin.link import LOCAL
from lockgate.admin.store.models import Gate as Row

router = APIRouter(prefix="/v1/gates", tags=["gates"])

HOUR_MS = 3_600_000

Name = Annotated[str, Path(max_length=63)]


class Gate(BaseModel):
    """A gate."""

    name: str = Field(description="`local` for the one on the control process's own state folder.")
    status: Literal["connected", "away", "revoked"]
    version: str | None = None
    bundle: dict[str, Any] | None = Field(default=None, description="Sequence and hash of what it serves.")
    facts_seq: int | None = None
    facts_behind: bool | None = Field(default=None, description="Whether it lacks facts that are written down.")
    bundle_behind: bool | None = Field(default=None, description="Whether it serves another than the newest good one.")
    addresses: dict[str, str] = Field(default={}, description="Where its listeners really listen.")
    enrolled_ms: int | None = None
    certificate_ends_ms: int | None = Field(default=None, description="It renews it by itself while it is connected.")
    revoked_ms: int | None = None


class Gates(BaseModel):
    """All gates."""

    listens: str | None = Field(description="Where gates elsewhere reach the control process; none: nowhere.")
    items: list[Gate]


class Wanted(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, max_length=63, description="The gate's name; left out, one is made up.")
    lives_ms: int = Field(default=HOUR_MS, ge=1_000, le=7 * 24 * HOUR_MS, description="How long it may be used.")


class Token(BaseModel):
    """A token for one gate to enrol with, once."""

    token: str = Field(description="Shown this once.")
    name: str
    address: str = Field(description="Where the gate will look for the control process.")
    expires_ms: int


@router.get("")
async def list_gates(control: WithControl) -> Gates:
    """List the gates, and how each is."""
    return Gates(listens=control.gates.listener.address, items=await every_gate(control))


@router.post("/tokens", status_code=201)
async def make_token(control: WithControl, wanted: Wanted) -> Token:
    """Make a one-time token that a gate enrols with."""
    loaded = control.reloader.loaded
    said = loaded.document.gates if loaded is not None else None
    address = (said.advertise if said is not None else None) or control.gates.listener.address
    if control.gates.listener.address is None or address is None:
        raise Problem("gates-closed", "Set `gates.address` in the configuration, for example 0.0.0.0:8444.")
    if address.startswith(("0.0.0.0:", "[::]:")):
        raise Problem(
            "gates-closed", "Set `gates.advertise` to the host and port under which gates reach this machine."
        )
    try:
        made = await asyncio.to_thread(control.gates.registry.token, ACTOR, wanted.name, address, wanted.lives_ms)
    except GateNameError as error:
        raise Problem("gate-name-refused", f"{error}.") from error
    return Token(token=made.token, name=made.name, address=address, expires_ms=made.expires_ms)


@router.post("/{name}/revoke")
async def revoke_gate(control: WithControl, name: Name) -> Gate:
    """Shut a gate out: its connection ends, and its certificate opens nothing any more."""
    try:
        row = await asyncio.to_thread(control.gates.registry.revoke, ACTOR, name)
    except GateUnknownError as error:
        raise Problem("gate-not-found", f"No gate {name!r} has enrolled; `GET /v1/gates` lists them.") from error
    control.link.close(name)
    return await _gate(control, name, row, None)


async def every_gate(control: Control) -> list[Gate]:
    """The gate beside the control process, unless there are only others, and all that enrolled."""
    rows = await asyncio.to_thread(control.gates.registry.every)
    known = {row.name: row for row in rows}
    names = [LOCAL, *known] if LOCAL in control.link.gates or not known else list(known)
    latest = await asyncio.to_thread(control.bundles.latest)
    newest = None if latest is None else latest.hash
    return [await _gate(control, name, known.get(name), newest) for name in names]


async def _gate(control: Control, name: str, row: Row | None, newest: str | None) -> Gate:
    """`newest` is the hash of the newest good bundle, where there is one."""
    session = control.link.gates.get(name)
    revoked = row is not None and row.revoked_ms is not None
    gate = Gate(
        name=name,
        status="revoked" if revoked else "away" if session is None else "connected",
        enrolled_ms=None if row is None else row.enrolled_ms,
        certificate_ends_ms=None if row is None else row.not_after_ms,
        revoked_ms=None if row is None else row.revoked_ms,
    )
    if session is not None and not revoked:
        gate.version = session.version
        gate.addresses = session.addresses
        gate.facts_seq = session.facts_seq
        gate.bundle_behind = newest is not None and newest != session.bundle_hash
        gate.facts_behind = await control.link.behind(session)
        if session.bundle_hash:
            gate.bundle = {"sequence": session.bundle_sequence, "hash": session.bundle_hash}
    return gate
