"""What an authority refuses, in words: what it said, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from lockgate.outgoing import Answer
from lockgate.printable import printable

SAID_LENGTH: Final = 600
"""Of what the authority says, which a message quotes."""
SUBPROBLEMS: Final = 10
LONGEST_RETRY_SECONDS: Final = 7 * 86_400.0
"""A Retry-After that says more is held to a week, the longest of Let's Encrypt's limits."""

_PREFIX: Final = "urn:ietf:params:acme:error:"
_ADVICE: Final[Mapping[str, str]] = {
    "accountDoesNotExist": "it is asked for a new account next time",
    "alreadyReplaced": "the certificate was renewed by somebody else who has this account's key",
    "badCSR": "the authority does not take these names or this key together: see what it says",
    "caa": "a CAA record of the domain forbids this authority; add it, or use one that is allowed",
    "compound": "see each part",
    "externalAccountRequired": "this authority wants an external account: set its key identifier and HMAC key",
    "invalidContact": "check the e-mail address",
    "malformed": "the authority could not make sense of the request: see what it says; where the directory is new, "
    "check that it is an ACME one (RFC 8555)",
    "rateLimited": "nothing is to be done but to wait; use `letsencrypt-staging` while you try things out",
    "rejectedIdentifier": "the authority does not issue for this name: check it, or use another authority",
    "serverInternal": "the fault is the authority's; it is tried again by itself",
    "unsupportedContact": "use an e-mail address",
    "unsupportedIdentifier": "the authority issues for no such name; use another authority, or leave the name out",
    "userActionRequired": "the authority wants something of you, perhaps that you agree to new terms",
    "invalidProfile": "use one of the profiles that the directory offers",
}
_CHALLENGE_ADVICE: Final[Mapping[str, str]] = {
    **_ADVICE,
    "connection": "the authority could not connect: open port 80 (http-01) or 443 (tls-alpn-01) of every address that "
    "the name's A and AAAA records give, and check those records",
    "malformed": "the authority could not look at this name: check the name's DNS records, and that they lead here",
    "dns": "the authority could not look the name up, or found no record: check the name's DNS records and that the "
    "domain's name servers answer",
    "incorrectResponse": "somebody else answered: check that the name's A and AAAA records lead to this gate alone",
    "tls": "the authority could not make a TLS connection: something before the gate may end TLS; use `http-01` then",
    "unauthorized": "the authority got another answer than the challenge's: check that the name's A and AAAA records "
    "lead to this gate, and that nothing before it answers",
}
"""Where a challenge failed; elsewhere the same kinds mean other things."""
_SAID: Final[Mapping[str, tuple[str, ...]]] = {
    "dns": (
        "resolving host",
        "not resolve",
        "no such host",
        "nxdomain",
        "servfail",
        "dns problem",
        "no valid a records",
        "lookup ",
    ),
    "connection": ("failed to connect", "connection refused", "dial tcp", "timed out", "timeout", "unreachable"),
}
"""What a name that does not resolve and an address that does not answer are called in authorities' own words."""
_VAGUE: Final = frozenset({"malformed", "unauthorized", "connection"})
"""Kinds that some authorities (Pebble, step-ca) give for either."""


class AcmeError(Exception):
    """A certificate was not had; the message says why and what to do."""

    def __init__(self, message: str, *, kind: str | None = None, retry_after: float | None = None) -> None:
        """`kind` is RFC 8555 section 6.7's type without its prefix; `retry_after` the wait that was asked for, s."""
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


def refusal(what: str, answer: Answer, now: datetime) -> AcmeError:
    """An answer that is none of the wanted ones, as an error; `what` was asked for."""
    wait = retry_after(answer.headers, now)
    try:
        problem = json.loads(answer.body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return AcmeError(f"{what}: the authority answers with status {answer.status}", retry_after=wait)
    error = told(what, problem)
    error.retry_after = wait
    return error


def told(what: str, problem: Mapping[str, Any], *, challenge: bool = False) -> AcmeError:
    """A problem document (RFC 7807) as an error; `challenge` says that it is about one."""
    kind = kind_of(problem)
    words = [f"{what}: the authority says {_quoted(problem)}"]
    parts = problem.get("subproblems")
    for part in parts[:SUBPROBLEMS] if isinstance(parts, list) else ():
        if isinstance(part, dict):
            identifier = part.get("identifier")
            name = identifier.get("value") if isinstance(identifier, dict) else None
            words.append(f"{clean(name) if isinstance(name, str) else 'besides'}: {_quoted(part)}")
    advice = _CHALLENGE_ADVICE.get(_meant(kind, problem)) if challenge else _ADVICE.get(kind or "")
    if advice:
        words.append(advice)
    return AcmeError("; ".join(words), kind=kind)


def _meant(kind: str | None, problem: Mapping[str, Any]) -> str:
    """The kind that fits what is said, where the given one is vague."""
    said = str(problem.get("detail")).lower()
    if kind in _VAGUE:
        for meant, words in _SAID.items():
            if any(each in said for each in words):
                return meant
    return kind or ""


def kind_of(problem: Mapping[str, Any]) -> str | None:
    """The type of a problem without its prefix; nothing for one that is not of ACME."""
    kind = problem.get("type")
    return kind.removeprefix(_PREFIX) if isinstance(kind, str) and kind.startswith(_PREFIX) else None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that an answer asks to wait (RFC 9110 section 10.2.3), within limits; nothing where it does not."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdecimal():
        return min(float(said[:12]), LONGEST_RETRY_SECONDS)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), LONGEST_RETRY_SECONDS)


def clean(text: str) -> str:
    """What an authority says, on one line, without what drives a terminal, and short."""
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= SAID_LENGTH else shown[: SAID_LENGTH - 1] + "…"


def _quoted(problem: Mapping[str, Any]) -> str:
    detail = problem.get("detail") or problem.get("title")
    kind = kind_of(problem) or clean(str(problem.get("type", "")))
    return f'"{clean(detail)}" ({kind})' if isinstance(detail, str) else kind or "nothing more"
