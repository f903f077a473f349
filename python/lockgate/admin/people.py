"""People with passwords: whether one is somebody's, for the pages and for gates; links, mails, and abuse of login.

The one place where a password is looked at. What the person is told is the same for all that is wrong; what it was, is
in the event. A password that is set, a person who is suspended: their sessions end on every gate, and what gates know
of their passwords is asked about anew.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import structlog

from lockgate.admin.clock import now_ms
from lockgate.admin.findings import Findings, Seen
from lockgate.admin.journal import Journal
from lockgate.admin.secrets import read_secret
from lockgate.admin.store import Store
from lockgate.admin.users import Failures, LinkKind, User, UserNotFoundError, Users, UserStateError
from lockgate.config import Duties
from lockgate.config.model_sign_in import PASSWORD
from lockgate.config.people import People
from lockgate.outgoing import Outgoing, Rules
from lockgate.state import StateFolder

if TYPE_CHECKING:
    from lockgate.identity.abuse import Attempt, Detector
    from lockgate.identity.directory import Directory
    from lockgate.identity.passwords import Hasher
    from lockgate.identity.people import Linked, Signing, Where

DIRECTORY_CALLS: Final = 16
"""Passwords that one directory is asked about at a time."""
DIRECTORY_WAITING: Final = 64
EVENTS_A_SECOND: Final = 20
"""Refused sign-ins that are written down one by one; beyond it they are counted, and told together."""
MAILING: Final = 2
"""Mail servers that are spoken to at a time, in threads that nothing else waits for."""
MAILS_UNDER_WAY: Final = 32
BEYOND: Final = "beyond"

log = structlog.get_logger("lockgate.control")


class NoSuchPeopleError(LookupError):
    """The configuration has no such issuer with `users`."""


class LoginLog:
    """Refused sign-ins as events: each, as long as there are not too many."""

    def __init__(self, journal: Journal, clock_ms: Callable[[], int]) -> None:
        """Writes to `journal`."""
        self._journal = journal
        self._clock_ms = clock_ms
        self._second = 0
        self._written = 0
        self._left_out = 0
        self.counts: dict[tuple[str, str, str], int] = {}
        """Attempts by issuer, way and outcome."""

    def note(self, issuer: str, way: str, outcome: str, name: str | None, source: str) -> None:
        """One attempt. A name that nobody has is not written down: it may be a password in the wrong field."""
        self.counts[issuer, way, outcome] = self.counts.get((issuer, way, outcome), 0) + 1
        if outcome == "ok":
            return
        second = self._clock_ms() // 1_000
        if second != self._second:
            if self._left_out:
                words = f"{self._left_out} more refused sign-ins were not written down one by one."
                self._journal.system("login-refused", words, {"reason": BEYOND, "count": self._left_out})
            self._second, self._written, self._left_out = second, 0, 0
        if self._written >= EVENTS_A_SECOND:
            self._left_out += 1
            return
        self._written += 1
        who = f"{issuer}/{name}" if name is not None else f"somebody of {issuer}"
        detail = {"issuer": issuer, "name": name, "way": way, "reason": outcome, "source": source}
        self._journal.system("login-refused", f"{who} was not let in from {source}: {outcome}.", detail)


@dataclasses.dataclass(slots=True)
class Counted:
    """What an attempt was counted as."""

    typed: Attempt
    """At the name that was typed in."""
    marks: list[str]
    """Where it counts."""
    entry: Attempt | None = None
    """At the entry of a directory that the name has led to."""
    waits: bool = False
    """Whether that was not looked at for too many failures."""


class PeopleKeeper:
    """Who knows people by passwords. In the control process's event loop, but for what blocks, which is in threads."""

    def __init__(
        self,
        state: StateFolder,
        store: Store,
        journal: Journal,
        findings: Findings,
        end_sessions: Callable[[str, str, str, str], Coroutine[Any, Any, None]],
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        """`end_sessions` ends a person's on every gate: actor, issuer, subject and why."""
        self.users = Users(store, journal, clock_ms)
        self.log = LoginLog(journal, clock_ms)
        self._state = state
        self._journal = journal
        self._findings = findings
        self._end_sessions = end_sessions
        self._clock_ms = clock_ms
        self._failures = Failures(store, clock_ms)
        self._issuers: dict[str, People] = {}
        self._directories: dict[str, Directory] = {}
        self._outgoing = Outgoing(Rules())
        self._tasks: set[asyncio.Task[Any]] = set()
        self._mails = 0
        self._asking: dict[str, int] = {}
        self._mailing = ThreadPoolExecutor(MAILING, thread_name_prefix="mails")
        self._pools: dict[str, ThreadPoolExecutor] = {}
        """Of each directory: one that hangs keeps nobody from another."""
        self._hashing: Hasher | None = None
        self._told: list[str] = []
        self._errors: dict[str, str] = {}
        """Directories and ways of mail that do not work, and why."""

    @property
    def issuers(self) -> Mapping[str, People]:
        """Those of the configuration."""
        return self._issuers

    async def follow(self, duties: Duties) -> None:
        """Know a configuration's people, and no others."""
        self._outgoing = Outgoing(duties.outgoing)
        self._issuers = {people.name: people for people in duties.people}
        self._directories = {}
        for people in duties.people:
            if people.directory is not None:
                from lockgate.identity.directory import Directory

                self._directories[people.name] = Directory(people.directory, read_secret)
        self._errors = {what: why for what, why in self._errors.items() if what.split(".")[0] in self._issuers}
        if self._errors:
            await self._tell()

    async def close(self) -> None:
        """Stop."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._hashing is not None:
            self._hashing.close()
        for pool in (self._mailing, *self._pools.values()):
            pool.shutdown(wait=False, cancel_futures=True)

    def local(self, issuer: str | None) -> People:
        """The issuer of that name, or the only one, with people of this installation. Raises `NoSuchPeopleError`."""
        known = [people for people in self._issuers.values() if people.local is not None]
        found = [people for people in known if issuer in {None, people.name}]
        if len(found) == 1:
            return found[0]
        names = ", ".join(people.name for people in known)
        if not known:
            raise NoSuchPeopleError(
                "the configuration has no issuer with `users`: add `issuers: {people: {users: {}}}`"
            )
        raise NoSuchPeopleError(
            f"say which issuer's people are meant: {names}"
            if issuer is None
            else f"there is no issuer {issuer!r} with `users`; there are: {names}"
        )

    # What the pages ask.

    async def sign_in(self, issuer: str, name: str, password: str, where: Where) -> Signing:
        """Whether it is somebody. Raises `UnavailableError`."""
        return await self.check(issuer, name, password, where, "form")

    async def check(self, issuer: str, name: str, password: str, where: Where, way: str) -> Signing:
        """Whether a name and a password are somebody's of an issuer. Raises `UnavailableError`."""
        from lockgate.identity.abuse import Ruling
        from lockgate.identity.passwords import BusyError, UnfitError, account_name, prepared
        from lockgate.identity.people import Signing, UnavailableError

        people = self._issuers.get(issuer)
        if people is None:
            raise UnavailableError
        # Of what is no name, and no password, as much is done as of others: it is not told apart by the time it takes.
        try:
            account: str | None = account_name(name)
        except UnfitError:
            account = None
        try:
            plain: str | None = prepared(password)
        except UnfitError:
            plain = None
        attempt = self._attempt(issuer, account or "", where)
        ruled = self._detector.begin(attempt)
        if ruled.ruling is Ruling.SOURCE_WAITS:
            self.log.note(issuer, way, "login-source-waits", None, attempt.source)
            return Signing(None, "login-source-waits", ruled.wait_s)
        mark = self._mark(self._detector.mark(attempt))
        until_ms = await asyncio.to_thread(self._failures.attempt, mark)
        if until_ms:
            self._detector.undecided(attempt)
            known = await self._known_name(issuer, account)
            self.log.note(issuer, way, "login-account-waits", known, attempt.source)
            return Signing(None, "login-account-waits")
        counted = Counted(attempt, [mark])
        try:
            signing, known = await self._look(people, account, plain, counted)
        except (BusyError, UnavailableError):
            self._detector.undecided(attempt)
            for each in counted.marks:
                await asyncio.to_thread(self._failures.taken_back, each)
            self.log.note(issuer, way, "login-unavailable", None, attempt.source)
            raise UnavailableError from None
        if signing.someone is not None:
            self._detector.succeeded(attempt)
            if counted.entry is not None:
                self._detector.knows(counted.entry)
            for each in counted.marks:
                await asyncio.to_thread(self._failures.succeeded, each)
        else:
            self._detector.failed(attempt)
            await self._tell_stuffing()
        self.log.note(issuer, way, signing.reason, known, attempt.source)
        return signing

    async def linked(self, issuers: frozenset[str], token: str) -> Linked | None:
        """Whose a link is, while it is good."""
        from lockgate.identity.people import Linked

        found = await asyncio.to_thread(self.users.link_of, token)
        if found is None or found[0].issuer not in issuers:
            return None
        return Linked(found[0].name, found[1])

    async def set_by_link(self, issuers: frozenset[str], token: str, password: str, where: Where) -> Linked | None:
        """Set a password by a link; nothing where it is not good. Raises `UnfitError` and `UnavailableError`."""
        from lockgate.identity.people import Linked

        found = await asyncio.to_thread(self.users.link_of, token)
        if found is None or found[0].issuer not in issuers:
            return None
        user, kind = found
        hashed = await self.hashed(user.issuer, password, about_of(user, where.place))
        done = await asyncio.to_thread(self.users.use_link, token, hashed)
        if done is None:
            return None
        await self._changed(f"{done.issuer}/{done.name}", done, "the password was set by a link")
        return Linked(done.name, kind)

    async def change(self, issuer: str, name: str, present: str, password: str, where: Where) -> None:
        """Change one's own password. Raises `WrongError`, `UnfitError` and `UnavailableError`."""
        from lockgate.identity.people import UnavailableError, WrongError

        # Before it is looked at: whoever sets another meanwhile has the last word.
        kept = await asyncio.to_thread(self.users.kept, issuer, name)
        signing = await self.check(issuer, name, present, where, "change")
        if signing.someone is None or kept is None:
            raise WrongError
        hashed = await self.hashed(issuer, password, about_of(kept.user, where.place))
        actor = f"{issuer}/{name}"
        try:
            done = await asyncio.to_thread(
                lambda: self.users.set_password(actor, issuer, name, hashed, before=kept.password)
            )
        except (UserStateError, UserNotFoundError):
            raise UnavailableError from None
        await self._changed(actor, done, "the password was changed")

    def forgotten(self, issuer: str, text: str, where: Where, sign_in: str) -> None:
        """Send a link to whoever is called so, or has that address, if there is somebody; later."""
        from lockgate.identity.abuse import Ruling

        # One who asks for many people's is one who tries: it counts as failures of the source do.
        ruled = self._detector.begin(self._attempt(issuer, "\0forgotten", where))
        if ruled.ruling is Ruling.GO_ON and self._mails < MAILS_UNDER_WAY and len(text) <= 320:
            self._mails += 1
            self._spawn(self._forgotten(issuer, text.strip(), sign_in))

    async def _forgotten(self, issuer: str, text: str, sign_in: str) -> None:
        try:
            people = self._issuers.get(issuer)
            if people is None or people.local is None or people.local.mail is None:
                return
            user = await asyncio.to_thread(self._meant, issuer, text)
            # Who is invited has an operator's link; and no stranger makes one void, or fills a mailbox.
            if user is None or user.email is None or user.state != "active":
                return
            if await asyncio.to_thread(self.users.has_link, issuer, user.name):
                return
            await self.send_link(f"{issuer}/{user.name}", people, user.name, "reset", sign_in)
        except (UserNotFoundError, UserStateError):
            return  # They were removed or suspended meanwhile.
        finally:
            self._mails -= 1

    def _meant(self, issuer: str, text: str) -> User | None:
        from lockgate.identity.passwords import UnfitError, account_name

        try:
            kept = self.users.kept(issuer, account_name(text))
        except UnfitError:
            kept = None
        if kept is not None:
            return kept.user
        return self.users.by_email(issuer, text) if "@" in text else None

    # What operators ask.

    async def hashed(self, issuer: str, password: str, about: list[str]) -> str:
        """A new password as it is kept. Raises `UnfitError` and `UnavailableError`."""
        from lockgate.identity.passwords import BusyError, LeakedList, check_new
        from lockgate.identity.people import UnavailableError

        people = self._issuers.get(issuer)
        if people is None or people.local is None:
            raise UnavailableError
        local = people.local
        leaked = LeakedList(Path(local.leaked)) if local.leaked is not None else None
        try:
            plain = await asyncio.to_thread(
                functools.partial(check_new, password, minimum=local.minimum, about=about, leaked=leaked)
            )
            return await self._hasher.hash(plain)
        except BusyError:
            raise UnavailableError from None
        except OSError as error:
            # A list that cannot be read is no list that a password is not on.
            await self._error(f"{issuer}.leaked", f"the list of lost passwords cannot be read: {error.strerror}")
            raise UnavailableError from error

    def is_kept_form(self, kept: str) -> bool:
        """Whether it is a hash that can be imported."""
        return self._hasher.is_kept_form(kept)

    async def send_link(
        self, actor: str, people: People, name: str, kind: LinkKind, sign_in: str | None = None
    ) -> tuple[str, int, str | None]:
        """Make a link: its address, until when it is good, and the mailbox that it was sent to, if it was.

        Raises `UserNotFoundError` and `UserStateError`.
        """
        from lockgate.identity.mail import MailError, Message, send

        local = people.local
        if local is None:
            raise UserNotFoundError(f"the people of {people.name!r} are not of this installation")
        if sign_in is not None and sign_in not in people.pages_of:
            there = ", ".join(people.pages_of) or "none"
            raise UserStateError(f"the people of {people.name!r} cannot sign in by {sign_in!r}; by: {there}")
        good_ms = local.invitation_ms if kind == "invitation" else local.reset_ms
        token, until_ms = await asyncio.to_thread(self.users.make_link, actor, people.name, name, kind, good_ms)
        pages_of = sign_in or next(iter(people.pages_of), "")
        base = local.pages or dict(people.bases).get(pages_of, "")
        link = f"{base}/.lockgate/{pages_of}/link?{urlencode({'t': token})}"
        user = await asyncio.to_thread(self.users.one, people.name, name)
        if local.mail is None or local.pages is None or user.email is None:
            return link, until_ms, None
        subject, text = _mail_words(kind, user, link, good_ms)
        message = Message(to=user.email, subject=subject, text=text, kind=kind, user=name)
        try:
            await send(local.mail, message, self._outgoing, read_secret, self._mailing)
        except MailError as error:
            log.warning("mail-not-sent", issuer=people.name, cause=str(error))
            await self._error(f"{people.name}.mail", f"no mail can be sent: {error}")
            return link, until_ms, None
        await self._error(f"{people.name}.mail", None)
        return link, until_ms, user.email

    async def changed(self, actor: str, user: User, why: str) -> None:
        """End what a person has open: after a change that others must not outlive."""
        await self._changed(actor, user, why)

    # What gates ask.

    async def answer(self, issuer: str, credential: str, source: str | None) -> tuple[str, str | None]:
        """What came of a question: an outcome, and the answer as a gate reads it."""
        from lockgate.identity.people import UnavailableError, Where

        try:
            name, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "answered", json.dumps({"active": False})
        asked_ms = self._clock_ms()
        try:
            signing = await self.check(issuer, name, password, Where(source or ""), "basic")
        except UnavailableError:
            return "unavailable", None
        if signing.someone is None:
            return "answered", json.dumps({"active": False})
        # Of before it was looked at: a password that was changed meanwhile is an older one's word.
        said = {**signing.someone.claims, "amr": [PASSWORD], "iat": asked_ms // 1_000}
        return "answered", json.dumps({"active": True, **said})

    # Below.

    async def _look(
        self, people: People, account: str | None, plain: str | None, counted: Counted
    ) -> tuple[Signing, str | None]:
        """Looks at the password, and says whose name it is, where it is one."""
        if people.directory is not None:
            return await self._look_there(people, account, plain, counted)
        from lockgate.identity.people import Signing, Someone

        kept = None
        if account is not None:
            kept = await asyncio.to_thread(self.users.kept, people.name, account)
        hashed = kept.password if kept is not None else None
        looked = await self._hasher.look(hashed, plain if plain is not None else "no password")
        name = kept.user.name if kept is not None else None
        if kept is None:
            return Signing(None, "login-unknown-user"), None
        if kept.user.state == "suspended":
            return Signing(None, "login-suspended"), name
        if hashed is None:
            return Signing(None, "login-no-password"), name
        if not looked.right or plain is None:
            return Signing(None, "login-wrong-password"), name
        still = await asyncio.to_thread(
            lambda: self.users.signed_in(kept.user, before=hashed, rehashed=looked.rehashed)
        )
        if not still:
            return Signing(None, "login-wrong-password"), name
        return Signing(Someone(kept.user.name, claims_of(kept.user))), name

    async def _look_there(
        self, people: People, account: str | None, plain: str | None, counted: Counted
    ) -> tuple[Signing, str | None]:
        from lockgate.identity.directory import DirectoryError
        from lockgate.identity.passwords import BusyError
        from lockgate.identity.people import Signing, Someone, UnavailableError

        if account is None or plain is None:
            return Signing(None, "login-unknown-user"), None
        asking = self._asking.get(people.name, 0)
        if asking >= DIRECTORY_CALLS + DIRECTORY_WAITING:
            raise BusyError
        pool = self._pools.get(people.name)
        if pool is None:
            pool = self._pools[people.name] = ThreadPoolExecutor(DIRECTORY_CALLS, thread_name_prefix=people.name)
        directory = self._directories[people.name]
        self._asking[people.name] = asking + 1
        admits = functools.partial(self._admits, people.name, counted)
        try:
            claims = await asyncio.get_running_loop().run_in_executor(pool, directory.look, account, plain, admits)
        except DirectoryError as error:
            await self._error(f"{people.name}.ldap", f"the directory does not answer: {error}")
            raise UnavailableError from error
        finally:
            self._asking[people.name] -= 1
        await self._error(f"{people.name}.ldap", None)
        if claims is None:
            return Signing(None, "login-account-waits" if counted.waits else "login-wrong-password"), None
        return Signing(Someone(account, {"preferred_username": account, **claims})), account

    def _admits(self, issuer: str, counted: Counted, dn: str) -> bool:
        """Count an attempt at an entry that was found, whatever name it was found by; whether it is looked at.

        Where it is not, the name that was typed in has failed all the same: one that never waits would tell that it is
        somebody's. Called in threads.
        """
        counted.entry = dataclasses.replace(counted.typed, account=self._mark(f"{issuer}\0entry\0{dn.lower()}"))
        mark = self._mark(self._detector.mark(counted.entry))
        counted.waits = bool(self._failures.attempt(mark))
        if not counted.waits:
            counted.marks.append(mark)
        return not counted.waits

    def _attempt(self, issuer: str, account: str, where: Where) -> Attempt:
        from lockgate.identity.abuse import Attempt, source_of

        device = where.device
        ours = device is not None and (device.issuer, device.name) == (issuer, account)
        return Attempt(
            self._mark(f"{issuer}\0{account}"), source_of(where.address), device.id if device and ours else None
        )

    async def _known_name(self, issuer: str, account: str | None) -> str | None:
        if account is None:
            return None
        kept = await asyncio.to_thread(self.users.kept, issuer, account)
        return kept.user.name if kept is not None else None

    async def _changed(self, actor: str, user: User, why: str) -> None:
        account = self._mark(f"{user.issuer}\0{user.name}")
        self._detector.forget_places(account)
        await asyncio.to_thread(self._failures.succeeded, self._mark(f"{account} strangers"))
        ended_ms = self._clock_ms()
        await self._end_sessions(actor, user.issuer, user.name, why)
        # Gates know the second of a revocation: whoever signs in within it would be as if from before. So nobody hears
        # that it is done until it is over.
        left_ms = 1_000 - ended_ms % 1_000 - (self._clock_ms() - ended_ms)
        await asyncio.sleep(max(0, left_ms + 1) / 1_000)

    async def _tell_stuffing(self) -> None:
        now = self._detector.stuffing()
        if now == self._told:
            return
        fresh = sorted(set(now) - set(self._told))
        self._told = now
        for source in fresh:
            words = f"Passwords of many accounts are tried from {source}, and hardly one is right."
            self._journal.system("login-stuffing", words, {"source": source})
            log.warning("login-stuffing", source=source)
        await self._tell()
        if now and fresh:
            self._spawn(self._look_again())

    async def _look_again(self) -> None:
        """Close the finding when it is over, though nobody signs in meanwhile."""
        from lockgate.identity.abuse import LONGEST_WAIT_MS

        await asyncio.sleep(LONGEST_WAIT_MS / 1000 + 1)
        await self._tell_stuffing()

    async def _error(self, what: str, why: str | None) -> None:
        if self._errors.get(what) == why:
            return
        if why is None:
            del self._errors[what]
        else:
            self._errors[what] = why
            log.warning("people-failing", object=f"issuers.{what}", cause=why)
        await self._tell()

    async def _tell(self) -> None:
        seen = [
            Seen(
                "finding",
                "login-stuffing",
                source,
                f"passwords of many accounts are tried from {source}, and hardly one is right: look for whom was let "
                "in from there, and let `ip_filter` keep it out",
                "warning",
            )
            for source in self._told
        ]
        seen += [
            Seen("finding", "people-failing", f"issuers.{what}", f"{what}: {why}", "error")
            for what, why in self._errors.items()
        ]
        await asyncio.to_thread(self._findings.sync, "people", seen)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _mark(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    @functools.cached_property
    def _key(self) -> bytes:
        return hmac.digest(self._state.pepper(), b"lockgate failures to sign in", hashlib.sha256)

    @functools.cached_property
    def _detector(self) -> Detector:
        from lockgate.identity.abuse import Detector

        return Detector(self._clock_ms)

    @property
    def _hasher(self) -> Hasher:
        # Made with the first password: it makes a hash of nobody's, which takes a tenth of a second.
        if self._hashing is None:
            from lockgate.identity.passwords import Hasher

            self._hashing = Hasher()
        return self._hashing


def claims_of(user: User) -> dict[str, Any]:
    """What a session says of a person."""
    claims: dict[str, Any] = {"sub": user.name, "preferred_username": user.name, "groups": list(user.groups)}
    if user.display is not None:
        claims["name"] = user.display
    if user.email is not None:
        claims["email"] = user.email
    return claims


def about_of(user: User, place: str) -> list[str]:
    """What everybody knows of a person and of where they sign in."""
    mailbox = (user.email or "").partition("@")[0]
    return [word for word in (user.name, user.display or "", user.email or "", mailbox, place, "lockgate") if word]


def _mail_words(kind: LinkKind, user: User, link: str, good_ms: int) -> tuple[str, str]:
    hours, minutes = good_ms // 3_600_000, good_ms // 60_000
    good = f"{hours} hours" if hours >= 2 else f"{minutes} minutes"
    hello = f"Hello {user.display or user.name},\n\n"
    if kind == "invitation":
        what = "You are invited. Choose a password here, and you can sign in"
        return "Your invitation", f"{hello}{what}:\n\n{link}\n\nThe link is good for {good}, and once.\n"
    what = "Somebody, maybe you, has asked for a new password. Choose one here"
    end = "If it was not you, there is nothing to do: your password stays as it is."
    return "A new password", f"{hello}{what}:\n\n{link}\n\nThe link is good for {good}, and once. {end}\n"
