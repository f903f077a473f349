"""An issuer, asked about a token (RFC 7662)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from lockgate import _native
from lockgate.config.issuers import AskedIssuer
from lockgate.identity.client import method_of, prove
from lockgate.identity.discovery import DiscoveryError, discover
from lockgate.outgoing import Answer, Outgoing, OutgoingError

ANSWER_BYTES: Final = 64 * 2**10
"""As the gate reads it."""
OK: Final = 200
UNAUTHORIZED: Final = 401
FAULT: Final = 500
TOO_MANY: Final = 429


class SilentError(Exception):
    """There was no answer to be had, or none that holds; the message says why, and what to do."""

    def __init__(self, message: str, *, answered: bool = False) -> None:
        """`answered` where the issuer is there: what it says of another token may hold."""
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an issuer is asked, and how the client proves itself there."""

    url: str
    method: str | None
    algorithms: tuple[str, ...] = ()
    """What the client's key may sign with, where the issuer says."""


async def endpoint(asked: AskedIssuer, outgoing: Outgoing) -> Endpoint:
    """Where it is; raises `SilentError` where nobody says."""
    if asked.url is not None:
        # What is said needs no document, which there may not be.
        return Endpoint(asked.url, method_of(asked, ()))
    try:
        document = await discover(asked.issuer, outgoing)
    except (DiscoveryError, OutgoingError) as error:
        raise SilentError(f"{error}. `introspection: {{url: …}}` says where it is asked without one") from error
    url = document.members.get("introspection_endpoint")
    if not isinstance(url, str):
        raise SilentError(
            f"the discovery document at {document.url} has no `introspection_endpoint`: "
            "say where it is asked with `introspection: {url: …}`, if it can be asked at all"
        )
    offered = document.listed("introspection_endpoint_auth_methods_supported")
    method = method_of(asked, offered)
    if asked.method is None and offered and method not in offered:
        words = ", ".join(one[:40] for one in offered[:10])
        raise SilentError(
            f"it does not take `{method}` from those who ask, but {words}: give the `client` "
            "what one of them wants, or say by `method` which it takes all the same"
        )
    algorithms = document.listed("introspection_endpoint_auth_signing_alg_values_supported")
    return Endpoint(url, method, tuple(algorithms))


async def ask(
    asked: AskedIssuer,
    where: Endpoint,
    token: str,
    outgoing: Outgoing,
    *,
    read: Callable[[str], str],
    seconds: float,
) -> str:
    """What the issuer answers, as JSON that a gate takes; raises `SilentError` for everything else.

    `read` gives what a reference names, or raises `ValueError`.
    """
    try:
        # It reads a file, and may sign.
        proof = await asyncio.to_thread(prove, asked, where.method, read, algorithms=where.algorithms, now=time.time())
    except ValueError as error:
        raise SilentError(f"the client {asked.client_id} cannot prove itself: {error}") from error
    form = {"token": token, "token_type_hint": "access_token", **proof.form}
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", **proof.headers}
    try:
        answer = await outgoing.send(
            "POST",
            where.url,
            headers=headers,
            content=urlencode(form).encode(),
            limit=ANSWER_BYTES,
            seconds=max(seconds, 0.05),
        )
    except OutgoingError as error:
        raise SilentError(str(error)) from error
    return _read(where, answer)


def _read(where: Endpoint, answer: Answer) -> str:
    if answer.status == UNAUTHORIZED:
        raise SilentError(
            f"{where.url} does not know the client, or not by what it has and `{where.method}` (status 401): "
            "compare `client` with what is registered there"
        )
    if answer.status != OK:
        raise SilentError(
            f"{where.url} answers with status {answer.status}",
            # A fault over one token says nothing of the next: strangers choose what it is asked about.
            answered=answer.status <= FAULT and answer.status != TOO_MANY,
        )
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        said = "".join(char for char in kind[:60] if char.isprintable()) or "no type at all"
        raise SilentError(f"{where.url} answers with {said}, and not with application/json", answered=True)
    try:
        _native.read_introspection(answer.body)
    except _native.LockgateError as error:
        raise SilentError(f"the answer of {where.url} {error}", answered=True) from error
    return answer.body.decode()
