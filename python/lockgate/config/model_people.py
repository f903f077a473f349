"""`issuers.NAME.users` and `issuers.NAME.ldap`: people who sign in with a password on the gate's own pages."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from lockgate.config.model_urls import Url
from lockgate.policies import Settings
from lockgate.scalars import Flag, Scalar, Secret, Text, count, duration, refusal, shown

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
NAME_PLACE: Final = "{name}"
KEPT: Final = frozenset(
    {"iss", "sub", "jti", "iat", "exp", "sid", "aud", "azp", "nonce", "amr", "auth_time", "device", "earlier_auth"}
)
"""Claims that the gate says itself of who signed in."""
ATTRIBUTE: Final = r"[A-Za-z][A-Za-z0-9-]{0,63}(;[A-Za-z0-9-]{1,63})*|[0-9]+(\.[0-9]+){1,32}"
"""An attribute's name or number, with its options (RFC 4512 section 2.5)."""


def parse_pages(value: object) -> str:
    """A scheme and a host under which browsers reach the gate."""
    text = value if isinstance(value, str) else ""
    host = r"([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?"
    if re.fullmatch(rf"https://{host}", text) or re.fullmatch(r"http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?", text):
        return text
    raise refusal(
        "pages-malformed",
        f"{shown(value)} is not where browsers reach the gate",
        allowed="`https://` and a host, without a path, such as `https://portal.example.com`",
    )


def parse_smtp(value: object) -> str:
    """A mail server."""
    text = value if isinstance(value, str) else ""
    found = re.fullmatch(r"smtps?://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:([0-9]{1,5}))?", text)
    if found is not None and (found[3] is None or 0 < int(found[3]) < 65_536):
        return text
    raise refusal(
        "smtp-malformed",
        f"{shown(value)} is not a mail server",
        allowed="`smtp://host:587` (STARTTLS) or `smtps://host:465`",
        hint="name and password stand beside it: `user: …`, `password: …`" if "@" in text else None,
    )


def parse_ldap(value: object) -> str:
    """A directory's address."""
    text = value if isinstance(value, str) else ""
    found = re.fullmatch(r"ldaps?://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:([0-9]{1,5}))?/?", text)
    if found is not None and (found[3] is None or 0 < int(found[3]) < 65_536):
        return text.rstrip("/")
    raise refusal(
        "ldap-url-malformed",
        f"{shown(value)} is not where a directory is",
        allowed="a URL such as `ldaps://ldap.example.com`",
        hint="where people are looked for stands in `base`" if text.startswith(("ldap://", "ldaps://")) else None,
    )


def is_loopback(url: str) -> bool:
    """Whether it is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_filter(value: object) -> str:
    """A filter with a place for the name (RFC 4515)."""
    text = value if isinstance(value, str) else ""
    nested = re.sub(r"\\[0-9A-Fa-f]{2}", "", text)
    whole = text.startswith("(") and text.endswith(")") and nested.count("(") == nested.count(")")
    if whole and NAME_PLACE in text and len(text) <= 1_000 and text.isprintable():
        return text
    raise refusal(
        "ldap-filter-malformed",
        f"{shown(value)} is no filter that finds one person",
        allowed="a filter in parentheses with `{name}`, such as `(uid={name})`",
    )


def parse_template(value: object) -> str:
    """A name of an entry with a place for the person's (RFC 4514)."""
    text = value if isinstance(value, str) else ""
    if text.count(NAME_PLACE) == 1 and "=" in text and len(text) <= 1_000 and text.isprintable():
        return text
    raise refusal(
        "ldap-template-malformed",
        f"{shown(value)} names no person's entry",
        allowed="an entry's name with `{name}`, such as `uid={name},ou=people,dc=example,dc=com`",
    )


def parse_attribute(value: object) -> str:
    """An attribute's name."""
    if isinstance(value, str) and re.fullmatch(ATTRIBUTE, value):
        return value
    raise refusal("ldap-attribute-malformed", f"{shown(value)} is no attribute", allowed="a name such as `mail`")


def parse_claim_name(value: object) -> str:
    """A claim that an attribute may become."""
    if isinstance(value, str) and value in KEPT:
        raise refusal("claim-reserved", f"{shown(value)} is what the gate says itself")
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,127}", value):
        return value
    raise refusal("claim-malformed", f"{shown(value)} is no claim's name", allowed="1 to 128 letters, digits and `_`")


Attribute = Annotated[str, Scalar(parse_attribute, {"type": "string"})]


class Leaked(Settings):
    """Passwords that others have lost already."""

    file: Text = Field(
        description="The list, relative to this file: lines of SHA-1 in hexadecimal, sorted, each with `:` and a count "
        "or without (as Have I Been Pwned publishes them), or of plain passwords, sorted by their bytes. It is "
        "searched where it lies, and may be of any size.",
        examples=["pwned-passwords-sha1.txt"],
    )


class Mail(Settings):
    """How links for invitations and forgotten passwords reach people."""

    command: list[Text] | None = Field(
        default=None,
        min_length=1,
        max_length=32,
        description="A program that is given the message as JSON on its standard input: `to`, `subject`, `text`, "
        "`kind` and `user`. No shell is between.",
        examples=[["/usr/local/bin/send-mail"]],
    )
    url: Url | None = Field(
        default=None,
        description="Where the same JSON is sent by POST. `outgoing` bounds this call as all of Lockgate's own.",
        examples=["https://hooks.example.com/mail"],
    )
    secret: Secret | None = Field(
        default=None,
        description="With `url`: a secret under which each message is signed, as Standard Webhooks has it "
        "(`webhook-id`, `webhook-timestamp`, `webhook-signature`).",
        examples=["${file:mail.secret}"],
    )
    smtp: Annotated[str, Scalar(parse_smtp, {"type": "string", "pattern": "^smtps?://"})] | None = Field(
        default=None,
        description="A mail server: `smtp://` begins TLS by STARTTLS, and `smtps://` speaks it from the first byte. "
        "Without TLS nothing is sent but to this machine.",
        examples=["smtp://mail.example.com:587"],
    )
    sender: Text | None = Field(
        default=None, max_length=320, description="With `smtp`: whom mails are from.", examples=["portal@example.com"]
    )
    user: Text | None = Field(
        default=None, max_length=320, description="With `smtp`: the account that sends.", examples=["portal"]
    )
    password: Secret | None = Field(
        default=None, description="With `smtp`: that account's password.", examples=["${env:SMTP_PASSWORD}"]
    )
    trust: Text | None = Field(
        default=None,
        description="With `smtp`: a file of certificates (PEM) to trust in the place of the system's.",
        examples=["internal-ca.pem"],
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        ways = [name for name in ("command", "url", "smtp") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise refusal("mail-one-way", "mail goes one way", allowed="`command`, `url` or `smtp`")
        if (self.url is None) != (self.secret is None):
            raise refusal(
                "mail-unsigned", "`url` and `secret` go together: the receiver must know whose words they are"
            )
        if (self.smtp is None) != (self.sender is None):
            raise refusal("mail-sender", "`smtp` and `sender` go together: a mail is from somebody")
        if (self.user is None) != (self.password is None) or (self.user is not None and self.smtp is None):
            raise refusal("mail-account", "`user` and `password` go together, with `smtp`")
        return self


class LocalUsers(Settings):
    """People that this installation knows by itself: `lockgate users` adds them."""

    pages: Annotated[str, Scalar(parse_pages, {"type": "string", "pattern": "^https?://"})] | None = Field(
        default=None,
        description="Where browsers reach the gate, for links in mails. Left out, nobody can ask for a new password by "
        "themselves: what a request calls its host is no place to send people to.",
        examples=["https://portal.example.com"],
    )
    minimum: Annotated[int, count(8, 64)] = Field(
        default=12,
        description="The shortest password, in characters. There are no rules of what it must consist of (NIST "
        "SP 800-63B-4 section 3.1.1.2).",
        examples=[15],
    )
    leaked: Leaked | None = Field(
        default=None,
        description="Passwords that nobody may choose, since others have lost them already.",
        examples=[{"file": "pwned-passwords-sha1.txt"}],
    )
    invitation: Annotated[int, duration(MINUTE_MS, 30 * DAY_MS)] = Field(
        default=3 * DAY_MS,
        description="How long the link of an invitation is good.",
        examples=["72h"],
        json_schema_extra={"default": "72h"},
    )
    reset: Annotated[int, duration(MINUTE_MS, DAY_MS)] = Field(
        default=30 * MINUTE_MS,
        description="How long the link for a new password is good.",
        examples=["30m"],
        json_schema_extra={"default": "30m"},
    )
    mail: Mail | None = Field(
        default=None,
        description="How links reach people. Left out, `lockgate users` prints them for the operator to hand over.",
        examples=[{"smtp": "smtp://mail.example.com:587", "sender": "portal@example.com"}],
    )


class Bind(Settings):
    """An account that may search."""

    dn: Text = Field(description="Its entry.", examples=["cn=lockgate,ou=services,dc=example,dc=com"])
    password: Secret = Field(description="Its password.", examples=["${file:ldap.password}"])


class Directory(Settings):
    """People of a directory (LDAP): it says whether a password is somebody's."""

    url: Annotated[str, Scalar(parse_ldap, {"type": "string", "pattern": "^ldaps?://"})] = Field(
        description="Where it is. `ldaps://` speaks TLS from the first byte; `ldap://` wants `start_tls`, but to this "
        "machine.",
        examples=["ldaps://ldap.example.com"],
    )
    start_tls: Flag = Field(
        default=False, description="Begin TLS on an `ldap://` connection before anything is said.", examples=[True]
    )
    unsafe_plain: Flag = Field(
        default=False,
        description="Send passwords to another machine without TLS. Everybody on the way can read them.",
        examples=[True],
    )
    trust: Text | None = Field(
        default=None,
        description="A file of certificates (PEM), relative to this one, to trust in the place of the system's.",
        examples=["internal-ca.pem"],
    )
    bind: Bind | None = Field(
        default=None,
        description="An account that searches for a person's entry, by which the password is tried then.",
        examples=[{"dn": "cn=lockgate,ou=services,dc=example,dc=com", "password": "${file:ldap.password}"}],
    )
    template: Annotated[str, Scalar(parse_template, {"type": "string"})] | None = Field(
        default=None,
        description="In the place of `bind`: the entry of who is called `{name}`. People must then be able to read "
        "their own entry.",
        examples=["uid={name},ou=people,dc=example,dc=com"],
    )
    base: Text = Field(
        description="Below which entry people are looked for.",
        examples=["ou=people,dc=example,dc=com"],
        max_length=1_000,
    )
    filter: Annotated[str, Scalar(parse_filter, {"type": "string"})] = Field(
        default="(uid={name})",
        description="Which entry is whose: `{name}` is what was typed in, escaped. It must find one alone.",
        examples=["(&(objectClass=person)(uid={name}))"],
    )
    subject: Attribute = Field(
        default="uid",
        description="The attribute that tells people apart for ever; it becomes the claim `sub`.",
        examples=["entryUUID"],
    )
    claims: dict[Annotated[str, Scalar(parse_claim_name, {"type": "string"})], Attribute] = Field(
        default={"email": "mail", "name": "cn", "groups": "memberOf"},
        max_length=32,
        description="Claims, and the attributes that they are read from. `groups` and `roles` are lists, and of an "
        "entry's name hold the first part's value alone.",
        examples=[{"email": "mail", "name": "displayName", "groups": "memberOf"}],
    )
    timeout: Annotated[int, duration(100, 30_000)] = Field(
        default=5_000,
        description="How long it may take to answer.",
        examples=["5s"],
        json_schema_extra={"default": "5s"},
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.bind is None) == (self.template is None):
            raise refusal(
                "ldap-one-bind",
                "a person's entry is found one way",
                allowed="`bind`, with an account that searches, or `template`",
            )
        if self.start_tls and self.url.startswith("ldaps://"):
            raise refusal("ldap-tls-twice", "`ldaps://` has begun TLS already", hint="take `start_tls` out")
        plain = self.url.startswith("ldap://") and not self.start_tls
        if plain and not self.unsafe_plain and not is_loopback(self.url):
            raise refusal(
                "ldap-plain",
                "passwords would go over the network for everybody to read",
                hint="write `ldaps://`, or `start_tls: true`",
                at=("url",),
            )
        return self
