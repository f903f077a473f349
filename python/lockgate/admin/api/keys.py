"""API keys. A key itself is in two answers only: those of its making, and of its being given a new secret."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from lockgate.admin.api.context import ACTOR, Body, Gate, Limit, Reason, Waiting, WithControl, Words, told
from lockgate.admin.api.problems import Problem
from lockgate.admin.control import Control
from lockgate.admin.key_leaks import LEAKS, Found
from lockgate.admin.key_report import DAY_MS, WHY
from lockgate.admin.keys import (
    GRACE_MAX_MS,
    IMPORT_BATCH,
    GraceRunningError,
    KeyClosedError,
    KeyLifetimeError,
    KeyNotFoundError,
    KeyRecord,
    KeyRuleError,
    NoGraceError,
    UnknownApiError,
)
from lockgate.scalars import NAME

router = APIRouter(prefix="/v1/keys", tags=["keys"])

KeyId = Annotated[str, Path(pattern=r"^key_[a-z2-7]{20}$", description="The key's public id.")]
ApiNames = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=1000)]
# RFC 6749 section 3.3; so that several stand in one claim with spaces between.
Scopes = Annotated[
    list[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,128}$")]], Field(min_length=1, max_length=64)
]
Methods = Annotated[list[Annotated[str, Field(pattern=r"^[A-Z][A-Z-]{0,31}$")]], Field(min_length=1, max_length=32)]
Networks = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=256)]
Environment = Annotated[str, Field(pattern=r"^[a-z]{1,16}$", description="Stands in the key itself.")]
At = Annotated[int, Field(gt=0, lt=2**53)]
Age = Annotated[int, Query(ge=0, le=3660 * DAY_MS)]

T = TypeVar("T")

REFUSED: dict[type[Exception], str] = {
    KeyNotFoundError: "key-not-found",
    KeyClosedError: "key-closed",
    GraceRunningError: "key-grace-running",
    NoGraceError: "key-grace-absent",
    KeyRuleError: "key-rule-refused",
    KeyLifetimeError: "key-lifetime-exceeded",
    UnknownApiError: "api-unknown",
}


class Rate(Body):
    """How much may come."""

    allow: int = Field(ge=1, le=1_000_000_000, description="How many requests in each `per_ms`.")
    per_ms: int = Field(ge=1, le=366 * DAY_MS)
    burst: int = Field(ge=1, le=1_000_000_000, description="How many of them at once.")


class Key(BaseModel):
    """What may be shown of a key. Times are milliseconds since the epoch."""

    id: str
    name: str
    owner: str
    environment: str
    scopes: list[str] | None = Field(description="What its holder may do, as a token's `scope` says it.")
    apis: list[str] | None = Field(description="The APIs that it opens; none means all.")
    methods: list[str] | None = Field(description="The methods that it may be used with; none means all.")
    networks: list[str] | None = Field(description="The networks that it may be used from; none means all.")
    app: str | None = Field(description="The program that has it, and does no more than that was given.")
    rate: Rate | None = Field(description="How much may come by it at each gate; none means as much as limits allow.")
    created_ms: int
    expires_ms: int | None
    suspended_ms: int | None = Field(description="Since when it opens nothing until it is resumed.")
    rerolled_ms: int | None = Field(description="When it was given its newest secret, if not at its making.")
    previous_until_ms: int | None = Field(description="Until when the secret before that opens.")
    used_ms: int | None = Field(description="The hour in which its newest secret was last used.")
    previous_used_ms: int | None = Field(description="The hour in which the secret before that was last used.")
    revoked_ms: int | None
    revoked_reason: str | None
    status: str = Field(description="`active`, `suspended`, `expired` or `revoked`.")


class Keys(BaseModel):
    """A page of keys."""

    items: list[Key]
    next: str | None = Field(description="Give this as `after` for the next page.")


class Rules(Body):
    """What a key is for."""

    scopes: Scopes | None = Field(default=None, description="What its holder may do, as a token's `scope` says it.")
    apis: ApiNames | None = Field(default=None, description="The APIs that it opens; none means all.")
    methods: Methods | None = Field(default=None, description="The methods that it may be used with; none means all.")
    networks: Networks | None = Field(
        default=None, description="The networks that it may be used from, such as `10.0.0.0/8`; none means all."
    )
    rate: Rate | None = Field(
        default=None, description="How much may come by it at each gate, besides what limits allow."
    )
    expires_ms: At | None = Field(default=None, description="When it ends, in ms since the epoch.")


class NewKey(Rules):
    """A key to be made."""

    name: Words = Field(description="What it is for.")
    owner: Words = Field(description="Who answers for it: a person or a team, by name or address.")
    environment: Environment = "live"
    app: Annotated[str, Field(pattern=f"^{NAME.pattern}$")] | None = Field(
        default=None, description="The program that has it, and does no more than that was given."
    )


class Edit(Rules):
    """What of a key is to be changed: what is not named stays, and `null` lifts a rule."""

    name: Words | None = None
    owner: Words | None = None


class Reroll(Body):
    """A new secret."""

    grace_ms: int = Field(
        default=DAY_MS, ge=0, le=GRACE_MAX_MS, description="For how long the secret that it has still opens."
    )


class ChangedKey(Key):
    """A key that was changed."""

    gate: Gate
    waiting: Waiting


class CreatedKey(ChangedKey):
    """A key that was made, or given a new secret."""

    key: str = Field(description="The key. It is shown here once, and kept nowhere.")


class Revocation(Body):
    """Why a key is closed."""

    reason: Reason | None = None


class ImportedKey(Rules):
    """A key of which only a hash is told."""

    digest: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Of a key of Lockgate's: its HMAC-SHA256 under this pepper, in hex.",
    )
    sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Of a key of another form: its SHA-256, in hex. APIs take it where `imported` says so.",
    )
    name: Words
    owner: Words | None = None
    environment: Environment = "live"


class Import(Body):
    """Keys to be added."""

    source: Words = Field(description="Where they come from; stands in the audit event.")
    keys: list[ImportedKey] = Field(min_length=1, max_length=IMPORT_BATCH)


class ImportResult(BaseModel):
    """What an import did."""

    added: int
    known: int = Field(description="Those that were there already, and were left alone.")


class Worth(BaseModel):
    """Keys that are worth a look for one reason."""

    why: str = Field(description=f"One of {', '.join(f'`{why}`' for why in WHY)}.")
    words: str
    count: int
    keys: list[Key] = Field(description="The first of them, oldest first.")


class Report(BaseModel):
    """Keys that somebody should look at; one may be there for several reasons."""

    items: list[Worth]


class FoundKey(BaseModel):
    """A text that was found and may be a key, as GitHub's secret scanning tells it."""

    model_config = ConfigDict(extra="ignore")

    token: str = Field(min_length=1, max_length=1000)
    url: str | None = Field(default=None, max_length=4000, description="Where it was found.")
    source: str | None = Field(default=None, max_length=100, description="What it was found in, such as `commit`.")
    type: str | None = Field(default=None, max_length=100, description="What the finder calls it.")


class Leak(BaseModel):
    """What came of a text that was found."""

    token_hash: str = Field(description="SHA-256 of the text, in Base64.")
    token_type: str
    label: str = Field(description="`true_positive` for a key of this installation, else `false_positive`.")
    key_id: str | None
    name: str | None
    owner: str | None
    done: str = Field(
        description="`revoked`; `grace-ended` where it was a secret that had been replaced, which is over now; or "
        "`nothing`, where it opened nothing any more."
    )


@router.get("")
async def list_keys(
    control: WithControl,
    limit: Limit = 100,
    after: str | None = None,
    unused_ms: Annotated[
        int | None,
        Query(ge=0, le=3660 * DAY_MS, description="Only those that open something and were not used for that long."),
    ] = None,
) -> Keys:
    """List keys, oldest first."""
    records = await _done(lambda: control.keys.page(after=after, limit=limit, unused_ms=unused_ms))
    more = records[-1].id if len(records) == limit else None
    return Keys(items=[_key(record) for record in records], next=more)


@router.post("", status_code=201)
async def create_key(control: WithControl, new: NewKey) -> CreatedKey:
    """Make a key. Its audit event is on disk before this answers."""
    created = await _done(lambda: control.keys.create(ACTOR, **new.model_dump()))
    return CreatedKey(**await _changed(control, created.record), key=created.key)


@router.post("/import")
async def import_keys(control: WithControl, body: Import) -> ImportResult:
    """Add up to 5,000 keys by their hashes; those that are there already are left alone."""
    for key in body.keys:
        if (key.digest is None) == (key.sha256 is None):
            raise Problem("key-rule-refused", "Each key has either a `digest` or a `sha256`.")
    rows = [key.model_dump() for key in body.keys]
    done = await _done(lambda: control.keys.import_(ACTOR, body.source, iter(rows)))
    control.link.facts_changed()
    return ImportResult(added=done.added, known=done.known)


@router.post("/leaks")
async def report_leaks(
    control: WithControl, found: Annotated[list[FoundKey], Field(min_length=1, max_length=LEAKS)]
) -> list[Leak]:
    """Look up texts that were found where no key should be, and revoke those that are keys, at once."""
    told_of = [Found(**one.model_dump()) for one in found]
    leaks = await _done(lambda: control.keys.leaked(ACTOR, told_of))
    await told(control)
    return [Leak(**{name: getattr(leak, name) for name in Leak.model_fields}) for leak in leaks]


@router.get("/report")
async def report_keys(
    control: WithControl,
    limit: Limit = 100,
    unused_ms: Annotated[Age, Query(description="How long without a use counts as unused.")] = 90 * DAY_MS,
    soon_ms: Annotated[Age, Query(description="How near an end counts as soon.")] = 30 * DAY_MS,
) -> Report:
    """Tell which keys that open something somebody should look at."""
    found = await _done(lambda: control.keys.report(unused_ms=unused_ms, soon_ms=soon_ms, limit=limit))
    items = [
        Worth(why=one.why, words=WHY[one.why], count=one.count, keys=[_key(key) for key in one.keys]) for one in found
    ]
    return Report(items=items)


@router.get("/{key_id}")
async def one_key(control: WithControl, key_id: KeyId) -> Key:
    """Show one key."""
    return _key(await _done(lambda: control.keys.one(key_id)))


@router.patch("/{key_id}")
async def edit_key(control: WithControl, key_id: KeyId, edit: Edit) -> ChangedKey:
    """Change what a key is for, without a new secret."""
    changes = edit.model_dump(exclude_unset=True)
    if any(changes.get(name, "") is None for name in ("name", "owner")):
        raise Problem("key-rule-refused", "A key has a name and an owner.")
    record = await _done(lambda: control.keys.edit(ACTOR, key_id, changes))
    return ChangedKey(**await _changed(control, record))


@router.post("/{key_id}/reroll")
async def reroll_key(control: WithControl, key_id: KeyId, body: Reroll | None = None) -> CreatedKey:
    """Give a key a new secret; the one before opens for the grace's time more, as the same key."""
    grace_ms = (body or Reroll()).grace_ms
    made = await _done(lambda: control.keys.reroll(ACTOR, key_id, grace_ms=grace_ms))
    return CreatedKey(**await _changed(control, made.record), key=made.key)


@router.post("/{key_id}/end-grace")
async def end_grace(control: WithControl, key_id: KeyId) -> ChangedKey:
    """End the secret before the newest at once."""
    return ChangedKey(**await _changed(control, await _done(lambda: control.keys.end_grace(ACTOR, key_id))))


@router.post("/{key_id}/suspend")
async def suspend_key(control: WithControl, key_id: KeyId) -> ChangedKey:
    """Close a key until it is resumed."""
    return ChangedKey(**await _changed(control, await _done(lambda: control.keys.suspend(ACTOR, key_id, on=True))))


@router.post("/{key_id}/resume")
async def resume_key(control: WithControl, key_id: KeyId) -> ChangedKey:
    """Open a suspended key again, as it was."""
    return ChangedKey(**await _changed(control, await _done(lambda: control.keys.suspend(ACTOR, key_id, on=False))))


@router.post("/{key_id}/revoke")
async def revoke_key(control: WithControl, key_id: KeyId, body: Revocation | None = None) -> ChangedKey:
    """Close a key for good. With `gate: applied` it opens nothing any more, on no gate."""
    reason = body.reason if body is not None else None
    record = await _done(lambda: control.keys.revoke(ACTOR, key_id, reason=reason))
    return ChangedKey(**await _changed(control, record))


async def _done(work: Callable[[], T]) -> T:
    """Do it beside the event loop; what is refused is an answer."""
    try:
        return await asyncio.to_thread(work)
    except tuple(REFUSED) as error:
        raise Problem(REFUSED[type(error)], str(error)) from error


async def _changed(control: Control, record: KeyRecord) -> dict[str, Any]:
    settled = await told(control)
    return {**_members(record), "gate": settled.state, "waiting": list(settled.waiting)}


def _members(record: KeyRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in KeyRecord.__slots__}


def _key(record: KeyRecord) -> Key:
    return Key(**_members(record))
