"""What people allow programs, and what programs prove themselves by: codes, refresh tokens, secrets, registrations.

Every secret is kept as a digest under the installation's own secret. What ends a grant is a revocation of tokens by
their `sid`, which every gate hears of as a fact.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, func, or_, select, update

from lockgate.admin.apps import AppRecord, AppRuleError, Apps
from lockgate.admin.clock import now_ms
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.admin.store.models import App, AppGrant, AppToken
from lockgate.admin.tokens import By, IssuerRules, TokenRevocations
from lockgate.config.grants import GrantSetup
from lockgate.identity.grant_store import Grant, Person, Program, Redeemed, Registered, RegistrationError, Wish
from lockgate.identity.metadata import taken

CODE_MS: Final = 60_000
AGAIN_MS: Final = 10_000
"""A refresh token that is sent again so soon was sent by a program whose answer got lost: it gets nothing, and loses
nothing."""
GRACE_MAX_MS: Final = 90 * 86_400_000
INVITATION_MS: Final = 7 * 86_400_000
DAY_MS: Final = 86_400_000
SECRETS_MOST: Final = 2
HOUR_MS: Final = 3_600_000
REMEMBERED_MS: Final = 600_000
"""How much longer a code is known than it is good: who sends it a second time then is noticed."""
ALLOWED_MOST: Final = 60
"""How often one person allows one program something within an hour."""
GRANTS_MOST: Final = 20
"""Of one person to one program: each of its installations has one."""
ACTOR: Final = "lockgate"
OURS: Final = frozenset(
    {
        "client_id",
        "client_secret",
        "client_id_issued_at",
        "client_secret_expires_at",
        "registration_access_token",
        "registration_client_uri",
    }
)
"""What a program was told of itself, and sends back where it changes something (RFC 7592 section 2.2)."""
ELSEWHERE: Final = "another one knows people here now"
INVITATION: Final = "invitation"
PUBLIC: Final = "none"
"""How a program proves itself that has no secret (RFC 7591 section 2)."""


class GrantNotFoundError(LookupError):
    """There is no such grant."""


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """What somebody has allowed a program, as an operator may know it."""

    id: str
    issuer: str
    app: str
    iss: str
    subject: str
    scopes: list[str]
    created_ms: int
    used_ms: int | None
    until_ms: int
    ended_ms: int | None
    ended_reason: str | None


class Grants:
    """Those of one installation. Called in threads."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        apps: Apps,
        tokens: TokenRevocations,
        pepper: bytes,
    ) -> None:
        """`pepper` is the installation's secret."""
        self._store = store
        self._journal = journal
        self._apps = apps
        self._tokens = tokens
        self._key = hmac.new(pepper, b"lockgate programs", hashlib.sha256).digest()
        self.changed: Callable[[], None] = lambda: None
        """Called, in whatever thread, when there are facts that gates have to be told."""
        self._setups: Mapping[str, GrantSetup] = {}
        self._past: dict[str, GrantSetup] = {}
        """Issuers that there are, or were."""
        self._registering = threading.Lock()
        apps.on_gone = self._without
        tokens.on_subject = self._ended_elsewhere

    def follow(self, setups: Mapping[str, GrantSetup]) -> None:
        """Go by a configuration from now on. What was allowed by people, or to programs, that it has no more ends."""
        self._past |= self._setups
        self._setups = setups
        programs = {app.id for app in self._apps.every()}
        query = select(AppGrant.issuer, AppGrant.id, AppGrant.app, AppGrant.iss).where(AppGrant.ended_ms.is_(None))
        with self._store.read() as session:
            found = session.execute(query).all()
        for issuer, grant, app, iss in found:
            setup = setups.get(issuer)
            if setup is not None and iss != setup.people:
                self.end(ACTOR, issuer, grant, ELSEWHERE)
            elif app not in programs:
                self.end(ACTOR, issuer, grant, "there is no such program any more")

    def _without(self, program: str, own: bool) -> None:
        """A program is gone, or is another one from now on: nothing that it was given holds."""
        self.end_of(ACTOR, "there is no such program any more", app=program)
        if not own:
            return
        for issuer in (*self._setups,):
            # What it was given for itself.
            self._tell(ACTOR, issuer, "client", program)
        with self._store.write() as session:
            row = session.get(App, program)
            if row is not None and row.source == "configuration":
                row.secrets = []

    def _ended_elsewhere(self, iss: str, subject: str, before_ms: int | None) -> None:
        """All that a person has was ended by who knows them, or by an operator."""
        own = [name for name, setup in self._setups.items() if setup.issuer == iss]
        query = select(AppGrant.issuer, AppGrant.id).where(
            AppGrant.ended_ms.is_(None),
            AppGrant.subject == subject,
            or_(AppGrant.iss == iss, AppGrant.issuer.in_(own)),
            AppGrant.created_ms <= (before_ms if before_ms is not None else now_ms()),
        )
        with self._store.read() as session:
            found = [(issuer, grant) for issuer, grant in session.execute(query)]
        for issuer, grant in found:
            self.end(ACTOR, issuer, grant, "all that the person has was ended")

    # What the pages ask for.

    def program(self, program: str) -> Program | None:
        """One that may do something now: none that was stopped, or whose time is over."""
        try:
            app = self._apps.one(program)
        except LookupError:
            return None
        if app.stopped_ms is not None or (app.until_ms is not None and app.until_ms <= now_ms()):
            return None
        with self._store.read() as session:
            return _program(app, bool(_good(session.get(App, program))))

    def is_secret(self, program: str, secret: str) -> bool:
        """Whether it is one of the program's."""
        digest = self._digest(secret)
        with self._store.read() as session:
            kept = _good(session.get(App, program))
        return any(hmac.compare_digest(one["digest"], digest) for one in kept)

    def allow(self, issuer: str, person: Person, wish: Wish) -> str | None:
        """Keep what somebody allows; the code that the program gets for it. None where they did so too often."""
        setup, at_ms, code = self._setups[issuer], now_ms(), secrets.token_urlsafe(32)
        row = AppGrant(
            id=secrets.token_hex(16),
            issuer=issuer,
            app=wish.program,
            iss=person.iss,
            subject=person.subject,
            auth_time=person.auth_time,
            scopes=list(wish.scopes),
            created_ms=at_ms,
            until_ms=at_ms + setup.refresh_ms,
        )
        theirs = [AppGrant.iss == person.iss, AppGrant.subject == person.subject]
        theirs += [AppGrant.app == wish.program, AppGrant.issuer == issuer]
        with self._store.write() as session:
            lately = select(func.count()).select_from(AppGrant).where(*theirs, AppGrant.created_ms > at_ms - HOUR_MS)
            if (session.scalar(lately) or 0) >= ALLOWED_MOST:
                return None
            session.execute(delete(AppToken).where(AppToken.until_ms <= at_ms - REMEMBERED_MS))
            session.add(row)
            session.add(
                AppToken(
                    digest=self._digest(code),
                    kind="code",
                    grant=row.id,
                    redirect_uri=wish.redirect_uri,
                    challenge=wish.challenge,
                    until_ms=at_ms + CODE_MS,
                )
            )
            detail = {"app": wish.program, "scopes": list(wish.scopes), "issuer": issuer}
            self._journal.audit(f"{person.iss} {person.subject}", "grant.allow", row.id, detail)
            before = select(AppGrant.id).where(*theirs, AppGrant.ended_ms.is_(None), AppGrant.until_ms > at_ms)
            old = list(session.scalars(before.order_by(AppGrant.created_ms.desc()).offset(GRANTS_MOST)))
        for grant in old:
            self.end(ACTOR, issuer, grant, f"there were more than {GRANTS_MOST}")
        return code

    def redeem(self, issuer: str, program: str, code: str) -> Redeemed | None:
        """What a code stands for. A second time it ends what came of the first (RFC 6749 section 4.1.2)."""
        digest = self._digest(code)
        # Whoever makes codes up does not keep others from writing.
        with self._store.read() as session:
            known = session.get(AppToken, digest)
            if known is None or known.kind != "code":
                return None
        with self._store.write() as session:
            token = session.get(AppToken, digest)
            row = session.get(AppGrant, token.grant) if token is not None else None
            if token is None or row is None or (row.issuer, row.app) != (issuer, program):
                return None
            grant, at_ms = row.id, now_ms()
            if token.used_ms is not None:
                why = "its code was used twice"
            elif not _holds(row) or token.until_ms <= at_ms:
                return None
            elif (gone := self._gone(row)) is not None:
                why = gone
            else:
                token.used_ms = row.used_ms = at_ms
                return Redeemed(_grant(row), token.redirect_uri or "", token.challenge or "")
        self.end(ACTOR, issuer, grant, why)
        return None

    def renewable(self, issuer: str, program: str, refresh: str) -> frozenset[str] | None:
        """The scopes that a refresh token of its own is good for, which goes on to be; none where it is not."""
        name, generation = self._read(refresh) or ("", 0)
        with self._store.read() as session:
            row = session.get(AppGrant, name)
            if row is None or (row.issuer, row.app, row.generation) != (issuer, program, generation):
                return None
            return frozenset(row.scopes) if _holds(row) else None

    def renew(self, issuer: str, program: str, refresh: str) -> Grant | None:
        """What a refresh token stands for. A second time it ends that (RFC 9700 section 4.14.2)."""
        said = self._read(refresh)
        if said is None:
            return None
        name, generation = said
        with self._store.write() as session:
            row = session.get(AppGrant, name)
            if row is None or (row.issuer, row.app) != (issuer, program) or not _holds(row):
                return None
            at_ms = now_ms()
            if generation == row.generation:
                row.generation += 1
                row.renewed_ms = row.used_ms = at_ms
                gone = self._gone(row)
                if gone is None:
                    return _grant(row)
                why = gone
            elif generation == row.generation - 1 and at_ms - (row.renewed_ms or 0) <= AGAIN_MS:
                return None
            else:
                why = "its refresh token was used twice"
        self.end(ACTOR, issuer, name, why)
        return None

    def refresh(self, grant: str) -> str:
        """The refresh token that is good now.

        It says which grant it is of and how many there were before it, under the installation's secret: all that came
        before are known again, though none is kept.
        """
        with self._store.read() as session:
            row = session.get(AppGrant, grant)
            if row is None:
                raise GrantNotFoundError(grant)
            said = bytes.fromhex(grant) + row.generation.to_bytes(4, "big")
        return base64.urlsafe_b64encode(said + self._mac(said)).rstrip(b"=").decode()

    def _read(self, refresh: str) -> tuple[str, int] | None:
        """The grant that a refresh token is of, and how many there were before it."""
        try:
            raw = base64.b64decode(refresh + "=" * (-len(refresh) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        said, mac = raw[:-32], raw[-32:]
        if len(said) != 20 or not hmac.compare_digest(mac, self._mac(said)):
            return None
        return said[:16].hex(), int.from_bytes(said[16:], "big")

    def _mac(self, said: bytes) -> bytes:
        return hmac.new(self._key, b"refresh " + said, hashlib.sha256).digest()

    def of(self, issuer: str, person: Person) -> list[Grant]:
        """What somebody has allowed, and is good now."""
        theirs = (AppGrant.issuer == issuer, AppGrant.iss == person.iss, AppGrant.subject == person.subject)
        query = select(AppGrant).where(*theirs, AppGrant.ended_ms.is_(None), AppGrant.until_ms > now_ms())
        with self._store.read() as session:
            return [_grant(row) for row in session.scalars(query.order_by(AppGrant.created_ms))]

    def end(self, actor: str, issuer: str, grant: str, reason: str) -> bool:
        """End one everywhere; whether it was there."""
        with self._store.write() as session:
            row = session.get(AppGrant, grant)
            if row is None or row.issuer != issuer:
                return False
            if row.ended_ms is not None:
                return True
            app = row.app
            has_tokens = row.used_ms is not None
            row.ended_ms, row.ended_reason = now_ms(), reason
            self._journal.audit(actor, "grant.end", grant, {"app": app, "reason": reason})
        try:
            if has_tokens:
                self._tell(actor, issuer, "session", grant, reason)
        except BaseException:
            # So that it can be done again.
            with self._store.write() as session:
                session.execute(update(AppGrant).where(AppGrant.id == grant).values(ended_ms=None, ended_reason=None))
            raise
        self.changed()
        return True

    def _tell(self, actor: str, issuer: str, by: By, value: str, reason: str | None = None) -> None:
        """Have gates refuse tokens of an issuer, also of one that the configuration has no more."""
        setup = self._setups.get(issuer) or self._past.get(issuer)
        if setup is None:
            return  # There was none since this process began, and no token is good for longer than an hour.
        known = IssuerRules(setup.name, setup.issuer, None)
        # No token of it is good for longer.
        until_ms = now_ms() + setup.access_ms + DAY_MS
        self._tokens.revoke(actor, issuer=issuer, by=by, value=value, until_ms=until_ms, reason=reason, known=known)

    def end_by_token(self, issuer: str, program: str, refresh: str | None, grant: str | None) -> None:
        """End what a program gives back (RFC 7009), if it is its own."""
        with self._store.read() as session:
            if refresh is not None:
                grant, _ = self._read(refresh) or (None, 0)
            row = session.get(AppGrant, grant) if grant is not None else None
            own = row is not None and row.app == program
        if own and grant is not None:
            self.end(program, issuer, grant, "given back by the program")

    def end_token(self, issuer: str, program: str, token: str) -> None:
        """End one access token that a program was given for itself, by its `jti`."""
        self._tell(program, issuer, "token", token)

    def end_of(self, actor: str, reason: str, *, app: str | None = None, person: tuple[str, str] | None = None) -> int:
        """End all that a program, or a person, has; how many that were."""
        query = select(AppGrant.issuer, AppGrant.id).where(AppGrant.ended_ms.is_(None))
        if app is not None:
            query = query.where(AppGrant.app == app)
        if person is not None:
            query = query.where(AppGrant.iss == person[0], AppGrant.subject == person[1])
        with self._store.read() as session:
            found = [(issuer, grant) for issuer, grant in session.execute(query)]
        return sum(self.end(actor, issuer, grant, reason) for issuer, grant in found)

    def end_of_person(self, actor: str, issuer: str, subject: str, reason: str) -> int:
        """End all that somebody has allowed; `issuer` is the configuration's name of who knows them."""
        rules = self._tokens.issuers().get(issuer)
        return self.end_of(actor, reason, person=(rules.issuer, subject)) if rules is not None else 0

    def expire(self, unused_ms: int) -> None:
        """Take back what programs have not used for so long, and forget what has had its time."""
        before = now_ms() - unused_ms
        idle = select(AppGrant.issuer, AppGrant.id).where(
            AppGrant.ended_ms.is_(None), func.coalesce(AppGrant.used_ms, AppGrant.created_ms) < before
        )
        with self._store.read() as session:
            found = [(issuer, grant) for issuer, grant in session.execute(idle)]
        for issuer, grant in found:
            self.end(ACTOR, issuer, grant, "it was not used")
        with self._store.write() as session:
            session.execute(delete(AppToken).where(AppToken.until_ms <= now_ms() - REMEMBERED_MS))
            old = now_ms() - 90 * DAY_MS
            session.execute(delete(AppGrant).where(func.coalesce(AppGrant.ended_ms, AppGrant.until_ms) < old))
        for name, setup in self._setups.items():
            if setup.registration is not None:
                self._forget_unused(name, setup.registration.unused_ms)

    # Programs that register themselves.

    def may_register(self, issuer: str, token: str | None) -> bool:
        """Whether somebody who shows this may register a program."""
        setup = self._setups[issuer].registration
        if setup is None:
            return False
        if setup.open:
            return True
        if token is None:
            return False
        with self._store.read() as session:
            row = session.get(AppToken, self._digest(token))
            return row is not None and row.kind == INVITATION and row.used_ms is None and row.until_ms > now_ms()

    def register(self, issuer: str, metadata: dict[str, Any], token: str | None) -> Registered:
        """Register one. Raises `RegistrationError`."""
        setup = self._setups[issuer].registration
        if setup is None:
            raise RegistrationError("access_denied", "No program registers itself here.")
        said, given = taken(metadata, setup.scopes)
        with self._registering:
            self._make_room(issuer, setup.most)
            if not setup.open and not self._uses(token):
                raise RegistrationError("access_denied", "This invitation was used, or is over.")
            name, access = f"app-{secrets.token_hex(8)}", secrets.token_urlsafe(32)
            secret = secrets.token_urlsafe(32) if said["token_endpoint_auth_method"] != PUBLIC else None
            kept = {"digest": self._digest(secret), "created_ms": now_ms(), "until_ms": None} if secret else None
            contacts = said.get("contacts") or []
            try:
                self._apps.register(
                    f"{issuer} (registration)",
                    name,
                    "registration",
                    name=said.get("client_name", name)[:80],
                    owner=(contacts[0] if contacts else "unknown")[:200],
                    contact=contacts[0][:200] if contacts else None,
                    apis=list(setup.apis),
                    scopes=given,
                    redirect_uris=said["redirect_uris"],
                    secrets=[kept] if kept else [],
                    issuer=issuer,
                    access=self._digest(access),
                    registered=said,
                )
            except AppRuleError as error:
                if not setup.open:
                    self._gives_back(token)
                raise RegistrationError("invalid_client_metadata", str(error)) from error
        self.changed()
        return self._registered(name, secret, access)

    def _uses(self, token: str | None) -> bool:
        """Use up an invitation; whether it was good till now."""
        at_ms = now_ms()
        with self._store.write() as session:
            row = session.get(AppToken, self._digest(token or ""))
            if row is None or row.kind != INVITATION or row.used_ms is not None or row.until_ms <= at_ms:
                return False
            row.used_ms = at_ms
            return True

    def _gives_back(self, token: str | None) -> None:
        """Take back that an invitation was used: nothing came of it. Only by who used it, who waits for nobody."""
        with self._store.write() as session:
            row = session.get(AppToken, self._digest(token or ""))
            if row is not None and row.kind == INVITATION:
                row.used_ms = None

    def _make_room(self, issuer: str, most: int) -> None:
        """Where there are as many as there may be, the oldest goes that nobody has let in for an hour."""
        own = (App.source == "registration", App.issuer == issuer)
        unused = (App.tier == "unreviewed", ~select(AppGrant.id).where(AppGrant.app == App.id).exists())
        old = select(App.id).where(*own, *unused, App.created_ms < now_ms() - HOUR_MS).order_by(App.created_ms)
        with self._store.read() as session:
            if (session.scalar(select(func.count()).select_from(App).where(*own)) or 0) < most:
                return
            oldest = session.scalar(old.limit(1))
        if oldest is None:
            raise RegistrationError("access_denied", "There are as many programs as there may be.")
        self._apps.remove(ACTOR, oldest)

    def registered(self, issuer: str, program: str, access: str) -> Registered | None:
        """One that has registered itself, for who shows what it is changed with."""
        digest = self._digest(access)
        with self._store.read() as session:
            row = session.get(App, program)
            kept = row.access if row is not None and row.issuer == issuer else None
        # Compared also where there is none.
        good = hmac.compare_digest(kept or "0" * 64, digest)
        return self._registered(program) if good and kept is not None else None

    def reregister(self, issuer: str, program: str, metadata: dict[str, Any]) -> Registered:
        """Change one. Raises `RegistrationError`."""
        setup = self._setups[issuer].registration
        if setup is None:
            raise RegistrationError("access_denied", "No program registers itself here.")
        if metadata.get("client_id", program) != program:
            raise RegistrationError("invalid_client_metadata", "client_id is another's.")
        said, given = taken({name: metadata[name] for name in metadata.keys() - OURS}, setup.scopes)
        with self._store.read() as session:
            row = session.get(App, program)
            before = dict(row.registered or {}) if row is not None else {}
        if said["token_endpoint_auth_method"] != before.get("token_endpoint_auth_method"):
            raise RegistrationError("invalid_client_metadata", "How it proves itself cannot be changed: register anew.")
        app = self._apps.one(program)
        # What an operator has taken from it, it does not get back in this way.
        kept = [scope for scope in given if scope in (app.scopes or ())]
        named = said.get("client_name", program)[:80]
        changes: dict[str, Any] = {"name": named, "redirect_uris": said["redirect_uris"], "scopes": kept}
        if (named, set(said["redirect_uris"])) != (app.name, set(app.redirect_uris)):
            changes["tier"] = "unreviewed"  # Whoever looked at it has looked at another.
        try:
            self._apps.change(f"{issuer} (registration)", program, changes)
        except AppRuleError as error:
            raise RegistrationError("invalid_client_metadata", str(error)) from error
        with self._store.write() as session:
            session.execute(update(App).where(App.id == program).values(registered=said))
        self.changed()
        return self._registered(program)

    def unregister(self, program: str) -> None:
        """Remove one."""
        self._apps.remove(f"{program} (registration)", program)
        self.changed()

    # What operators do.

    def make_secret(self, actor: str, app_id: str, grace_ms: int) -> str:
        """A new secret of a program; the one before is good for so long."""
        self._apps.one(app_id)
        secret, at_ms = secrets.token_urlsafe(32), now_ms()
        with self._store.write() as session:
            row = self._apps.row(session, app_id)
            kept = [
                {**one, "until_ms": min(one["until_ms"] or at_ms + grace_ms, at_ms + grace_ms)} for one in _good(row)
            ]
            left = [one for one in kept if one["until_ms"] > at_ms][-(SECRETS_MOST - 1) :]
            row.secrets = [*left, {"digest": self._digest(secret), "created_ms": at_ms, "until_ms": None}]
            self._journal.audit(actor, "app.secret", app_id, {"grace_ms": grace_ms})
        return secret

    def invite(self, actor: str, until_ms: int | None = None) -> tuple[str, int]:
        """A token that one program registers itself with; and until when."""
        token, until = secrets.token_urlsafe(32), until_ms or now_ms() + INVITATION_MS
        with self._store.write() as session:
            session.add(AppToken(digest=self._digest(token), kind=INVITATION, until_ms=until))
            self._journal.audit(actor, "app.invite", "apps", {"until_ms": until})
        return token, until

    def page(
        self, *, app: str | None = None, subject: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[GrantRecord]:
        """Up to `limit` grants, by their ids, after the one with the id `after`."""
        query = select(AppGrant).order_by(AppGrant.id).limit(limit)
        if app is not None:
            query = query.where(AppGrant.app == app)
        if subject is not None:
            query = query.where(AppGrant.subject == subject)
        if after is not None:
            query = query.where(AppGrant.id > after)
        with self._store.read() as session:
            return [_kept(row) for row in session.scalars(query)]

    def one(self, grant: str) -> GrantRecord:
        """One of them. Raises `GrantNotFoundError`."""
        with self._store.read() as session:
            row = session.get(AppGrant, grant)
            if row is None:
                raise GrantNotFoundError(
                    f"there is no grant {grant!r}: `lockgate apps grants` lists those that there are"
                )
            return _kept(row)

    def _gone(self, row: AppGrant) -> str | None:
        """Why a person is nobody any more, as far as that was told: who knows them has ended all that they have."""
        setup = self._setups.get(row.issuer)
        if setup is not None and row.iss != setup.people:
            return ELSEWHERE
        told = [
            {"issuer": iss, "by": by, "value": value}
            for iss in (row.iss, *((setup.issuer,) if setup is not None else ()))
            for by, value in (("subject", row.subject), ("issuer", ""))
        ]
        # A revocation means tokens that were issued before it: one that is renewed would be newer.
        return "all that the person has was ended" if self._was_revoked(told, row.created_ms) else None

    def _was_revoked(self, told: list[dict[str, str]], issued_ms: int) -> bool:
        from lockgate.admin import facts

        with self._store.read() as session:
            rows = [facts.found(session, meant) for meant in told]
            return any(row is not None and (row.before_ms is None or issued_ms <= row.before_ms) for row in rows)

    def _registered(self, program: str, secret: str | None = None, access: str | None = None) -> Registered:
        app = self._apps.one(program)
        with self._store.read() as session:
            row = session.get(App, program)
            said = dict(row.registered or {}) if row is not None else {}
        said |= {"redirect_uris": app.redirect_uris, "scope": " ".join(app.scopes or ())}
        return Registered(_program(app, secret is not None), said, app.created_ms or 0, secret, access)

    def _forget_unused(self, issuer: str, unused_ms: int) -> None:
        before = now_ms() - unused_ms
        query = select(App.id).where(
            App.source == "registration",
            App.issuer == issuer,
            App.tier == "unreviewed",
            App.created_ms < before,
            ~select(AppGrant.id).where(AppGrant.app == App.id).exists(),
        )
        with self._store.read() as session:
            found = list(session.scalars(query))
        for app in found:
            self._apps.remove(ACTOR, app)
        if found:
            self.changed()

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _good(row: App | None) -> list[dict[str, Any]]:
    """The secrets of a program that are good now."""
    kept = row.secrets if row is not None else []
    return [one for one in kept if one["until_ms"] is None or one["until_ms"] > now_ms()]


def _holds(row: AppGrant) -> bool:
    return row.ended_ms is None and row.until_ms > now_ms()


def _program(app: AppRecord, has_secret: bool) -> Program:
    return Program(
        id=app.id,
        title=app.name or app.id,
        owner=app.owner,
        purpose=app.purpose,
        tier=app.tier,
        source=app.source,
        redirect_uris=tuple(app.redirect_uris),
        scopes=None if app.scopes is None else frozenset(app.scopes),
        has_secret=has_secret,
    )


def _grant(row: AppGrant) -> Grant:
    person = Person(row.iss, row.subject, row.auth_time)
    return Grant(row.id, row.app, person, tuple(row.scopes), row.created_ms, row.used_ms, row.until_ms)


def _kept(row: AppGrant) -> GrantRecord:
    return GrantRecord(**{name: getattr(row, name) for name in GrantRecord.__slots__})
