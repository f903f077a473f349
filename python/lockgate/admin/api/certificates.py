"""Certificates: those that listeners show, how they are, and their renewal and import. No key is in any answer."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from lockgate.admin.api.context import ACTOR, WithControl
from lockgate.admin.api.problems import Problem
from lockgate.admin.certificates.keeper import CertificateUnknownError, NotRenewableError
from lockgate.admin.certificates.rows import Row
from lockgate.admin.control import Control
from lockgate.state import StateError

router = APIRouter(prefix="/v1/certificates", tags=["certificates"])

PEM_LENGTH = 256 * 1024

Name = Annotated[str, Path(max_length=4096, description="Its name, or a host that it is for.")]
Host = Annotated[str, Field(min_length=1, max_length=253)]


class Body(BaseModel):
    """A body knows all its members; another one is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Certificate(BaseModel):
    """A certificate, and how it is. Times are milliseconds since the epoch."""

    name: str = Field(description="Its first host, its listener where it has several, or the file's path.")
    source: Literal["acme", "imported", "files"]
    hosts: list[str] = Field(description="What it is for.")
    listeners: list[str] = Field(description="The listeners that show it; none for one that nobody uses.")
    state: Literal["good", "failing", "soon", "expired", "missing"] = Field(
        description="`failing`: good, but its last renewal failed. `soon`: it ends, and nothing has renewed it."
    )
    issuer: str | None = None
    directory: str | None = Field(default=None, description="The authority that is asked for it.")
    challenge: str | None = None
    profile: str | None = None
    begins_ms: int | None = None
    ends_ms: int | None = None
    renews_ms: int | None = Field(default=None, description="When it is renewed; none where nothing does.")
    renews_why: str | None = Field(default=None, description="Why then.")
    issued_ms: int | None = Field(default=None, description="When it came here.")
    fingerprint: str | None = Field(default=None, description="SHA-256 of it, in hex.")
    last_error: str | None = Field(default=None, description="Why the last attempt failed, in the authority's words.")
    last_error_ms: int | None = None
    next_attempt_ms: int | None = Field(default=None, description="When it is tried again.")
    working: bool = Field(default=False, description="Whether it is being had at this moment.")


class WholeCertificate(Certificate):
    """A certificate with its chain."""

    chain: str | None = Field(description="PEM, the host's own first.")


class Certificates(BaseModel):
    """All of them."""

    items: list[Certificate]


class Renewal(Body):
    """How to renew."""

    force: bool = Field(default=False, description="Also where it is not due yet; authorities count that.")


class Import(Body):
    """A certificate from elsewhere."""

    certificates: str = Field(max_length=PEM_LENGTH, description="PEM: the host's own first, then who issued it.")
    key: str | None = Field(
        default=None,
        max_length=PEM_LENGTH,
        description="Its key, PEM without a password; left out, that of the request that was made here.",
    )


class Wanted(Body):
    """A certificate signing request that is to be made."""

    hosts: list[Host] = Field(min_length=1, max_length=100)


class Request(BaseModel):
    """A certificate signing request."""

    hosts: list[str]
    request: str = Field(description="PEM. Its key stays in the state folder.")


@router.get("")
async def list_certificates(control: WithControl) -> Certificates:
    """List the certificates of all listeners, and how each is."""
    return Certificates(items=await every_certificate(control))


@router.post("/import")
async def import_certificate(control: WithControl, body: Import) -> Certificate:
    """Keep a certificate from elsewhere; gates show it at once where a listener names it under `imported`."""
    try:
        return _shown(await control.certificates.take_in(ACTOR, body.certificates, body.key))
    except ValueError as error:
        raise Problem("certificate-refused", f"{error}.") from error
    except StateError as error:
        raise Problem("certificate-busy", f"{error}.") from error


@router.post("/requests", status_code=201)
async def make_request(control: WithControl, body: Wanted) -> Request:
    """Make a certificate signing request for an authority that does not speak ACME; the same key each time."""
    try:
        pem = await control.certificates.request(ACTOR, body.hosts)
    except ValueError as error:
        raise Problem("certificate-refused", f"{error}.") from error
    except StateError as error:
        raise Problem("certificate-busy", f"{error}.") from error
    return Request(hosts=body.hosts, request=pem)


@router.post("/{name:path}/renew", status_code=202)
async def renew_certificate(control: WithControl, name: Name, body: Renewal | None = None) -> Certificate:
    """Begin to renew a certificate, if it is due or `force`; it is done once `working` is false."""
    force = body is not None and body.force
    try:
        row = await control.certificates.row(name)
        await asyncio.to_thread(lambda: control.certificates.note_renewal(ACTOR, row.name, force=force))
        return _shown(await control.certificates.renew(name, force=force))
    except CertificateUnknownError as error:
        raise Problem("certificate-not-found", f"{error}.") from error
    except NotRenewableError as error:
        raise Problem("certificate-not-renewable", f"{error}.") from error


@router.get("/{name:path}")
async def one_certificate(control: WithControl, name: Name) -> WholeCertificate:
    """Show one certificate, with its chain."""
    try:
        row = await control.certificates.row(name)
    except CertificateUnknownError as error:
        raise Problem("certificate-not-found", f"{error}.") from error
    return WholeCertificate(**_members(row), chain=row.chain)


async def every_certificate(control: Control) -> list[Certificate]:
    """The certificates of all listeners, and those that no listener uses."""
    return [_shown(row) for row in await control.certificates.rows()]


def _shown(row: Row) -> Certificate:
    return Certificate(**_members(row))


def _members(row: Row) -> dict[str, object]:
    return {name: getattr(row, name) for name in Row.__slots__ if name != "chain"}
