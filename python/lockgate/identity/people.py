"""The pages of people with passwords: signing in, setting one by a link, changing it, and having forgotten it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lockgate.config.sign_in import Known
from lockgate.identity import pages
from lockgate.identity import people_pages as shown
from lockgate.identity.passwords import UnfitError
from lockgate.identity.sealed import Sealer
from lockgate.identity.web import (
    PREFIX,
    Refusal,
    Site,
    client_address,
    cookie,
    form_of,
    host_of,
    parameter,
    same_origin,
    session_name,
)

DEVICE_SECONDS: Final = 180 * 86_400
"""How long a browser that has signed in is known again, so that strangers' failures do not keep it out."""
TOKEN_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Device:
    """A browser that has signed somebody in before."""

    issuer: str
    """Who knew them by a password; empty where nobody did, and so is the name."""
    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Where:
    """Where somebody who signs in is."""

    address: str
    device: Device | None = None
    place: str = ""
    """What the place is called that they want to be in."""


@dataclass(frozen=True, slots=True)
class Someone:
    """Who was let in."""

    name: str
    """As it is kept: it stands in device cookies."""
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signing:
    """What came of a name and a password."""

    someone: Someone | None
    reason: str = "ok"
    """For the operator alone; what the person is told is the same for all that is wrong."""
    wait_s: int | None = None
    """How long this source waits, where it does."""


@dataclass(frozen=True, slots=True)
class Linked:
    """Whose a link is."""

    name: str
    kind: str


class UnavailableError(Exception):
    """Nobody can say at the moment whether a password is right."""


class WrongError(Exception):
    """The present password is not right, or may not be tried now."""


class Passwords(Protocol):
    """Who knows people by passwords. What is asked of it never tells whether there is somebody."""

    async def sign_in(self, issuer: str, name: str, password: str, where: Where) -> Signing:
        """Whether it is somebody. Raises `UnavailableError`."""

    async def linked(self, issuers: frozenset[str], token: str) -> Linked | None:
        """Whose a link is, while it is good."""

    async def set_by_link(self, issuers: frozenset[str], token: str, password: str, where: Where) -> Linked | None:
        """Set a password by a link; nothing where it is not good. Raises `UnfitError` and `UnavailableError`."""

    async def change(self, issuer: str, name: str, present: str, password: str, where: Where) -> None:
        """Change one's own password. Raises `WrongError`, `UnfitError` and `UnavailableError`."""

    def forgotten(self, issuer: str, text: str, where: Where, sign_in: str) -> None:
        """Send a link to whoever is called so, or has that address, if there is somebody; later."""


@dataclass(frozen=True, slots=True)
class PasswordPages:
    """The pages. Registered by the application beside those for signing in."""

    sealer: Sealer
    passwords: Passwords
    note: Callable[[str, str], None] = field(repr=False)

    def form(
        self, request: Request, site: Site, known: Known, others: list[tuple[str, str]], wrong: Wrong | None = None
    ) -> Response:
        """Asks for a name and a password."""
        forgotten = None
        if known.forgotten:
            forgotten = f"{PREFIX}/{site.setup.name}/forgotten?{urlencode({'with': known.name})}"
        page = shown.sign_in(_place(request, site), others, forgotten, wrong.words if wrong else None)
        return HTMLResponse(page, wrong.status if wrong else 200, pages.headers())

    async def sign_in(self, request: Request, site: Site, known: Known) -> Someone | Wrong:
        """Who has sent the form, or what they are told."""
        if not same_origin(request):
            raise Refusal("sign-in-cross-site")
        form = await form_of(request)
        where = self._where(request, site)
        try:
            signing = await self.passwords.sign_in(known.name, form.get("name", ""), form.get("password", ""), where)
        except UnavailableError:
            self.note(site.setup.name, "sign-in-busy")
            return Wrong("At the moment nobody can be signed in. Try again in a few seconds.", 503)
        if signing.someone is not None:
            return signing.someone
        self.note(site.setup.name, "sign-in-wrong")
        words = "The name or the password is not right."
        if signing.wait_s is not None:
            words += f" From your network there were too many failures: try again in {_minutes(signing.wait_s)}."
        return Wrong(words, 403)

    async def link(self, request: Request, site: Site) -> Response:
        """Sets a password by a link that was sent."""
        token = parameter(request, "t", TOKEN_BYTES) or ""
        issuers = frozenset(known.name for known in site.setup.people if known.local)
        linked = await self.passwords.linked(issuers, token) if token else None
        if linked is None:
            raise Refusal("link-not-good")
        place = _place(request, site)
        if request.method != "POST":
            return HTMLResponse(shown.set_password(place, linked.name, linked.kind, None), headers=pages.headers())
        if not same_origin(request):
            raise Refusal("sign-in-cross-site")
        form = await form_of(request)
        try:
            done = await self.passwords.set_by_link(issuers, token, _twice(form), self._where(request, site))
        except UnfitError as error:
            self.note(site.setup.name, "password-unfit")
            page = shown.set_password(place, linked.name, linked.kind, str(error))
            return HTMLResponse(page, 422, pages.headers())
        except UnavailableError:
            page = shown.set_password(place, linked.name, linked.kind, BUSY)
            return HTMLResponse(page, 503, pages.headers())
        if done is None:
            raise Refusal("link-not-good")
        self.note(site.setup.name, "password-set")
        return HTMLResponse(shown.password_set(place, self._again(site)), headers=pages.headers())

    async def change(self, request: Request, site: Site, issuer: str, subject: str) -> Response:
        """Changes one's own password; sessions end with the old one."""
        place = _place(request, site)
        if request.method != "POST":
            return HTMLResponse(shown.change(place, subject, None), headers=pages.headers())
        if not same_origin(request):
            raise Refusal("sign-in-cross-site")
        form = await form_of(request)
        where = self._where(request, site)
        try:
            await self.passwords.change(issuer, subject, form.get("present", ""), _twice(form), where)
        except WrongError:
            self.note(site.setup.name, "sign-in-wrong")
            page = shown.change(place, subject, "The present password is not right, or there were too many failures.")
            return HTMLResponse(page, 403, pages.headers())
        except UnfitError as error:
            self.note(site.setup.name, "password-unfit")
            return HTMLResponse(shown.change(place, subject, str(error)), 422, pages.headers())
        except UnavailableError:
            return HTMLResponse(shown.change(place, subject, BUSY), 503, pages.headers())
        self.note(site.setup.name, "password-set")
        return HTMLResponse(shown.password_set(place, self._again(site)), headers=pages.headers())

    async def forgotten(self, request: Request, site: Site) -> Response:
        """Asks who has forgotten their password. What it answers does not depend on whether there is somebody."""
        named = parameter(request, "with", 64)
        able = [known for known in site.setup.people if known.forgotten and named in {None, known.name}]
        if len(able) != 1:
            raise Refusal("sign-in-malformed", "There is no such page here.", again=self._again(site))
        if request.method != "POST":
            return HTMLResponse(shown.forgotten(_place(request, site)), headers=pages.headers())
        if not same_origin(request):
            raise Refusal("sign-in-cross-site")
        form = await form_of(request)
        self.note(site.setup.name, "password-forgotten")
        where = self._where(request, site)
        self.passwords.forgotten(able[0].name, form.get("name", ""), where, site.setup.name)
        return HTMLResponse(shown.on_its_way(_place(request, site), self._again(site)), headers=pages.headers())

    def elsewhere(self, site: Site) -> Response:
        """Who is not signed in by a password of this place does that first."""
        here = f"{PREFIX}/{site.setup.name}/password"
        return RedirectResponse(f"{self._again(site)}?{urlencode({'to': here})}", 303, pages.headers())

    def _where(self, request: Request, site: Site) -> Where:
        return Where(client_address(request), device_of(self.sealer, request, site), _place(request, site))

    def _again(self, site: Site) -> str:
        return f"{PREFIX}/{site.setup.name}/sign-in"


BUSY: Final = "At the moment that cannot be done. Try again in a few seconds."


@dataclass(frozen=True, slots=True)
class Wrong:
    """What a page says of what was sent."""

    words: str
    status: int


def device_of(sealer: Sealer, request: Request, site: Site) -> Device | None:
    """The browser, if it has signed somebody in here before."""
    sealed = request.cookies.get(device_cookie(site), "")
    kept = sealer.open_flow(site.setup.name, "device", sealed, DEVICE_SECONDS)
    return Device(str(kept["issuer"]), str(kept["name"]), str(kept["id"])) if kept is not None else None


def remember(sealer: Sealer, response: Response, site: Site, device: Device) -> None:
    """Know a browser again: others' failures do not keep it out then, and its owner finds it in their list."""
    said = {"issuer": device.issuer, "name": device.name, "id": device.id}
    cookie(response, device_cookie(site), sealer.seal_flow(site.setup.name, "device", said), DEVICE_SECONDS)


def device_cookie(site: Site) -> str:
    """The cookie that a browser is known again by."""
    return f"{session_name(site)}.device"


def _twice(form: Mapping[str, str]) -> str:
    """A new password, typed in twice the same: nobody sees what they type."""
    if form.get("password", "") != form.get("again", ""):
        raise UnfitError("password-differs", "The two are not the same. Type it in once more.")
    return form.get("password", "")


def _place(request: Request, site: Site) -> str:
    return site.setup.title or host_of(request)


def _minutes(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} min"
