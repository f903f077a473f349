"""`listeners.*.tls`: certificates, versions, and whose certificates clients may show."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lockgate.addresses import Host, parse_host
from lockgate.config.model_acme import Acme, CertificateNames
from lockgate.config.model_urls import parse_url
from lockgate.policies import AddressFilter, Settings, Waiver
from lockgate.scalars import Flag, Name, Pin, Scalar, ShortForm, Text, duration, refusal, shown

DAY_MS: Final = 86_400_000
YEAR_MS: Final = 365 * DAY_MS
PRELOAD_MS: Final = YEAR_MS
"""The least that lists of browsers take (https://hstspreload.org)."""
MAX_CERTIFICATES: Final = 1_000
MAX_FILES: Final = 32


def _several(value: object) -> object:
    """One alone stands for a list of one."""
    several = value if isinstance(value, list) else [value]
    if not several:
        raise refusal("list-empty", "this list is empty", allowed="at least one entry")
    if len(several) > MAX_CERTIFICATES:
        raise refusal("list-too-long", f"this list has {len(several)} entries", allowed=f"at most {MAX_CERTIFICATES}")
    return several


def _files(value: object) -> object:
    several = [value] if isinstance(value, str) else value
    if isinstance(several, list) and not 1 <= len(several) <= MAX_FILES:
        raise refusal("list-length", f"this list has {len(several)} entries", allowed=f"1 to {MAX_FILES}")
    return several


Files = Annotated[list[Text], BeforeValidator(_files), ShortForm({"type": "string"})]


class Certificate(Settings):
    """A certificate and its private key, in files that are read again when they change."""

    chain: Text = Field(
        description="PEM: the host's own certificate first, then who issued it, and so on; relative to this file.",
        examples=["certs/api.pem"],
    )
    key: Text = Field(
        description="Its private key, PEM without a password; keep it at mode 0600.", examples=["certs/api.key"]
    )


FROM_CERTIFICATE: Final = "from_certificate"


def _responder(value: object) -> str:
    """Whom to ask."""
    if value == FROM_CERTIFICATE:
        return FROM_CERTIFICATE
    try:
        return parse_url(value)
    except ValueError as error:
        raise refusal(
            "responder-malformed",
            f"{shown(value)} says of no responder where it is",
            allowed=f"`{FROM_CERTIFICATE}`, or a URL such as `http://ocsp.example.com`",
        ) from error


Responder = Annotated[str, Scalar(_responder, {"type": "string", "pattern": "^(from_certificate$|https?://)"})]


class Ocsp(Settings):
    """How it is asked whether a client's certificate was revoked (OCSP, RFC 6960)."""

    responder: Responder = Field(
        description="Who is asked: `from_certificate` for whom each certificate names (`authorityInfoAccess`), or one "
        "URL for all. Plain `http://` is as good as TLS here, since answers are signed. Only public addresses are "
        "called, and those of `outgoing.allow`.",
        examples=["from_certificate", "http://ocsp.example.com"],
    )
    timeout: Annotated[int, duration(100, 30_000)] = Field(
        default=3_000,
        description="How long a responder has. The first request with a certificate waits for it, and no other.",
        examples=["2s"],
        json_schema_extra={"default": "3s"},
    )
    max_age: Annotated[int, duration(1_000, 7 * DAY_MS)] = Field(
        default=3_600_000,
        description="How long an answer is believed before it is asked for again; no longer than it says itself. If "
        "there is no new one then, the last holds for as long as it says itself.",
        examples=["10m"],
        json_schema_extra={"default": "1h"},
    )


def _ocsp(value: object) -> object:
    """Turn the short form, whom to ask, into the long one."""
    return {"responder": value} if isinstance(value, str) else value


class ClientCertificates(Settings):
    """Whose certificates clients may show."""

    trust: Files = Field(
        description="Authorities, PEM. Several may hold at once, so that an old one and the new one overlap. Read "
        "again when they change.",
        examples=["clients-ca.pem", ["clients-ca-2026.pem", "clients-ca-2027.pem"]],
    )
    require: Flag = Field(
        default=True,
        description="Whether a client without one is turned away in the handshake. With `false` it may come, and the "
        "`mtls` policy says where that is enough.",
        examples=[False],
    )
    crl: Files = Field(
        default=[],
        description="Revocation lists, PEM. Read again when they change; a connection whose certificate was revoked "
        "ends with its next request.",
        examples=["clients.crl"],
    )
    unknown_revocation: Literal["allow", "deny"] = Field(
        default="allow",
        description="What becomes of a certificate of which nothing says that it was not revoked: no list of who "
        "issued it is there or the list is out of date, or with `ocsp` no responder gave an answer that holds. `deny` "
        "wants that of each certificate on the way to an authority, of `crl` and of `ocsp`, where they are named.",
        examples=["deny"],
    )
    ocsp: Annotated[Ocsp, BeforeValidator(_ocsp), ShortForm({"type": "string"})] | None = Field(
        default=None,
        description="Also asks who issued a certificate whether it was revoked. The control process asks, once for all "
        "gates, after the handshake; the first request waits for the answer.",
        examples=[FROM_CERTIFICATE, {"responder": "http://ocsp.example.com", "max_age": "10m"}],
    )

    @model_validator(mode="after")
    def _tellable(self) -> Self:
        if self.unknown_revocation == "deny" and not self.crl and self.ocsp is None:
            raise refusal(
                "revocation-untold",
                "nothing could say of any certificate that it was not revoked, so nobody could come in",
                hint="name the revocation lists with `crl: FILE`, ask with `ocsp: from_certificate`, or take "
                "`unknown_revocation: deny` out",
            )
        return self


class TlsHost(Settings):
    """A host with rules of its own."""

    client_certificates: ClientCertificates | None = Field(
        default=None,
        description="Whose certificates its clients may show; left out, it asks for none.",
        examples=[{"trust": "staff-ca.pem"}],
    )


class Hsts(Settings):
    """That browsers ask only over HTTPS from then on (RFC 6797)."""

    send: Flag = Field(default=True, description="Whether it is said at all.", examples=[False])
    max_age: Annotated[int, duration(0, 10 * YEAR_MS)] = Field(
        default=YEAR_MS,
        description="For how long; `0` takes it back.",
        examples=["365d"],
        json_schema_extra={"default": "365d"},
    )
    include_subdomains: Flag = Field(
        default=False, description="The same of every host below this one.", examples=[True]
    )
    preload: Flag = Field(
        default=False,
        description="That browsers may know it before the first visit. Wants `include_subdomains` and a year.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _preloadable(self) -> Self:
        if self.preload and not (self.include_subdomains and self.max_age >= PRELOAD_MS):
            raise refusal(
                "hsts-not-preloadable",
                "lists of browsers take no host with this",
                allowed="`include_subdomains: true` and a `max_age` of at least 365d",
            )
        return self

    def header(self) -> str:
        """The field's value."""
        parts = [f"max-age={self.max_age // 1000}"]
        parts += ["includeSubDomains"] * self.include_subdomains + ["preload"] * self.preload
        return "; ".join(parts)


Preset = Literal["modern", "intermediate"]
Version = Literal["1.2", "1.3"]


def parse_carried(value: object) -> str:
    """A name that is carried on; not every one of them."""
    try:
        return parse_host(value)
    except PydanticCustomError as error:
        allowed = "a name such as `db.example.com`, or `*.example.com` for every name below it"
        context = error.context or {}
        raise refusal(error.type, error.message(), hint=context.get("hint"), allowed=allowed) from None


CarriedHost = Annotated[str, Scalar(parse_carried, {"type": "string"})]


class Passthrough(Settings):
    """Names whose TLS is ended elsewhere: their connections are carried on unread."""

    hosts: Annotated[list[CarriedHost], BeforeValidator(_several), ShortForm({"type": "string"})] = Field(
        description="The names, as clients ask for them in their handshake (SNI): `db.example.com`, or "
        "`*.example.com` for every name below it that the listener does not end itself.",
        examples=[["db.example.com", "*.legacy.example.com"]],
    )
    upstream: Name = Field(
        description="Where they go: an upstream of targets that begin with `tcp://`.", examples=["legacy"]
    )
    idle_timeout: Annotated[int, duration(1_000, 7 * DAY_MS)] = Field(
        default=3_600_000,
        description="How long nothing may pass before the connection is closed.",
        examples=["1h"],
        json_schema_extra={"default": "1h"},
    )
    ip_filter: AddressFilter = Field(
        default=AddressFilter(),
        description="Which addresses may come, by the lists of the policy `ip_filter`. Others get an alert, and the "
        "server behind hears nothing of them.",
        examples=[{"allow": ["10.0.0.0/8"], "deny": ["10.6.6.0/24"]}],
    )


def _version(value: object) -> object:
    """`1.2` without quotes is a number to YAML."""
    return str(value) if isinstance(value, float) else value


def _hsts(value: object) -> object:
    """Turn the short form, `off`, into the long one; to YAML it may be a truth value."""
    return {"send": False} if value is False or value == "off" else value


class Tls(Settings):
    """How a listener speaks TLS."""

    certificate: Annotated[list[Certificate], BeforeValidator(_several)] = Field(
        default=[],
        description="From files: one or several. Each is shown to who asks for a name that it is good for, the first "
        "also to who asks for none; who asks for another name is turned away.",
        examples=[
            {"chain": "certs/api.pem", "key": "certs/api.key"},
            [
                {"chain": "certs/api.pem", "key": "certs/api.key"},
                {"chain": "certs/shop.pem", "key": "certs/shop.key"},
            ],
        ],
    )
    imported: CertificateNames = Field(
        default=[],
        description="Certificates that `lockgate certs import` brings in, each by a name that it is for. Another one "
        "that is imported for the name takes its place at once.",
        examples=["api.example.com"],
    )
    acme: Acme | None = Field(
        default=None,
        description="Certificates from an authority such as Let's Encrypt, had and renewed by the control process.",
        examples=[{"email": "ops@example.com", "terms_agreed": True}],
    )
    preset: Preset = Field(
        default="intermediate",
        description="`intermediate` speaks TLS 1.2 and 1.3, `modern` 1.3 alone. Both take only ciphers with forward "
        "secrecy and authentication, and begin with the key exchange X25519MLKEM768, which holds against quantum "
        "computers too.",
        examples=["modern"],
    )
    minimum: Annotated[Version, BeforeValidator(_version)] | None = Field(
        default=None, description="The oldest version; left out, the preset's.", examples=["1.3"]
    )
    client_certificates: ClientCertificates | None = Field(
        default=None,
        description="Whose certificates clients may show, on every host that has no rule of its own.",
        examples=[{"trust": "clients-ca.pem", "require": False}],
    )
    hosts: dict[Host, TlsHost] = Field(
        default={},
        description="Hosts with rules of their own. A connection that was made for another host carries none of "
        "theirs: such requests get 421.",
        examples=[{"admin.example.com": {"client_certificates": {"trust": "staff-ca.pem"}}}],
    )
    passthrough: Annotated[list[Passthrough], BeforeValidator(_several)] = Field(
        default=[],
        description="Names that are not ended here: their connections go on as they are, to who has the certificate. "
        "No policy sees what passes.",
        examples=[[{"hosts": ["db.example.com", "*.legacy.example.com"], "upstream": "legacy"}]],
    )
    hsts: Annotated[Hsts, BeforeValidator(_hsts), ShortForm({"enum": ["off"]})] | None = Field(
        default=None,
        description="`Strict-Transport-Security` on every answer; `off` for none. Left out, it is said for a year, but "
        "not on loopback: a browser would hold it against everything else on this machine.",
        examples=[{"max_age": "730d", "include_subdomains": True}, "off"],
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.ends_nothing() and not self.passthrough:
            raise refusal(
                "certificate-missing",
                "nothing says which certificate is shown",
                allowed="`certificate`, `acme` or `imported`, or several of them; or `passthrough` alone",
                hint="add `certificate: {chain: FILE, key: FILE}`, or `acme: {email: ADDRESS, terms_agreed: true}`",
            )
        if self.preset == "modern" and self.minimum == "1.2":
            raise refusal(
                "minimum-below-preset",
                "the preset `modern` speaks TLS 1.3 alone, and `minimum` wants 1.2",
                hint="take `preset: intermediate`, or leave `minimum` out",
            )
        return self

    def ends_nothing(self) -> bool:
        """Whether every connection is for somebody else."""
        return not self.certificate and not self.imported and self.acme is None

    def oldest(self) -> Version:
        """The oldest version that is spoken."""
        return self.minimum or ("1.3" if self.preset == "modern" else "1.2")


MAX_PINS: Final = 16


def _pins(value: object) -> object:
    several = [value] if isinstance(value, str) else value
    if isinstance(several, list) and len(several) > MAX_PINS:
        raise refusal("list-too-long", f"this list has {len(several)} entries", allowed=f"at most {MAX_PINS}")
    return several


def parse_server_name(value: object) -> str:
    """A host's name, in lower case."""
    name = parse_host(value)
    if "*" in name:
        raise refusal(
            "server-name-malformed", f"{shown(value)} is not one name", allowed="a name such as `orders.internal`"
        )
    return name


class UpstreamTls(Settings):
    """How the gate speaks TLS with an upstream: what is verified, and what it shows."""

    trust: Files = Field(
        default=[],
        description="Authorities, PEM, in the place of this machine's. Read again when they change.",
        examples=["internal-ca.pem"],
    )
    server_name: Annotated[str, Scalar(parse_server_name, {"type": "string"})] | None = Field(
        default=None,
        description="The name to ask for, which the certificate has to be good for; left out, the target's host.",
        examples=["orders.internal"],
    )
    pins: Annotated[list[Pin], BeforeValidator(_pins), ShortForm({"type": "string"})] = Field(
        default=[],
        description="Hashes of public keys, one of which has to be the server's own, whoever vouches for it. Name the "
        "next one too, before the server changes its key.",
        examples=["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],
    )
    client_certificate: Certificate | None = Field(
        default=None,
        description="What the gate shows to a server that asks who it is.",
        examples=[{"chain": "certs/gate.pem", "key": "certs/gate.key"}],
    )
    minimum: Annotated[Version, BeforeValidator(_version)] = Field(
        default="1.2", description="The oldest version that is spoken.", examples=["1.3"]
    )
    skip_verify: Waiver | None = Field(
        default=None,
        description="Takes whatever certificate the server has: anyone on the way can then read and change all. Wants "
        "somebody who answers for it; `pins` hold all the same.",
        examples=[{"owner": "orders", "reason": "its certificate names another host", "until": "2027-01-01"}],
    )
