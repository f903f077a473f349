"""Second factors of people who sign in."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from lockgate.admin.api.context import ACTOR, Limit, OfIssuer, WithControl, iss_of, unless_a_slip
from lockgate.admin.api.problems import Problem
from lockgate.admin.factors import FactorNotFoundError
from lockgate.admin.store.models import SecondFactor

router = APIRouter(prefix="/v1/factors", tags=["sessions"])

FactorId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The factor's id.")]


class Factor(BaseModel):
    """A second factor; nothing of its secret."""

    id: str
    iss: str = Field(description="Whose person it is, as tokens' `iss` says it.")
    subject: str = Field(description="Whose it is, as the provider's `sub` says it.")
    kind: str = Field(description="`passkey` or `totp`.")
    name: str
    created_ms: int
    used_ms: int | None


class Factors(BaseModel):
    """A page of factors."""

    items: list[Factor]
    next: str | None = Field(description="Give this as `after` for the next page.")


@router.get("")
async def list_factors(
    control: WithControl,
    limit: Limit = 100,
    after: str | None = None,
    subject: Annotated[str | None, Query(max_length=255, description="Of this person alone.")] = None,
    issuer: OfIssuer = None,
) -> Factors:
    """List second factors, recovery codes left out."""
    factors = control.sign_ins.factors

    def page() -> list[SecondFactor]:
        return factors.page(subject=subject, iss=iss_of(control, issuer), after=after, limit=limit)

    rows = await asyncio.to_thread(page)
    await unless_a_slip(control, issuer, rows or after)
    return Factors(items=[_shown(row) for row in rows], next=rows[-1].id if len(rows) == limit else None)


@router.delete("/{factor_id}")
async def remove_factor(control: WithControl, factor_id: FactorId) -> Factor:
    """Take a factor away from a person who has lost it; with the last one go the recovery codes."""
    try:
        return _shown(await asyncio.to_thread(control.sign_ins.factors.take_away, ACTOR, factor_id))
    except FactorNotFoundError as error:
        raise Problem("factor-not-found", f"no factor has the id {error}") from error


def _shown(row: SecondFactor) -> Factor:
    return Factor(**{name: getattr(row, name) for name in Factor.model_fields})
