"""From what the configuration says of a certificate to what `lockgate.certificates` wants of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import cast

from lockgate.admin.secrets import read_secret
from lockgate.certificates import Authority, ChallengeKind, DnsHook, ExternalAccount, Names, Wanted, directory_url
from lockgate.config import DnsProgram, ManagedCertificate
from lockgate.outgoing import Rules


def wanted(said: ManagedCertificate, rules: Rules, environment: Mapping[str, str] | None = None) -> Wanted:
    """The order; raises `ValueError` for what stands in its way, such as a secret that is not there.

    It reads a secret's file and looks for a program: not to be called in the event loop.
    """
    order = said.order
    if order is None:
        raise ValueError(f"the certificate {said.name} is imported, and no authority is asked for it")
    account = None
    if order.kid is not None and order.hmac_key is not None:
        account = ExternalAccount(
            order.kid, read_secret(order.hmac_key, os.environ if environment is None else environment)
        )
    authority = Authority(
        directory=directory_url(order.directory),
        email=order.email,
        terms_agreed=True,
        external_account=account,
        trust=order.trust,
        rules=rules,
    )
    return Wanted(
        names=Names.of(said.hosts),
        authority=authority,
        challenge=cast("ChallengeKind", order.challenge),
        hook=None if order.dns is None else _hook(order.dns),
        profile=order.profile,
    )


def _hook(program: DnsProgram) -> DnsHook:
    return DnsHook(program.command, program.environment, settle_seconds=program.settle_ms / 1000)
