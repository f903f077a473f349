"""Every fault that is looked for, and the points that it costs: the one list, of which the documentation has a table.

Nothing is imported here that takes time: `lockgate tls --help` names the grades.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final, NamedTuple

GRADES: Final[Mapping[str, int]] = {"A+": 100, "A": 90, "B": 80, "C": 65, "D": 50, "F": 0}
"""The points that each wants, of a hundred; the best first."""

FATAL: Final = 100
"""Whoever is on the way can read or change all, or nobody gets through."""
BROKEN: Final = 60
"""Clients that verify are turned away, or it has been broken in practice: F."""
UNVERIFIED: Final = 50
WEAK: Final = 35
"""Broken in theory, or by whoever has much to spend: C at best."""
OLD: Final = 20
BEHIND: Final = 15
SMALL: Final = 10
SLIGHT: Final = 5

SOON: Final = dt.timedelta(days=14)
SOON_PART: Final = 0.2
"""Certificates that live for days only are renewed late by design."""
HSTS_LEAST: Final = 15_552_000
"""Half a year: with less, browsers forget it between two visits."""
RSA_BITS: Final = 2048
CURVE_BITS: Final = 224
PRIME_BITS: Final = 2048


class Fault(NamedTuple):
    """What one fault costs, and for what."""

    lost: int
    what: str


FAULTS: Final[Mapping[str, Fault]] = {
    "plain": Fault(FATAL, "Plain HTTP beyond this machine"),
    "no-handshake": Fault(FATAL, "No handshake comes to its end"),
    "no-modern-version": Fault(FATAL, "Nothing newer than TLS 1.1"),
    "null-ciphers": Fault(FATAL, "Ciphers without encryption, without a certificate, or of 40 bits"),
    "expired": Fault(FATAL, "A certificate of the chain expired"),
    "not-valid-yet": Fault(FATAL, "A certificate of the chain is not valid yet"),
    "pin-mismatch": Fault(FATAL, "The key is none of `pins`"),
    "ssl3": Fault(BROKEN, "SSL 3"),
    "rc4": Fault(BROKEN, "RC4"),
    "unreadable-certificate": Fault(BROKEN, "A certificate of the chain cannot be read, as RFC 5280 has it"),
    "wrong-name": Fault(BROKEN, "The certificate is not good for the name that is asked for"),
    "self-signed": Fault(BROKEN, "The certificate vouches for itself"),
    "untrusted": Fault(BROKEN, "Its authority is not believed, or not for this"),
    "incomplete-chain": Fault(BROKEN, "The authority behind the chain is not known, or intermediates are not sent"),
    "weak-key": Fault(
        BROKEN,
        f"A key of the chain is RSA below {RSA_BITS} bits, on a curve below {CURVE_BITS}, DSA, or of an unknown kind",
    ),
    "weak-signature": Fault(BROKEN, "A certificate but a root's is signed with SHA-1, MD5 or MD2, or nobody knows how"),
    "not-verified": Fault(UNVERIFIED, "The gate does not verify the upstream (`skip_verify`)"),
    "old-versions": Fault(WEAK, "TLS 1.0 or 1.1"),
    "small-blocks": Fault(WEAK, "Ciphers with blocks of 64 bits, such as 3DES"),
    "weak-dh": Fault(WEAK, f"A Diffie-Hellman group below {PRIME_BITS} bits"),
    "unsafe-renegotiation": Fault(WEAK, "Renegotiation without RFC 5746"),
    "no-forward-secrecy": Fault(OLD, "Key exchange without forward secrecy"),
    "no-tls-1.3": Fault(BEHIND, "No TLS 1.3"),
    "ends-soon": Fault(
        SMALL, f"A certificate of the chain ends within {SOON.days} days, and has less than {SOON_PART:.0%} of its life"
    ),
    "no-hsts": Fault(SMALL, "Answers of a listener have no Strict-Transport-Security; not on loopback"),
    "cbc": Fault(SLIGHT, "CBC ciphers"),
    "no-post-quantum": Fault(SLIGHT, "No X25519MLKEM768"),
    "short-hsts": Fault(
        SLIGHT, f"Strict-Transport-Security for less than {HSTS_LEAST // 86_400} days; not on loopback"
    ),
    "post-quantum-not-preferred": Fault(0, "X25519MLKEM768 is taken, but another group is preferred to it"),
}
"""By code; the dearest first."""


def grades_said() -> str:
    """The grades, with the points that each wants."""
    best, *between, worst = GRADES
    several = ", ".join(f"{name} ({GRADES[name]})" for name in between)
    return f"{best} ({GRADES[best]} points), {several} or {worst}"
