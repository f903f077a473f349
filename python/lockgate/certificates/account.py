"""Our account with an authority (RFC 8555 section 7.3): made once, kept in the store, renewed where it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from acme import messages
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWKEC

from lockgate.certificates.chain import key_pem, new_key, read_key
from lockgate.certificates.connection import Connection, as_object, utc_now
from lockgate.certificates.problems import AcmeError, clean
from lockgate.certificates.records import Account

if TYPE_CHECKING:
    from lockgate.certificates.authority import Authority
    from lockgate.certificates.store import Store

_LOST = frozenset({"accountDoesNotExist", "unauthorized"})


async def connect(authority: Authority, store: Store, now: Callable[[], datetime] = utc_now) -> Connection:
    """A connection with an account, made if there is none; raises `AcmeError`, or `StateError` of the store.

    One process makes it, however many ask for it at once.
    """
    account = await asyncio.to_thread(store.account, authority.account_id)
    if account is None or not _is_ready(account, authority):
        async with store.held_account(authority.account_id):
            account = await _settle(authority, store, now)
    connection = await Connection.open(authority.client(), authority.directory, _key(account), now)
    connection.kid = account.url
    return connection


async def _settle(authority: Authority, store: Store, now: Callable[[], datetime]) -> Account:
    """The account as it is wanted: somebody else may have seen to it meanwhile."""
    account = await asyncio.to_thread(store.account, authority.account_id)
    if account is None:
        # Kept before it is used: an account whose key is lost with the process can never be used again.
        account = Account(directory=authority.directory, key_pem=key_pem(new_key()))
        await asyncio.to_thread(store.put_account, authority.account_id, account)
    if _is_ready(account, authority):
        return account
    connection = await Connection.open(authority.client(), authority.directory, _key(account), now)
    connection.kid = account.url
    if connection.kid is None or not await _tell_email(connection, authority):
        connection.kid = None
        connection.kid = await _register(connection, authority)
    account = account.model_copy(update={"url": connection.kid, "email": authority.email})
    await asyncio.to_thread(store.put_account, authority.account_id, account)
    return account


def _is_ready(account: Account, authority: Authority) -> bool:
    return account.url is not None and account.email == authority.email


def forget(authority: Authority, store: Store) -> None:
    """Ask for the account anew next time, with the same key: the authority says that it knows none."""
    account = store.account(authority.account_id)
    if account is not None and account.url is not None:
        store.put_account(authority.account_id, account.model_copy(update={"url": None}))


async def _register(connection: Connection, authority: Authority) -> str:
    what = f"making an account at {authority.directory}"
    meta = connection.directory.meta
    if meta.terms_of_service and not authority.terms_agreed:
        raise AcmeError(
            f"{what}: the authority wants you to agree to its terms, {meta.terms_of_service}: read them, and say so",
            kind="userActionRequired",
        )
    if meta.external_account_required and authority.external_account is None:
        raise AcmeError(
            f"{what}: this authority wants an external account: set the key identifier and HMAC key that it gave you",
            kind="externalAccountRequired",
        )
    more: dict[str, Any] = {"terms_of_service_agreed": True} if authority.terms_agreed else {}
    if authority.external_account is not None:
        more["external_account_binding"] = messages.ExternalAccountBinding.from_data(
            connection.key.public_key(),
            authority.external_account.kid,
            authority.external_account.hmac_key,
            connection.directory,
            authority.external_account.algorithm,
        )
    wanted = messages.NewRegistration.from_data(email=authority.email, **more)
    # The answer is 201 for a new account, and 200 with the same headers for a key that has one (section 7.3.1).
    try:
        answer = await connection.post(what, connection.url("newAccount"), wanted)
    except AcmeError as error:
        if authority.external_account is None or error.kind not in ("unauthorized", "malformed"):
            raise
        words = f"{error}; check the external account's key identifier and HMAC key"
        raise AcmeError(words, kind=error.kind, retry_after=error.retry_after) from error
    status = as_object(what, answer).get("status")
    url = answer.headers.get("location")
    if url is None:
        raise AcmeError(f"{what}: the authority does not say where the account is")
    if status != "valid":
        raise AcmeError(f"{what}: the account is {clean(str(status))}; a new one wants another key: remove its file")
    return url


async def _tell_email(connection: Connection, authority: Authority) -> bool:
    """Tell the authority another e-mail address (section 7.3.2); false where it no longer knows the account."""
    contact = [f"mailto:{authority.email}"] if authority.email else []
    try:
        await connection.post("changing the account's e-mail address", connection.kid or "", {"contact": contact})
    except AcmeError as error:
        if error.kind in _LOST:
            return False
        raise
    return True


def _key(account: Account) -> JWKEC:
    key = read_key(account.key_pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AcmeError(f"the key of the account at {account.directory} is not one of ours: remove its file")
    return JWKEC(key=key)
