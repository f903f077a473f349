"""Passwords: what may be one, and how they are kept."""

from __future__ import annotations

import asyncio
import bisect
import hashlib
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.identity.passwords import (
    MEMORY_KIB,
    TIME_COST,
    BusyError,
    Hasher,
    LeakedList,
    UnfitError,
    account_name,
    check_new,
    prepared,
)

CHEAP = {"time_cost": 1, "memory_kib": 64}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Ann", "ann"),
        ("ann@example.com", "ann@example.com"),
        ("A\u030angström", "ångström"),
        ("\uff21\uff2e\uff2e", "ann"),
    ],
)
def test_a_name_has_one_form(said: str, kept: str) -> None:
    assert account_name(said) == kept
    assert account_name(account_name(said)) == kept


@pytest.mark.parametrize(
    "said",
    ["", " ", "a b", "a:b", "a/b", "..", "a\0b", "a\nb", "x" * 65, "é" * 200, "a\u200bb", "<a>", "a%2f", "\ud800"],
)
def test_what_is_no_name(said: str) -> None:
    with pytest.raises(UnfitError) as refused:
        account_name(said)
    assert refused.value.code == "name-malformed"


def test_a_password_has_one_form() -> None:
    """RFC 8265 section 4.2: composed, with plain blanks, and else as it was typed."""
    assert prepared("gru\u0308n e\u00a0x") == "grün e x"
    assert prepared("Π ß \u017f 🙂") == "Π ß \u017f 🙂"
    for said, code in (
        ("", "password-malformed"),
        ("a\0b", "password-malformed"),
        ("a\tb", "password-malformed"),
        ("\ud800", "password-malformed"),
        ("x" * 1_025, "password-too-long"),
        ("é" * 513, "password-too-long"),
    ):
        with pytest.raises(UnfitError) as refused:
            prepared(said)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("eleven char", "password-too-short"),
        ("ann.example!!", "password-about-you"),
        ("Ann-Example-12", "password-about-you"),
        ("portal.example.com", "password-about-you"),
        ("aaaaaaaaaaaaaaaa", "password-repeated"),
        ("abababababababab", "password-repeated"),
    ],
)
def test_what_everybody_would_guess(password: str, code: str) -> None:
    about = ["ann", "Ann Example", "ann.example@example.com", "ann.example", "portal.example.com"]
    with pytest.raises(UnfitError) as refused:
        check_new(password, minimum=12, about=about, leaked=None)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "password", ["only small letters", "123498761234", "ann.example rides a brown horse", "ÄÖÜäöüßéèàñø"]
)
def test_there_are_no_rules_of_what_it_must_have(password: str) -> None:
    assert check_new(password, minimum=12, about=["ann.example", "ann"], leaked=None) == password


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("counted", [True, False])
def test_lost_passwords_by_their_hashes(tmp_path: Path, ending: str, counted: bool) -> None:
    lost = [f"password {number}" for number in range(500)]
    lines = sorted(sha1(word) + (f":{number}" if counted else "") for number, word in enumerate(lost))
    (tmp_path / "list").write_text("".join(line + ending for line in lines), newline="")
    leaked = LeakedList(tmp_path / "list")
    assert all(word in leaked for word in lost)
    assert not any(f"{word}!" in leaked for word in lost)
    with pytest.raises(UnfitError) as refused:
        check_new("password 170", minimum=5, about=[], leaked=leaked)
    assert refused.value.code == "password-leaked"


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=12), max_size=30
    ),
    asked=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=12),
    end=st.booleans(),
)
def test_a_search_finds_what_is_there_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], asked: str, end: bool
) -> None:
    lines = sorted({word.encode() for word in words})
    path = tmp_path_factory.mktemp("lists") / "plain"
    path.write_bytes(b"\n".join(lines) + (b"\n" if end and lines else b""))
    leaked = LeakedList(path)
    for word in {*words, asked}:
        at = bisect.bisect_left(lines, word.encode())
        assert (word in leaked) == (at < len(lines) and lines[at] == word.encode()), (lines, word)


def test_a_list_of_no_lines_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"")
    assert "password" not in LeakedList(tmp_path / "list")
    (tmp_path / "long").write_bytes(b"x" * 10_000)
    assert "password" not in LeakedList(tmp_path / "long")
    with pytest.raises(OSError, match="nowhere"):
        assert "password" in LeakedList(tmp_path / "nowhere")


def test_what_is_kept_is_argon2id_of_todays_costs() -> None:
    """OWASP asks for 19 MiB and two passes, or the like; RFC 9106's second recommendation is 64 MiB and three."""

    async def work() -> None:
        hasher = Hasher()
        kept = await hasher.hash("seven green chairs")
        assert kept.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={TIME_COST},p=1$")
        assert MEMORY_KIB * TIME_COST >= 19 * 1_024 * 2
        looked = await hasher.look(kept, "seven green chairs")
        assert (looked.right, looked.rehashed) == (True, None)
        assert not (await hasher.look(kept, "seven green chair")).right
        assert not (await hasher.look("garbage", "seven green chairs")).right
        hasher.close()

    asyncio.run(work())


def test_nobodys_password_costs_as_much_and_is_never_right() -> None:
    async def work() -> None:
        hasher = Hasher(**CHEAP)
        seen: list[str] = []
        verify = hasher._hasher.verify

        class Noting:
            """Which hash was looked at."""

            def __getattr__(self, name: str) -> object:
                return getattr(hasher_before, name)

            def verify(self, kept: str, password: str) -> bool:
                seen.append(kept)
                return verify(kept, password)

        hasher_before = hasher._hasher
        hasher._hasher = Noting()  # type: ignore[assignment]
        assert not (await hasher.look(None, "anything")).right
        assert not (await hasher.look(None, hashlib.sha256(b"nobody").hexdigest())).right
        [one, other] = seen
        assert one == other
        assert one.split("$")[1:4] == (await hasher.hash("x")).split("$")[1:4], "the costs are those of a person's"
        hasher.close()

    asyncio.run(work())


def test_what_was_kept_more_cheaply_is_kept_anew() -> None:
    async def work() -> None:
        before, now = Hasher(**CHEAP), Hasher(time_cost=2, memory_kib=128)
        kept = await before.hash("seven green chairs")
        looked = await now.look(kept, "seven green chairs")
        assert looked.right
        assert looked.rehashed is not None
        assert "m=128,t=2" in looked.rehashed
        assert (await now.look(kept, "wrong")).rehashed is None
        before.close()
        now.close()

    asyncio.run(work())


def test_who_comes_beyond_is_told_at_once() -> None:
    async def work() -> None:
        hasher = Hasher(**CHEAP, threads=1, waiting=1)
        gate = threading.Event()
        first = asyncio.ensure_future(hasher._run(gate.wait))
        second = asyncio.ensure_future(hasher.hash("a"))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await hasher.look(None, "b")
        gate.set()
        await asyncio.gather(first, second)
        assert not (await hasher.look(None, "b")).right
        hasher.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("kept", "taken"),
    [
        ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b2dWRWJTmaaVoJ2", True),
        ("$argon2i$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b2dWRWJTmaaVoJ2", False),
        ("$argon2id$v=19$m=4194304,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b2dWRWJTmaaVoJ2", False),
        ("$argon2id$v=19$m=65536,t=300,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b2dWRWJTmaaVoJ2", False),
        ("$2b$12$abcdefghijklmnopqrstuv", False),
        ("plain", False),
        ("", False),
    ],
)
def test_hashes_of_others_are_taken_where_a_sign_in_can_bear_them(kept: str, taken: bool) -> None:
    hasher = Hasher(**CHEAP)
    assert hasher.is_kept_form(kept) is taken
    hasher.close()
