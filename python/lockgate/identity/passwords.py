"""Passwords: what may be one, how they are kept, and how long looking at one takes.

A password is kept as Argon2id alone (RFC 9106). Looking at one costs the same whether there is a person or not, and is
done by few threads of their own, so that guesses slow down guesses and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

NAME_CHARACTERS: Final = 64
NAME_BYTES: Final = 256
"""As the gate bounds them (`basic`)."""
PASSWORD_BYTES: Final = 1_024
TIME_COST: Final = 3
MEMORY_KIB: Final = 64 * 2**10
PARALLELISM: Final = 1
"""RFC 9106 section 4, second recommendation, with one lane: OWASP asks for a third of that memory."""
HASHERS: Final = 2
WAITING: Final = 24
"""Who wants a password looked at beyond is told to come back: gates wait for five seconds."""
LINE_BYTES: Final = 2_048
SHARED_CHARACTERS: Final = 4
"""A name shorter than that is in too many good passwords by chance."""
SHA1_LINE: Final = re.compile(rb"[0-9A-Fa-f]{40}(:[0-9]{1,12})?")
FORBIDDEN: Final = frozenset(':/\\?#%"<>& ')
"""In names: what an address, a form or `Authorization: Basic` gives a meaning."""


class UnfitError(ValueError):
    """What is no name or password that can be taken; the message is safe to show to whoever typed it."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is for programs."""
        super().__init__(message)
        self.code = code


class BusyError(Exception):
    """Too many passwords are being looked at."""


def account_name(text: str) -> str:
    """A name in the one form in which it is kept and compared (RFC 8265, UsernameCaseMapped). Raises `UnfitError`."""
    from precis_i18n import get_profile

    unfit = UnfitError(
        "name-malformed",
        f"A name has 1 to {NAME_CHARACTERS} letters, digits and signs such as . _ - + @, and no blanks.",
    )
    if not text or len(text.encode("utf-8", "replace")) > NAME_BYTES:
        raise unfit
    try:
        name = str(get_profile("UsernameCaseMapped").enforce(text))
    except UnicodeError:
        raise unfit from None
    if len(name) > NAME_CHARACTERS or len(name.encode()) > NAME_BYTES or FORBIDDEN & set(name) or name in {".", ".."}:
        raise unfit
    return name


def prepared(text: str) -> str:
    """A password in the one form in which it is hashed (RFC 8265, OpaqueString). Raises `UnfitError`."""
    from precis_i18n import get_profile

    try:
        if len(text.encode()) > PASSWORD_BYTES:
            raise UnfitError("password-too-long", f"A password has at most {PASSWORD_BYTES} bytes.")
        plain = str(get_profile("OpaqueString").enforce(text))
    except UnicodeError:
        message = "A password has letters, digits, blanks and signs, and no control characters."
        raise UnfitError("password-malformed", message) from None
    if len(plain.encode()) > PASSWORD_BYTES:
        raise UnfitError("password-too-long", f"A password has at most {PASSWORD_BYTES} bytes.")
    return plain


def check_new(text: str, *, minimum: int, about: Iterable[str], leaked: LeakedList | None) -> str:
    """A password that somebody chooses, prepared. Raises `UnfitError`; reads files.

    `about` is what everybody knows of the person and the place. There are no rules of what kinds of characters it must
    have (NIST SP 800-63B-4 section 3.1.1.2): they make passwords that are hard to keep in mind and easy to guess.
    """
    password = prepared(text)
    if len(password) < minimum:
        raise UnfitError("password-too-short", f"A password has at least {minimum} characters: take some words.")
    folded = _folded(password)
    for word in about:
        known = _folded(word)
        if len(known) >= SHARED_CHARACTERS and known in folded and len(folded) - len(known) < minimum:
            raise UnfitError("password-about-you", "This password is nearly your own name, or that of this place.")
    if len(set(folded)) < 3:
        raise UnfitError("password-repeated", "This password is one character again and again.")
    if leaked is not None and password in leaked:
        raise UnfitError(
            "password-leaked",
            "This password was lost by somebody before, and is on lists of those who try. Take another.",
        )
    return password


class LeakedList:
    """A file of passwords that others have lost, searched where it lies.

    Either lines of SHA-1 in hexadecimal, with or without `:count`, or plain passwords; sorted by their bytes.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self._path = path

    def __contains__(self, password: str) -> bool:
        """Whether it is in the list. Raises `OSError`."""
        with self._path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            first = stream.readline(LINE_BYTES).rstrip(b"\r\n")
            hashed = SHA1_LINE.fullmatch(first) is not None
            # SHA-1 is how such lists are published; nothing is protected by it here.
            wanted = (
                hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().encode()
                if hashed
                else password.encode()
            )

            def key(line: bytes) -> bytes:
                line = line.rstrip(b"\r\n")
                return line[:40].lower() if hashed else line

            low, high = 0, size
            # `low` is where a line begins, before which none is as large; none that begins at `high` is smaller.
            while low < high:
                middle = (low + high) // 2
                stream.seek(middle)
                if middle > low:
                    stream.seek(middle - 1)
                    stream.readline(LINE_BYTES)  # The rest of the line that the middle is in.
                begins = stream.tell()
                if begins >= high:
                    # No line begins in the upper half: the one at `low` is all that is left of the lower.
                    high = middle
                    continue
                line = stream.readline(LINE_BYTES)
                if key(line) < wanted:
                    low = stream.tell()
                else:
                    high = middle
            stream.seek(low)
            return key(stream.readline(LINE_BYTES)) == wanted and low < size


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking at a password."""

    right: bool
    rehashed: str | None = None
    """The same password as it is to be kept from now on, where it was kept in another way."""


class Hasher:
    """Hashes, in threads of its own."""

    def __init__(
        self,
        *,
        time_cost: int = TIME_COST,
        memory_kib: int = MEMORY_KIB,
        threads: int = HASHERS,
        waiting: int = WAITING,
    ) -> None:
        """Costs are for tests alone."""
        from argon2 import PasswordHasher, Type

        self._hasher = PasswordHasher(time_cost, memory_kib, PARALLELISM, type=Type.ID)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._most = threads + waiting
        self._under_way = 0
        # Of nobody's password: it is looked at where there is no person, and takes as long.
        self._nobody = self._hasher.hash(hashlib.sha256(b"nobody").hexdigest())

    def close(self) -> None:
        """Stop."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """As it is kept. Raises `BusyError`."""
        return await self._run(lambda: self._hasher.hash(password))

    async def look(self, kept: str | None, password: str) -> Looked:
        """Whether it is the password that is kept; without one it takes as long, and is not. Raises `BusyError`."""
        return await self._run(lambda: self._looked(kept, password))

    def is_kept_form(self, kept: str) -> bool:
        """Whether it is a hash of Argon2id with costs that a sign-in can bear."""
        from argon2 import Type, extract_parameters
        from argon2.exceptions import InvalidHashError

        try:
            said = extract_parameters(kept)
        except (InvalidHashError, ValueError):
            return False
        bearable = said.memory_cost <= 4 * MEMORY_KIB and said.time_cost <= 12 and said.parallelism <= 8
        return said.type is Type.ID and bearable and len(kept) <= 256

    def _looked(self, kept: str | None, password: str) -> Looked:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            self._hasher.verify(kept or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return Looked(right=False)
        if kept is None:
            return Looked(right=False)
        return Looked(
            right=True, rehashed=self._hasher.hash(password) if self._hasher.check_needs_rehash(kept) else None
        )

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._most:
            raise BusyError
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._under_way -= 1


def _folded(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
