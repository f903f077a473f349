"""API keys. A key itself is in one answer only: that of its making."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from lockgate.admin.api.context import ACTOR, Body, Gate, Limit, Reason, Waiting, WithControl, Words, told
from lockgate.admin.api.problems import Problem
from lockgate.admin.keys import IMPORT_BATCH, KeyNotFoundError, KeyRecord, UnknownApiError

router = APIRouter(prefix="/v1/keys", tags=["keys"])

KeyId = Annotated[str, Path(pattern=r"^key_[a-z2-7]{20}$", description="The key's public id.")]
ApiNames = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=1000)]


class Key(BaseModel):
    """What may be shown of a key."""

    id: str
    name: str
    owner: str
    environment: str
    apis: list[str] | None = Field(description="The APIs that it opens; none means all.")
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    revoked_reason: str | None
    status: str = Field(description="`active`, `expired` or `revoked`.")


class Keys(BaseModel):
    """A page of keys."""

    items: list[Key]
    next: str | None = Field(description="Give this as `after` for the next page.")


class NewKey(Body):
    """A key to be made."""

    name: Words = Field(description="What it is for.")
    owner: Words = Field(description="Who answers for it.")
    environment: str = Field(default="live", pattern=r"^[a-z]{1,16}$", description="Stands in the key itself.")
    apis: ApiNames | None = Field(default=None, description="The APIs that it opens; none means all.")
    expires_ms: int | None = Field(default=None, gt=0, lt=2**53, description="When it ends, in ms since the epoch.")


class CreatedKey(Key):
    """A key that was made."""

    key: str = Field(description="The key. It is shown here once, and kept nowhere.")
    gate: Gate
    waiting: Waiting


class Revocation(Body):
    """Why a key is closed."""

    reason: Reason | None = None


class RevokedKey(Key):
    """A key that is closed."""

    gate: Gate
    waiting: Waiting


class ImportedKey(Body):
    """A key of which only the digest is told."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="HMAC-SHA256 of the key under this pepper, in hex.")
    name: Words
    owner: Words
    environment: str = Field(default="live", pattern=r"^[a-z]{1,16}$")
    apis: ApiNames | None = None
    expires_ms: int | None = Field(default=None, gt=0, lt=2**53)


class Import(Body):
    """Keys to be added."""

    source: Words = Field(description="Where they come from; stands in the audit event.")
    keys: list[ImportedKey] = Field(min_length=1, max_length=IMPORT_BATCH)


class ImportResult(BaseModel):
    """What an import did."""

    added: int
    known: int = Field(description="Those that were there already, and were left alone.")


@router.get("")
async def list_keys(control: WithControl, limit: Limit = 100, after: str | None = None) -> Keys:
    """List keys, oldest first."""
    try:
        records = await asyncio.to_thread(lambda: control.keys.page(after=after, limit=limit))
    except KeyNotFoundError as error:
        raise Problem("key-not-found", str(error)) from error
    more = records[-1].id if len(records) == limit else None
    return Keys(items=[_key(record) for record in records], next=more)


@router.post("", status_code=201)
async def create_key(control: WithControl, new: NewKey) -> CreatedKey:
    """Make a key. Its audit event is on disk before this answers."""
    try:
        created = await asyncio.to_thread(lambda: control.keys.create(ACTOR, **new.model_dump()))
    except UnknownApiError as error:
        raise Problem("api-unknown", str(error)) from error
    settled = await told(control)
    return CreatedKey(**_members(created.record), key=created.key, gate=settled.state, waiting=list(settled.waiting))


@router.post("/import")
async def import_keys(control: WithControl, body: Import) -> ImportResult:
    """Add up to 5,000 keys by their digests; those that are there already are left alone."""
    rows = iter([key.model_dump() for key in body.keys])
    try:
        done = await asyncio.to_thread(control.keys.import_, ACTOR, body.source, rows)
    except UnknownApiError as error:
        raise Problem("api-unknown", str(error)) from error
    control.link.facts_changed()
    return ImportResult(added=done.added, known=done.known)


@router.get("/{key_id}")
async def one_key(control: WithControl, key_id: KeyId) -> Key:
    """Show one key."""
    try:
        return _key(await asyncio.to_thread(control.keys.one, key_id))
    except KeyNotFoundError as error:
        raise Problem("key-not-found", str(error)) from error


@router.post("/{key_id}/revoke")
async def revoke_key(control: WithControl, key_id: KeyId, body: Revocation | None = None) -> RevokedKey:
    """Close a key for good. With `gate: applied` it opens nothing any more, on no gate."""
    reason = body.reason if body is not None else None
    try:
        record = await asyncio.to_thread(lambda: control.keys.revoke(ACTOR, key_id, reason=reason))
    except KeyNotFoundError as error:
        raise Problem("key-not-found", str(error)) from error
    settled = await told(control)
    return RevokedKey(**_members(record), gate=settled.state, waiting=list(settled.waiting))


def _members(record: KeyRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in KeyRecord.__slots__}


def _key(record: KeyRecord) -> Key:
    return Key(**_members(record))
