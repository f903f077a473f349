"""The identity pages: the small application below `/.lockgate/NAME` that the gate forwards to.

It speaks to the gate alone, over a socket of its own, behind the full pipeline; it has no way to the admin API. What
it yields is a sealed cookie, which the gate opens by itself, and revocations, which reach every gate as facts.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from lockgate.config.grants import WELL_KNOWN
from lockgate.config.model_sign_in import PASSWORD
from lockgate.config.sign_in import Known
from lockgate.identity import pages
from lockgate.identity.devices import DeviceStore
from lockgate.identity.factors import FactorStore
from lockgate.identity.grant_store import GrantStore
from lockgate.identity.grants import GrantEndpoints
from lockgate.identity.own_devices import Browser, DevicePages
from lockgate.identity.own_keys import OwnKeys
from lockgate.identity.people import PasswordPages, Passwords, Someone, remember
from lockgate.identity.provider import (
    OURS_TO_MEND,
    Begun,
    LoggedOut,
    OpenIdProvider,
    Person,
    ProviderError,
    RefusedError,
)
from lockgate.identity.sealed import Sealer, SessionTooLargeError
from lockgate.identity.step_up import Opened, StepUp
from lockgate.identity.tokens import Tokens
from lockgate.identity.turns import ProviderTurns
from lockgate.identity.web import (
    PREFIX,
    TARGET_BYTES,
    Refusal,
    Site,
    base_of,
    cookie,
    flow_name,
    flow_prefix,
    forget,
    host_of,
    parameter,
    same_origin,
    session_name,
    target,
    word,
)

FLOW_SECONDS: Final = 600
"""From leaving for the provider to coming back: a person looks for a password, and a second factor, meanwhile."""
FLOWS: Final = 5
"""Sign-ins under way in one browser; of tabs that were left open the oldest are forgotten."""
CODE_BYTES: Final = 4_096
YEAR_SECONDS: Final = 366 * 86_400
STATES: Final = 100_000

log = structlog.get_logger("lockgate.identity")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that began."""

    id: str
    sign_in: str
    issuer: str
    """The configuration's name of who signed the person in."""
    iss: str
    subject: str
    provider_session: str | None
    created_ms: int
    until_ms: int
    id_token: str = field(repr=False)
    """What the provider wants to see again when the person signs out."""
    tokens: Tokens | None = field(default=None, repr=False)
    """What the session is renewed with, and upstreams' tokens are got for."""
    device: str | None = None
    """The mark of the browser that it began in."""


class Hooks(Protocol):
    """What the pages yield, for whoever keeps it. What is not asynchronous is called in threads."""

    @property
    def factors(self) -> FactorStore:
        """Where second factors are kept."""

    @property
    def devices(self) -> DeviceStore:
        """Where people's browsers are kept."""

    @property
    def passwords(self) -> Passwords:
        """Who knows people by passwords."""

    @property
    def grants(self) -> GrantStore:
        """What is kept of programs that people let in."""

    def is_open(self, session: Mapping[str, Any]) -> bool:
        """Whether an opened session was not ended before its time, by whatever it was told."""

    def signed_in(self, session: SignedIn) -> None:
        """Keep a session."""

    def id_token(self, session_id: str) -> str | None:
        """What the provider wants to see when this session ends."""

    def tokens(self, session_id: str) -> Tokens | None:
        """What a session was kept with."""

    def keep_tokens(self, session_id: str, tokens: Tokens) -> None:
        """Keep others in their place."""

    async def gone(self, issuer: str, session_id: str) -> None:
        """End a session of whom the provider does not know any more."""

    async def signed_out(self, issuer: str, session_id: str) -> None:
        """End a session; every gate that is connected knows when this returns."""

    async def revoked(self) -> None:
        """Tell every gate that is connected of a device that was revoked; they know when this returns."""

    async def ended(self, issuer: str, told: LoggedOut) -> None:
        """End what the provider says has ended, in the same way."""

    def failing(self, issuer: str, why: str) -> None:
        """Note that a provider does not answer as one."""


@dataclass(slots=True)
class Counts:
    """What the pages count, by sign-in and outcome: a reason's code, or `signed-in`, `signed-out`, `ended`."""

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)

    def note(self, sign_in: str, outcome: str) -> None:
        """Count one."""
        self.outcomes[sign_in, outcome] = self.outcomes.get((sign_in, outcome), 0) + 1


class IdentityApp:
    """The application. `sites` are set anew as the configuration changes."""

    def __init__(self, sealer: Sealer, hooks: Hooks, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since the epoch."""
        self.sites: dict[str, Site] = {}
        self.counts = Counts()
        self._sealer = sealer
        self._hooks = hooks
        self._clock = clock
        self._used: dict[str, float] = {}
        self.turns = ProviderTurns(clock)
        self._proofs = StepUp(
            sealer, hooks.factors, hooks.is_open, self._was_used, self._proved, self.counts.note, clock
        )
        self._devices = DevicePages(sealer, hooks.devices, self._proofs.opened, hooks.revoked, self.counts.note)
        self._doors = PasswordPages(sealer, hooks.passwords, self.counts.note)
        self._grants = GrantEndpoints(
            sealer,
            hooks.grants,
            lambda setup: OwnKeys(sealer.pepper, setup.issuer, setup.rotation),
            self._proofs.opened,
            self._was_used,
            hooks.revoked,
            self.counts.note,
            clock,
        )
        base = f"{PREFIX}/{{name}}"
        self.asgi = Starlette(
            routes=[
                Route(f"{base}/sign-in", self._page(self._begin), methods=["GET", "POST"]),
                Route(f"{base}/link", self._page(self._doors.link), methods=["GET", "POST"]),
                Route(f"{base}/password", self._page(self._password), methods=["GET", "POST"]),
                Route(f"{base}/forgotten", self._page(self._doors.forgotten), methods=["GET", "POST"]),
                Route(f"{base}/callback", self._page(self._callback), methods=["GET"]),
                Route(f"{base}/callback/{{issuer}}", self._page(self._callback), methods=["GET"]),
                Route(f"{base}/sign-out", self._page(self._sign_out), methods=["GET", "POST"]),
                Route(f"{base}/signed-out", self._page(self._signed_out), methods=["GET"]),
                Route(f"{base}/step-up", self._page(self._proofs.step_up), methods=["GET", "POST"]),
                Route(f"{base}/factors", self._page(self._proofs.manage), methods=["GET", "POST"]),
                Route(f"{base}/devices", self._page(self._devices.manage), methods=["GET", "POST"]),
                Route(f"{base}/back-channel-logout", self._back_channel, methods=["POST"]),
                Route(f"{base}/authorize", self._page(self._grants.authorize), methods=["GET", "POST"]),
                Route(f"{base}/grants", self._page(self._grants.manage), methods=["GET", "POST"]),
                Route(f"{base}/token", self._page(self._grants.token), methods=["POST"]),
                Route(f"{base}/revoke", self._page(self._grants.revoke), methods=["POST"]),
                Route(f"{base}/jwks.json", self._page(self._grants.jwks), methods=["GET"]),
                Route(f"{base}/register", self._page(self._grants.register), methods=["POST"]),
                Route(
                    f"{base}/register/{{program}}",
                    self._page(self._grants.registered),
                    methods=["GET", "PUT", "DELETE"],
                ),
                Route(f"{WELL_KNOWN}{base}", self._page(self._grants.metadata), methods=["GET"]),
            ],
        )

    def _page(self, serve: Callable[[Request, Site], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def served(request: Request) -> Response:
            site = self._site(request)
            try:
                return await serve(request, site)
            except Refusal as refusal:
                self.counts.note(site.setup.name, refusal.reason.code)
                page = pages.refused(refusal.reason, refusal.detail, request.headers.get("x-request-id"), refusal.again)
                return HTMLResponse(page, refusal.reason.status, pages.headers())
            except HTTPException:
                raise
            except Exception as error:  # noqa: BLE001 -- Raised further, it would end the connection that others use.
                return _broken(request, error)

        return served

    def _site(self, request: Request) -> Site:
        site = self.sites.get(request.path_params["name"])
        if site is None:
            raise HTTPException(404)
        return site

    async def _begin(self, request: Request, site: Site) -> Response:
        to = target(parameter(request, "to", TARGET_BYTES) or "/", site.setup.name)
        wanted = parameter(request, "with", 64)
        again = f"{PREFIX}/{site.setup.name}/sign-in?{urlencode({'to': to})}"
        asked_for = _known(site, wanted)
        if asked_for is not None:
            return await self._by_password(request, site, asked_for, to, again)
        if request.method == "POST":
            raise Refusal("sign-in-malformed", "There is nothing to send here.", again=again)
        if wanted is None and len(site.issuers) > 1:
            choices = _choices(site, again)
            return HTMLResponse(pages.choose(self._place(request, site), choices), headers=pages.headers())
        provider = site.providers.get(wanted) if wanted is not None else next(iter(site.providers.values()), None)
        if provider is None:
            raise Refusal("sign-in-malformed", "There is no such provider.", again=again)
        # Of several providers each has an address of its own to come back to: none can be given another's
        # code (mix-up, RFC 9700 section 4.4.2).
        own = f"/{provider.said.name}" if len(site.providers) > 1 else ""
        redirect_uri = f"{base_of(request)}{PREFIX}/{site.setup.name}/callback{own}"
        # With a `max_age`, be it a year, the provider has to say when the person was there (`auth_time`).
        more = {"max_age": str(YEAR_SECONDS)} if "auth_time" in site.setup.claims else {}
        work = provider.begin(redirect_uri, to, site.setup.scopes, {**more, **_newer(request)})
        url, begun = await self._call(provider, work, again)
        within = _newer(request).get("max_age")
        begun = replace(begun, max_age_s=None if within is None else int(within))
        response = RedirectResponse(url, 303, pages.headers())
        known = [name for name in request.cookies if name.startswith(flow_prefix(site))]
        for name in known if len(known) >= FLOWS else ():
            forget(response, name)
        sealed = self._sealer.seal_flow(site.setup.name, "sign-in", asdict(begun))
        cookie(response, flow_name(site, begun.state), sealed, FLOW_SECONDS)
        return response

    async def _by_password(self, request: Request, site: Site, known: Known, to: str, again: str) -> Response:
        """Asks for a name and a password, and lets in whose they are."""
        others = [choice for choice in _choices(site, again) if choice[0] != known.name]
        if request.method != "POST":
            return self._doors.form(request, site, known, others)
        # Of before the password is looked at: what is ended meanwhile is older than that, and so is this session.
        began_ms = int(self._clock() * 1000)
        came = await self._doors.sign_in(request, site, known)
        if not isinstance(came, Someone):
            return self._doors.form(request, site, known, others, came)
        claims = {**came.claims, "amr": [PASSWORD], "auth_time": int(self._clock())}
        browser = await self._devices.signs_in(request, site, known.issuer, claims, (known.name, came.name))
        signed_by = (known.name, known.issuer)
        session, sealed = await self._session(site, signed_by, claims, ("", None), browser, again, began_ms)
        await asyncio.to_thread(self._hooks.signed_in, session)
        self.counts.note(site.setup.name, "signed-in")
        response = RedirectResponse(to, 303, pages.headers())
        cookie(response, session_name(site), sealed, site.setup.lifetime_ms // 1000)
        remember(self._sealer, response, site, browser.device)
        return response

    async def _password(self, request: Request, site: Site) -> Response:
        """Changes one's own password."""
        opened = await self._proofs.opened(request, site)
        if opened is None or not any(known.local and known.name == opened.issuer for known in site.setup.people):
            return self._doors.elsewhere(site)
        return await self._doors.change(request, site, opened.issuer, opened.owner.subject)

    async def _callback(self, request: Request, site: Site) -> Response:
        state = parameter(request, "state", 256)
        name = flow_name(site, state or "")
        kept = self._sealer.open_flow(site.setup.name, "sign-in", request.cookies.get(name, ""), FLOW_SECONDS)
        begun = Begun(**kept) if kept is not None else None
        came_to = request.path_params.get("issuer", "")
        if begun is not None and urlsplit(begun.redirect_uri).path.rpartition("/callback")[2].lstrip("/") != came_to:
            begun = None
        if begun is None or state is None or not secrets.compare_digest(begun.state, state) or self._was_used(state):
            raise Refusal("sign-in-state-unknown", again=f"{PREFIX}/{site.setup.name}/sign-in")
        again = f"{PREFIX}/{site.setup.name}/sign-in?{urlencode({'to': begun.to})}"
        try:
            return await self._come_back(request, site, begun, again)
        except Refusal as refusal:
            self.counts.note(site.setup.name, refusal.reason.code)
            page = pages.refused(refusal.reason, refusal.detail, request.headers.get("x-request-id"), again)
            response = HTMLResponse(page, refusal.reason.status, pages.headers())
            forget(response, name)
            return response

    async def _come_back(self, request: Request, site: Site, begun: Begun, again: str) -> Response:
        error, code = parameter(request, "error", 64), parameter(request, "code", CODE_BYTES)
        if error is not None:
            raise Refusal("sign-in-refused", f"The provider says: {word(error)}.", again=again)
        provider = site.providers.get(begun.issuer)
        if code is None or provider is None:
            raise Refusal("sign-in-malformed", again=again)
        wanted = site.setup.claims

        async def who() -> Person:
            person = await provider.redeem(begun, code, parameter(request, "iss", 512))
            if any(name not in person.claims for name in wanted):
                person = await provider.userinfo(person)
            return person

        person = await self._call(provider, who(), again)
        signed_by = (provider.said.name, provider.said.issuer)
        kept = (person.id_token, self._tokens(site, provider, person))
        browser = await self._devices.signs_in(request, site, provider.said.issuer, person.claims, None)
        session, sealed = await self._session(site, signed_by, person.claims, kept, browser, again)
        await asyncio.to_thread(self._hooks.signed_in, session)
        self.counts.note(site.setup.name, "signed-in")
        response = RedirectResponse(begun.to, 303, pages.headers())
        forget(response, flow_name(site, begun.state))
        cookie(response, session_name(site), sealed, site.setup.lifetime_ms // 1000)
        remember(self._sealer, response, site, browser.device)
        return response

    async def _proved(self, request: Request, opened: Opened) -> None:
        await self._devices.proved(request, opened)

    async def _session(
        self,
        site: Site,
        signed_by: tuple[str, str],
        said: Mapping[str, Any],
        kept: tuple[str, Tokens | None],
        browser: Browser,
        again: str,
        began_ms: int | None = None,
    ) -> tuple[SignedIn, str]:
        now_ms = began_ms if began_ms is not None else int(self._clock() * 1000)
        sid = said.get("sid")
        session = SignedIn(
            # Always a new one: what a browser had before is never kept on (session fixation).
            id=secrets.token_hex(16),
            sign_in=site.setup.name,
            issuer=signed_by[0],
            iss=signed_by[1],
            subject=said["sub"],
            provider_session=sid if isinstance(sid, str) and len(sid) <= 255 else None,
            created_ms=now_ms,
            until_ms=now_ms + site.setup.lifetime_ms,
            id_token=kept[0],
            tokens=kept[1],
            device=browser.mark,
        )
        claims: dict[str, Any] = {name: said[name] for name in site.setup.claims if name in said}
        claims |= {"iss": session.iss, "sub": session.subject, "jti": session.id, "iat": now_ms // 1000}
        claims["device"] = browser.mark
        if session.provider_session is not None:
            claims["sid"] = session.provider_session
        try:
            fresh_until_ms = session.tokens.fresh_until_ms if session.tokens is not None else None
            return session, self._sealer.seal_session(
                session.sign_in, session.issuer, session.until_ms, claims, fresh_until_ms
            )
        except SessionTooLargeError as error:
            longest = max(site.setup.claims, key=lambda name: len(str(said.get(name, ""))), default="")
            raise Refusal("sign-in-too-large", f"The longest part is {longest!r}.", again=again) from error

    def _tokens(self, site: Site, provider: OpenIdProvider, person: Person) -> Tokens | None:
        """What is kept of the provider's tokens: as little as will do."""
        setup, given, now_ms = site.setup, person.given, int(self._clock() * 1000)
        passed_on = provider.said.name in setup.passed_on
        renewed = given.refresh_token is not None and (setup.refresh_ms < setup.lifetime_ms or passed_on)
        if not renewed and not passed_on:
            return None
        return Tokens(
            refresh_token=given.refresh_token,
            access_token=given.access_token if passed_on else None,
            expires_ms=given.expires_ms,
            fresh_until_ms=now_ms + setup.refresh_ms if renewed and setup.refresh_ms < setup.lifetime_ms else None,
        )

    async def _sign_out(self, request: Request, site: Site) -> Response:
        if request.method == "GET":
            action = " ".join(["'self'", *await self._leads_to(site)])
            devices = f"{PREFIX}/{site.setup.name}/devices"
            page = pages.confirm_sign_out(self._place(request, site), devices)
            return HTMLResponse(page, headers=pages.headers(action))
        if not same_origin(request):
            raise Refusal("sign-out-cross-site")
        base = f"{base_of(request)}{PREFIX}/{site.setup.name}"
        back_to = f"{base}/signed-out"
        opened = self._sealer.open_session(site.setup.name, request.cookies.get(session_name(site), ""))
        if opened is not None:
            session_id, issuer = str(opened["claims"].get("jti", "")), str(opened["issuer"])
            hint = await asyncio.to_thread(self._hooks.id_token, session_id)
            await self._hooks.signed_out(issuer, session_id)
            self.counts.note(site.setup.name, "signed-out")
            provider = site.providers.get(issuer)
            if provider is not None:
                try:
                    async with asyncio.timeout(FLOW_SECONDS):
                        back_to = await provider.sign_out_address(hint, back_to) or back_to
                except ProviderError as error:
                    # Here the session has ended; at the provider it has to be ended there.
                    await self._failing(provider, error)
        response = RedirectResponse(back_to, 303, pages.headers())
        forget(response, session_name(site))
        return response

    async def _signed_out(self, request: Request, site: Site) -> Response:
        again = f"{PREFIX}/{site.setup.name}/sign-in"
        return HTMLResponse(pages.signed_out(self._place(request, site), again), headers=pages.headers())

    async def _back_channel(self, request: Request) -> Response:
        try:
            return await self._ended(request)
        except HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 -- Raised further, it would end the connection that others use.
            return _broken(request, error)

    async def _ended(self, request: Request) -> Response:
        """A provider ends sessions (OpenID Connect Back-Channel Logout 1.0 section 2.5)."""
        site = self._site(request)
        no_store = {"Cache-Control": "no-store"}
        try:
            # The gate has bounded the body already.
            token = parse_qs((await request.body()).decode("latin-1")).get("logout_token", [])
            provider, told = await self._told(site, token[0] if len(token) == 1 else "")
            # Ended twice is ended once; only what has ended is remembered, or a failure would be for good.
            await self._hooks.ended(provider.said.name, told)
            self.counts.note(site.setup.name, "ended")
        except RefusedError as refused:
            self.counts.note(site.setup.name, "logout-token-refused")
            return JSONResponse({"error": refused.code, "error_description": str(refused)}, 400, no_store)
        except ProviderError as error:
            log.warning("back-channel-logout-failed", sign_in=site.setup.name, cause=str(error))
            return JSONResponse({"error": "temporarily_unavailable"}, 503, no_store)
        return Response(status_code=200, headers=no_store)

    async def _told(self, site: Site, token: str) -> tuple[OpenIdProvider, LoggedOut]:
        """The one provider whose token it is: each looks at what is signed, and nothing before."""
        refused = RefusedError("invalid_request", "there is no provider")
        for provider in site.providers.values():
            try:
                async with self.turns.turn(provider.said.name):
                    return provider, await provider.logged_out(token)
            except RefusedError as error:
                refused = error
        raise refused

    async def _call(self, provider: OpenIdProvider, work: Coroutine[Any, Any, Any], again: str) -> Any:
        try:
            async with self.turns.turn(provider.said.name):
                return await work
        except RefusedError as refused:
            log.warning("sign-in-refused", issuer=provider.said.name, code=refused.code, cause=str(refused))
            if refused.code in OURS_TO_MEND:
                await asyncio.to_thread(self._hooks.failing, provider.said.name, str(refused))
            ours = refused.code in {"invalid_token", "iss_mismatch"}
            code = "sign-in-token-refused" if ours else "sign-in-refused"
            said = f"{refused}." if ours else f"The provider says: {word(refused.code)}."
            raise Refusal(code, said[0].upper() + said[1:], again=again) from refused
        except ProviderError as error:
            await self._failing(provider, error)
            raise Refusal("sign-in-provider-unavailable", again=again) from error
        finally:
            work.close()  # Where it was never its turn.

    async def _failing(self, provider: OpenIdProvider, error: ProviderError) -> None:
        log.warning("provider-failing", issuer=provider.said.name, cause=str(error))
        await asyncio.to_thread(self._hooks.failing, provider.said.name, str(error))

    async def _leads_to(self, site: Site) -> list[str]:
        """Origins that signing out may lead to: a page's own rules hold for where its form is sent on, too."""
        found = []
        for provider in site.providers.values():
            try:
                address = await provider.sign_out_address(None, "/")
            except ProviderError:
                continue
            if address is not None:
                parts = urlsplit(address)
                found.append(f"{parts.scheme}://{parts.netloc}")
        return found

    def _was_used(self, mark: str, seconds: float = FLOW_SECONDS) -> bool:
        """Whether something that counts once was seen before; it is remembered."""
        now = self._clock()
        if len(self._used) >= STATES:
            self._used = {one: until for one, until in self._used.items() if until > now}
        while len(self._used) >= STATES:
            self._used.pop(next(iter(self._used)))
        before = self._used.get(mark)
        self._used[mark] = now + seconds
        return before is not None and before > now

    def _place(self, request: Request, site: Site) -> str:
        return site.setup.title or host_of(request)


def _known(site: Site, wanted: str | None) -> Known | None:
    """Whose names and passwords are asked for; nobody's where there is a choice that was not made."""
    people = site.setup.people
    if wanted is None:
        return people[0] if len(people) == 1 else None
    return next((known for known in people if known.name == wanted), None)


def _choices(site: Site, again: str) -> list[tuple[str, str]]:
    """Who signs people in, and where that leads, in the order of the configuration."""
    names = [*site.providers, *(known.name for known in site.setup.people)]
    return [(name, f"{again}&{urlencode({'with': name})}") for name in names]


def _broken(request: Request, error: Exception) -> Response:
    """A fault of ours: counted by the gate as any 500 of an upstream, and told in the log without what came in."""
    log.error("page-failed", path=request.url.path[:200], cause=f"{type(error).__name__}: {error}"[:500])
    return Response(status_code=500)


def _newer(request: Request) -> dict[str, str]:
    """What is asked of the provider where somebody has to prove more than they have."""
    within, acr = parameter(request, "within", 10), parameter(request, "acr", 512)
    asked: dict[str, str] = {}
    if within is not None and within.isascii() and within.isdigit():
        # Of `max_age` 0 some providers make "none": that it has to ask is said besides.
        asked |= {"max_age": within} | ({"prompt": "login"} if int(within) == 0 else {})
    if acr is not None and acr.isascii() and acr.isprintable():
        asked |= {"acr_values": acr}
    return asked
