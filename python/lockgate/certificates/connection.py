"""Signed requests to an authority (RFC 8555 section 6), by Lockgate's own client for calls going out."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from acme import jws, messages
from josepy.b64 import b64encode
from josepy.errors import DeserializationError
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import decode_b64jose
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from lockgate.certificates.problems import AcmeError, refusal
from lockgate.outgoing import Answer, Outgoing, OutgoingError

CALL_SECONDS: Final = 30.0
"""One call; authorities sign within it when they finalize."""
ANSWER_BYTES: Final = 2**20
NONCE_TRIES: Final = 8
"""An authority refuses a nonce that is old, or at random to test its clients (Pebble: one in twenty)."""
NONCES_KEPT: Final = 8

FIRST_REFUSAL: Final = 300


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Connection:
    """A conversation with one authority under one account key. To be used in one event loop."""

    def __init__(
        self, outgoing: Outgoing, directory: messages.Directory, key: JWKEC, now: Callable[[], datetime] = utc_now
    ) -> None:
        """`Connection.open` is how to get one."""
        self.directory = directory
        self.key = key
        self.kid: str | None = None
        """The account's URL, once there is an account."""
        self.now = now
        self._outgoing = outgoing
        self._nonces: list[bytes] = []

    @classmethod
    async def open(
        cls, outgoing: Outgoing, directory: str, key: JWKEC, now: Callable[[], datetime] = utc_now
    ) -> Connection:
        """Read the directory; raises `AcmeError`."""
        return cls(outgoing, await read_directory(outgoing, directory, now), key, now)

    def url(self, resource: str) -> str:
        """Where the directory says that a resource is; raises `AcmeError` where it has none."""
        return directory_entry(self.directory, resource)

    async def post(self, what: str, url: str, body: JSONDeSerializable | dict[str, Any] | None) -> Answer:
        """Send a signed request, and a POST-as-GET where `body` is nothing; raises `AcmeError` for a refusal.

        `what` says in words what is done. A refused nonce is no refusal: another is taken (section 6.5).
        """
        payload = b"" if body is None else json.dumps(body, default=_serialized).encode()
        for _ in range(NONCE_TRIES):
            answer = await self._send(what, url, payload, await self._nonce())
            self._keep_nonce(answer)
            if answer.status < FIRST_REFUSAL:
                return answer
            error = refusal(what, answer, self.now())
            if error.kind != "badNonce":
                raise error
        raise AcmeError(f"{what}: the authority refused {NONCE_TRIES} nonces one after the other")

    async def post_json(
        self, what: str, url: str, body: JSONDeSerializable | dict[str, Any] | None
    ) -> tuple[dict[str, Any], Answer]:
        """As `post`, for an answer that is a JSON object."""
        answer = await self.post(what, url, body)
        return as_object(what, answer), answer

    def key_authorization(self, token: str) -> str:
        """What shows that the challenge of this token was answered by the account's holder (section 8.1)."""
        return f"{token}.{b64encode(self.key.thumbprint()).decode()}"

    async def _send(self, what: str, url: str, payload: bytes, nonce: bytes) -> Answer:
        signed = jws.JWS.sign(payload, self.key, ES256, nonce, url, self.kid)
        headers = {
            "Content-Type": "application/jose+json",
            "Accept": "application/json, application/pem-certificate-chain",
        }
        content = signed.json_dumps().encode()
        return await call(self._outgoing, what, "POST", url, headers=headers, content=content)

    async def _nonce(self) -> bytes:
        if self._nonces:
            return self._nonces.pop()
        what = "asking for a nonce"
        answer = await call(self._outgoing, what, "HEAD", self.url("newNonce"))
        if answer.status >= FIRST_REFUSAL:
            raise refusal(what, answer, self.now())
        self._keep_nonce(answer)
        if not self._nonces:
            raise AcmeError(f"{what}: the authority gives none; its directory may not be an ACME one (RFC 8555)")
        return self._nonces.pop()

    def _keep_nonce(self, answer: Answer) -> None:
        given = answer.headers.get("replay-nonce")
        if given is None or len(self._nonces) >= NONCES_KEPT:
            return
        try:
            self._nonces.append(decode_b64jose(given))
        except DeserializationError:
            # RFC 8555 section 6.5.1: one that is not base64url is to be ignored.
            return


async def call(
    outgoing: Outgoing,
    what: str,
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> Answer:
    """Send one request; raises `AcmeError` where no answer comes."""
    try:
        return await outgoing.send(
            method, url, headers=headers, content=content, limit=ANSWER_BYTES, seconds=CALL_SECONDS
        )
    except OutgoingError as error:
        why = _unverified(error, url, outgoing.rules.trust) or str(error)
        raise AcmeError(f"{what}: {why}", kind=UNREACHABLE) from error


def _unverified(error: BaseException, url: str, trust: str | None) -> str | None:
    """What a refused certificate of the authority's own server means, and what to do; nothing for other faults."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    server = urlsplit(url).netloc
    if cause.verify_code not in _NOBODY_VOUCHES:
        return f"the certificate of {server} itself is not good: {cause.verify_message}"
    if trust is not None:
        return (
            f"nobody in {trust} vouches for the certificate of {server} ({cause.verify_message}): put the root of "
            "that authority's own server into the file that `acme.trust` names"
        )
    return (
        f"nobody whom this machine trusts vouches for the certificate of {server} ({cause.verify_message}): where "
        "the authority has a root of its own, name a file with it, PEM, as `trust` under `acme`"
    )


_NOBODY_VOUCHES: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's codes for a chain that leads to nobody who is trusted."""


UNREACHABLE: Final = "unreachable"
"""The kind of an error where the authority did not answer; not of RFC 8555."""


async def read_directory(outgoing: Outgoing, url: str, now: Callable[[], datetime] = utc_now) -> messages.Directory:
    """The authority's directory (RFC 8555 section 7.1.1); raises `AcmeError`."""
    what = f"reading the directory {url}"
    answer = await call(outgoing, what, "GET", url, headers={"Accept": "application/json"})
    if answer.status != 200:
        raise refusal(what, answer, now())
    found = as_object(what, answer)
    if not isinstance(found.get("meta", {}), dict):
        raise AcmeError(f"{what}: its `meta` is not a JSON object")
    directory = messages.Directory.from_json(found)
    for resource in ("newNonce", "newAccount", "newOrder"):
        directory_entry(directory, resource)
    return directory


def directory_entry(directory: messages.Directory, resource: str) -> str:
    """Where a resource is; raises `AcmeError`."""
    try:
        url = directory[resource]
    except KeyError:
        url = None
    if not isinstance(url, str):
        raise AcmeError(f"the directory has no `{resource}`: it is not an ACME one (RFC 8555)")
    return url


def as_object(what: str, answer: Answer) -> dict[str, Any]:
    """The JSON object that an answer holds; raises `AcmeError`."""
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise AcmeError(f"{what}: the authority's answer is not JSON") from error
    if not isinstance(found, dict):
        raise AcmeError(f"{what}: the authority's answer is not a JSON object")
    return found


def _serialized(value: object) -> Any:
    if isinstance(value, JSONDeSerializable):
        return value.to_partial_json()
    raise TypeError(f"{type(value).__name__} is not for JSON")
