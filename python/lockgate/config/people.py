"""Issuers that know people by passwords: what the control process is told of them, and what holds between fields."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from lockgate.addresses import is_inside
from lockgate.config.document import Document
from lockgate.config.effective import PAGES, EffectiveApi
from lockgate.config.model_issuers import Issuer
from lockgate.config.model_listeners import Listener
from lockgate.config.model_people import Mail
from lockgate.config.references import References, secret_reference
from lockgate.config.sign_in import pages
from lockgate.scalars import shown

PERSON: Final = frozenset({"sub", "preferred_username", "groups", "name", "email", "amr", "iat"})
"""What is said of people of this installation who show a password, as claims."""


@dataclass(frozen=True, slots=True)
class MailWay:
    """How links reach people; secrets are named in it, and stand elsewhere."""

    command: tuple[str, ...]
    url: str | None
    secret: str | None
    smtp: str | None
    sender: str | None
    user: str | None
    password: str | None
    trust: str | None


@dataclass(frozen=True, slots=True)
class LocalPeople:
    """People of this installation."""

    pages: str | None
    """Where browsers reach the gate."""
    minimum: int
    leaked: str | None
    invitation_ms: int
    reset_ms: int
    mail: MailWay | None


@dataclass(frozen=True, slots=True)
class DirectoryPeople:
    """People of a directory."""

    url: str
    start_tls: bool
    trust: str | None
    bind_dn: str | None
    bind_password: str | None
    """A reference, never the secret."""
    template: str | None
    base: str
    filter: str
    subject: str
    claims: tuple[tuple[str, str], ...]
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class People:
    """An issuer that knows people by passwords."""

    name: str
    issuer: str
    """What it calls itself in `iss`."""
    local: LocalPeople | None
    directory: DirectoryPeople | None
    pages_of: tuple[str, ...]
    """Sign-ins that offer it."""
    bases: tuple[tuple[str, str], ...] = ()
    """Where browsers reach their pages, by the name of the sign-in, as far as listeners and hosts tell."""

    @property
    def source(self) -> str:
        """What tells it from every other, as the bundle says it."""
        return asked_at(self.issuer)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> People:
        """What was kept of it. Raises `TypeError` or `KeyError` where another version wrote it."""
        local, directory = kept["local"], kept["directory"]
        if local is not None:
            mail = local["mail"]
            way = MailWay(**{**mail, "command": tuple(mail["command"])}) if mail is not None else None
            local = LocalPeople(**{**local, "mail": way})
        if directory is not None:
            claims = tuple((str(claim), str(attribute)) for claim, attribute in directory["claims"])
            directory = DirectoryPeople(**{**directory, "claims": claims})
        bases = tuple((str(sign_in), str(base)) for sign_in, base in kept.get("bases", ()))
        return cls(kept["name"], kept["issuer"], local, directory, tuple(kept["pages_of"]), bases)


def asked_at(issuer: str) -> str:
    """Where its people's passwords are asked about, as the bundle says it."""
    return f"people:{issuer}"


def people(document: Document, references: References, apis: list[EffectiveApi]) -> Iterator[People]:
    """Each of them."""
    reached = [(api.name.removeprefix(PAGES), _base(document, api.api.hosts)) for api in pages(document, apis)]
    for name, issuer in document.issuers.items():
        if not issuer.by_password:
            continue
        offered = tuple(sign_in for sign_in, said in document.sign_in.items() if name in said.issuers)
        yield People(
            name=name,
            issuer=issuer.issuer,
            local=_local(document, name, issuer, references),
            directory=_directory(document, name, issuer, references),
            pages_of=offered,
            bases=tuple((sign_in, base) for sign_in, base in reached if base is not None and sign_in in offered),
        )


def check(document: Document, references: References) -> None:
    """Run the rules that look at files and at more than one value."""
    for name, issuer in document.issuers.items():
        if issuer.users is not None:
            if issuer.users.leaked is not None:
                _readable(document, ("issuers", name, "users", "leaked", "file"), issuer.users.leaked.file, references)
            if issuer.users.mail is not None and issuer.users.mail.trust is not None:
                _trusted(document, ("issuers", name, "users", "mail", "trust"), issuer.users.mail.trust, references)
        if issuer.ldap is not None and issuer.ldap.trust is not None:
            _trusted(document, ("issuers", name, "ldap", "trust"), issuer.ldap.trust, references)


def issues_nothing(document: Document, path: tuple[str | int, ...], name: str) -> bool:
    """Note that tokens are wanted of who issues none; whether that is so."""
    issuer = document.issuers.get(name)
    if issuer is None or not issuer.by_password:
        return False
    document.problems.add(
        document.value_region(*path),
        "issuer-without-tokens",
        f"the issuer {shown(name)} knows people by passwords, and issues no tokens",
        hint=f"write `basic: {{issuer: {name}}}`, or `session` with a sign-in of it",
        path=path,
    )
    return True


def _base(document: Document, hosts: list[str]) -> str | None:
    """Where browsers reach pages on these hosts; nothing where that is not to be told for certain."""
    host = next((host for host in hosts if not host.startswith("*")), None)
    found = set()
    for listener in (document.listeners or {"public": Listener()}).values():
        port = listener.reached_at()
        if not port or listener.redirect_to is not None:
            continue
        if listener.tls is not None and host is not None:
            found.add(f"https://{host}" if port == 443 else f"https://{host}:{port}")
        elif listener.tls is None and not hosts and is_inside(listener.address):
            found.add(f"http://{listener.address.rpartition(':')[0]}:{port}")
    return found.pop() if len(found) == 1 else None


def _local(document: Document, name: str, issuer: Issuer, references: References) -> LocalPeople | None:
    users = issuer.users
    if users is None:
        return None
    above = ("issuers", name, "users")
    leaked = (
        None if users.leaked is None else _file(document, (*above, "leaked", "file"), users.leaked.file, references)
    )
    mail = None if users.mail is None else _mail(document, (*above, "mail"), users.mail, references)
    return LocalPeople(users.pages, users.minimum, leaked, users.invitation, users.reset, mail)


def _mail(document: Document, path: tuple[str, ...], mail: Mail, references: References) -> MailWay:
    def secret(key: str, value: str | None) -> str | None:
        return None if value is None else _secret(document, (*path, key), value, references)

    return MailWay(
        command=tuple(mail.command or ()),
        url=mail.url,
        secret=secret("secret", mail.secret),
        smtp=mail.smtp,
        sender=mail.sender,
        user=mail.user,
        password=secret("password", mail.password),
        trust=None if mail.trust is None else _file(document, (*path, "trust"), mail.trust, references),
    )


def _directory(document: Document, name: str, issuer: Issuer, references: References) -> DirectoryPeople | None:
    ldap = issuer.ldap
    if ldap is None:
        return None
    above = ("issuers", name, "ldap")
    password = None
    if ldap.bind is not None:
        password = _secret(document, (*above, "bind", "password"), ldap.bind.password, references)
    return DirectoryPeople(
        url=ldap.url,
        start_tls=ldap.start_tls,
        trust=None if ldap.trust is None else _file(document, (*above, "trust"), ldap.trust, references),
        bind_dn=None if ldap.bind is None else ldap.bind.dn,
        bind_password=password,
        template=ldap.template,
        base=ldap.base,
        filter=ldap.filter,
        subject=ldap.subject,
        claims=tuple(ldap.claims.items()),
        timeout_ms=ldap.timeout,
    )


def _secret(document: Document, path: tuple[str, ...], value: str, references: References) -> str:
    return secret_reference(value, document.item(*path), references)


def _file(document: Document, path: tuple[str, ...], name: str, references: References) -> str:
    item = document.item(*path)
    return str(references.absolute(name, item.file if item is not None else 0))


def _readable(document: Document, path: tuple[str, ...], name: str, references: References) -> None:
    item = document.item(*path)
    target = references.absolute(name, item.file if item is not None else 0)
    try:
        # A pipe has no middle to begin a search in.
        if not target.is_file():
            raise FileNotFoundError(2, "there is no such file")
        with target.open("rb") as stream:
            stream.read(1)
    except OSError as error:
        message = f"{references.say(target)} cannot be read: {error.strerror or error}"
        document.problems.add(document.value_region(*path), "file-unreadable", message, path=path)


def _trusted(document: Document, path: tuple[str, ...], name: str, references: References) -> None:
    item = document.item(*path)
    target = references.absolute(name, item.file if item is not None else 0)
    references.name(target)
    try:
        ssl.create_default_context(cafile=str(target))
    except OSError as error:  # Among them `SSLError`.
        message = f"the certificates in {references.say(target)} cannot be read: {error.strerror or error}"
        document.problems.add(document.value_region(*path), "file-unreadable", message, path=path)
