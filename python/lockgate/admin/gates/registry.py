"""Which gates there are, and the tokens that new ones may enrol with."""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select

from lockgate.admin.clock import now_ms
from lockgate.admin.gates.authority import Authority, Issued
from lockgate.admin.journal import Journal
from lockgate.admin.store import Store
from lockgate.admin.store.models import Gate, GateToken

NAME_FORM: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A label of a host name: it stands in certificates, metrics and events."""

RESERVED: Final = frozenset({"local"})
TOKENS_KEPT: Final = 1_000
TOKEN_PREFIX: Final = "lgenr_"  # noqa: S105 -- How tokens begin, so that they are known where they leak.


class GateNameError(ValueError):
    """A name that no gate can have now."""


class GateUnknownError(LookupError):
    """There is no gate of that name."""


class EnrolmentError(Exception):
    """An enrolment that is refused. To the stranger all of them read alike; the log has the cause."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, the one time that it is whole."""

    token: str
    name: str
    expires_ms: int


class Registry:
    """The gates of one installation."""

    def __init__(self, store: Store, journal: Journal, authority: Authority) -> None:
        """Reads and writes `store`."""
        self._store = store
        self._journal = journal
        self._authority = authority

    def token(self, actor: str, name: str | None, address: str, lives_ms: int) -> Token:
        """A token for one gate to enrol with, once, at `address`."""
        name = name if name is not None else f"gate-{secrets.token_hex(4)}"
        if not NAME_FORM.fullmatch(name) or name in RESERVED:
            raise GateNameError(f"{name!r} is no name for a gate: write 1 to 63 lower-case letters, digits and hyphens")
        secret, expires = secrets.token_urlsafe(32), now_ms() + lives_ms
        with self._store.write() as session:
            known = session.get(Gate, name)
            if known is not None and known.revoked_ms is None:
                raise GateNameError(f"there is a gate {name} already: revoke it first, or take another name")
            old = select(GateToken.hash).order_by(GateToken.created_ms.desc()).offset(TOKENS_KEPT)
            session.execute(delete(GateToken).where(GateToken.hash.in_(old)))
            session.add(GateToken(hash=_hash(secret), name=name, created_ms=now_ms(), expires_ms=expires, used_ms=None))
            self._journal.audit(actor, "gates.token", name, {"expires_ms": expires})
        told = {"v": 1, "a": address, "f": self._authority.fingerprint, "s": secret}
        return Token(TOKEN_PREFIX + _packed(told), name, expires)

    def enrol(self, secret: str, csr: str) -> tuple[str, Issued]:
        """Take a token, once, and give the gate its name and certificate."""
        at = now_ms()
        with self._store.write() as session:
            token = session.get(GateToken, _hash(secret))
            if token is None:
                raise EnrolmentError("the token is not one of ours")
            if token.used_ms is not None:
                raise EnrolmentError(f"the token for {token.name} was used before")
            if token.expires_ms <= at:
                raise EnrolmentError(f"the token for {token.name} is over")
            known = session.get(Gate, token.name)
            if known is not None and known.revoked_ms is None:
                raise EnrolmentError(f"a gate {token.name} has enrolled meanwhile")
            issued = self._authority.issue(csr, token.name)
            token.used_ms = at
            if known is not None:
                session.delete(known)
                session.flush()
            session.add(
                Gate(
                    name=token.name,
                    enrolled_ms=at,
                    serial=issued.serial,
                    previous_serial=None,
                    not_after_ms=issued.not_after_ms,
                    revoked_ms=None,
                )
            )
            self._journal.audit(f"gate:{token.name}", "gates.enrol", token.name, {"serial": issued.serial})
            return token.name, issued

    def renew(self, name: str, csr: str) -> Issued:
        """A new certificate for a gate that has proved who it is. The one before is good until the next."""
        with self._store.write() as session:
            gate = session.get(Gate, name)
            if gate is None or gate.revoked_ms is not None:
                raise GateUnknownError(name)
            issued = self._authority.issue(csr, name)
            gate.previous_serial, gate.serial, gate.not_after_ms = gate.serial, issued.serial, issued.not_after_ms
            return issued

    def admits(self, name: str, serial: str) -> bool:
        """Whether whoever holds this certificate is one of our gates still."""
        with self._store.read() as session:
            gate = session.get(Gate, name)
            return gate is not None and gate.revoked_ms is None and serial in {gate.serial, gate.previous_serial}

    def every(self) -> list[Gate]:
        """All gates, by name."""
        with self._store.read() as session:
            rows = list(session.scalars(select(Gate).order_by(Gate.name)))
            session.expunge_all()
            return rows

    def revoke(self, actor: str, name: str) -> Gate:
        """Shut a gate out for good, with the tokens of its name that were not used; the name is free again."""
        with self._store.write() as session:
            gate = session.get(Gate, name)
            if gate is None:
                raise GateUnknownError(name)
            # Whoever had the gate's token may have another one of the name.
            unused = GateToken.name == name, GateToken.used_ms.is_(None)
            session.execute(delete(GateToken).where(*unused))
            if gate.revoked_ms is None:
                gate.revoked_ms = now_ms()
                self._journal.audit(actor, "gates.revoke", name, {})
            session.flush()
            session.expunge(gate)
            return gate


def enrolled(store: Store) -> list[str]:
    """The names of the gates that have enrolled and were not shut out: they may serve, connected or not."""
    with store.read() as session:
        return list(session.scalars(select(Gate.name).where(Gate.revoked_ms.is_(None)).order_by(Gate.name)))


def _hash(secret: str) -> str:
    """Of 256 random bits, which nobody guesses: a slow hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _packed(told: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode().rstrip("=")
