"""The pages where people add second factors, and prove themselves by one (`step_up`)."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lockgate import _native
from lockgate.identity import factor_pages as shown
from lockgate.identity import factors, pages
from lockgate.identity.factors import MFA, Factor, FactorError, FactorStore, Kind, Owner, Relying
from lockgate.identity.sealed import Sealer, SessionTooLargeError
from lockgate.identity.web import (
    PREFIX,
    TARGET_BYTES,
    Refusal,
    Site,
    base_of,
    cookie,
    forget,
    form_of,
    host_of,
    parameter,
    same_origin,
    session_name,
    target,
)

TASK_SECONDS: Final = 300
"""For a page of these: a person looks for a phone."""
FRESH_SECONDS: Final = 600
"""How new a proof must be before factors are added or taken away: who finds an open screen must not add one."""
NAME_CHARACTERS: Final = 40
EARLIER: Final = "earlier_auth"
"""The claim of what was proved before a second factor here, and when (`lockgate_policy::step_up::proved_at`)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that holds, with the person's factors."""

    issuer: str
    until_ms: int
    fresh_until_ms: int | None
    claims: dict[str, Any]
    owner: Owner
    factors: list[Factor]

    @property
    def amr(self) -> list[str]:
        """By what means the person was authenticated."""
        said = self.claims.get("amr", [])
        return [str(one) for one in said] if isinstance(said, list) else [str(said)]

    @property
    def account(self) -> str:
        """What the person is called, for their own eyes."""
        return str(self.claims.get("email") or self.claims.get("preferred_username") or self.owner.subject)

    def of(self, *kinds: Kind) -> list[Factor]:
        """Factors of these kinds."""
        return [one for one in self.factors if one.kind in kinds]


class StepUp:
    """The pages. Registered by the application beside those for signing in."""

    def __init__(
        self,
        sealer: Sealer,
        store: FactorStore,
        is_open: Callable[[Mapping[str, Any]], bool],
        once: Callable[[str, float], bool],
        proved: Callable[[Request, Opened], Awaitable[None]],
        note: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        """`is_open` tells whether a session was not ended; `once` whether something that counts once was seen.

        `proved` is called when a second factor was shown.
        """
        self._sealer = sealer
        self._store = store
        self._is_open = is_open
        self._once = once
        self._proved = proved
        self._note = note
        self._clock = clock

    async def step_up(self, request: Request, site: Site) -> Response:
        """Prove yourself by a second factor, or at the provider once more."""
        wanted = await self._wanted(request)
        opened = await self.opened(request, site)
        amr, within = wanted.get("amr", "").split(), wanted.get("within", "")
        looks = opened is not None and request.method == "GET"
        acr, since = wanted.get("acr", "").split(), wanted.get("since", "")
        if opened is not None and looks and self._is_enough(opened, amr, acr, (within, since)):
            return RedirectResponse(target(wanted.get("to", "/"), site.setup.name), 303, pages.headers())
        if looks and "asked" in wanted:
            # The provider was asked a moment ago, and has said nothing more: it would not the next time either.
            raise Refusal("step-up-not-given", again=target(wanted.get("to", "/"), site.setup.name))
        again = f"{PREFIX}/{site.setup.name}/sign-in?{urlencode(_at_provider(request, wanted))}"
        if opened is None or wanted.get("acr") or not site.setup.factors:
            # Only the provider can reach a class of its own; and where factors are off, it is asked to look again.
            return RedirectResponse(again, 303, pages.headers())
        if amr and not any(factors.satisfies(kind, amr) for kind in ("passkey", "totp")):
            return RedirectResponse(again, 303, pages.headers())
        here = self._relying(request, site).id
        usable = [
            one
            for one in opened.factors
            if factors.satisfies(one.kind, amr) and (one.kind != "passkey" or factors.host_of_passkey(one) == here)
        ]
        if not [one for one in usable if one.kind != "recovery"]:
            back = f"{request.url.path}?{urlencode(wanted)}"
            page = shown.none_yet(f"{PREFIX}/{site.setup.name}/factors?{urlencode({'to': back})}")
            return HTMLResponse(page, headers=pages.headers())
        if request.method == "POST":
            return await self._prove(request, site, opened, usable, wanted)
        return self._ask(request, site, opened, usable, wanted, None)

    def _is_enough(self, opened: Opened, amr: list[str], acr: list[str], when: tuple[str, str]) -> bool:
        """Whether the session says already what is asked for: it was proved in another tab, or just now.

        `when` is how many seconds ago that may be, and what second it must be newer than; either may be empty.
        """
        within, since = when
        if not (amr or acr or within):
            return False
        at = _native.proved_at(json.dumps(opened.claims).encode(), amr, acr)
        age = self._clock() - at if at is not None else None
        # A little less than the gate allows, or the two would send a browser to and fro.
        allowed = int(within) - 1 if within.isascii() and within.isdigit() else 0
        fresh = not within or (age is not None and age < allowed)
        if since:
            fresh = fresh and at is not None and since.isascii() and since.isdigit() and at > int(since)
        return fresh and (not amr or bool(set(amr) & set(opened.amr))) and (not acr or opened.claims.get("acr") in acr)

    async def _prove(
        self, request: Request, site: Site, opened: Opened, usable: list[Factor], wanted: dict[str, str]
    ) -> Response:
        if not same_origin(request):
            raise Refusal("factor-cross-site")
        form = await form_of(request)
        await self._unless_locked(opened.owner)
        try:
            means = await self._shown(request, site, opened, usable, form)
        except FactorError as error:
            self._note(site.setup.name, "factor-wrong")
            return self._ask(request, site, opened, usable, wanted, str(error), status=403)
        await asyncio.to_thread(self._store.succeeded, opened.owner)
        await self._proved(request, opened)
        self._note(site.setup.name, "stepped-up")
        response = RedirectResponse(target(wanted.get("to", "/"), site.setup.name), 303, pages.headers())
        self._keep(response, site, opened, means)
        forget(response, _task_name(site))
        return response

    async def _shown(
        self, request: Request, site: Site, opened: Opened, usable: list[Factor], form: dict[str, str]
    ) -> list[str]:
        """By what means the person has proved themselves. Raises `FactorError`."""
        if "credential" in form:
            task = self._task(request, site, "prove", opened)
            challenge = base64.b64decode(task["challenge"])
            passkeys = [one for one in usable if one.kind == "passkey"]
            found, counter, means = factors.passkey_shown(
                self._relying(request, site), challenge, form["credential"], passkeys
            )
            if not await asyncio.to_thread(self._store.used, found, counter):
                raise FactorError("This passkey's answer was used before.")
            return means
        code = form.get("code", "")
        for one in usable:
            if one.kind == "totp" and (step := factors.totp_step(one.secret, code, self._clock())) is not None:
                if not await asyncio.to_thread(self._store.used, one, step):
                    raise FactorError("This code was used before: wait for the next.")
                return ["otp", MFA]
        mark = factors.recovery_mark(self._sealer.factor_key, code)
        for one in usable:
            if one.kind == "recovery" and one.mark == mark:
                if not await asyncio.to_thread(self._store.remove, opened.owner, one.id):
                    break
                return ["otp", MFA]
        raise FactorError("This is not the code.")

    def _ask(
        self,
        request: Request,
        site: Site,
        opened: Opened,
        usable: list[Factor],
        wanted: dict[str, str],
        wrong: str | None,
        status: int = 200,
    ) -> Response:
        passkeys = [one for one in usable if one.kind == "passkey"]
        options = None
        task: dict[str, str] = {}
        if passkeys:
            challenge, options = factors.passkey_asked(self._relying(request, site), passkeys)
            task = {"challenge": base64.b64encode(challenge).decode()}
        codes = any(one.kind in {"totp", "recovery"} for one in usable)
        page = shown.prove(wanted, options, wrong, codes=codes)
        response = HTMLResponse(page, status, shown.headers())
        self._give(response, site, "prove", opened, task)
        return response

    async def manage(self, request: Request, site: Site) -> Response:
        """See, add and take away second factors."""
        here = f"{PREFIX}/{site.setup.name}/factors"
        opened = await self.opened(request, site)
        to = parameter(request, "to", TARGET_BYTES) or ""
        if opened is None or not site.setup.factors:
            first = f"{PREFIX}/{site.setup.name}/sign-in?{urlencode({'to': here})}"
            return RedirectResponse(first, 303, pages.headers())
        barrier = self._barrier(site, opened, here, to)
        if barrier is not None:
            return RedirectResponse(barrier, 303, pages.headers())
        if request.method == "GET":
            return self._list(request, site, opened, to, None)
        if not same_origin(request):
            raise Refusal("factor-cross-site")
        form = await form_of(request)
        try:
            return await self._change(request, site, opened, form, to)
        except FactorError as error:
            return self._list(request, site, opened, to, str(error), status=403)

    async def _change(self, request: Request, site: Site, opened: Opened, form: dict[str, str], to: str) -> Response:
        what = form.get("do", "")
        name = form.get("name", "").strip()[:NAME_CHARACTERS]
        if what == "remove":
            meant = next((one for one in opened.factors if one.id == form.get("id")), None)
            if meant is not None and meant.kind == "passkey":
                asked = self._asked_for_passkey(request, site, opened, to, bound=factors.is_bound(meant))
                if asked is not None:
                    return asked
            await asyncio.to_thread(self._remove, opened, form.get("id", ""))
            self._note(site.setup.name, "factor-removed")
        elif what == "recovery" and opened.of("passkey", "totp"):
            return await self._added(request, site, opened, [], to, anew=True)
        elif what == "totp-begin" and "totp" in site.setup.factors:
            return await self._scan(request, site, opened, factors.totp_secret(), None)
        elif what == "totp" and "totp" in site.setup.factors:
            secret = self._task(request, site, "totp", opened)["secret"]
            step = factors.totp_step(secret, form.get("code", ""), self._clock())
            if step is None:
                return await self._scan(request, site, opened, secret, "This is not the code that the app should show.")
            made = factors.Factor(secrets.token_hex(16), "totp", name or "App", None, secret, step, self._now_ms())
            return await self._added(request, site, opened, [made], to)
        elif what == "passkey" and "passkey" in site.setup.factors:
            asked = self._asked_for_passkey(request, site, opened, to, bound=False)
            if asked is not None:
                return asked
            task = self._task(request, site, "list", opened)
            challenge = base64.b64decode(task["challenge"])
            made = factors.passkey_made(
                self._relying(request, site), challenge, form.get("credential", ""), name or "Passkey", self._now_ms()
            )
            asked = self._asked_for_passkey(request, site, opened, to, bound=factors.is_bound(made))
            if asked is not None:
                return asked
            return await self._added(request, site, opened, [made], to)
        else:
            raise Refusal("sign-in-malformed")
        query = f"?{urlencode({'to': to})}" if to else ""
        return RedirectResponse(f"{PREFIX}/{site.setup.name}/factors{query}", 303, pages.headers())

    async def _scan(self, request: Request, site: Site, opened: Opened, secret: str, wrong: str | None) -> Response:
        """Shows a secret to scan; the same once more after a slip, or the app would have a dead entry."""
        place = site.setup.title or host_of(request)
        address, picture = await asyncio.to_thread(factors.totp_shown, secret, opened.account, place)
        page = shown.scan(picture, secret, address, wrong)
        response = HTMLResponse(page, 403 if wrong else 200, shown.headers())
        self._give(response, site, "totp", opened, {"secret": secret})
        return response

    async def _added(
        self, request: Request, site: Site, opened: Opened, made: list[Factor], to: str, *, anew: bool = False
    ) -> Response:
        """Keep a factor. With the first come codes for when it is lost; adding one proves it as well."""
        if len(opened.of("passkey", "totp")) + len(made) > factors.FACTORS:
            raise FactorError("There are too many already: take one away first.")
        codes: list[str] = []
        if anew or not opened.of("recovery"):
            codes, kept = factors.recovery_codes(self._sealer.factor_key, self._now_ms())
            await asyncio.to_thread(self._store.forget, opened.owner, "recovery")
            made = [*made, *kept]
        await asyncio.to_thread(self._store.add, opened.owner, made)
        self._note(site.setup.name, "factor-added")
        back = target(to, site.setup.name) if to else f"{PREFIX}/{site.setup.name}/factors"
        if codes:
            response: Response = HTMLResponse(shown.keep_codes(codes, back), headers=shown.headers())
        else:
            response = RedirectResponse(back, 303, pages.headers())
        kinds = {one.kind for one in made}
        if kinds & {"totp", "passkey"}:
            await self._proved(request, opened)
        if "totp" in kinds:
            self._keep(response, site, opened, ["otp", MFA])
        elif "passkey" in kinds:
            [passkey] = [one for one in made if one.kind == "passkey"]
            self._keep(response, site, opened, ["hwk" if factors.is_bound(passkey) else "swk", "user", MFA])
        forget(response, _task_name(site))
        return response

    def _remove(self, opened: Opened, factor_id: str) -> None:
        self._store.remove(opened.owner, factor_id)
        left = [one for one in opened.of("passkey", "totp") if one.id != factor_id]
        if not left:
            self._store.forget(opened.owner, "recovery")

    def _list(
        self, request: Request, site: Site, opened: Opened, to: str, wrong: str | None, status: int = 200
    ) -> Response:
        options = first = None
        task: dict[str, str] = {}
        passkeys = "passkey" in site.setup.factors
        if passkeys:
            try:
                first = self._passkey_first(request, site, opened, to, bound=False)
            except FactorError as error:
                passkeys, wrong = False, wrong or str(error)
        if passkeys and first is None:
            relying = self._relying(request, site)
            challenge, options = factors.passkey_options(relying, opened.owner, opened.account, opened.of("passkey"))
            task = {"challenge": base64.b64encode(challenge).decode()}
        own, left = opened.of("passkey", "totp"), len(opened.of("recovery"))
        back = target(to, site.setup.name) if to else None
        devices = f"{PREFIX}/{site.setup.name}/devices"
        links = (back, first, devices)
        page = shown.manage(own, left, options, wrong, links, totp="totp" in site.setup.factors)
        response = HTMLResponse(page, status, shown.headers())
        self._give(response, site, "list", opened, task)
        return response

    def _asked_for_passkey(
        self, request: Request, site: Site, opened: Opened, to: str, *, bound: bool
    ) -> Response | None:
        first = self._passkey_first(request, site, opened, to, bound=bound)
        return None if first is None else RedirectResponse(first, 303, pages.headers())

    def _passkey_first(self, request: Request, site: Site, opened: Opened, to: str, *, bound: bool) -> str | None:
        """Where to prove oneself first: passkeys are added and taken away by those that are there already.

        Else `hwk` and `swk` would say no more than that somebody had a code once. `bound` is of one that cannot leave
        its device. Whoever has passkeys, but none of this host, can show none here, and raises `FactorError`: the
        host is what a browser says it is, and must not decide whether one has to be shown.
        """
        known = opened.of("passkey")
        amr = ["hwk"] if bound and any(map(factors.is_bound, known)) else ["hwk", "swk"]
        # What the provider says of a key of its own is not about these.
        shown_here = EARLIER in opened.claims and self._is_enough(opened, amr, [], (str(FRESH_SECONDS), ""))
        if not known or shown_here:
            return None
        hosts = sorted({factors.host_of_passkey(one) for one in known})
        if self._relying(request, site).id not in hosts:
            raise FactorError(
                f"Your passkeys are of {', '.join(hosts)}, and none can be added or taken away but by one of them: "
                "do that there, or ask whoever runs this for help."
            )
        page = f"{PREFIX}/{site.setup.name}/factors"
        back = f"{page}?{urlencode({'to': to})}" if to else page
        asked = {"to": back, "amr": " ".join(amr), "within": str(FRESH_SECONDS)}
        return f"{PREFIX}/{site.setup.name}/step-up?{urlencode(asked)}"

    def _barrier(self, site: Site, opened: Opened, here: str, to: str) -> str | None:
        """Where to go first: who changes factors proves themselves anew, by one that they have."""
        at = opened.claims.get("auth_time", 0)
        fresh = isinstance(at, int | float) and self._clock() - at <= FRESH_SECONDS
        back = f"{here}?{urlencode({'to': to})}" if to else here
        if not opened.factors:
            signing = {"to": back, "within": str(FRESH_SECONDS)}
            return None if fresh else f"{PREFIX}/{site.setup.name}/sign-in?{urlencode(signing)}"
        if fresh and MFA in opened.amr:
            return None
        asked = {"to": back, "amr": MFA, "within": str(FRESH_SECONDS)}
        return f"{PREFIX}/{site.setup.name}/step-up?{urlencode(asked)}"

    async def opened(self, request: Request, site: Site) -> Opened | None:
        """The session, if it still holds: the gate lets everybody come here, so it is looked at."""
        said = self._sealer.open_session(site.setup.name, request.cookies.get(session_name(site), ""))
        if said is None or said["issuer"] not in site.issuers or said["until_ms"] <= self._now_ms():
            return None
        claims = said["claims"]
        if not await asyncio.to_thread(self._is_open, said):
            return None
        owner = Owner(str(claims["iss"]), str(claims["sub"]))
        known = await asyncio.to_thread(self._store.of, owner)
        return Opened(said["issuer"], said["until_ms"], said.get("fresh_until_ms"), claims, owner, known)

    def _keep(self, response: Response, site: Site, opened: Opened, means: list[str]) -> None:
        """The same session, which now says more of how the person was authenticated."""
        # Only what was proved now is as new as this: an older factor must not become new by a weaker one, and neither
        # must what the provider said.
        said = [one for one in opened.amr if one not in factors.OURS]
        earlier = opened.claims.get(EARLIER) or {"at": opened.claims.get("auth_time"), "amr": said}
        amr = list(dict.fromkeys([*said, *means]))
        claims = {**opened.claims, "amr": amr, "auth_time": int(self._clock()), EARLIER: earlier}
        try:
            sealed = self._sealer.seal_session(
                site.setup.name, opened.issuer, opened.until_ms, claims, opened.fresh_until_ms
            )
        except SessionTooLargeError as error:
            raise Refusal("sign-in-too-large") from error
        cookie(response, session_name(site), sealed, max((opened.until_ms - self._now_ms()) // 1000, 1))

    def _give(self, response: Response, site: Site, purpose: str, opened: Opened, task: dict[str, str]) -> None:
        said = {
            "id": secrets.token_hex(16),
            "purpose": purpose,
            "session": str(opened.claims.get("jti")),
            "task": task,
        }
        cookie(response, _task_name(site), self._sealer.seal_flow(site.setup.name, "task", said), TASK_SECONDS)

    def _task(self, request: Request, site: Site, purpose: str, opened: Opened) -> dict[str, str]:
        """What was given out for this, of this session; once. Raises `FactorError`."""
        sealed = request.cookies.get(_task_name(site), "")
        said = self._sealer.open_flow(site.setup.name, "task", sealed, TASK_SECONDS)
        ours = said is not None and said["purpose"] == purpose and said["session"] == opened.claims.get("jti")
        if said is None or not ours or self._once(f"task {said['id']}", TASK_SECONDS):
            raise FactorError("That took too long, or was answered before. Try once more.")
        task: dict[str, str] = said["task"]
        return task

    async def _unless_locked(self, owner: Owner) -> None:
        until_ms = await asyncio.to_thread(self._store.attempt, owner)
        if until_ms:
            seconds = max(until_ms - self._now_ms(), 0) // 1000 + 1
            raise Refusal("factor-locked", f"Try again in {seconds} s.")

    async def _wanted(self, request: Request) -> dict[str, str]:
        """What is asked for, as the gate wrote it into the address."""
        said = {
            name: parameter(request, name, TARGET_BYTES) for name in ("to", "amr", "acr", "within", "since", "asked")
        }
        return {name: value for name, value in said.items() if value}

    def _relying(self, request: Request, site: Site) -> Relying:
        host = host_of(request)
        bare = host if host.startswith("[") else host.partition(":")[0].lower().removesuffix(".")
        return Relying(bare, base_of(request), site.setup.title or bare)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _at_provider(request: Request, wanted: dict[str, str]) -> dict[str, str]:
    """What the provider is asked for; the way back leads here, to see what came of it."""
    said = {name: value for name, value in wanted.items() if name in {"acr", "within"}}
    if "since" in wanted:
        said["within"] = "0"
    said["to"] = f"{request.url.path}?{urlencode({**wanted, 'asked': '1'})}"
    # Who is sent there has to do something there: what they did before is what was not enough.
    return said if "within" in said or "acr" in said else {**said, "within": "0"}


def _task_name(site: Site) -> str:
    return f"{session_name(site)}.task"
