"""One order, from its names to a chain (RFC 8555 section 7.4)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from acme import messages
from cryptography import x509
from josepy.b64 import b64encode
from josepy.json_util import field

from lockgate.addresses import is_address
from lockgate.certificates.authority import Wanted
from lockgate.certificates.chain import (
    Chain,
    PrivateKey,
    check_usable,
    key_pem,
    make_request,
    new_key,
    public_bytes,
    read_chain,
    read_request,
)
from lockgate.certificates.challenges import Challenge, DnsChallenge, HttpChallenge, Publisher, tls_alpn
from lockgate.certificates.connection import UNREACHABLE, Connection, as_object
from lockgate.certificates.names import Names
from lockgate.certificates.problems import AcmeError, clean, retry_after, told

VALIDATION_SECONDS: Final = 180.0
"""From the last challenge that was answered to the authority's verdict; it may look from several places."""
FINALIZE_SECONDS: Final = 180.0
"""From the signing request to the certificate."""
WITHDRAW_SECONDS: Final = 150.0
"""To take all challenges away, whatever became of them."""
FIRST_POLL_SECONDS: Final = 0.5
LONGEST_POLL_SECONDS: Final = 15.0
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22,256}")
"""Base64url of 128 bits at least (section 8.1); a longer one than that is not for a path."""

_AFRESH: Final = frozenset({"alreadyReplaced", "conflict", "malformed", "serverInternal", "unauthorized"})
"""Refusals of an order that may be about the certificate that it says to replace."""

log = structlog.get_logger("lockgate.control")


class _NewOrder(messages.NewOrder):
    """With the field of RFC 9773 section 5, which the library does not know."""

    replaces: str | None = field("replaces", omitempty=True)


@dataclass(frozen=True, slots=True)
class Issued:
    """What an order came to."""

    chain: Chain
    key_pem: str | None
    """Nothing where the signing request was made elsewhere."""


@dataclass(frozen=True, slots=True)
class _Authorization:
    """One name to be shown as ours."""

    url: str
    name: str
    challenge_url: str
    challenge: Challenge


async def issue(connection: Connection, wanted: Wanted, publisher: Publisher, replaces: str | None = None) -> Issued:
    """Order a certificate, show that its names are ours, and fetch it.

    `replaces` is what RFC 9773 calls the certificate that this one follows. Challenges of `dns-01` go to the
    hook of `wanted`, all others to `publisher`; each is withdrawn again, whatever happens. Raises `AcmeError`.
    """
    key: PrivateKey | None = None
    if wanted.request_pem is None:
        key = new_key()
        request = make_request(wanted.names, key)
    else:
        request, _ = read_request(wanted.request_pem)
    url, order = await _new_order(connection, wanted, replaces)
    await _authorize(connection, wanted, order, publisher)
    body = await _finalize(connection, wanted.names, url, order, messages.CertificateRequest(csr=request))
    what = f"fetching the certificate for {wanted.names}"
    answer = await connection.post(what, _text(what, body, "certificate"), None)
    try:
        chain = _usable(read_chain(answer.body), wanted.names, request, connection)
    except ValueError as error:
        raise AcmeError(f"{what}: what the authority gave cannot be used: {error}") from error
    return Issued(chain, None if key is None else key_pem(key))


def _usable(chain: Chain, names: Names, request: x509.CertificateSigningRequest, connection: Connection) -> Chain:
    """The chain, if it is what was asked for; raises `ValueError`."""
    check_usable(chain, connection.now())
    if public_bytes(request.public_key()) != public_bytes(chain.leaf.public_key()):
        raise ValueError("it is for another key")
    if missing := names.missing_from(chain.names):
        raise ValueError(f"it is not for {', '.join(missing)}")
    return chain


async def _new_order(connection: Connection, wanted: Wanted, replaces: str | None) -> tuple[str, dict[str, Any]]:
    what = f"ordering a certificate for {wanted.names}"
    profiles = connection.directory.meta.profiles
    if wanted.profile is not None and wanted.profile not in (profiles or {}):
        offered = ", ".join(sorted(profiles)) if profiles else "none"
        raise AcmeError(
            f"{what}: the directory has no profile `{wanted.profile}`, but {offered}", kind="invalidProfile"
        )
    identifiers = [
        messages.Identifier(typ=messages.IDENTIFIER_IP if is_address(name) else messages.IDENTIFIER_FQDN, value=name)
        for name in wanted.names
    ]
    # What the directory does not speak of, it need not take (RFC 9773 section 5).
    replaces = replaces if "renewalInfo" in connection.directory.to_partial_json() else None
    body = _NewOrder(identifiers=identifiers, profile=wanted.profile, replaces=replaces)
    try:
        order, answer = await connection.post_json(what, connection.url("newOrder"), body)
    except AcmeError as error:
        if replaces is None or error.kind not in _AFRESH:
            raise
        # That it replaces something is a courtesy; a certificate that runs out is not.
        log.info("certificate-replaces-refused", names=str(wanted.names), cause=str(error))
        order, answer = await connection.post_json(what, connection.url("newOrder"), body.update(replaces=None))
    url = answer.headers.get("location")
    if url is None:
        raise AcmeError(f"{what}: the authority does not say where the order is")
    return url, order


async def _authorize(connection: Connection, wanted: Wanted, order: dict[str, Any], publisher: Publisher) -> None:
    what = f"showing that {wanted.names} are ours"
    urls = order.get("authorizations")
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls) or len(urls) > len(wanted.names.all):
        raise AcmeError(f"{what}: the order has no list of authorizations that fits its names")
    pending = [found for url in urls if (found := await _pending(connection, wanted, url)) is not None]
    if not pending:
        return
    by: Publisher = wanted.hook if wanted.challenge == "dns-01" and wanted.hook is not None else publisher
    published: list[Challenge] = []
    try:
        for each in pending:
            # Noted before: what was published in part is to be withdrawn as well.
            published.append(each.challenge)
            try:
                await by.publish(each.challenge)
            except OSError as error:
                raise AcmeError(f"{what}: the challenge for {each.name} cannot be published: {error}") from error
        if wanted.hook is not None and by is wanted.hook:
            await asyncio.sleep(wanted.hook.settle_seconds)
        for each in pending:
            await connection.post(f"answering the challenge for {each.name}", each.challenge_url, {})
        async with _deadline(VALIDATION_SECONDS, f"{what}: the authority has not looked"):
            for each in pending:
                await _validated(connection, each)
    finally:
        await _withdraw(by, published)


async def _pending(connection: Connection, wanted: Wanted, url: str) -> _Authorization | None:
    """The authorization at a URL; nothing for one that the authority holds for shown already."""
    what = "reading an authorization"
    body, _ = await connection.post_json(what, url, None)
    identifier = body.get("identifier")
    name = identifier.get("value") if isinstance(identifier, dict) else None
    try:
        # The wildcard's own name is not in its authorization (section 7.1.4).
        asked = Names.of([name]) if isinstance(name, str) else None
    except ValueError:
        asked = None
    known = {each.removeprefix("*.") for each in wanted.names}
    if asked is None or asked.all[0] not in known:
        raise AcmeError(f"{what}: the authority asks for a name that was not ordered")
    name = asked.all[0]
    if _status(body) == "valid":
        return None
    if _status(body) != "pending":
        raise AcmeError(f"{what}: the authorization for {name} is {_status(body)}")
    challenges = _objects(body.get("challenges"))
    for each in challenges:
        if each.get("type") == wanted.challenge:
            token, address = _text(what, each, "token"), _text(what, each, "url")
            if not TOKEN.fullmatch(token):
                raise AcmeError(f"{what}: the token of the challenge for {name} is none")
            return _Authorization(url, name, address, _challenge(connection, wanted, name, token))
    kinds = clean(", ".join(sorted(str(each.get("type")) for each in challenges))) or "nothing"
    raise AcmeError(
        f"{what}: for {name} the authority does not offer `{wanted.challenge}` but {kinds}; choose of these"
    )


def _challenge(connection: Connection, wanted: Wanted, name: str, token: str) -> Challenge:
    authorization = connection.key_authorization(token)
    if wanted.challenge == "http-01":
        return HttpChallenge(name, token, authorization)
    if wanted.challenge == "tls-alpn-01":
        return tls_alpn(name, authorization)
    return DnsChallenge(name, f"_acme-challenge.{name}", dns_value(authorization))


def dns_value(key_authorization: str) -> str:
    """The TXT record's value (section 8.4)."""
    return b64encode(hashlib.sha256(key_authorization.encode("ascii")).digest()).decode()


async def _validated(connection: Connection, authorization: _Authorization) -> None:
    what = f"showing that {authorization.name} is ours"
    body = await _settled(connection, what, authorization.url, {"pending", "processing"})
    if _status(body) == "valid":
        return
    for each in _objects(body.get("challenges")):
        if isinstance(each.get("error"), dict):
            raise told(what, each["error"], challenge=True)
    raise AcmeError(f"{what}: the authorization is {_status(body)}, and the authority does not say why")


async def _finalize(
    connection: Connection, names: Names, url: str, order: dict[str, Any], request: messages.CertificateRequest
) -> dict[str, Any]:
    what = f"having the certificate for {names} signed"
    async with _deadline(FINALIZE_SECONDS, f"{what}: the authority has not finished"):
        # Some authorities need a moment from the last authorization to an order that is ready.
        body = await _settled(connection, what, url, {"pending"})
        if _status(body) == "ready":
            try:
                await connection.post(what, _text(what, order, "finalize"), request)
            except AcmeError as error:
                if error.kind != UNREACHABLE:
                    raise  # Where no answer came, the order says whether the request did.
            body = await _settled(connection, what, url, {"processing", "ready"})
    if _status(body) == "valid":
        return body
    if isinstance(body.get("error"), dict):
        raise told(what, body["error"])
    raise AcmeError(f"{what}: the order is {_status(body)}, and the authority does not say why")


async def _settled(connection: Connection, what: str, url: str, unsettled: set[str]) -> dict[str, Any]:
    """Ask for a resource until it is in another state than these; the caller sets the deadline."""
    pause = FIRST_POLL_SECONDS
    while True:
        asked = pause
        try:
            answer = await connection.post(what, url, None)
        except AcmeError as error:
            if error.kind not in (UNREACHABLE, "rateLimited", "serverInternal"):
                raise
            log.info("certificate-poll-failed", cause=str(error))
            asked = error.retry_after or pause
        else:
            body = as_object(what, answer)
            if _status(body) not in unsettled:
                return body
            asked = retry_after(answer.headers, connection.now()) or pause
        # Never so long that one answer's wish takes the whole of the time that there is.
        await asyncio.sleep(min(max(asked, FIRST_POLL_SECONDS), LONGEST_POLL_SECONDS))
        pause = min(pause * 1.5, LONGEST_POLL_SECONDS)


async def _withdraw(publisher: Publisher, published: Sequence[Challenge]) -> None:
    try:
        async with asyncio.timeout(WITHDRAW_SECONDS):
            for challenge in published:
                try:
                    await publisher.withdraw(challenge)
                except OSError as error:
                    # It does no harm where it is: its token is used up.
                    log.warning("certificate-challenge-left", name=challenge.name, cause=str(error))
    except TimeoutError:
        log.warning("certificate-challenges-left", cause="it took too long to withdraw them")


@contextlib.asynccontextmanager
async def _deadline(seconds: float, what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise AcmeError(f"{what} within {seconds:.0f} s; it is tried again later") from error


def _status(body: dict[str, Any]) -> str:
    return clean(str(body.get("status")))


def _objects(found: object) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(what: str, body: dict[str, Any], name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str):
        raise AcmeError(f"{what}: the authority's answer has no `{name}`")
    return found
