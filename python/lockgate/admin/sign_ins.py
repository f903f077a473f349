"""Signing in: the identity pages served on a socket of their own, and the sessions that come of them.

The pages know nothing of the admin API. What they yield is kept here: a session's record, and its end, which every
gate hears of as a revocation.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import delete, or_, select, tuple_, update
from sqlalchemy.orm import Session

from lockgate.admin import facts
from lockgate.admin.clock import now_ms
from lockgate.admin.devices import Devices
from lockgate.admin.factors import Factors
from lockgate.admin.findings import Findings, Seen
from lockgate.admin.grants import Grants
from lockgate.admin.journal import Journal
from lockgate.admin.link import LinkServer
from lockgate.admin.people import PeopleKeeper
from lockgate.admin.secrets import read_secret
from lockgate.admin.store import Store
from lockgate.admin.store.models import SignInSession, TokenRevocation
from lockgate.admin.tokens import TokenRevocations
from lockgate.config import Duties
from lockgate.config.grants import GrantSetup
from lockgate.config.sign_in import Provider, SignInSetup
from lockgate.gate.sockets import socket_name
from lockgate.outgoing import Outgoing
from lockgate.state import StateFolder

if TYPE_CHECKING:
    from lockgate.identity.app import IdentityApp, SignedIn
    from lockgate.identity.broker import Broker
    from lockgate.identity.provider import LoggedOut, OpenIdProvider
    from lockgate.identity.sealed import Sealer
    from lockgate.identity.tokens import Tokens
    from lockgate.identity.web import Site

YEAR_MS: Final = 366 * 86_400_000
OUT: Final = "back-channel logout"
GONE: Final = "not renewed by the provider"
KEEP_ALIVE_SECONDS: Final = 300
"""Longer than the gate keeps a connection that nobody uses, so that the gate never writes to one that just ended."""
TOLD_SECONDS: Final = 3.0
"""How long a gate may take over a session's end before the page says that it has ended."""
HEAD_BYTES: Final = 64 * 2**10
"""The gate has bounded the head already; it adds lines of its own."""

log = structlog.get_logger("lockgate.control")


class SessionNotFoundError(LookupError):
    """No session has that id."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A session, as an operator may know it."""

    id: str
    sign_in: str
    issuer: str
    subject: str
    provider_session: str | None
    created_ms: int
    until_ms: int
    ended_ms: int | None


class Sessions:
    """The sessions of one installation."""

    def __init__(self, store: Store, journal: Journal, tokens: TokenRevocations) -> None:
        """Keeps them in `store`; what ends them is a revocation of tokens."""
        self._store = store
        self._journal = journal
        self._tokens = tokens

    def begin(self, session: SignedIn, id_token: bytes, tokens: bytes | None = None) -> None:
        """Keep a session; those that have had their time go."""
        said = {key: value for key, value in asdict(session).items() if key not in {"id_token", "tokens"}}
        with self._store.write() as database:
            database.execute(delete(SignInSession).where(SignInSession.until_ms <= now_ms()))
            database.add(SignInSession(**said, id_token=id_token, tokens=tokens))
            self._journal.audit(
                f"{session.issuer}/{session.subject}", "session.begin", session.id, {"sign_in": session.sign_in}
            )

    def end(self, actor: str, session_id: str, reason: str | None = None) -> Kept:
        """End a session on every gate. Raises `SessionNotFoundError`."""
        with self._store.read() as database:
            row = _find(database, session_id)
            kept, iss = _kept(row), row.iss
        if kept.ended_ms is not None:
            return kept
        # Its issuer may have another name since, but its token says what it said.
        said = any(rules.issuer == iss for rules in self._tokens.issuers().values())
        issuer = iss if said else kept.issuer
        self._tokens.revoke(actor, issuer=issuer, by="token", value=kept.id, until_ms=kept.until_ms, reason=reason)
        with self._store.write() as database:
            database.execute(
                update(SignInSession)
                .where(SignInSession.id == session_id, SignInSession.ended_ms.is_(None))
                .values(ended_ms=now_ms())
            )
        return self.one(session_id)

    def ended_by_provider(self, issuer: str, told: LoggedOut) -> None:
        """End what the provider says has ended: a session of its own, or all of a person's."""
        actor = f"provider:{issuer}"
        rules = self._tokens.issuers().get(issuer)
        # Where nobody says how long its tokens may live, a year is longer than any session or sane token.
        until_ms = None if rules is not None and rules.longest_ms is not None else now_ms() + YEAR_MS
        if told.session is not None:
            self._tokens.revoke(actor, issuer=issuer, by="session", value=told.session, until_ms=until_ms, reason=OUT)
            meant = SignInSession.provider_session == told.session
        else:
            subject = told.subject or ""
            self._tokens.revoke(actor, issuer=issuer, by="subject", value=subject, until_ms=until_ms, reason=OUT)
            meant = SignInSession.subject == subject
        with self._store.write() as database:
            database.execute(
                update(SignInSession)
                .where(SignInSession.issuer == issuer, meant, SignInSession.ended_ms.is_(None))
                .values(ended_ms=now_ms())
            )

    def end_all(self, actor: str, issuer: str, subject: str, reason: str) -> None:
        """End all sessions that a person has, and what gates know of their passwords."""
        self._tokens.revoke(
            actor, issuer=issuer, by="subject", value=subject, until_ms=now_ms() + YEAR_MS, reason=reason
        )
        meant = (SignInSession.issuer == issuer, SignInSession.subject == subject, SignInSession.ended_ms.is_(None))
        with self._store.write() as database:
            database.execute(update(SignInSession).where(*meant).values(ended_ms=now_ms()))

    def was_revoked(self, told: Sequence[Mapping[str, str]], issued_ms: int) -> bool:
        """Whether one of the ways in which something is told was revoked, of what was issued then."""
        with self._store.read() as database:
            rows = [facts.found(database, meant) for meant in told]
            at_ms = now_ms()
            return any(
                row is not None
                and (row.before_ms is None or issued_ms <= row.before_ms)
                and (row.until_ms is None or at_ms < row.until_ms)
                for row in rows
            )

    def one(self, session_id: str) -> Kept:
        """The session with that id."""
        with self._store.read() as database:
            return _kept(_find(database, session_id))

    def id_token(self, session_id: str) -> bytes | None:
        """What was kept for the provider to see."""
        with self._store.read() as database:
            return database.scalar(select(SignInSession.id_token).where(SignInSession.id == session_id))

    def tokens(self, session_id: str) -> bytes | None:
        """What it is renewed with."""
        with self._store.read() as database:
            return database.scalar(select(SignInSession.tokens).where(SignInSession.id == session_id))

    def keep_tokens(self, session_id: str, tokens: bytes) -> None:
        """Keep others in their place."""
        with self._store.write() as database:
            database.execute(update(SignInSession).where(SignInSession.id == session_id).values(tokens=tokens))

    def page(
        self,
        *,
        subject: str | None = None,
        issuer: str | None = None,
        iss: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[Kept]:
        """Up to `limit` sessions that have not had their time, oldest first, after the one with the id `after`.

        `issuer` is the configuration's name of who signed the person in, `iss` what tokens say. One that fits is
        enough: issuers are renamed, and several may have one `iss`.
        """
        order = (SignInSession.created_ms, SignInSession.id)
        query = select(SignInSession).where(SignInSession.until_ms > now_ms()).order_by(*order).limit(limit)
        if subject is not None:
            query = query.where(SignInSession.subject == subject)
        if issuer is not None or iss is not None:
            query = query.where(or_(SignInSession.issuer == issuer, SignInSession.iss == iss))
        with self._store.read() as database:
            if after is not None:
                last = _find(database, after)
                query = query.where(tuple_(*order) > (last.created_ms, last.id))
            rows = list(database.scalars(query))
            ended = _ended(database, [row for row in rows if row.ended_ms is None])
            return [_kept(row, ended.get(row.id)) for row in rows]


class SignIns:
    """The pages. Everything in it but the hooks runs in the control process's event loop."""

    def __init__(
        self,
        state: StateFolder,
        sessions: Sessions,
        factors: Factors,
        devices: Devices,
        findings: Findings,
        link: LinkServer,
    ) -> None:
        """Call `follow` with what the configuration says, as often as it changes."""
        self.sessions = sessions
        self.factors = factors
        self.devices = devices
        self._state = state
        self._findings = findings
        self._link = link
        self._passwords: PeopleKeeper | None = None
        self._grants: Grants | None = None
        self._granting: dict[str, GrantSetup] = {}
        self._app: IdentityApp | None = None
        self._broker: Broker | None = None
        self._serving: asyncio.Task[None] | None = None
        self._failing: dict[str, str] = {}

    @property
    def passwords(self) -> PeopleKeeper:
        """Who knows people by passwords."""
        if self._passwords is None:
            raise RuntimeError("nobody knows people by passwords")
        return self._passwords

    @passwords.setter
    def passwords(self, passwords: PeopleKeeper) -> None:
        self._passwords = passwords

    @property
    def grants(self) -> Grants:
        """What people allow programs."""
        if self._grants is None:
            raise RuntimeError("nobody keeps what people allow programs")
        return self._grants

    @grants.setter
    def grants(self, grants: Grants) -> None:
        self._grants = grants

    async def end_all(self, actor: str, issuer: str, subject: str, reason: str) -> None:
        """End all that a person has open; every gate that is connected knows when this returns."""
        await asyncio.to_thread(self.sessions.end_all, actor, issuer, subject, reason)
        await asyncio.to_thread(self.grants.end_of_person, actor, issuer, subject, reason)
        await self._tell()

    @property
    def outcomes(self) -> Mapping[tuple[str, str], int]:
        """What the pages have counted, by sign-in and outcome."""
        return self._app.counts.outcomes if self._app is not None else {}

    async def follow(self, duties: Duties) -> None:
        """Serve a configuration's ways to sign in, and no others."""
        self._granting = {one.sign_in: one for one in duties.grants}
        await asyncio.to_thread(self.grants.follow, {one.name: one for one in duties.grants})
        if not duties.sign_ins:
            await self.close()
            return
        app = self._started()
        outgoing = Outgoing(duties.outgoing)
        app.sites = {setup.name: self._site(app, setup, outgoing) for setup in duties.sign_ins}
        if self._serving is None:
            self._serving = asyncio.ensure_future(self._serve(app))

    async def close(self) -> None:
        """Stop."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        self._serving = None
        if self._app is not None:
            self._app.sites = {}

    def _started(self) -> IdentityApp:
        # Imported with the first configuration that wants it: most of it is cryptography.
        from lockgate.identity.app import IdentityApp

        if self._app is None:
            self._app = IdentityApp(self._sealer(), self)
        return self._app

    @property
    def broker(self) -> Broker:
        """Who renews sessions."""
        from lockgate.identity.broker import Broker

        if self._broker is None:
            self._broker = Broker(self._started(), self._sealer(), self, time.time)
        return self._broker

    def _sealer(self) -> Sealer:
        from lockgate.identity.sealed import Sealer

        return Sealer(self._state.pepper())

    def _site(self, app: IdentityApp, setup: SignInSetup, outgoing: Outgoing) -> Site:
        from lockgate.identity.web import Site

        before = app.sites.get(setup.name)
        providers = {}
        for said in setup.providers:
            known = before.providers.get(said.name) if before is not None else None
            providers[said.name] = provider_for(said, outgoing, known)
        return Site(setup, providers, self._granting.get(setup.name))

    async def _serve(self, app: IdentityApp) -> None:
        import uvicorn

        from lockgate.admin.connections import Server

        path = self._state.identity_socket
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            with socket_name(path) as name:
                listener.bind(name)
            path.chmod(0o600)
            listener.listen(128)
            settings = uvicorn.Config(
                app.asgi,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                timeout_graceful_shutdown=3,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                h11_max_incomplete_event_size=HEAD_BYTES,
                http="h11",
                ws="none",
            )
            server = Server(settings)
            try:
                await server.serve(sockets=[listener])
            finally:
                server.should_exit = True
                path.unlink(missing_ok=True)

    # What the pages yield; what is not asynchronous is called in threads.

    def is_open(self, session: Mapping[str, Any]) -> bool:
        """Whether an opened session was not ended before its time, by whatever it was told."""
        claims = session["claims"]
        try:
            if self.sessions.one(str(claims.get("jti", ""))).ended_ms is not None:
                return False
        except SessionNotFoundError:
            return False
        return not self.sessions.was_revoked(session["meant"], int(claims.get("iat", 0)) * 1000)

    def signed_in(self, session: SignedIn) -> None:
        """Keep a session."""
        tokens = session.tokens.to_json() if session.tokens is not None else None
        sealer = self._sealer()
        self.sessions.begin(
            session, sealer.seal_kept(session.id_token), sealer.seal_kept(tokens) if tokens is not None else None
        )
        self._mended(session.issuer)

    def id_token(self, session_id: str) -> str | None:
        """What the provider wants to see when this session ends."""
        kept = self.sessions.id_token(session_id)
        return self._sealer().open_kept(kept) if kept is not None else None

    def tokens(self, session_id: str) -> Tokens | None:
        """What a session was kept with."""
        from lockgate.identity.tokens import Tokens

        kept = self.sessions.tokens(session_id)
        opened = self._sealer().open_kept(kept) if kept is not None else None
        try:
            return Tokens.from_json(opened) if opened is not None else None
        except (TypeError, ValueError):
            return None  # Of another version: the person signs in again.

    def keep_tokens(self, session_id: str, tokens: Tokens) -> None:
        """Keep others in their place."""
        sealed = self._sealer().seal_kept(tokens.to_json())
        self.sessions.keep_tokens(session_id, sealed)
        self._mended(self.sessions.one(session_id).issuer)

    async def gone(self, issuer: str, session_id: str) -> None:
        """End a session of whom the provider does not know any more."""
        if await asyncio.to_thread(self._end, issuer, session_id, f"provider:{issuer}", GONE):
            await self._tell()

    async def signed_out(self, issuer: str, session_id: str) -> None:
        """End a session; every gate that is connected knows when this returns."""
        if await asyncio.to_thread(self._end, issuer, session_id):
            await self._tell()

    async def revoked(self) -> None:
        """Tell every gate that is connected of a device that was revoked; they know when this returns."""
        await self._tell()

    async def ended(self, issuer: str, told: LoggedOut) -> None:
        """End what the provider says has ended, in the same way."""
        await asyncio.to_thread(self.sessions.ended_by_provider, issuer, told)
        await self._tell()

    def _end(self, issuer: str, session_id: str, actor: str | None = None, reason: str = "signed out") -> bool:
        try:
            kept = self.sessions.one(session_id)
        except SessionNotFoundError:
            return False  # It has had its time.
        if kept.issuer != issuer or kept.ended_ms is not None:
            return False
        self.sessions.end(actor or f"{kept.issuer}/{kept.subject}", session_id, reason)
        return True

    async def _tell(self) -> None:
        self._link.facts_changed()
        await self._link.settled(TOLD_SECONDS)

    def failing(self, issuer: str, why: str) -> None:
        """Note that a provider does not answer as one."""
        if self._failing.get(issuer) != why:
            self._failing[issuer] = why
            self._note()

    def _mended(self, issuer: str) -> None:
        if self._failing.pop(issuer, None) is not None:
            self._note()

    def _note(self) -> None:
        self._findings.sync(
            "sign-in",
            [
                Seen(
                    kind="finding",
                    code="sign-in-provider-failing",
                    severity="warning",
                    object=f"issuers.{issuer}",
                    message=f"Nobody can sign in by the issuer {issuer}: {why}",
                )
                for issuer, why in dict(self._failing).items()
            ],
        )


def provider_for(said: Provider, outgoing: Outgoing, known: OpenIdProvider | None) -> OpenIdProvider:
    """A provider to ask. One that is as it was keeps its keys and its document, for when it is down."""
    from lockgate.identity.provider import OpenIdProvider

    if known is not None and known.said == said and known.outgoing.rules == outgoing.rules:
        return known
    return OpenIdProvider(said, outgoing, secret=read_secret)


def _find(database: Session, session_id: str) -> SignInSession:
    row = database.get(SignInSession, session_id)
    if row is None:
        raise SessionNotFoundError(session_id)
    return row


def _ended(database: Session, rows: Sequence[SignInSession]) -> dict[str, int]:
    """When those of the sessions ended that a revocation of tokens ends, which nobody told them of, by their ids."""
    told = {row.id: [(row.iss, by, value) for by, value in _told(row)] for row in rows}
    columns = (TokenRevocation.issuer, TokenRevocation.by, TokenRevocation.value)
    wanted = tuple_(*columns).in_({each for ways in told.values() for each in ways})
    found = {(one.issuer, one.by, one.value): one for one in database.scalars(select(TokenRevocation).where(wanted))}
    ended = {}
    for row in rows:
        issued_ms = row.created_ms // 1000 * 1000  # As `iat` says it.
        by = [found[way] for way in told[row.id] if way in found]
        meant = [one.created_ms for one in by if one.before_ms is None or issued_ms <= one.before_ms]
        if meant:
            ended[row.id] = min(meant)
    return ended


def _told(row: SignInSession) -> Iterator[tuple[str, str]]:
    """The ways in which it can be told to be revoked."""
    yield from (("token", row.id), ("subject", row.subject), ("issuer", ""))
    if row.provider_session is not None:
        yield "session", row.provider_session
    if row.device is not None:
        yield "device", row.device


def _kept(row: SignInSession, ended_ms: int | None = None) -> Kept:
    return Kept(
        id=row.id,
        sign_in=row.sign_in,
        issuer=row.issuer,
        subject=row.subject,
        provider_session=row.provider_session,
        created_ms=row.created_ms,
        until_ms=row.until_ms,
        ended_ms=row.ended_ms if row.ended_ms is not None else ended_ms,
    )
