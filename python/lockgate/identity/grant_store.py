"""What is kept of programs that people let in: asked of whoever keeps it, in threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


class RegistrationError(ValueError):
    """A program may not register itself, or not so; `code` is a word of RFC 7591 section 3.2.2."""

    def __init__(self, code: str, words: str) -> None:
        """`words` are safe to show."""
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Program:
    """A program of others, as the pages know it."""

    id: str
    title: str
    """What people are shown."""
    owner: str
    purpose: str | None
    tier: str
    source: str
    redirect_uris: tuple[str, ...]
    scopes: frozenset[str] | None
    """What it was given; none means all."""
    has_secret: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who lets programs in."""

    iss: str
    subject: str
    auth_time: int | None = None
    """When they were authenticated, seconds."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody allows a program."""

    program: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    """Of PKCE, S256."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody has allowed a program."""

    id: str
    program: str
    person: Person
    scopes: tuple[str, ...]
    created_ms: int
    used_ms: int | None
    until_ms: int


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A code that was good, once."""

    grant: Grant
    redirect_uri: str
    challenge: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A program that has registered itself."""

    program: Program
    metadata: dict[str, Any]
    """As it was taken (RFC 7591 section 2)."""
    created_ms: int
    secret: str | None = field(default=None, repr=False)
    """Shown this once."""
    access: str | None = field(default=None, repr=False)
    """What it is changed with (RFC 7592); shown this once."""


class GrantStore(Protocol):
    """Whoever keeps it. Names of issuers are the configuration's."""

    def program(self, program: str) -> Program | None:
        """One that may do something now: none that was stopped, or whose time is over."""

    def is_secret(self, program: str, secret: str) -> bool:
        """Whether it is one of the program's."""

    def allow(self, issuer: str, person: Person, wish: Wish) -> str | None:
        """Keep what somebody allows; the code that the program gets for it. None where they did so too often."""

    def redeem(self, issuer: str, program: str, code: str) -> Redeemed | None:
        """What a code stands for. A second time it ends what came of the first (RFC 6749 section 4.1.2)."""

    def renewable(self, issuer: str, program: str, refresh: str) -> frozenset[str] | None:
        """The scopes that a refresh token of its own is good for, which goes on to be; none where it is not."""

    def renew(self, issuer: str, program: str, refresh: str) -> Grant | None:
        """What a refresh token stands for. A second time it ends that (RFC 9700 section 4.14.2)."""

    def refresh(self, grant: str) -> str:
        """The refresh token that is good now."""

    def of(self, issuer: str, person: Person) -> list[Grant]:
        """What somebody has allowed, and is good now."""

    def end(self, actor: str, issuer: str, grant: str, reason: str) -> bool:
        """End one everywhere; whether it was there. Raises nothing for one that has ended."""

    def end_by_token(self, issuer: str, program: str, refresh: str | None, grant: str | None) -> None:
        """End what a program gives back (RFC 7009), if it is its own."""

    def end_token(self, issuer: str, program: str, token: str) -> None:
        """End one access token that a program was given for itself, by its `jti`."""

    def may_register(self, issuer: str, token: str | None) -> bool:
        """Whether somebody who shows this may register a program."""

    def register(self, issuer: str, metadata: dict[str, Any], token: str | None) -> Registered:
        """Register one. Raises `RegistrationError`."""

    def registered(self, issuer: str, program: str, access: str) -> Registered | None:
        """One that has registered itself, for who shows what it is changed with."""

    def reregister(self, issuer: str, program: str, metadata: dict[str, Any]) -> Registered:
        """Change one. Raises `RegistrationError`."""

    def unregister(self, program: str) -> None:
        """Remove one."""
