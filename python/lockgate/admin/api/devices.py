"""Devices of people and programs."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from lockgate.admin import devices
from lockgate.admin.api.context import (
    ACTOR,
    Body,
    Gate,
    Limit,
    OfIssuer,
    Reason,
    Waiting,
    WithControl,
    iss_of,
    told,
    unless_a_slip,
)
from lockgate.admin.api.problems import Problem
from lockgate.admin.devices import Asked

router = APIRouter(prefix="/v1/devices", tags=["sessions"])

T = TypeVar("T")

DeviceId = Annotated[str, Path(pattern=r"^dev_[a-z2-7]{20}$", description="The device's id.")]
REFUSED = {
    devices.DeviceNotFoundError: "device-not-found",
    devices.DeviceRevokedError: "device-revoked",
    devices.DeviceLimitError: "device-limit",
    devices.DeviceLookError: "device-look",
    devices.DeviceNameError: "device-unfit",
}


class Look(BaseModel):
    """What was seen of a device that no operator has approved."""

    name: str = Field(
        description="Approve it by this, whole: 32 hexadecimal digits of a digest of all that is approved."
    )
    agent: str = Field(description="Browser and system in general, or the program; empty where it says nothing.")
    ja4: str | None = Field(description="The fingerprint of its TLS.")
    http2: str | None = Field(description="How it begins HTTP/2.")
    network: str | None = Field(description="The network (autonomous system) that it came from.")
    country: str | None
    address: str | None = Field(description="Where it was last used from.")
    first_ms: int
    last_ms: int
    changed: bool = Field(description="It is otherwise than what somebody last vouched for, or was first seen.")
    travel: bool = Field(description="It was where the device cannot have come to in the time.")


class Device(BaseModel):
    """A device; nothing of what it is known by."""

    id: str
    issuer: str = Field(description="Whose its owner is, as tokens' `iss` says it.")
    subject: str = Field(description="Who its owner is, as the provider's `sub` says it.")
    kind: str = Field(
        description="What it is known by: `browser` (a sealed cookie), `dpop` (a key that tokens are bound to) or "
        "`certificate`."
    )
    name: str
    agent: str = Field(description="Browser and system in general, or the program, by its `User-Agent`.")
    address: str | None = Field(description="Where it was last used from.")
    country: str | None
    network: str | None = Field(description="The address's network (autonomous system).")
    state: str = Field(
        description="`new`; `confirmed`, by its owner's second factor; `approved`, by an operator; or `revoked`."
    )
    first_ms: int
    last_ms: int
    confirmed_ms: int | None
    approved_ms: int | None
    approved_by: str | None
    revoked_ms: int | None
    revoked_by: str | None
    changed_ms: int | None = Field(description="Since when it looks otherwise than when it was confirmed.")
    travel_ms: int | None = Field(description="When it was where it cannot have come to in the time.")
    looks: list[Look] = Field(description="Up to eight that no operator has approved, the one seen last first.")


class Devices(BaseModel):
    """A page of devices."""

    items: list[Device]
    next: str | None = Field(description="Give this as `after` for the next page.")


class DeviceChange(Body):
    """What is to be changed."""

    name: str = Field(max_length=1_000, description="1 to 64 characters, on one line.")


class Approval(Body):
    """Which look of it is meant."""

    look: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{32}$",
        description="Its name. Left out, there has to be one alone, of which nothing speaks against the device.",
    )


class Revocation(Body):
    """Why."""

    reason: Reason | None = None


class RevokedDevice(Device):
    """A device that was revoked."""

    gate: Gate
    waiting: Waiting


@router.get("")
async def list_devices(
    control: WithControl,
    limit: Limit = 100,
    after: str | None = None,
    issuer: OfIssuer = None,
    subject: Annotated[str | None, Query(max_length=255, description="Of this owner alone.")] = None,
    state: Annotated[
        Asked | None, Query(description="In this state alone; `unapproved` is `new` and `confirmed`.")
    ] = None,
) -> Devices:
    """List devices, the oldest first."""

    def page() -> list[devices.Device]:
        iss = iss_of(control, issuer)
        return control.devices.page(issuer=iss, subject=subject, state=state, after=after, limit=limit)

    found = await _done(page)
    await unless_a_slip(control, issuer, found or after)
    more = found[-1].id if len(found) == limit else None
    return Devices(items=[Device(**_members(one)) for one in found], next=more)


@router.get("/{device_id}")
async def show_device(control: WithControl, device_id: DeviceId) -> Device:
    """Show a device."""
    return Device(**_members(await _done(lambda: control.devices.one(device_id))))


@router.patch("/{device_id}")
async def name_device(control: WithControl, device_id: DeviceId, said: DeviceChange) -> Device:
    """Name a device."""
    return Device(**_members(await _done(lambda: control.devices.rename(ACTOR, device_id, said.name))))


@router.post("/{device_id}/approve")
async def approve_device(control: WithControl, device_id: DeviceId, body: Approval | None = None) -> Device:
    """Vouch for a device, as it is in one look. What it looks like there is what it looks like from now on."""
    look = body.look if body is not None else None
    return Device(**_members(await _done(lambda: control.devices.approve(ACTOR, device_id, look))))


@router.post("/{device_id}/revoke")
async def revoke_device(control: WithControl, device_id: DeviceId, body: Revocation | None = None) -> RevokedDevice:
    """Revoke a device for good. With `gate: applied` no session or token that is bound to it opens anything."""
    reason = body.reason if body is not None else None
    done = await _done(lambda: control.devices.revoke(ACTOR, device_id, reason))
    settled = await told(control)
    return RevokedDevice(**_members(done), gate=settled.state, waiting=list(settled.waiting))


async def _done(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except tuple(REFUSED) as error:
        raise Problem(REFUSED[type(error)], str(error)) from error


def _members(one: devices.Device) -> dict[str, object]:
    said = {name: getattr(one, name) for name in Device.model_fields}
    return {**said, "looks": [asdict(look) for look in one.looks]}
