"""Certificates: had from an authority by ACME (RFC 8555), imported, kept and renewed in time.

    challenges.py   what shows that a name is ours, and the Protocol of who publishes it
    authority.py    which authority, and which certificate is wanted
    hook.py         DNS records by a program of the operator's
    connection.py   signed requests, through Lockgate's one client for calls going out
    account.py      the account, external ones too; order.py an order; renewal.py RFC 9773
    problems.py     what an authority refuses, in words
    schedule.py     when to do what: pure; runner.py does it
    store.py        keys, chains and accounts in the state folder; records.py, locks.py

What needs the ACME library is loaded at the first order.
"""

from lockgate.certificates.authority import DIRECTORIES, Authority, ExternalAccount, Wanted, directory_url
from lockgate.certificates.challenges import (
    Challenge,
    ChallengeKind,
    DnsChallenge,
    HttpChallenge,
    Publisher,
    TlsAlpnChallenge,
)
from lockgate.certificates.hook import DnsHook
from lockgate.certificates.names import Names
from lockgate.certificates.problems import AcmeError
from lockgate.certificates.records import Account, Kept, RenewalWindow, Status
from lockgate.certificates.runner import Clock, check, keep, obtain
from lockgate.certificates.schedule import AskWindow, Renew, Sleep, Step, due, renew_at
from lockgate.certificates.store import Store

__all__ = [
    "DIRECTORIES",
    "Account",
    "AcmeError",
    "AskWindow",
    "Authority",
    "Challenge",
    "ChallengeKind",
    "Clock",
    "DnsChallenge",
    "DnsHook",
    "ExternalAccount",
    "HttpChallenge",
    "Kept",
    "Names",
    "Publisher",
    "Renew",
    "RenewalWindow",
    "Sleep",
    "Status",
    "Step",
    "Store",
    "TlsAlpnChallenge",
    "Wanted",
    "check",
    "directory_url",
    "due",
    "keep",
    "obtain",
    "renew_at",
]
