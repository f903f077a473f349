"""Tokens that are revoked before their time."""

import asyncio
from typing import Annotated, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, model_validator

from lockgate.admin.api.context import ACTOR, Body, Gate, Limit, Reason, Waiting, WithControl, Words, told
from lockgate.admin.api.problems import Problem
from lockgate.admin.control import Control
from lockgate.admin.tokens import IMPORT_BATCH, By, RevocationKeptError, RevocationNotFoundError, UnknownIssuerError
from lockgate.admin.tokens import Revocation as Record

router = APIRouter(prefix="/v1/tokens/revocations", tags=["tokens"])

RevocationId = Annotated[str, Path(pattern=r"^rev_[a-z2-7]{20}$", description="The revocation's id.")]
Instant = Annotated[int, Field(gt=0, lt=2**53)]
Means = Annotated[
    By,
    Field(
        description="By what tokens are told: `token` by `jti`, `subject` by `sub`, `client` by `client_id` (else "
        "`azp`), `session` by `sid`, `device` by `device`, `cnf.jkt` or `cnf.x5t#S256`, `issuer` by "
        "nothing else: all that it has issued."
    ),
]


class Revocation(BaseModel):
    """What was revoked."""

    id: str
    issuer: str = Field(description="As the tokens' `iss` says it.")
    by: Means
    value: str
    before_ms: int | None = Field(description="Those that were issued until then; none means whenever.")
    until_ms: int | None = Field(description="From when on there can be none left, where that is known.")
    created_ms: int
    reason: str | None


class Revocations(BaseModel):
    """A page of revocations."""

    items: list[Revocation]
    next: str | None = Field(description="Give this as `after` for the next page.")


class NewRevocation(Body):
    """Tokens to be revoked."""

    issuer: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        description="A name under `issuers`, or what the tokens' `iss` says."
    )
    by: Means
    value: Annotated[str, Field(max_length=256)] = Field(default="", description="What the tokens say.")
    before_ms: Instant | None = Field(
        default=None,
        description="Those that were issued until then. Left out, until now; or whenever, for a single token, a "
        "session or a device.",
    )
    until_ms: Instant | None = Field(
        default=None,
        description="From when on there can be none left, so that it may be forgotten. Left out, that is worked out "
        "from the issuer's `max_age`; without one it is kept for ever.",
    )
    reason: Reason | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.by == "issuer") == bool(self.value):
            raise ValueError("`value` says which tokens are meant, but where all of an issuer's are")
        return self


class ChangedRevocation(Revocation):
    """A revocation that was made or taken back."""

    gate: Gate
    waiting: Waiting


class Import(Body):
    """Tokens to be revoked, many at once."""

    source: Words = Field(description="Where they come from; stands in the audit event.")
    revocations: list[NewRevocation] = Field(min_length=1, max_length=IMPORT_BATCH)


class ImportResult(BaseModel):
    """What an import did."""

    added: int
    known: int = Field(description="Those that were revoked already.")


@router.get("")
async def list_revocations(control: WithControl, limit: Limit = 100, after: str | None = None) -> Revocations:
    """List revocations of which there may be tokens left, oldest first."""
    try:
        records = await asyncio.to_thread(lambda: control.tokens.page(after=after, limit=limit))
    except RevocationNotFoundError as error:
        raise Problem("revocation-not-found", str(error)) from error
    more = records[-1].id if len(records) == limit else None
    return Revocations(items=[Revocation(**_members(record)) for record in records], next=more)


@router.post("", status_code=201)
async def revoke_tokens(control: WithControl, new: NewRevocation) -> ChangedRevocation:
    """Revoke tokens. With `gate: applied` they open nothing any more, on no gate."""
    try:
        record = await asyncio.to_thread(lambda: control.tokens.revoke(ACTOR, **new.model_dump()))
    except UnknownIssuerError as error:
        raise Problem("issuer-unknown", str(error)) from error
    return await _changed(control, record)


@router.post("/import")
async def import_revocations(control: WithControl, body: Import) -> ImportResult:
    """Revoke up to 5,000 at once; what was revoked already is left alone."""
    rows = iter([each.model_dump() for each in body.revocations])
    try:
        done = await asyncio.to_thread(control.tokens.import_, ACTOR, body.source, rows)
    except UnknownIssuerError as error:
        raise Problem("issuer-unknown", str(error)) from error
    control.link.facts_changed()
    return ImportResult(added=done.added, known=done.known)


@router.get("/{revocation_id}")
async def one_revocation(control: WithControl, revocation_id: RevocationId) -> Revocation:
    """Show one revocation."""
    try:
        return Revocation(**_members(await asyncio.to_thread(control.tokens.one, revocation_id)))
    except RevocationNotFoundError as error:
        raise Problem("revocation-not-found", str(error)) from error


@router.delete("/{revocation_id}")
async def restore_tokens(control: WithControl, revocation_id: RevocationId) -> ChangedRevocation:
    """Take a revocation back: tokens that it is about are good again, as far as they have not expired."""
    try:
        record = await asyncio.to_thread(control.tokens.restore, ACTOR, revocation_id)
    except RevocationNotFoundError as error:
        raise Problem("revocation-not-found", str(error)) from error
    except RevocationKeptError as error:
        raise Problem("device-revoked", str(error)) from error
    return await _changed(control, record)


async def _changed(control: Control, record: Record) -> ChangedRevocation:
    settled = await told(control)
    return ChangedRevocation(**_members(record), gate=settled.state, waiting=list(settled.waiting))


def _members(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in Record.__slots__}
