"""What is given into a browser's hands: sessions, which the gate opens, and sign-ins under way, which come back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from lockgate import _native


class SessionTooLargeError(Exception):
    """It does not fit into a cookie."""


class Sealer:
    """Seals and opens under keys made of the installation's pepper, each for one purpose."""

    def __init__(self, pepper: bytes) -> None:
        """`pepper` is the installation's secret."""
        self._pepper = pepper
        self._flows = Fernet(base64.urlsafe_b64encode(_key(pepper, b"lockgate sign-in under way")))
        self._device_key = _key(pepper, b"lockgate devices")
        self._kept = Fernet(base64.urlsafe_b64encode(_key(pepper, b"lockgate sessions kept")))

    @property
    def pepper(self) -> bytes:
        """The installation's secret."""
        return self._pepper

    @property
    def factor_key(self) -> bytes:
        """Under which recovery codes are hashed."""
        return _key(self._pepper, b"lockgate recovery codes")

    def device_mark(self, device: str, iss: str, subject: str) -> str:
        """What a session says of a browser: nobody can make its cookie of that, and each person's there is another."""
        told = json.dumps([device, iss, subject]).encode()
        return hmac.new(self._device_key, told, hashlib.sha256).hexdigest()[:32]

    def seal_session(
        self, sign_in: str, issuer: str, until_ms: int, claims: dict[str, Any], fresh_until_ms: int | None = None
    ) -> str:
        """A session's cookie; raises `SessionTooLargeError`."""
        said = {"issuer": issuer, "until_ms": until_ms, "fresh_until_ms": fresh_until_ms, "claims": claims}
        text = json.dumps({key: value for key, value in said.items() if value is not None}, separators=(",", ":"))
        try:
            return _native.seal_session(self._pepper, sign_in, text.encode())
        except _native.LockgateError as error:
            raise SessionTooLargeError(str(error)) from error

    def open_session(self, sign_in: str, cookie: str) -> dict[str, Any] | None:
        """What a session's cookie holds; nothing where it is none. Whether it still holds is not asked."""
        try:
            return _native.open_session(self._pepper, sign_in, cookie.encode("latin-1", "replace"))
        except _native.LockgateError:
            return None

    def seal_flow(self, sign_in: str, purpose: str, kept: dict[str, Any]) -> str:
        """What is kept of a sign-in under way."""
        return self._flows.encrypt(json.dumps([sign_in, purpose, kept]).encode()).decode()

    def open_flow(self, sign_in: str, purpose: str, cookie: str, seconds: int) -> dict[str, Any] | None:
        """What was kept, of this sign-in and not longer ago than so."""
        try:
            name, why, kept = json.loads(self._flows.decrypt(cookie.encode("latin-1", "replace"), ttl=seconds))
        except (InvalidToken, ValueError, TypeError):
            return None
        return kept if (name, why) == (sign_in, purpose) else None

    def seal_kept(self, text: str) -> bytes:
        """What is kept in the database, where the pepper is not."""
        return self._kept.encrypt(text.encode())

    def open_kept(self, sealed: bytes) -> str | None:
        """The same, opened; nothing under another pepper."""
        try:
            return self._kept.decrypt(sealed).decode()
        except InvalidToken:
            return None


def _key(pepper: bytes, purpose: bytes) -> bytes:
    return hmac.new(pepper, purpose, hashlib.sha256).digest()
