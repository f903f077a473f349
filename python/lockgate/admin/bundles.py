"""Signed bundles: numbered, kept, handed to gates.

A bundle's sequence never goes back. The number is taken and the bundle written
in one transaction, so a crash between the two cannot use a number twice.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Select, delete, select

from lockgate.admin.clock import now_ms
from lockgate.admin.gate_said import SEQUENCE_MAX
from lockgate.admin.store import Store
from lockgate.admin.store.engine import take
from lockgate.admin.store.models import Bundle
from lockgate.config import Duties

COUNTER = "bundles"

KEPT = 20
"""Old bundles, by which `lockgate explain --request` finds the line that decided back then."""


@dataclass(frozen=True, slots=True)
class SignedBundle:
    """A bundle as gates get it."""

    sequence: int
    hash: str
    created_ms: int
    text: str
    key_id: str
    signature: str
    admin_address: str
    duties: Duties | None
    """None where an earlier version signed it."""

    def wire(self) -> bytes:
        """What goes over the link and onto a gate's disk."""
        signed = {"bundle": self.text, "key_id": self.key_id, "signature": self.signature}
        return json.dumps(signed, separators=(",", ":"), ensure_ascii=False).encode()


class Bundles:
    """The bundles of one installation."""

    def __init__(self, store: Store, signing_key: bytes) -> None:
        """`signing_key` is the Ed25519 seed."""
        self._store = store
        self._key = Ed25519PrivateKey.from_private_bytes(signing_key)
        public = self._key.public_key().public_bytes_raw()
        self._key_id = hashlib.sha256(public).hexdigest()[:16]

    def latest(self) -> SignedBundle | None:
        """The newest bundle that no gate refused: the last good one."""
        return latest(self._store)

    def text_of(self, hash_: str) -> str | None:
        """The text of the bundle that an event names, while it is kept."""
        return text_of(self._store, hash_)

    def publish(
        self, document: Mapping[str, Any], *, admin_address: str, duties: Duties | None = None
    ) -> tuple[SignedBundle, bool]:
        """Sign a compiled bundle, unless gates have just that; and whether it was new."""
        kept = None if duties is None else duties.as_json()
        content = _content(document)
        content_hash = hashlib.sha256(content.encode()).hexdigest()
        with self._store.write() as session:
            last = session.scalar(newest())
            if last and last.content_hash == content_hash and last.key_id == self._key_id:
                last.admin_address, last.duties = admin_address, kept
                return _signed(last), False
            sequence, created = take(session, COUNTER, 1), now_ms()
            text = _text(content, sequence, created)
            row = self._sign(text, sequence, created, content_hash, admin_address, kept)
            session.add(row)
            session.execute(delete(Bundle).where(Bundle.sequence <= sequence - KEPT))
            return _signed(row), True

    def refuse(self, sequence: int, why: str) -> SignedBundle | None:
        """Note that a gate refused the bundle; the last good one, which is older."""
        with self._store.write() as session:
            row = session.get(Bundle, sequence)
            if row is not None:
                row.refused = why
        return self.latest()

    def raise_above(self, gate_sequence: int) -> SignedBundle | None:
        """The newest bundle under a number above `gate_sequence`.

        A gate that has seen a higher number than this database belongs to one
        that was lost; without this it would refuse all that comes.
        """
        if gate_sequence >= SEQUENCE_MAX:
            return None
        with self._store.write() as session:
            last = session.scalar(newest())
            if last is None:
                return None
            sequence, created = take(session, COUNTER, 1, floor=gate_sequence), now_ms()
            text = _text(_content(json.loads(last.text)), sequence, created)
            row = self._sign(text, sequence, created, last.content_hash, last.admin_address, last.duties)
            session.add(row)
            return _signed(row)

    def _sign(
        self,
        text: str,
        sequence: int,
        created: int,
        content_hash: str,
        admin_address: str,
        duties: dict[str, Any] | None,
    ) -> Bundle:
        return Bundle(
            sequence=sequence,
            hash=bundle_hash(text),
            content_hash=content_hash,
            created_ms=created,
            text=text,
            key_id=self._key_id,
            signature=self._key.sign(text.encode()).hex(),
            admin_address=admin_address,
            duties=duties,
        )


def latest(store: Store) -> SignedBundle | None:
    """The newest bundle that no gate refused: the last good one."""
    with store.read() as session:
        row = session.scalar(newest())
        return None if row is None else _signed(row)


def before(store: Store, sequence: int) -> SignedBundle | None:
    """The newest bundle before that one which no gate refused, while it is kept."""
    with store.read() as session:
        row = session.scalar(newest().where(Bundle.sequence < sequence))
        return None if row is None else _signed(row)


def texts(store: Store) -> dict[str, str]:
    """Every bundle that is kept, by the hash that events name."""
    with store.read() as session:
        rows = session.execute(select(Bundle.hash, Bundle.text))
        return {row.hash: row.text for row in rows}


def text_of(store: Store, hash_: str) -> str | None:
    """The text of the bundle that an event names, while it is kept."""
    with store.read() as session:
        return session.scalar(select(Bundle.text).where(Bundle.hash == hash_))


def newest() -> Select[Bundle]:
    """The last good bundle."""
    return select(Bundle).where(Bundle.refused.is_(None)).order_by(Bundle.sequence.desc()).limit(1)


def _content(document: Mapping[str, Any]) -> str:
    """What tells one bundle from the next: all but its number and time, which always differ."""
    told = {name: value for name, value in document.items() if name not in {"sequence", "created_ms"}}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def _text(content: str, sequence: int, created_ms: int) -> str:
    """The exact text that is signed. A large bundle is written out once, not once more for its number."""
    return f'{{"sequence":{sequence},"created_ms":{created_ms},{content[1:]}'


def bundle_hash(text: str) -> str:
    """The name by which events cite a bundle."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _signed(row: Bundle) -> SignedBundle:
    return SignedBundle(
        sequence=row.sequence,
        hash=row.hash,
        created_ms=row.created_ms,
        text=row.text,
        key_id=row.key_id,
        signature=row.signature,
        admin_address=row.admin_address,
        duties=None if row.duties is None else Duties.from_json(row.duties),
    )
