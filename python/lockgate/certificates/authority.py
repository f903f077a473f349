"""Who issues certificates, and what is wanted of it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from lockgate.certificates.chain import read_request
from lockgate.certificates.challenges import ChallengeKind
from lockgate.certificates.hook import DnsHook
from lockgate.certificates.names import Names
from lockgate.outgoing import Outgoing, OutgoingError, Rules
from lockgate.outgoing.client import check_url

DIRECTORIES: Final = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
"""Short names for directories."""

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+={0,2}")

MacAlgorithm = Literal["HS256", "HS384", "HS512"]


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """An account that the authority knows already (RFC 8555 section 7.3.4); raises `ValueError` for a bad key."""

    kid: str
    hmac_key: str = field(repr=False)
    """Base64url, as authorities give it out."""
    algorithm: MacAlgorithm = "HS256"

    def __post_init__(self) -> None:
        if not self.kid:
            raise ValueError("the external account has no key identifier")
        if self.algorithm not in get_args(MacAlgorithm):
            raise ValueError(f"the external account's algorithm is one of {', '.join(get_args(MacAlgorithm))}")
        if not _BASE64URL.fullmatch(self.hmac_key):
            # Without what it is: a secret.
            raise ValueError("the external account's HMAC key is not base64url")


@dataclass(frozen=True, slots=True)
class Authority:
    """An ACME directory, and who we are there; raises `ValueError` for a directory that is no URL."""

    directory: str
    """A URL; `Authority.at` takes the short names too."""
    email: str | None = None
    terms_agreed: bool = False
    """Whether the operator agrees to the terms of service, where the authority has some."""
    external_account: ExternalAccount | None = None
    trust: str | None = None
    """A file of certificates to trust for the directory alone, in the place of the system's."""
    rules: Rules = field(default_factory=Rules)
    """Where calls may go; the configuration's `outgoing`."""

    def __post_init__(self) -> None:
        try:
            check_url(self.directory)
        except OutgoingError as error:
            short = ", ".join(f"`{name}`" for name in DIRECTORIES)
            raise ValueError(f"the directory is a URL, or one of {short}: {error}") from None
        if self.email is not None and ("@" not in self.email or not self.email.isprintable() or "," in self.email):
            raise ValueError("the e-mail address is none")

    @property
    def account_id(self) -> str:
        """A name for the account's file: its directory, and the external account that it belongs to."""
        kid = self.external_account.kid if self.external_account else ""
        return hashlib.sha256(f"{self.directory}\n{kid}".encode()).hexdigest()[:32]

    def client(self) -> Outgoing:
        """The client for calls to it."""
        return Outgoing(Rules(self.rules.allow, self.trust or self.rules.trust))


def directory_url(named: str) -> str:
    """The URL of a directory that may be named in short."""
    return DIRECTORIES.get(named, named)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that is to be had and kept; raises `ValueError` for what can never be had."""

    names: Names
    authority: Authority
    challenge: ChallengeKind = "http-01"
    hook: DnsHook | None = None
    """Who writes DNS records; wanted by `dns-01`."""
    profile: str | None = None
    """One of the directory's profiles (draft-ietf-acme-profiles)."""
    request_pem: str | None = field(default=None, repr=False)
    """A certificate signing request made elsewhere, whose key stays there; a fresh key each time without it."""

    @property
    def recipe(self) -> str:
        """A digest of how it is to be had: where this changes, what failed may well succeed."""
        authority, hook = self.authority, self.hook
        account = authority.external_account
        said = (
            (authority.directory, authority.email, authority.trust, sorted(map(str, authority.rules.allow))),
            None if account is None else (account.kid, account.algorithm, account.hmac_key),
            self.challenge,
            None if hook is None else (list(hook.command), list(hook.environment), hook.settle_seconds),
            self.profile,
            self.request_pem,
        )
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]

    def __post_init__(self) -> None:
        if self.challenge not in get_args(ChallengeKind):
            raise ValueError(f"the challenge is one of {', '.join(get_args(ChallengeKind))}")
        if self.names.wildcards and self.challenge != "dns-01":
            raise ValueError(f"`{self.names.wildcards[0]}` can only be shown by `dns-01` (RFC 8555 section 7.1.3)")
        if self.names.addresses and self.challenge == "dns-01":
            raise ValueError(f"`{self.names.addresses[0]}` cannot be shown by `dns-01` (RFC 8738 section 7)")
        if self.challenge == "dns-01" and self.hook is None:
            raise ValueError("`dns-01` wants a program that writes DNS records")
        if self.request_pem is not None and read_request(self.request_pem)[1] != self.names:
            raise ValueError("the certificate signing request is for other names")
