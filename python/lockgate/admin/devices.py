"""Devices of people and programs: seen, confirmed by their owners, approved and revoked.

A revocation is the device's row and a revocation of all tokens and sessions that say its mark, in one transaction: no
gate takes it then, whether or not it asks about devices.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, true, tuple_
from sqlalchemy.orm import Session

from lockgate.admin import facts, looks
from lockgate.admin.clock import now_ms
from lockgate.admin.in_folder import new_id
from lockgate.admin.journal import Journal
from lockgate.admin.looks import DeviceLookError
from lockgate.admin.store import Store
from lockgate.admin.store.models import Device as Row
from lockgate.admin.store.models import TokenRevocation
from lockgate.admin.tokens import revoke_device
from lockgate.identity.devices import (
    AT_ONCE_MS,
    KINDS,
    TRAITS,
    WORDS,
    Device,
    DeviceNameError,
    Kind,
    Place,
    Sighting,
    Standing,
    device_name,
    differs,
    doubted_ms,
    family,
    has_changed,
    is_far,
    is_impossible,
    is_proof,
)

__all__ = ["Device", "DeviceLimitError", "DeviceLookError", "DeviceNameError", "DeviceNotFoundError", "Devices"]
__all__ += ["DEVICES", "UNUSED_MS", "Asked", "DeviceRevokedError", "Sighting", "Standing"]

DEVICES: Final = 50
"""Of one owner: GitHub shows a person's sessions in some tens, and nobody tells more of them apart."""
UNUSED_MS: Final = 90 * 86_400_000
BROWSER_MS: Final = 180 * 86_400_000
"""How long a browser keeps its cookie (`lockgate.identity.people.DEVICE_SECONDS`), and so can show a mark again."""
ISSUER_BYTES: Final = 2_000
SUBJECT_CHARACTERS: Final = 255
MARK_CHARACTERS: Final = 128

Asked = Literal["new", "confirmed", "approved", "revoked", "unapproved"]
"""Of which state; `unapproved` is what an operator may still want to look at: `new` and `confirmed`."""


class DeviceNotFoundError(LookupError):
    """No device has that id."""


class DeviceRevokedError(ValueError):
    """The device was revoked, and that is for good."""


class DeviceLimitError(ValueError):
    """Its owner has as many approved devices as one may have."""


class Devices:
    """The devices of one installation; what the identity pages call a `DeviceStore`."""

    def __init__(self, store: Store, journal: Journal, clock_ms: Callable[[], int] = now_ms) -> None:
        """Keeps them in `store`; `clock_ms` gives milliseconds since the epoch."""
        self._store = store
        self._journal = journal
        self._clock_ms = clock_ms

    def seen(self, sighting: Sighting, proved_s: int | None = None) -> Standing:
        """Note a sighting; the device is made where there is none.

        `proved_s` is when its owner gave the proof that came with it, in seconds: one that is newer than what speaks
        against the device confirms it, as it looks here and where it is. Raises `ValueError` where its owner or mark is
        too long to be kept, or there is none.
        """
        _look_at(sighting)
        at_ms = self._clock_ms()
        with self._store.write() as database:
            owned = _owned(sighting.issuer, sighting.subject)
            row = database.scalar(select(Row).where(*owned, Row.mark == sighting.mark))
            fresh = row is None
            if row is None:
                row = self._enrolled(database, sighting, at_ms)
            if row.revoked_ms is None and (revocation := _revocation(database, sighting, at_ms)) is not None:
                row.revoked_ms, row.revoked_by = revocation.created_ms, "a revocation of tokens"
                revocation.device_id = revocation.device_id or row.id
            changed = travels = False
            if row.revoked_ms is None:
                changed, travels = _note(database, row, sighting, at_ms)
            database.flush()
            if fresh:
                detail = {**_detail(row), "agent": row.agent}
                self._journal.audit(f"{row.issuer} {row.subject}", "device.enrol", row.id, detail)
            standing = _standing(database, row, at_ms, changed=changed, travels=travels)
            if proved_s is None or not is_proof(standing, proved_s, at_ms):
                return standing
            since_ms = doubted_ms(standing)
            if since_ms is not None and since_ms >= proved_s * 1_000:
                return standing
            # From where nothing speaks against the device it counts as well: for no other look of it any more.
            row.proved_s = proved_s
            if since_ms is not None:
                self._confirmed(row, sighting, at_ms)
            database.flush()
            return _standing(database, row, at_ms, changed=False, travels=False)

    def confirm(self, device_id: str, look: Sighting | None = None) -> Device:
        """Its owner has shown a second factor there; with `look`, that is what it looks like and where it is.

        Raises `DeviceNotFoundError` and `DeviceRevokedError`.
        """
        with self._store.write() as database:
            row = _open(database, device_id)
            self._confirmed(row, look, self._clock_ms())
            return _device(row)

    def approve(self, actor: str, device_id: str, look: str | None = None) -> Device:
        """An operator vouches for it, as it is in the look with that name.

        Without a name there has to be one look alone, of which nothing speaks against the device. Raises
        `DeviceNotFoundError`, `DeviceRevokedError`, `DeviceLookError` where it is not clear what is approved, and
        `DeviceLimitError` where its owner has too many that are approved.
        """
        with self._store.write() as database:
            row = _open(database, device_id)
            meant = looks.chosen(row, look)
            if meant is None:
                return _device(row)
            if row.approved_ms is None:
                approved = (*_owned(row.issuer, row.subject), Row.approved_ms.is_not(None), Row.revoked_ms.is_(None))
                if (database.scalar(select(func.count()).select_from(Row).where(*approved)) or 0) >= DEVICES:
                    raise DeviceLimitError(
                        f"{row.subject!r} has {DEVICES} approved devices already: revoke one that is not used first"
                    )
            row.approved_ms, row.approved_by = self._clock_ms(), actor[:200]
            _approve(row, meant)
            self._journal.audit(
                actor, "device.approve", row.id, {**_detail(row), "look": looks.name_of(meant["said"]), **meant["said"]}
            )
            return _device(row)

    def rename(self, actor: str, device_id: str, name: str) -> Device:
        """Call it otherwise. Raises `DeviceNotFoundError` and `DeviceNameError`."""
        called = device_name(name)
        with self._store.write() as database:
            row = _find(database, device_id)
            before, row.name = row.name, called
            self._journal.audit(actor, "device.name", row.id, {**_detail(row), "before": before})
            return _device(row)

    def revoke(self, actor: str, device_id: str, reason: str | None = None) -> Device:
        """Let it in no more, for good: what it has, and what will ever be issued for it. Raises `DeviceNotFoundError`.

        Tell the gates afterwards (`LinkServer.facts_changed`).
        """
        with self._store.write() as database:
            row = _find(database, device_id)
            if row.revoked_ms is None:
                at_ms = self._clock_ms()
                row.revoked_ms, row.revoked_by = at_ms, actor[:400]
                until_ms = at_ms + BROWSER_MS if row.kind == "browser" else None
                why = reason or f"the device {row.id} was revoked"
                revoke_device(database, row.id, row.issuer, row.mark, until_ms, why)
                self._journal.audit(actor, "device.revoke", row.id, {**_detail(row), "reason": reason})
            return _device(row)

    def one(self, device_id: str) -> Device:
        """The device with that id. Raises `DeviceNotFoundError`."""
        with self._store.read() as database:
            return _device(_find(database, device_id))

    def of(self, issuer: str, subject: str) -> list[Device]:
        """All that an owner has, the one used last first."""
        query = select(Row).where(*_owned(issuer, subject)).order_by(Row.last_ms.desc(), Row.id)
        with self._store.read() as database:
            return [_device(row) for row in database.scalars(query)]

    def id_of(self, issuer: str, subject: str, mark: str) -> str | None:
        """The id of the one that an owner has with this mark."""
        with self._store.read() as database:
            return database.scalar(select(Row.id).where(*_owned(issuer, subject), Row.mark == mark))

    def page(
        self,
        *,
        issuer: str | None = None,
        subject: str | None = None,
        state: Asked | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[Device]:
        """Up to `limit` devices, oldest first, after the one with the id `after`; `issuer` as tokens' `iss` says it."""
        order = (Row.first_ms, Row.id)
        query = select(Row).order_by(*order).limit(limit)
        if issuer is not None:
            query = query.where(Row.issuer == issuer)
        if subject is not None:
            query = query.where(Row.subject == subject)
        if state is not None:
            query = query.where(_is(state))
        with self._store.read() as database:
            if after is not None:
                last = _find(database, after)
                query = query.where(tuple_(*order) > (last.first_ms, last.id))
            return [_device(row) for row in database.scalars(query)]

    def forget_all(self, actor: str, issuer: str, subject: str) -> None:
        """Forget all of an owner who is gone. What was revoked stays so."""
        with self._store.write() as database:
            for row in list(database.scalars(select(Row).where(*_owned(issuer, subject)))):
                self._journal.audit(actor, "device.forget", row.id, _detail(row))
                database.delete(row)

    def prune(self) -> None:
        """Forget those that were unused for 90 days, if nobody has confirmed or approved them or they were revoked."""
        with self._store.write() as database:
            _prune(database, self._clock_ms())

    def _confirmed(self, row: Row, look: Sighting | None, at_ms: int) -> None:
        row.confirmed_ms = at_ms
        if look is not None:
            row.known = {**row.known, **_look(look)}
            row.changed_ms = row.travel_ms = None
            latitude, longitude = _coordinates(look)
            if look.country is not None or latitude is not None:
                row.country, row.latitude, row.longitude = _cut(look.country, 64), latitude, longitude
                row.placed_ms = at_ms
            looks.left(row)
        self._journal.audit(f"{row.issuer} {row.subject}", "device.confirm", row.id, _detail(row))

    def _enrolled(self, database: Session, sighting: Sighting, at_ms: int) -> Row:
        _prune(database, at_ms)
        row = Row(
            id=new_id("dev"),
            issuer=sighting.issuer,
            subject=sighting.subject,
            kind=sighting.kind,
            mark=sighting.mark,
            name=family(sighting.agent)[:64] or WORDS[sighting.kind],
            agent="",
            known={},
            looks=[],
            first_ms=at_ms,
            last_ms=at_ms,
        )
        _make_room(database, row)
        database.add(row)
        return row


def _look_at(sighting: Sighting) -> None:
    bounds = ((sighting.issuer, ISSUER_BYTES), (sighting.subject, SUBJECT_CHARACTERS), (sighting.mark, MARK_CHARACTERS))
    if any(not 0 < len(text) <= most for text, most in bounds):
        raise ValueError("the owner or the mark of a device is empty, or too long to be kept")
    if sighting.kind not in KINDS:
        raise ValueError(f"there are no devices of the kind {sighting.kind!r}")


def _note(database: Session, row: Row, sighting: Sighting, at_ms: int) -> tuple[bool, bool]:
    """Take down what is seen of it now; whether it looks otherwise than it did, and whether it cannot be there.

    Both are judged by what is seen, and not by what was seen of its mark in other hands meanwhile: else whoever has
    stolen a session would have its owner refused, or be let in by the owner's proof.
    """
    look = _look(sighting)
    changed = has_changed(row.known, look)
    if changed:
        row.changed_ms = row.changed_ms or at_ms
    elif not any(differs(trait, row.known.get(trait), look.get(trait)) for trait in TRAITS):
        # What is learned of it for the first time is what it looks like.
        row.known = {**look, **row.known}
    now = Place(at_ms, _cut(sighting.country, 64), *_coordinates(sighting))
    travels = (now.country is not None or now.latitude is not None) and _travels(database, row, now)
    if travels:
        row.travel_ms = row.travel_ms or at_ms
    elif not changed and (now.country is not None or now.latitude is not None):
        # Where something is that looks otherwise says nothing of where its owner is.
        row.country, row.latitude, row.longitude = now.country, now.latitude, now.longitude
        row.placed_ms = at_ms
    row.last_ms = at_ms
    address = _area(sighting.address)
    row.address = address or row.address
    for trait, value in look.items():
        setattr(row, trait, value)
    if row.approved_ms is None or changed or travels:
        where = {"country": now.country, "latitude": now.latitude, "longitude": now.longitude}
        said = {**look, **{name: value for name, value in where.items() if value is not None}}
        looks.note(row, said, address, at_ms, travel=travels)
    return changed, travels


def _approve(row: Row, meant: looks.Kept) -> None:
    """From now on it is what it is in that look, and where."""
    row.known = {name: value for name, value in meant["said"].items() if name in TRAITS}
    row.changed_ms = None
    place = looks.place_of(meant)
    row.placed_ms = None
    if place is not None:
        row.country, row.latitude, row.longitude = place.country, place.latitude, place.longitude
        row.placed_ms = place.at_ms
    full = len(row.looks) >= looks.LOOKS
    row.looks = [one for one in row.looks if one is not meant]
    looks.left(row)
    # Else whoever else is far away would only have to wait; a full list may have lost them.
    if meant["travel"] and not full and not any(one["travel"] for one in row.looks):
        row.travel_ms = None


def _standing(database: Session, row: Row, at_ms: int, *, changed: bool, travels: bool) -> Standing:
    return Standing(
        id=row.id,
        name=row.name,
        first_ms=row.first_ms,
        confirmed_ms=row.confirmed_ms,
        approved_ms=row.approved_ms,
        revoked_ms=row.revoked_ms,
        changed_ms=row.changed_ms if changed else None,
        travel_ms=row.travel_ms if travels else None,
        at_once=_at_once(database, row, at_ms),
        proved_s=row.proved_s,
    )


def _travels(database: Session, row: Row, now: Place) -> bool:
    """Whether its owner cannot be there; once that was so, it is until they prove it, save where it was before."""
    own = _place(row)
    if row.travel_ms is not None and (own is None or is_far(own, now)):
        return True
    if own is None and row.approved_ms is not None:
        return False
    # One that was somewhere itself is held against that: two of an owner's may well be in two places.
    before = own or _last_place(database, row)
    return before is not None and is_impossible(before, now)


def _last_place(database: Session, row: Row) -> Place | None:
    """Where the owner was last: by those that somebody vouches for, if there are any, and by the device itself."""
    open_now = (*_owned(row.issuer, row.subject), Row.placed_ms.is_not(None), Row.revoked_ms.is_(None))
    vouched = or_(Row.confirmed_ms.is_not(None), Row.approved_ms.is_not(None))
    known = database.scalar(select(func.count()).select_from(Row).where(*open_now, vouched))
    theirs = or_(vouched, Row.id == row.id) if known else true()
    last = database.scalar(select(Row).where(*open_now, theirs).order_by(Row.placed_ms.desc(), Row.id).limit(1))
    return None if last is None else _place(last)


def _place(row: Row) -> Place | None:
    return None if row.placed_ms is None else Place(row.placed_ms, row.country, row.latitude, row.longitude)


def _make_room(database: Session, row: Row) -> None:
    """Of too many the one unused for longest goes that nobody approved; one that nobody confirmed before the others."""
    owned = _owned(row.issuer, row.subject)
    there = database.scalar(select(func.count()).select_from(Row).where(*owned)) or 0
    order = (Row.revoked_ms.is_(None), Row.confirmed_ms.is_not(None), Row.last_ms, Row.id)
    query = select(Row).where(*owned, or_(Row.approved_ms.is_(None), Row.revoked_ms.is_not(None))).order_by(*order)
    for old in database.scalars(query.limit(max(0, there + 1 - DEVICES))):
        database.delete(old)
    database.flush()


def _look(sighting: Sighting) -> dict[str, str]:
    """What it looks like, cut to what is kept of it."""
    look = {
        "agent": family(sighting.agent),
        "ja4": _cut(sighting.ja4, 64),
        "http2": _cut(sighting.http2, 256),
        "network": _cut(sighting.network, 200),
    }
    return {name: value for name, value in look.items() if value}


def _area(address: str | None) -> str | None:
    """The network that an address is in: the rest changes all the time, and what is not kept need not be protected."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))


def _coordinates(sighting: Sighting) -> tuple[float | None, float | None]:
    latitude, longitude = sighting.latitude, sighting.longitude
    if latitude is None or longitude is None or not (math.isfinite(latitude) and math.isfinite(longitude)):
        return None, None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else (None, None)


def _at_once(database: Session, row: Row, at_ms: int) -> int:
    """How many the owner uses. Those that nobody vouches for do not count against one that somebody does."""
    open_now = [*_owned(row.issuer, row.subject), Row.revoked_ms.is_(None), Row.last_ms > at_ms - AT_ONCE_MS]
    if row.confirmed_ms is not None or row.approved_ms is not None:
        open_now.append(or_(Row.confirmed_ms.is_not(None), Row.approved_ms.is_not(None)))
    return database.scalar(select(func.count()).select_from(Row).where(*open_now)) or 0


def _revocation(database: Session, sighting: Sighting, at_ms: int) -> TokenRevocation | None:
    """A revocation of its mark: it outlives the row, and may have been made without one."""
    meant = {"issuer": sighting.issuer, "by": "device", "value": sighting.mark}
    row = facts.found(database, meant)
    return row if row is not None and (row.until_ms is None or row.until_ms > at_ms) else None


def _prune(database: Session, at_ms: int) -> None:
    nobodys = and_(Row.confirmed_ms.is_(None), Row.approved_ms.is_(None))
    database.execute(delete(Row).where(Row.last_ms < at_ms - UNUSED_MS, or_(nobodys, Row.revoked_ms.is_not(None))))


def _owned(issuer: str, subject: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Row.issuer == issuer, Row.subject == subject


def _is(state: Asked) -> ColumnElement[bool]:
    is_open, approved = Row.revoked_ms.is_(None), Row.approved_ms.is_not(None)
    if state == "revoked":
        return ~is_open
    if state == "approved":
        return and_(is_open, approved)
    if state == "unapproved":
        return and_(is_open, ~approved)
    confirmed = Row.confirmed_ms.is_not(None)
    return and_(is_open, ~approved, confirmed if state == "confirmed" else ~confirmed)


def _find(database: Session, device_id: str) -> Row:
    row = database.get(Row, device_id)
    if row is None:
        raise DeviceNotFoundError(
            f"there is no device {device_id!r}: `lockgate devices list` shows those that there are"
        )
    return row


def _open(database: Session, device_id: str) -> Row:
    row = _find(database, device_id)
    if row.revoked_ms is not None:
        raise DeviceRevokedError(f"the device {device_id} was revoked, and that is for good: let its owner enrol anew")
    return row


def _cut(text: str | None, most: int) -> str | None:
    return text[:most] if text else None


def _detail(row: Row) -> dict[str, str]:
    return {"kind": row.kind, "name": row.name, "iss": row.issuer, "subject": row.subject}


def _device(row: Row) -> Device:
    kind: Kind = next(each for each in KINDS if each == row.kind)
    said: dict[str, Any] = {name: getattr(row, name) for name in Device.__slots__ if name not in ("kind", "looks")}
    return Device(kind=kind, looks=looks.shown(row), **said)
