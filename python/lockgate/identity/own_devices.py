"""Browsers that people have signed in with: known at each sign-in, confirmed by a second factor, named and revoked."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lockgate.identity import device_pages as shown
from lockgate.identity import pages
from lockgate.identity.devices import DeviceNameError, DeviceStore, Sighting
from lockgate.identity.people import Device, device_cookie, device_of
from lockgate.identity.sealed import Sealer
from lockgate.identity.step_up import Opened
from lockgate.identity.web import (
    PREFIX,
    Refusal,
    Site,
    client_address,
    forget,
    form_of,
    host_of,
    same_origin,
    session_name,
)

SECOND: Final = frozenset({"mfa", "hwk", "swk", "otp", "sc"})
"""Means by which a provider says that there was a second factor (RFC 8176)."""

log = structlog.get_logger("lockgate.identity")


@dataclass(frozen=True, slots=True)
class Browser:
    """The browser that somebody signs in with."""

    device: Device
    """What its cookie is to hold."""
    mark: str
    """What the session says of it."""


@dataclass(frozen=True, slots=True)
class DevicePages:
    """The page. Registered by the application beside those for signing in."""

    sealer: Sealer
    store: DeviceStore
    opened: Callable[[Request, Site], Awaitable[Opened | None]]
    """The session of a request, if it holds."""
    revoked: Callable[[], Awaitable[None]]
    """Every gate that is connected knows of what was revoked when this returns."""
    note: Callable[[str, str], None] = field(repr=False)

    async def signs_in(
        self, request: Request, site: Site, iss: str, said: Mapping[str, Any], by_password: tuple[str, str] | None
    ) -> Browser:
        """The browser that somebody signs in with: the one that is known, or a new one where that was revoked.

        `by_password` is an issuer and a name, for whom the browser is let in though strangers fail.
        """
        subject = str(said["sub"])
        kept = device_of(self.sealer, request, site)
        # Who signs in by a provider does not make the browser a stranger to a person with a password.
        person = by_password or ((kept.issuer, kept.name) if kept is not None else ("", ""))
        device = Device(*person, kept.id if kept is not None else secrets.token_hex(16))
        sighting = self._sighting(request, iss, subject, device)
        standing = await asyncio.to_thread(self.store.seen, sighting)
        if standing.revoked_ms is not None:
            device = Device(*(by_password or ("", "")), secrets.token_hex(16))
            sighting = self._sighting(request, iss, subject, device)
            standing = await asyncio.to_thread(self.store.seen, sighting)
        if SECOND & set(_words(said.get("amr"))):
            await asyncio.to_thread(self.store.confirm, standing.id)
        return Browser(device, sighting.mark)

    async def proved(self, request: Request, opened: Opened) -> None:
        """A second factor was shown in a session: its browser is confirmed."""
        mark = opened.claims.get("device")
        if not isinstance(mark, str):
            return  # It began before browsers were devices.
        owner = opened.owner
        sighting = Sighting(owner.iss, owner.subject, "browser", mark, client_address(request), _agent(request))
        standing = await asyncio.to_thread(self.store.seen, sighting)
        if standing.revoked_ms is None:
            await asyncio.to_thread(self.store.confirm, standing.id)

    async def manage(self, request: Request, site: Site) -> Response:
        """See, name and revoke one's own devices."""
        here = f"{PREFIX}/{site.setup.name}/devices"
        opened = await self.opened(request, site)
        if opened is None:
            first = f"{PREFIX}/{site.setup.name}/sign-in?{urlencode({'to': here})}"
            return RedirectResponse(first, 303, pages.headers())
        if request.method != "POST":
            return await self._list(request, site, opened, None)
        if not same_origin(request):
            raise Refusal("device-cross-site")
        form = await form_of(request)
        own = await asyncio.to_thread(self.store.of, opened.owner.iss, opened.owner.subject)
        meant = next((one for one in own if one.id == form.get("id")), None)
        what = form.get("do")
        if meant is None or meant.revoked_ms is not None or what not in {"name", "revoke"}:
            # Of somebody else, too: whether there is such a device is nobody's business.
            raise Refusal("device-unknown", again=here)
        actor = f"{opened.owner.iss} {opened.owner.subject}"
        if what == "name":
            try:
                await asyncio.to_thread(self.store.rename, actor, meant.id, form.get("name", ""))
            except DeviceNameError as error:
                return await self._list(request, site, opened, str(error), status=422)
            return RedirectResponse(here, 303, pages.headers())
        this = await self._this(opened)
        await asyncio.to_thread(self.store.revoke, actor, meant.id, "by its owner")
        await self.revoked()
        self.note(site.setup.name, "device-revoked")
        if meant.id != this:
            return RedirectResponse(here, 303, pages.headers())
        response = RedirectResponse(f"{PREFIX}/{site.setup.name}/signed-out", 303, pages.headers())
        forget(response, session_name(site))
        forget(response, device_cookie(site))
        return response

    async def _list(
        self, request: Request, site: Site, opened: Opened, wrong: str | None, status: int = 200
    ) -> Response:
        own = await asyncio.to_thread(self.store.of, opened.owner.iss, opened.owner.subject)
        place = site.setup.title or host_of(request)
        links = [(f"{PREFIX}/{site.setup.name}/sign-out", "Sign out")]
        if site.setup.factors:
            links.insert(0, (f"{PREFIX}/{site.setup.name}/factors", "Your second factors"))
        left = [one for one in own if one.revoked_ms is None]
        page = shown.devices(place, opened.account, left, await self._this(opened), links, wrong)
        return HTMLResponse(page, status, pages.headers())

    async def _this(self, opened: Opened) -> str | None:
        """The id of the device that shows the page."""
        mark = opened.claims.get("device")
        if not isinstance(mark, str):
            return None
        return await asyncio.to_thread(self.store.id_of, opened.owner.iss, opened.owner.subject, mark)

    def _sighting(self, request: Request, iss: str, subject: str, device: Device) -> Sighting:
        mark = self.sealer.device_mark(device.id, iss, subject)
        return Sighting(iss, subject, "browser", mark, client_address(request), _agent(request))


def _agent(request: Request) -> str | None:
    return request.headers.get("user-agent")


def _words(said: object) -> list[str]:
    if isinstance(said, str):
        return said.split()
    return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []
