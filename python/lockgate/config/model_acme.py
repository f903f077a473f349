"""`listeners.*.tls.acme`: certificates had from an authority and renewed, by ACME (RFC 8555)."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from lockgate.policies import Settings
from lockgate.scalars import Flag, Scalar, Secret, ShortForm, Text, duration, refusal, shown

Challenge = Literal["http-01", "tls-alpn-01", "dns-01"]
SHORT: Final = ("letsencrypt", "letsencrypt-staging")
TERMS: Final = "https://letsencrypt.org/repository/"
SETTLE_MS: Final = 3_600_000
MAX_NAMES: Final = 100
"""Of one certificate; authorities take as many."""
MAX_WORDS: Final = 64
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EMAIL: Final = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")


def parse_directory(value: object) -> str:
    """A directory's short name or URL."""
    if value in SHORT:
        return str(value)
    parts = urlsplit(value) if isinstance(value, str) and value.isprintable() else None
    # Plain HTTP would let whoever is on the way have certificates for our names.
    if parts is None or parts.scheme != "https" or not parts.hostname or parts.username is not None:
        close = difflib.get_close_matches(str(value).lower().replace("_", "-"), SHORT, n=1)
        raise refusal(
            "acme-directory-malformed",
            f"{shown(value)} is no ACME directory",
            allowed=f"{', '.join(f'`{name}`' for name in SHORT)}, or the `https://` URL of another authority's",
            hint=f"did you mean `{close[0]}`?" if close else None,
        )
    return str(value)


def parse_certificate_name(value: object) -> str:
    """A name that a certificate can be for."""
    # Here: what reads certificates is large, and most configurations want none.
    from lockgate.certificates.names import Names

    try:
        return Names.of([value if isinstance(value, str) else ""]).all[0]
    except ValueError as error:
        raise refusal(
            "certificate-name-malformed",
            str(error),
            allowed="a name such as `api.example.com`, a wildcard such as `*.example.com`, or an IP address",
        ) from None


def parse_email(value: object) -> str:
    """An e-mail address, as far as an authority looks at it."""
    if isinstance(value, str) and _EMAIL.fullmatch(value) and value.isprintable():
        return value
    raise refusal(
        "email-malformed", f"{shown(value)} is no e-mail address", allowed="an address such as `ops@example.com`"
    )


def parse_variable(value: object) -> str:
    """The name of an environment variable."""
    if isinstance(value, str) and _VARIABLE.fullmatch(value):
        return value
    raise refusal(
        "variable-malformed", f"{shown(value)} is not a variable's name", allowed="a name such as `DNS_API_TOKEN`"
    )


def _several(value: object) -> object:
    """One alone stands for a list of one."""
    several = [value] if isinstance(value, str) else value
    if isinstance(several, list) and not 1 <= len(several) <= MAX_NAMES:
        raise refusal("list-length", f"this list has {len(several)} entries", allowed=f"1 to {MAX_NAMES}")
    return several


def _words(value: object) -> object:
    words = [value] if isinstance(value, str) else value
    if isinstance(words, list) and len(words) > MAX_WORDS:
        raise refusal("list-too-long", f"this list has {len(words)} entries", allowed=f"at most {MAX_WORDS}")
    if words == []:
        raise refusal("list-empty", "this list is empty", allowed="at least one entry")
    return words


CertificateName = Annotated[str, Scalar(parse_certificate_name, {"type": "string"})]
CertificateNames = Annotated[list[CertificateName], BeforeValidator(_several), ShortForm({"type": "string"})]
Words = Annotated[list[Text], BeforeValidator(_words), ShortForm({"type": "string"})]
Variable = Annotated[str, Scalar(parse_variable, {"type": "string", "pattern": f"^{_VARIABLE.pattern}$"})]


class ExternalAccount(Settings):
    """An account that the authority knows already; some authorities want one."""

    kid: Text = Field(description="The key identifier that the authority gave out.", examples=["kid-1"])
    hmac_key: Secret = Field(
        description="Where the HMAC key is that came with it, in base64url: a reference, read by the control process "
        "when an account is made.",
        examples=["${file:eab.key}"],
    )


class DnsRecords(Settings):
    """The program that writes and removes the TXT records of `dns-01`."""

    command: Words = Field(
        description="The program, relative to this file, and its first arguments. It is called, by no shell, with "
        "`present` or `cleanup`, the record's name and its value behind them, and ends with status 0 once that is "
        "done.",
        examples=["bin/dns-records", ["/usr/local/bin/dns-records", "--zone", "example.com"]],
    )
    environment: list[Variable] = Field(
        default=[],
        description="Variables of the control process that it may see, besides PATH, HOME, LANG, LC_ALL and TZ.",
        examples=[["DNS_API_TOKEN"]],
    )
    settle: Annotated[int, duration(0, SETTLE_MS)] = Field(
        default=0,
        description="How long to wait once the records are written, for a program that cannot tell when they are "
        "served.",
        examples=["10s"],
        json_schema_extra={"default": "0s"},
    )


class Acme(Settings):
    """Certificates that the control process has from an authority, and renews in time."""

    terms_agreed: Flag = Field(
        default=False,
        description="That you have read the authority's terms of service and agree to them. It has to be said.",
        examples=[True],
    )
    email: Annotated[str, Scalar(parse_email, {"type": "string"})] | None = Field(
        default=None,
        description="Where the authority may write to, for example of a certificate that it takes back.",
        examples=["ops@example.com"],
    )
    directory: Annotated[str, Scalar(parse_directory, {"type": "string"})] = Field(
        default="letsencrypt",
        description="The authority: `letsencrypt`, `letsencrypt-staging` to try things out, or the URL of another "
        "one's ACME directory. One within your network also wants `outgoing.allow`.",
        examples=["letsencrypt-staging", "https://ca.internal/acme/directory"],
    )
    challenge: Challenge = Field(
        default="tls-alpn-01",
        description="How the authority sees that a name is yours. `tls-alpn-01` asks the gate on port 443, `http-01` "
        "on port 80, `dns-01` looks for a DNS record, which `dns` writes; wildcards want it.",
        examples=["http-01"],
    )
    names: CertificateNames | None = Field(
        default=None,
        description="One certificate for these names. Left out, each host of the APIs gets one of its own, so that a "
        "host for which none can be had holds up no other.",
        examples=[["example.com", "*.example.com"]],
    )
    external_account: ExternalAccount | None = Field(
        default=None,
        description="An account that the authority knows already, where it wants one.",
        examples=[{"kid": "kid-1", "hmac_key": "${file:eab.key}"}],
    )
    trust: Text | None = Field(
        default=None,
        description="A file of certificates, PEM: who vouches for a private authority's own directory.",
        examples=["internal-ca.pem"],
    )
    dns: DnsRecords | None = Field(
        default=None,
        description="Who writes DNS records for `dns-01`.",
        examples=[{"command": "bin/dns-records", "environment": ["DNS_API_TOKEN"]}],
    )
    profile: Text | None = Field(
        default=None,
        description="One of the authority's certificate profiles; Let's Encrypt has `classic`, `tlsserver` and "
        "`shortlived`, and IP addresses want the last.",
        examples=["shortlived"],
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.terms_agreed:
            where = f"Let's Encrypt's are at {TERMS}" if self.directory in SHORT else "its directory names them"
            raise refusal(
                "terms-not-agreed",
                "an authority issues only to who agrees to its terms of service",
                hint=f"read them ({where}), and add `terms_agreed: true`",
                at=("terms_agreed",),
            )
        if self.challenge == "dns-01" and self.dns is None:
            raise refusal(
                "acme-dns-missing",
                "`dns-01` wants a program that writes DNS records",
                hint="add `dns: {command: [PROGRAM, …]}`, or take another challenge",
            )
        if self.challenge != "dns-01" and self.dns is not None:
            raise refusal(
                "acme-dns-needless",
                f"`dns` does nothing with `challenge: {self.challenge}`",
                hint="write `challenge: dns-01`, or take `dns` out",
            )
        return self
