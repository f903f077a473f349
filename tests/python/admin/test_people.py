"""People with passwords: what is looked at, in which order, and what is told."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import functools
import json
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate.admin.findings import Findings
from lockgate.admin.people import EVENTS_A_SECOND, PeopleKeeper
from lockgate.admin.store import Store
from lockgate.admin.users import FAILURES_KEPT, Failures, UserExistsError, UserNotFoundError, Users, UserStateError
from lockgate.config import Duties
from lockgate.config.people import PERSON, DirectoryPeople, LocalPeople, MailWay, People
from lockgate.identity.abuse import FIRST_WAIT_MS, FORGOTTEN_MS, FREE_FAILURES, LONGEST_WAIT_MS
from lockgate.identity.passwords import Hasher, UnfitError
from lockgate.identity.people import Device, UnavailableError, Where, WrongError
from lockgate.state import StateFolder
from python.admin.conftest import ListJournal
from support.certificates import Authority
from support.slapd import PEOPLE, READER, SECRET, SLAPD, slapd
from support.waiting import until

GOOD = "seven green chairs"
HERE = Where("192.0.2.1", None, "portal.example.com")


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_999

    def __call__(self) -> int:
        return self.ms


class Noting(Hasher):
    """A cheap hasher that notes what it looks at."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_kib=64)
        self.seen: list[tuple[bool, str]] = []
        self.meanwhile: Callable[[], object] | None = None
        """What happens while a password is looked at."""

    async def look(self, kept: str | None, password: str) -> Any:
        self.seen.append((kept is not None, password))
        looked = await super().look(kept, password)
        if self.meanwhile is not None:
            self.meanwhile()
        return looked


class Place:
    """The keeper, and what it did."""

    def __init__(self, state: StateFolder, store: Store, journal: ListJournal, local: LocalPeople) -> None:
        self.clock = Clock()
        self.journal = journal
        self.findings = Findings(store)
        self.ended: list[tuple[str, str, str]] = []
        self.keeper = PeopleKeeper(state, store, journal, self.findings, self._end, self.clock)
        self.hasher = Noting()
        self.keeper._hashing = self.hasher
        self.people = People("people", "urn:lockgate:people", local, None, ("staff",))
        self.store = store

    async def _end(self, actor: str, issuer: str, subject: str, why: str) -> None:
        self.ended.append((actor, subject, why))

    def run(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def whole() -> Any:
            await self.keeper.follow(Duties(people=(self.people,)))
            return await work()

        return asyncio.run(whole())

    async def add(self, name: str, password: str | None = GOOD, **more: Any) -> None:
        hashed = await self.hasher.hash(password) if password is not None else None
        await asyncio.to_thread(
            functools.partial(self.keeper.users.add, "tests", "people", name, password=hashed, **more)
        )

    def open(self, code: str) -> list[dict[str, Any]]:
        rows = self.findings.page(kind="finding", include_closed=False, after=0, limit=100)
        return [row for row in rows if row["code"] == code]

    def reasons(self) -> list[str]:
        return [event["detail"]["reason"] for event in self.journal.events if event.get("code") == "login-refused"]


@pytest.fixture
def local() -> LocalPeople:
    return LocalPeople("https://portal.example.com", 12, None, 259_200_000, 1_800_000, None)


@pytest.fixture
def place(state: StateFolder, store: Store, journal: ListJournal, local: LocalPeople) -> Iterator[Place]:
    made = Place(state, store, journal, local)
    yield made
    made.hasher.close()


@pytest.mark.skipif(SLAPD is None, reason="wants Debian's slapd (scripts/system-packages.sh installs it)")
def test_the_names_of_one_entry_have_one_wait(place: Place, tmp_path: Path) -> None:
    """Whose filter finds a person by several names has no more guesses for it."""
    (tmp_path / "ldap.password").write_text(SECRET)
    (tmp_path / "ldap.password").chmod(0o600)
    folder = tmp_path / "ldap"
    folder.mkdir()
    with slapd(folder / "slapd", Authority(folder)) as serving:
        directory = DirectoryPeople(
            url=serving.secure,
            start_tls=False,
            trust=str(serving.trust),
            bind_dn=READER,
            bind_password=f"file:{tmp_path / 'ldap.password'}",
            template=None,
            base=PEOPLE,
            filter="(|(uid={name})(mail={name}))",
            subject="uid",
            claims=(),
            timeout_ms=5_000,
        )
        place.people = People("people", "urn:lockgate:people", None, directory, ("staff",))

        async def tries(name: str, password: str, address: str) -> tuple[bool, str]:
            signing = await place.keeper.sign_in("people", name, password, Where(address, None, ""))
            return signing.someone is not None, signing.reason

        async def work() -> None:
            assert (await tries("ann", GOOD, "192.0.2.1"))[0]
            wrong = [await tries(name, "wrong", "192.0.2.2") for name in ("ann", "ann@example.com") * 2]
            assert {reason for _, reason in wrong} == {"login-wrong-password"}
            assert (await tries("ann", "wrong", "192.0.2.2"))[1] == "login-wrong-password"
            # Neither name has failed five times yet; she has.
            assert await tries("ann@example.com", GOOD, "192.0.2.2") == (False, "login-account-waits")
            assert await tries("ann", GOOD, "192.0.2.2") == (False, "login-account-waits")
            # Where she has signed in before, by whatever name, strangers keep her from nothing.
            assert (await tries("ann@example.com", GOOD, "192.0.2.1"))[0]
            # What is tried meanwhile counts at the name alone, as for one that nobody has, and prolongs nothing.
            place.clock.ms += FIRST_WAIT_MS
            assert (await tries("ann@example.com", GOOD, "192.0.2.2"))[0]
            assert (await tries("bob", "wrong", "192.0.2.2"))[1] == "login-wrong-password", "nobody else has waited"

        place.run(work)


CHANGES: dict[str, Callable[[Users, str], object]] = {
    "suspended": lambda users, _: users.suspend("tests", "people", "ann"),
    "removed": lambda users, _: users.remove("tests", "people", "ann"),
    "in other groups": lambda users, _: users.change("tests", "people", "ann", {"groups": ["guests"]}),
    "with another password": lambda users, other: users.set_password("tests", "people", "ann", other),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_is_changed_while_a_password_is_looked_at_is_not_let_in(place: Place, change: str) -> None:
    async def work() -> None:
        await place.add("ann")
        other = await place.hasher.hash("eight brown tables")
        place.hasher.meanwhile = lambda: CHANGES[change](place.keeper.users, other)
        signing = await place.keeper.sign_in("people", "ann", GOOD, HERE)
        assert signing.someone is None
        place.hasher.meanwhile = None
        if change == "with another password":
            with pytest.raises(WrongError):
                await place.keeper.change("people", "ann", GOOD, "nine black shelves", HERE)
            assert (await place.keeper.sign_in("people", "ann", "eight brown tables", HERE)).someone is not None

    place.run(work)


def test_who_changes_a_password_late_does_not_undo_what_was_set_meanwhile(place: Place) -> None:
    async def work() -> None:
        await place.add("ann")
        other = await place.hasher.hash("eight brown tables")
        set_it = functools.partial(place.keeper.users.set_password, "tests", "people", "ann", other)
        # The present one is right when it is looked at, and another is set before the new one is kept.
        hashing = place.hasher.hash

        async def late(password: str) -> str:
            await asyncio.to_thread(set_it)
            return await hashing(password)

        place.hasher.hash = late  # type: ignore[method-assign] # The test's own moment.
        with pytest.raises(UnavailableError):
            await place.keeper.change("people", "ann", GOOD, "nine black shelves", HERE)
        assert (await place.keeper.sign_in("people", "ann", "eight brown tables", HERE)).someone is not None

    place.run(work)


def test_a_mail_server_that_says_nothing_holds_up_no_one(place: Place, local: LocalPeople) -> None:
    async def work() -> None:
        names = [f"person{number}" for number in range(12)]
        for name in names:
            await place.add(name, email=f"{name}@example.com")
        for number, name in enumerate(names):
            place.keeper.forgotten("people", name, Where(f"198.51.100.{number}"), "staff")
        await asyncio.to_thread(until, lambda: place.keeper._mails == len(names), "all to be on their way")
        # More wait for the mail server than the event loop has threads of its own.
        signing = await place.keeper.sign_in("people", "person0", GOOD, HERE)
        assert signing.someone is not None
        assert place.keeper._mails == len(names), "none of them has gone"
        silent.close()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        smtp = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        way = MailWay((), None, None, smtp, "gate@example.com", None, None, None)
        place.people = dataclasses.replace(place.people, local=dataclasses.replace(local, mail=way))
        place.run(work)


def test_the_same_is_done_whoever_it_is(place: Place) -> None:
    """Nothing is told apart by the time that it takes: one hash is looked at in each case, of the same cost."""

    async def work() -> None:
        await place.add("ann")
        await place.add("bob", None)
        await place.add("cid")
        place.keeper.users.suspend("tests", "people", "cid")
        for name, password in (
            ("ann", GOOD),
            ("ann", "wrong"),
            ("nobody", "wrong"),
            ("bob", "wrong"),
            ("cid", GOOD),
            ("no name", "wrong"),
            ("ann", "x" * 2_000),
            ("ann", "a\0b"),
        ):
            before = len(place.hasher.seen)
            signing = await place.keeper.check("people", name, password, HERE, "form")
            assert (signing.someone is not None) == (password == GOOD and name == "ann")
            assert len(place.hasher.seen) == before + 1, (name, password)
        assert [kept for kept, _ in place.hasher.seen] == [True, True, False, False, True, False, True, True]

    place.run(work)


def test_an_account_waits_and_the_wait_ends(place: Place) -> None:
    async def work() -> None:
        await place.add("ann")
        tries = [Where(f"198.51.100.{number}") for number in range(20)]
        for where in tries[:FREE_FAILURES]:
            assert (await place.keeper.check("people", "ann", "wrong", where, "form")).reason == "login-wrong-password"
        seen = len(place.hasher.seen)
        waits = await place.keeper.check("people", "ann", GOOD, tries[10], "form")
        assert (waits.someone, waits.reason, waits.wait_s) == (None, "login-account-waits", None)
        assert len(place.hasher.seen) == seen, "nothing is looked at while it waits"
        # A name that nobody has waits just so.
        for where in tries[:FREE_FAILURES]:
            await place.keeper.check("people", "nobody", "wrong", where, "form")
        assert (await place.keeper.check("people", "nobody", "x", tries[10], "form")).reason == "login-account-waits"
        # However often a stranger asks meanwhile, it gets no longer.
        for where in tries[10:]:
            await place.keeper.check("people", "ann", "wrong", where, "form")
        place.clock.ms += 30_000
        assert (await place.keeper.check("people", "ann", GOOD, tries[11], "form")).someone is not None
        assert (await place.keeper.check("people", "ann", "wrong", tries[12], "form")).reason == "login-wrong-password"

    place.run(work)


def test_the_owner_gets_in_from_a_known_browser_or_place(place: Place) -> None:
    async def work() -> None:
        await place.add("ann")
        home = Where("192.0.2.7")
        assert (await place.keeper.check("people", "ann", GOOD, home, "basic")).someone is not None
        for number in range(FREE_FAILURES + 1):
            await place.keeper.check("people", "ann", "wrong", Where(f"198.51.100.{number}"), "basic")
        abroad = Where("203.0.113.1")
        assert (await place.keeper.check("people", "ann", GOOD, abroad, "form")).reason == "login-account-waits"
        assert (await place.keeper.check("people", "ann", GOOD, home, "basic")).someone is not None
        # Home has taken the strangers' wait away with it? No: that is counted apart.
        assert (await place.keeper.check("people", "ann", GOOD, abroad, "form")).reason == "login-account-waits"
        own = Where("203.0.113.1", Device("people", "ann", "d1"))
        assert (await place.keeper.check("people", "ann", GOOD, own, "form")).someone is not None
        others = Where("203.0.113.2", Device("people", "bob", "d2"))
        assert (await place.keeper.check("people", "ann", GOOD, others, "form")).reason == "login-account-waits"
        # A known browser is no way to guess without end.
        for _ in range(FREE_FAILURES):
            await place.keeper.check("people", "ann", "wrong", own, "form")
        assert (await place.keeper.check("people", "ann", GOOD, own, "form")).reason == "login-account-waits"

    place.run(work)


def test_raced_guesses_are_counted_one_by_one(place: Place) -> None:
    async def work() -> None:
        await place.add("ann")
        tries = (place.keeper.check("people", "ann", "wrong", Where(f"198.51.100.{n}"), "form") for n in range(20))
        reasons = [signing.reason for signing in await asyncio.gather(*tries)]
        assert reasons.count("login-wrong-password") == FREE_FAILURES
        assert reasons.count("login-account-waits") == 20 - FREE_FAILURES

    place.run(work)


def test_a_list_of_passwords_is_seen_and_told(place: Place) -> None:
    async def work() -> None:
        for number in range(8):
            await place.keeper.check("people", f"person{number}", "x", Where("2001:db8::1"), "form")
        signing = await place.keeper.check("people", "person8", "x", Where("2001:db8::1"), "form")
        assert (signing.reason, signing.wait_s) == ("login-source-waits", 901)
        same = await place.keeper.check("people", "ann", "x", Where("2001:db8::ffff:1"), "form")
        assert same.reason == "login-source-waits", "a network of IPv6 is one source"
        assert "login-stuffing" in place.journal.codes()
        [finding] = place.open("login-stuffing")
        assert finding["object"] == "2001:db8::/64"
        place.clock.ms += LONGEST_WAIT_MS
        await place.keeper.check("people", "ann", "x", Where("192.0.2.1"), "form")
        assert place.open("login-stuffing") == []

    place.run(work)


def test_events_tell_the_truth_and_are_bounded(place: Place) -> None:
    async def work() -> None:
        await place.add("ann")
        for number in range(EVENTS_A_SECOND + 5):
            await place.keeper.check("people", f"Tr0ub4dor{number}", "x", Where(f"198.51.100.{number}"), "form")
        assert len(place.reasons()) == EVENTS_A_SECOND
        place.clock.ms += 1_000
        await place.keeper.check("people", "ann", "x", Where("203.0.113.1"), "form")
        assert place.reasons()[-2:] == ["beyond", "login-wrong-password"]
        assert "r0ub4dor" not in json.dumps(place.journal.events), "what was typed as a name may be a password"

    place.run(work)


def test_gates_are_answered(place: Place) -> None:
    async def work() -> None:
        await place.add("ann", email="ann@example.com", display="Ann", groups=["staff"])

        def both(text: str) -> str:
            return base64.b64encode(text.encode()).decode()

        outcome, answer = await place.keeper.answer("people", both(f"Ann:{GOOD}"), "192.0.2.1")
        assert outcome == "answered"
        assert json.loads(answer or "") == {
            "active": True,
            "sub": "ann",
            "preferred_username": "ann",
            "name": "Ann",
            "email": "ann@example.com",
            "groups": ["staff"],
            "amr": ["pwd"],
            "iat": 1_800_000_000,
        }
        assert {"active", *PERSON} == set(json.loads(answer or ""))
        for wrong in (both("ann:wrong"), both("ann"), both("ann:"), "no base64", "/w=="):
            assert await place.keeper.answer("people", wrong, "192.0.2.1") == ("answered", '{"active": false}')
        place.hasher._most = 0
        assert await place.keeper.answer("people", both("ann:x"), "192.0.2.2") == ("unavailable", None)
        assert await place.keeper.answer("others", both("ann:x"), "192.0.2.2") == ("unavailable", None)

    place.run(work)


def test_links_are_kept_hashed_good_once_and_one_at_a_time(place: Place) -> None:
    users = place.keeper.users
    users.add("tests", "people", "ann")
    first, _ = users.make_link("tests", "people", "ann", "invitation", 60_000)
    second, until_ms = users.make_link("tests", "people", "ann", "invitation", 60_000)
    assert users.link_of(first) is None
    assert until_ms == place.clock.ms + 60_000
    with place.store.engine.connect() as connection:
        kept = str(connection.exec_driver_sql("select * from user_links").fetchall())
    assert second not in kept
    assert kept.count("ann") == 1
    assert users.use_link(second, "hash") is not None
    assert users.use_link(second, "other") is None
    third, _ = users.make_link("tests", "people", "ann", "reset", 60_000)
    place.clock.ms += 60_000
    assert users.link_of(third) is None
    assert users.use_link(third, "other") is None
    fourth, _ = users.make_link("tests", "people", "ann", "reset", 60_000)
    users.change("tests", "people", "ann", {"email": "new@example.com"})
    assert users.link_of(fourth) is None, "what was sent to the address before opens nothing"
    fifth, _ = users.make_link("tests", "people", "ann", "reset", 60_000)
    users.suspend("tests", "people", "ann")
    assert users.use_link(fifth, "other") is None
    with pytest.raises(UserStateError):
        users.make_link("tests", "people", "ann", "reset", 60_000)
    with pytest.raises(UserStateError):
        users.set_password("tests", "people", "ann", "other")
    users.resume("tests", "people", "ann")
    with pytest.raises(UserStateError):
        users.resume("tests", "people", "ann")
    with pytest.raises(UserStateError):
        users.make_link("tests", "people", "ann", "invitation", 60_000)
    users.remove("tests", "people", "ann")
    with pytest.raises(UserNotFoundError):
        users.one("people", "ann")
    with pytest.raises(UserExistsError):
        users.add("tests", "people", "ann")
    users.add("tests", "people", "slip")
    users.remove("tests", "people", "slip")
    users.add("tests", "people", "slip")


def test_one_changes_ones_own_password(place: Place) -> None:
    async def work() -> None:
        await place.add("ann")
        with pytest.raises(WrongError):
            await place.keeper.change("people", "ann", "wrong", "eight brown tables", HERE)
        with pytest.raises(UnfitError):
            await place.keeper.change("people", "ann", GOOD, "portal.example.com", HERE)
        assert place.ended == []
        await place.keeper.change("people", "ann", GOOD, "eight brown tables", HERE)
        assert place.ended == [("people/ann", "ann", "the password was changed")]
        assert (await place.keeper.check("people", "ann", GOOD, HERE, "form")).someone is None
        assert (await place.keeper.check("people", "ann", "eight brown tables", HERE, "form")).someone is not None

    place.run(work)


def test_a_list_that_cannot_be_read_lets_no_password_pass(place: Place, local: LocalPeople, tmp_path: Path) -> None:
    place.people = dataclasses.replace(place.people, local=dataclasses.replace(local, leaked=str(tmp_path / "gone")))

    async def work() -> None:
        with pytest.raises(UnavailableError):
            await place.keeper.hashed("people", "eight brown tables", [])
        [finding] = place.open("people-failing")
        assert finding["object"] == "issuers.people.leaked"

    place.run(work)


def test_who_has_forgotten_is_sent_a_link_and_nobody_is_told(place: Place, local: LocalPeople, tmp_path: Path) -> None:
    script = tmp_path / "mail"
    script.write_text(f"#!/bin/sh\ncat >> {tmp_path}/sent\necho >> {tmp_path}/sent\n")
    script.chmod(0o755)
    way = MailWay((str(script),), None, None, None, None, None, None, None)
    place.people = dataclasses.replace(place.people, local=dataclasses.replace(local, mail=way))

    async def ask(text: str, where: Where = HERE) -> None:
        place.keeper.forgotten("people", text, where, "staff")
        await asyncio.gather(*place.keeper._tasks)

    def sent() -> list[dict[str, str]]:
        path = tmp_path / "sent"
        return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []

    async def work() -> None:
        await place.add("ann", email="Ann@example.com")
        await place.add("bob", email="shared@example.com")
        await place.add("cid", email="shared@example.com")
        await place.add("dan")
        await place.add("fay", None, email="fay@example.com")
        await place.add("eve", email="eve@example.com")
        place.keeper.users.suspend("tests", "people", "eve")
        for text in (
            "nobody",
            "dan",
            "fay",
            "eve",
            "eve@example.com",
            "shared@example.com",
            "",
            "a b",
            "x" * 5_000,
            "\0",
        ):
            await ask(text)
        assert sent() == []
        await ask("ann@EXAMPLE.com")
        [mail] = sent()
        assert (mail["to"], mail["kind"], mail["user"]) == ("Ann@example.com", "reset", "ann")
        link = next(word for word in mail["text"].split() if word.startswith("https://"))
        assert link.startswith("https://portal.example.com/.lockgate/staff/link?t=")
        await ask("ann")
        assert len(sent()) == 1, "nobody's mailbox is filled"
        token = link.partition("t=")[2]
        set_by = await place.keeper.set_by_link(frozenset({"people"}), token, "eight brown tables", HERE)
        assert set_by is not None
        assert await place.keeper.linked(frozenset({"people"}), token) is None
        assert await place.keeper.linked(frozenset({"others"}), token) is None
        # One who asks for many is one who tries.
        for number in range(30):
            await ask(f"person{number}", Where("198.51.100.1"))
        await ask("bob", Where("198.51.100.1"))
        assert len(sent()) == 1
        await ask("bob")
        assert len(sent()) == 2

    place.run(work)


def test_what_does_not_go_out_is_told_and_handed_over(place: Place, local: LocalPeople) -> None:
    way = MailWay(("/nowhere/mail",), None, None, None, None, None, None, None)
    place.people = dataclasses.replace(place.people, local=dataclasses.replace(local, mail=way))

    async def work() -> None:
        await place.add("ann", email="ann@example.com")
        link, _, sent_to = await place.keeper.send_link("tests", place.people, "ann", "reset")
        assert sent_to is None
        [finding] = place.open("people-failing")
        assert finding["object"] == "issuers.people.mail"
        assert link.partition("t=")[2] not in json.dumps(place.journal.events)

    place.run(work)


def test_failures_of_accounts_are_bounded_and_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from lockgate.admin import users

    assert FAILURES_KEPT == 100_000
    monkeypatch.setattr(users, "FAILURES_KEPT", 50)
    monkeypatch.setattr(users, "FAILURES_ROUND", 10)
    clock = Clock()
    failures = Failures(store, clock)
    for number in range(200):
        clock.ms += 1
        assert failures.attempt(f"mark {number}") == 0
    with store.engine.connect() as connection:
        assert (connection.exec_driver_sql("select count(*) from login_failures").scalar() or 0) <= 50
    for _ in range(FREE_FAILURES):
        failures.attempt("ann")
    until_ms = failures.attempt("ann")
    assert until_ms == clock.ms + 30_000
    clock.ms = until_ms + FORGOTTEN_MS + 1
    for _ in range(FREE_FAILURES):
        assert failures.attempt("ann") == 0
    failures.taken_back("ann")
    assert failures.attempt("ann") == 0
    failures.succeeded("ann")
    assert failures.attempt("ann") == 0


def test_an_import_keeps_who_is_there(store: Store, journal: ListJournal) -> None:
    made = Users(store, journal)
    made.add("tests", "people", "ann", groups=["staff"])
    rows: list[dict[str, Any]] = [
        {"name": "ann", "groups": ["other"]},
        {"name": "bob", "password": "hash", "email": None},
    ]
    done = made.import_("tests", "people", iter(rows))
    assert (done.added, done.known) == (1, 1)
    assert made.one("people", "ann").groups == ("staff",)
    assert made.one("people", "bob").state == "active"


def test_a_link_is_whole_where_the_configuration_tells_its_host(place: Place, local: LocalPeople) -> None:
    plain = dataclasses.replace(place.people, local=dataclasses.replace(local, pages=None))
    known = dataclasses.replace(plain, bases=(("staff", "https://www.example.com:8443"),))

    async def begins(people: People, sign_in: str | None = None) -> str:
        link, _, sent_to = await place.keeper.send_link("tests", people, "ann", "invitation", sign_in)
        assert sent_to is None
        return link.partition("?t=")[0]

    async def work() -> None:
        await place.add("ann", None)
        assert await begins(known) == "https://www.example.com:8443/.lockgate/staff/link"
        two = dataclasses.replace(known, pages_of=("staff", "others"))
        assert await begins(two, "others") == "/.lockgate/others/link"
        with pytest.raises(UserStateError, match="cannot sign in by 'none'; by: staff, others"):
            await begins(two, "none")
        assert await begins(plain) == "/.lockgate/staff/link"
        assert (
            await begins(dataclasses.replace(known, local=local)) == "https://portal.example.com/.lockgate/staff/link"
        )

    place.run(work)
