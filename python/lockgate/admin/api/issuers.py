"""Issuers, and how their keys are."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from lockgate.admin.api.context import WithControl
from lockgate.admin.api.problems import Problem

router = APIRouter(prefix="/v1/issuers", tags=["issuers"])


class IssuerKeys(BaseModel):
    """An issuer whose keys are fetched."""

    name: str
    issuer: str = Field(description="As its tokens' `iss` says it.")
    source: str = Field(description="Where its keys are: `discovery:`, `url:` or `file:` and the place.")
    kids: list[str] = Field(description="Names of the keys that gates use.")
    unusable: list[dict[str, Any]] = Field(description="Keys that it publishes and gates do not use, and why.")
    changed_ms: int | None = Field(description="When the keys last changed.")
    confirmed_ms: int | None = Field(description="When the issuer last confirmed them.")
    age_s: int | None = Field(description="Seconds since then.")
    stale: bool = Field(description="Whether gates refuse its tokens, since that is too long ago.")
    fetches: int = Field(description="Since the control process started.")
    failures: int
    error: str | None = Field(description="Why the last fetch failed, if it did.")


class Issuers(BaseModel):
    """All of them."""

    issuers: list[IssuerKeys]


@router.get("")
async def list_issuers(control: WithControl) -> Issuers:
    """List issuers and how their keys are."""
    return Issuers(issuers=[IssuerKeys(**state.described()) for state in control.key_sets.states])


@router.post("/{name}/refresh")
async def refresh_issuer(control: WithControl, name: Annotated[str, Path(max_length=64)]) -> IssuerKeys:
    """Fetch an issuer's keys at once."""
    await control.key_sets.refetch(name)
    for state in control.key_sets.states:
        if state.origin.name == name:
            return IssuerKeys(**state.described())
    raise Problem(
        "issuer-not-found",
        "`GET /v1/issuers` lists those that there are; one with a shared secret has no keys to fetch.",
    )
