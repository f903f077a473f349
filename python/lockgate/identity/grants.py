"""Programs that people let in: the pages for people, and what programs speak with.

RFC 6749 as OAuth 2.1 narrows it, 7009 (revocation), 7591 and 7592 (registration), 8414 (metadata), 9207 (`iss`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import structlog
from authlib.oauth2.rfc6749 import InvalidClientError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from lockgate.config.grants import GrantSetup
from lockgate.identity import grant_pages, pages
from lockgate.identity.grant_store import GrantStore, Person, Registered, RegistrationError
from lockgate.identity.oauth import NO_STORE, PROGRAM, Asked, OAuth2Error, Server, refused
from lockgate.identity.own_keys import OwnKeys
from lockgate.identity.sealed import Sealer
from lockgate.identity.step_up import Opened
from lockgate.identity.web import PREFIX, TARGET_BYTES, Refusal, Site, form_of, host_of, same_origin

T = TypeVar("T")

LANE: Final = 2
"""Threads in which programs are answered."""
WAITING_MOST: Final = 64
CONSENT_SECONDS: Final = 600
BODY_BYTES: Final = 16 * 2**10
PURPOSE: Final = "consent"
ANYWHERE: Final = {"Access-Control-Allow-Origin": "*"}
"""A page in a browser may be a program: nothing there goes by cookies."""
PUBLIC: Final = {**ANYWHERE, "Cache-Control": "max-age=300"}

log = structlog.get_logger("lockgate.identity")


@dataclass(slots=True)
class GrantEndpoints:
    """All of them. Registered by the application beside the pages for signing in."""

    sealer: Sealer
    store: GrantStore
    keys: Callable[[GrantSetup], OwnKeys]
    opened: Callable[[Request, Site], Awaitable[Opened | None]]
    """The session of a request, if it holds."""
    used: Callable[[str], bool]
    """Whether something that counts once was seen before."""
    told: Callable[[], Awaitable[None]]
    """Every gate that is connected knows of what was ended when this returns."""
    note: Callable[[str, str], None] = field(repr=False)
    clock: Callable[[], float]
    _lane: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(LANE, "programs"))
    _waiting: int = 0

    async def authorize(self, request: Request, site: Site) -> Response:
        """Asks somebody whether they let a program in (RFC 6749 section 4.1.1)."""
        server = self._server(site)
        if request.method == "POST":
            return await self._decided(request, site, server)
        query = request.url.query
        if len(query) > TARGET_BYTES - 64:
            raise Refusal("authorize-malformed", "It asks for too much at once.")
        opened = await self.opened(request, site)
        try:
            asked = Asked("GET", server.setup.issuer, query)
            grant = await _threaded(lambda: server.get_consent_grant(asked))
        except OAuth2Error as error:
            return await self._unasked(server, error, request.query_params.get("client_id", ""))
        said = asked.payload.data
        if opened is None or said.get("prompt") == "none":
            if said.get("prompt") == "none":
                # There is no answer without a person who looks at the page.
                code = "login_required" if opened is None else "consent_required"
                silent = OAuth2Error(error=code, redirect_uri=grant.redirect_uri, state=said.get("state"))
                return await self._unasked(server, silent, asked.client.program.id)
            to = f"{PREFIX}/{site.setup.name}/authorize?{query}"
            first = f"{PREFIX}/{site.setup.name}/sign-in?{urlencode({'to': to})}"
            return RedirectResponse(first, 303, pages.headers())
        if opened.owner.subject.startswith(PROGRAM):
            raise Refusal("authorize-malformed", f"Nobody whose name begins with {PROGRAM!r} lets a program in.")
        kept = {
            "query": query,
            "session": opened.claims.get("jti"),
            "id": secrets.token_hex(16),
            "shown": _shown(asked),
        }
        words = dict(server.setup.scopes)
        page = grant_pages.consent(
            site.setup.title or host_of(request),
            opened.account,
            asked.client.program,
            grant.redirect_uri,
            [(scope, words.get(scope, scope)) for scope in asked.scope.split()],
            self.sealer.seal_flow(site.setup.name, PURPOSE, kept),
            f"{PREFIX}/{site.setup.name}/grants",
        )
        # A page's own rules hold for where its form is sent on, too.
        return HTMLResponse(page, headers=pages.headers(f"'self' {_origin(grant.redirect_uri)}"))

    async def _decided(self, request: Request, site: Site, server: Server) -> Response:
        if not same_origin(request):
            raise Refusal("grant-cross-site")
        form = await form_of(request)
        kept = self.sealer.open_flow(site.setup.name, PURPOSE, form.get("asked", ""), CONSENT_SECONDS)
        opened = await self.opened(request, site)
        if kept is None or opened is None or kept["session"] != opened.claims.get("jti") or self.used(kept["id"]):
            raise Refusal("authorize-malformed", "The page was open for too long, or was sent before.")
        auth_time = opened.claims.get("auth_time")
        person = Person(opened.owner.iss, opened.owner.subject, auth_time if isinstance(auth_time, int) else None)
        allowed = form.get("do") == "allow"

        def answer() -> Response:
            asked = Asked("GET", server.setup.issuer, kept["query"])
            grant = server.get_consent_grant(asked)
            if _shown(asked) != kept["shown"]:
                raise Refusal("authorize-malformed", "What the program is, or asks for, has changed since. Begin anew.")
            response: Response = server.create_authorization_response(asked, person if allowed else None, grant)
            return response

        try:
            response = await _threaded(answer)
        except OAuth2Error as error:
            return self._back(server, error)
        self.note(site.setup.name, "program-let-in" if allowed else "program-denied")
        return response

    async def _unasked(self, server: Server, error: OAuth2Error, program: str) -> Response:
        """An error before anybody was asked.

        Browsers are not sent on to a program that nobody looked at: phishers would have a link that begins with a
        good name (RFC 9700 section 4.11.2).
        """
        known = await _threaded(lambda: self.store.program(program))
        if known is None or known.tier == "unreviewed":
            error.redirect_uri = None
        return self._back(server, error)

    def _back(self, server: Server, error: OAuth2Error) -> Response:
        """To the program, where it is known who that is; else nowhere."""
        if error.redirect_uri:
            return refused(server, error)
        said = f"{error.error}: {error.description}" if error.description else error.error
        raise Refusal("authorize-malformed", said)

    async def token(self, request: Request, site: Site) -> Response:
        """Gives a program its tokens."""
        return await self._spoken(request, site, lambda server, asked: server.create_token_response(asked))

    async def revoke(self, request: Request, site: Site) -> Response:
        """Takes a token back (RFC 7009)."""

        def give_back(server: Server, asked: Asked) -> Response:
            response: Response = server.create_endpoint_response("revocation", asked)
            return response

        response = await self._spoken(request, site, give_back)
        await self.told()
        return response

    async def metadata(self, _request: Request, site: Site) -> Response:
        """What programs have to know (RFC 8414)."""
        return JSONResponse(self._server(site).metadata(), headers=PUBLIC)

    async def jwks(self, _request: Request, site: Site) -> Response:
        """The keys that tokens are verified by."""
        return JSONResponse(self._server(site).keys.published(), headers=PUBLIC)

    async def manage(self, request: Request, site: Site) -> Response:
        """See and take back what one has allowed."""
        server, here = self._server(site), f"{PREFIX}/{site.setup.name}/grants"
        opened = await self.opened(request, site)
        if opened is None:
            first = f"{PREFIX}/{site.setup.name}/sign-in?{urlencode({'to': here})}"
            return RedirectResponse(first, 303, pages.headers())
        person, name = Person(opened.owner.iss, opened.owner.subject), server.setup.name
        own = await _threaded(lambda: self.store.of(name, person))
        if request.method != "POST":
            programs = await _threaded(lambda: {one.program: self.store.program(one.program) for one in own})
            page = grant_pages.grants(
                site.setup.title or host_of(request),
                opened.account,
                own,
                {program: said for program, said in programs.items() if said is not None},
                dict(server.setup.scopes),
                [
                    (f"{PREFIX}/{site.setup.name}/devices", "Your devices"),
                    (f"{PREFIX}/{site.setup.name}/sign-out", "Sign out"),
                ],
            )
            return HTMLResponse(page, headers=pages.headers())
        if not same_origin(request):
            raise Refusal("grant-cross-site")
        form = await form_of(request)
        meant = next((one for one in own if one.id == form.get("id")), None)
        if meant is None or form.get("do") != "revoke":
            # Of somebody else, too: whether there is such a one is nobody's business.
            raise Refusal("grant-unknown", again=here)
        actor = f"{person.iss} {person.subject}"
        await _threaded(lambda: self.store.end(actor, name, meant.id, "by who allowed it"))
        await self.told()
        self.note(site.setup.name, "program-taken-back")
        return RedirectResponse(here, 303, pages.headers())

    async def register(self, request: Request, site: Site) -> Response:
        """A program registers itself (RFC 7591)."""
        server = self._registering(site)
        name, token = server.setup.name, _bearer(request)
        if not await self._programs(lambda: self.store.may_register(name, token)):
            return _unauthorized()
        try:
            metadata = await _json(request)
            registered = await self._programs(lambda: self.store.register(name, metadata, token))
        except RegistrationError as error:
            return _wrong(error)
        self.note(site.setup.name, "program-registered")
        return JSONResponse(_described(server, registered), 201, NO_STORE)

    async def registered(self, request: Request, site: Site) -> Response:
        """Looks at itself, changes or removes itself (RFC 7592)."""
        server = self._registering(site)
        name, program = server.setup.name, request.path_params["program"]
        token = _bearer(request) or ""
        found = await self._programs(lambda: self.store.registered(name, program, token))
        if found is None:
            # Whether there is such a one is nobody's business (RFC 7592 section 2.1).
            return _unauthorized()
        if request.method == "DELETE":
            await self._programs(lambda: self.store.unregister(program))
            await self.told()
            return Response(status_code=204, headers=NO_STORE)
        if request.method == "PUT":
            try:
                metadata = await _json(request)
                found = await self._programs(lambda: self.store.reregister(name, program, metadata))
            except RegistrationError as error:
                return _wrong(error)
            await self.told()
        return JSONResponse(_described(server, found), 200, NO_STORE)

    async def _programs(self, work: Callable[[], T]) -> T:
        """Programs wait for each other, and nobody else for them."""
        if self._waiting >= WAITING_MOST:
            raise HTTPException(503, headers={"Retry-After": "1"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._lane, work)
        finally:
            self._waiting -= 1

    async def _spoken(self, request: Request, site: Site, answer: Callable[[Server, Asked], Response]) -> Response:
        server = self._server(site)
        try:
            shown = {"Authorization": _credentials(request)}
            asked = Asked("POST", server.setup.issuer, await _form(request), shown)
            response = await self._programs(lambda: answer(server, asked))
        except OAuth2Error as error:
            response = refused(server, error)
        response.headers.update(ANYWHERE)
        return response

    def _server(self, site: Site) -> Server:
        if site.grants is None:
            raise HTTPException(404)
        return Server(site.grants, self.store, self.keys(site.grants), self.clock)

    def _registering(self, site: Site) -> Server:
        server = self._server(site)
        if server.setup.registration is None:
            raise HTTPException(404)
        return server


def _shown(asked: Asked) -> list[str]:
    """What somebody sees of a request before they say yes."""
    return [asked.client.program.title, asked.payload.redirect_uri, asked.scope]


def _described(server: Server, registered: Registered) -> dict[str, Any]:
    """What a program is told of itself (RFC 7591 section 3.2.1)."""
    said = {
        **registered.metadata,
        "client_id": registered.program.id,
        "client_id_issued_at": registered.created_ms // 1000,
        "registration_client_uri": f"{server.setup.issuer}/register/{registered.program.id}",
    }
    if registered.secret is not None:
        said |= {"client_secret": registered.secret, "client_secret_expires_at": 0}
    if registered.access is not None:
        said["registration_access_token"] = registered.access
    return said


def _wrong(error: RegistrationError) -> Response:
    return JSONResponse({"error": error.code, "error_description": str(error)}, 400, NO_STORE)


def _unauthorized() -> Response:
    said = {**NO_STORE, "WWW-Authenticate": 'Bearer error="invalid_token"'}
    return JSONResponse({"error": "invalid_token"}, 401, said)


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _credentials(request: Request) -> str:
    """What the request shows, where it can be read at all."""
    shown = request.headers.get("authorization", "")
    scheme, _, rest = shown.partition(" ")
    try:
        if scheme.lower() == "basic":
            base64.b64decode(rest.strip(), validate=True).decode()
    except ValueError:
        raise InvalidClientError(status_code=401) from None
    return shown


async def _form(request: Request) -> str:
    """A form as it stands; how it is spelt is looked at once, where it is read."""
    body = await request.body()  # The gate has bounded it already.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or len(body) > BODY_BYTES or not body.isascii():
        raise OAuth2Error(error="invalid_request", description="It takes a form (application/x-www-form-urlencoded).")
    return body.decode("ascii")


async def _json(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        said = json.loads(body) if len(body) <= BODY_BYTES else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise RegistrationError("invalid_client_metadata", "It takes a JSON object (RFC 7591 section 2).")
    return said


def _origin(redirect_uri: str) -> str:
    url = urlsplit(redirect_uri)
    return f"{url.scheme}://{url.netloc}" if url.netloc else f"{url.scheme}:"


async def _threaded(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)
