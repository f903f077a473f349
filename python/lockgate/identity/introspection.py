"""An issuer, asked about a token (RFC 7662)."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus, urlencode

from lockgate import _native
from lockgate.config.issuers import AskedIssuer
from lockgate.identity.discovery import DiscoveryError, discover
from lockgate.outgoing import Answer, Outgoing, OutgoingError

ANSWER_BYTES: Final = 64 * 2**10
"""As the gate reads it."""
SECRET_BYTES: Final = 4_096
OK: Final = 200
UNAUTHORIZED: Final = 401
FAULT: Final = 500
TOO_MANY: Final = 429
METHODS: Final = ("client_secret_basic", "client_secret_post")


class SilentError(Exception):
    """There was no answer to be had, or none that holds; the message says why, and what to do."""

    def __init__(self, message: str, *, answered: bool = False) -> None:
        """`answered` where the issuer is there: what it says of another token may hold."""
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an issuer is asked, and how the client shows its secret."""

    url: str
    method: str


async def endpoint(asked: AskedIssuer, outgoing: Outgoing) -> Endpoint:
    """Where it is; raises `SilentError` where nobody says."""
    if asked.url is not None and asked.method is not None:
        return Endpoint(asked.url, asked.method)
    if asked.url is not None:
        # What is said needs no document, which there may not be.
        return Endpoint(asked.url, METHODS[0])
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
    if asked.method is not None:
        return Endpoint(url, asked.method)
    offered = document.members.get("introspection_endpoint_auth_methods_supported")
    if not isinstance(offered, list):
        return Endpoint(url, METHODS[0])
    method = next((method for method in METHODS if method in offered), None)
    if method is None:
        words = ", ".join(str(one)[:40] for one in offered[:10])
        raise SilentError(f"it takes none of {', '.join(METHODS)} from those who ask, but {words}")
    return Endpoint(url, method)


async def ask(asked: AskedIssuer, where: Endpoint, token: str, outgoing: Outgoing, *, seconds: float) -> str:
    """What the issuer answers, as JSON that a gate takes; raises `SilentError` for everything else."""
    form = {"token": token, "token_type_hint": "access_token"}
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    secret = await asyncio.to_thread(read_secret, asked.secret)
    if where.method == "client_secret_post":
        form |= {"client_id": asked.client_id, "client_secret": secret}
    else:
        # RFC 6749 section 2.3.1: encoded as in a form, and then for the header.
        pair = f"{quote_plus(asked.client_id)}:{quote_plus(secret)}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
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


def read_secret(reference: str, environment: Mapping[str, str] = os.environ) -> str:
    """The client's secret as it is now; raises `SilentError` where it is not there."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = environment.get(name)
        if not value:
            raise SilentError(f"the environment of the control process has no variable {name}, the client's secret")
        return value
    try:
        with Path(name).open("rb") as stream:
            return stream.read(SECRET_BYTES).decode().rstrip("\r\n")
    except OSError as error:
        raise SilentError(f"{name}, the client's secret, cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SilentError(f"{name}, the client's secret, is no text in UTF-8") from None


def _read(where: Endpoint, answer: Answer) -> str:
    if answer.status == UNAUTHORIZED:
        raise SilentError(
            f"{where.url} does not know the client, or not by this secret and `{where.method}` (status 401): "
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
