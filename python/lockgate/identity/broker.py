"""What gates order: sessions renewed by refresh tokens (RFC 6749 section 6), and tokens for upstreams (RFC 8693).

A session's refresh token can be good for one use, and several gates and tabs may come at once: who comes while it is
being used waits for the same, and who comes with the cookie of before gets what was got then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from lockgate.config.upstream_tokens import TokenSetup
from lockgate.identity.app import Hooks, IdentityApp
from lockgate.identity.brought import Brought
from lockgate.identity.provider import OURS_TO_MEND, Given, OpenIdProvider, ProviderError, RefusedError
from lockgate.identity.sealed import Sealer, SessionTooLargeError
from lockgate.identity.tokens import Tokens
from lockgate.identity.web import Site

GONE: Final = frozenset({"invalid_grant", "invalid_token", "access_denied"})
PROOFS: Final = frozenset({"amr", "acr", "auth_time"})
"""What a person has proved: asking the provider once more proves nothing new, and unsays nothing."""
SOON_MS: Final = 10_000
"""A token that ends sooner is not handed out any more: it has to reach the upstream, and be looked at there."""
UNSAID_MS: Final = 60_000
"""How long a token is used again of which nobody says when it ends."""
LONGEST_MS: Final = 3_600_000

log = structlog.get_logger("lockgate.identity")


@dataclass(frozen=True, slots=True)
class _Session:
    """A session that holds."""

    id: str
    site: Site
    provider: OpenIdProvider
    until_ms: int
    claims: Mapping[str, Any]


class _GoneError(Exception):
    """The session does not hold, or has nothing that a token could be got for."""


class Broker:
    """Does what gates order. `clock` gives seconds since the epoch."""

    def __init__(self, app: IdentityApp, sealer: Sealer, hooks: Hooks, clock: Callable[[], float]) -> None:
        """It serves the sites of `app`; `hooks` keep what it gets."""
        self._app = app
        self._sealer = sealer
        self._hooks = hooks
        self._clock = clock
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    async def session(self, sign_in: str, cookie: str) -> Brought:
        """The session of a cookie, sealed anew: whoever the provider still knows."""
        try:
            session = await self._opened(sign_in, cookie)
            tokens = await self._fresh(session)
            said = session.claims
            if tokens.claims is not None:
                wanted = set(session.site.setup.claims) - PROOFS
                kept = {name: value for name, value in said.items() if name not in wanted}
                said = kept | {name: value for name, value in tokens.claims.items() if name in wanted}
            until_ms = min(tokens.fresh_until_ms or 0, session.until_ms)
            issuer = session.provider.said.name
            sealed = self._sealer.seal_session(sign_in, issuer, session.until_ms, dict(said), tokens.fresh_until_ms)
        except _GoneError as gone:
            return Brought("refused", why=str(gone))
        except SessionTooLargeError as error:
            log.warning("session-too-large", sign_in=sign_in, cause=str(error))
            return Brought("refused", why=str(error))
        except ProviderError as error:
            return Brought("unavailable", why=str(error))
        return Brought("got", sealed, until_ms)

    async def token_of_session(self, setup: TokenSetup, sign_in: str, cookie: str) -> Brought:
        """An upstream's token for whoever has a session."""
        try:
            session = await self._opened(sign_in, cookie, setup.provider.name)
            tokens = await self._usable(session)
        except _GoneError as gone:
            return Brought("refused", why=str(gone))
        except ProviderError as error:
            return Brought("unavailable", why=str(error))
        token = tokens.access_token or ""
        if setup.take == "session":
            return Brought("got", token, self._until(tokens.expires_ms))
        return await self.exchanged(session.provider, setup, token)

    async def exchanged(self, provider: OpenIdProvider, setup: TokenSetup, token: str) -> Brought:
        """An upstream's token in exchange for another."""
        try:
            async with self._app.turns.turn(provider.said.name):
                given = await provider.exchange(token, setup.audience, setup.resource, setup.scopes)
        except RefusedError as refused:
            log.warning("token-not-exchanged", upstream=setup.upstream, code=refused.code, cause=str(refused))
            ours = refused.code in OURS_TO_MEND
            return Brought("unavailable" if ours else "refused", why=str(refused))
        except ProviderError as error:
            log.warning("provider-failing", issuer=provider.said.name, cause=str(error))
            return Brought("unavailable", why=str(error))
        return Brought("got", given.access_token, self._until(given.expires_ms))

    def _until(self, expires_ms: int | None) -> int:
        now_ms = self._now_ms()
        if expires_ms is None:
            return now_ms + UNSAID_MS
        return min(expires_ms - SOON_MS, now_ms + LONGEST_MS)

    async def _opened(self, sign_in: str, cookie: str, issuer: str | None = None) -> _Session:
        site = self._app.sites.get(sign_in)
        opened = self._sealer.open_session(sign_in, cookie) if site is not None else None
        if site is None or opened is None or opened["until_ms"] <= self._now_ms():
            raise _GoneError("it is no session, or has had its time")
        provider = site.providers.get(opened["issuer"])
        if provider is None or not await asyncio.to_thread(self._hooks.is_open, opened):
            raise _GoneError("it was ended before its time")
        if issuer is not None and opened["issuer"] != issuer:
            raise _GoneError("the person has signed in by another issuer")
        claims = opened["claims"]
        return _Session(str(claims["jti"]), site, provider, opened["until_ms"], claims)

    async def _fresh(self, session: _Session) -> Tokens:
        """The session's tokens, after the provider was asked if that is due."""
        async with self._alone(session.id):
            tokens = await self._kept(session)
            if tokens.fresh_until_ms is not None and tokens.fresh_until_ms > self._now_ms():
                return tokens
            return await self._refreshed(session, tokens)

    async def _usable(self, session: _Session) -> Tokens:
        """The same, with an access token that does not end at once."""
        async with self._alone(session.id):
            tokens = await self._kept(session)
            ends_ms = tokens.expires_ms
            if tokens.access_token is not None and (ends_ms is None or ends_ms - SOON_MS > self._now_ms()):
                return tokens
            tokens = await self._refreshed(session, tokens)
            if tokens.access_token is None:
                raise _GoneError("its access token was not kept")
            return tokens

    async def _kept(self, session: _Session) -> Tokens:
        tokens = await asyncio.to_thread(self._hooks.tokens, session.id)
        if tokens is None:
            raise _GoneError("the provider gave nothing that could be renewed")
        return tokens

    async def _refreshed(self, session: _Session, tokens: Tokens) -> Tokens:
        if tokens.refresh_token is None:
            raise _GoneError("the provider gave no refresh token")
        provider, name = session.provider, session.site.setup.name
        try:
            async with self._app.turns.turn(provider.said.name):
                given = await provider.refresh(tokens.refresh_token)
                tokens = await asyncio.shield(self._taken(session, tokens, given))
                claims = await self._said(session, given)
        except RefusedError as refused:
            log.warning("session-not-renewed", issuer=provider.said.name, code=refused.code, cause=str(refused))
            if refused.code not in GONE:
                await asyncio.to_thread(self._hooks.failing, provider.said.name, str(refused))
                raise ProviderError(str(refused)) from refused
            self._app.counts.note(name, "renewal-refused")
            await self._hooks.gone(provider.said.name, session.id)
            raise _GoneError(f"the provider says: {refused.code}") from refused
        except ProviderError as error:
            await asyncio.to_thread(self._hooks.failing, provider.said.name, str(error))
            raise
        fresh = replace(
            tokens,
            fresh_until_ms=min(self._now_ms() + session.site.setup.refresh_ms, session.until_ms),
            claims=claims if claims is not None else tokens.claims,
        )
        await asyncio.to_thread(self._hooks.keep_tokens, session.id, fresh)
        self._app.counts.note(name, "renewed")
        return fresh

    async def _taken(self, session: _Session, tokens: Tokens, given: Given) -> Tokens:
        """Keep what was given before anything else can fail: the refresh token of before may be good no more."""
        provider = session.provider.said.name
        kept = replace(
            tokens,
            # One that is not replaced is used again (RFC 6749 section 6).
            refresh_token=given.refresh_token or tokens.refresh_token,
            access_token=given.access_token if provider in session.site.setup.passed_on else None,
            expires_ms=given.expires_ms,
        )
        await asyncio.to_thread(self._hooks.keep_tokens, session.id, kept)
        return kept

    async def _said(self, session: _Session, given: Given) -> dict[str, Any] | None:
        """What the provider says of the person now, and of nobody else; nothing where it says nothing."""
        provider, subject = session.provider, str(session.claims["sub"])
        claims = None
        if given.id_token is not None:
            claims = await provider.still(given.id_token, subject)
        wanted = set(session.site.setup.claims) - PROOFS
        if claims is None or not wanted <= claims.keys():
            more = await provider.userinfo_of(given.access_token, subject)
            claims = {**more, **(claims or {})} if more is not None else claims
        return {name: claims[name] for name in wanted & claims.keys()} if claims is not None else None

    @asynccontextmanager
    async def _alone(self, session_id: str) -> AsyncIterator[None]:
        """One at a time for each session."""
        lock, users = self._locks.get(session_id, (asyncio.Lock(), 0))
        self._locks[session_id] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[session_id]
            if users == 1:
                del self._locks[session_id]
            else:
                self._locks[session_id] = lock, users - 1

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
