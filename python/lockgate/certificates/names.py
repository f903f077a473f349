"""The names that a certificate is for: DNS names, wildcards and IP addresses, in one order and spelling."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from lockgate.addresses import is_address

MAX_NAMES: Final = 100
"""Of one certificate; Let's Encrypt and most other authorities take as many."""
NAME_LENGTH: Final = 253
"""RFC 1035 section 2.3.4, in text and without the dot at the end."""

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_FOLDER_LENGTH: Final = 60
_DIGEST_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Names:
    """A set of names, each of them valid. The same set is the same value, however it was written."""

    all: tuple[str, ...]
    """Sorted; a name that the certificate was first asked for says nothing."""

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """Read names; raises `ValueError` for what no certificate can be for, and for none or too many."""
        found = sorted({_normal(name) for name in names})
        if not found:
            raise ValueError("a certificate needs a name")
        if len(found) > MAX_NAMES:
            raise ValueError(f"a certificate for {len(found)} names: authorities take {MAX_NAMES}; make several")
        return cls(tuple(found))

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __str__(self) -> str:
        shown = ", ".join(self.all[:3])
        return shown if len(self.all) <= 3 else f"{shown} and {len(self.all) - 3} more"

    @property
    def folder(self) -> str:
        """A name for a file or folder: readable, and the set's own."""
        readable = re.sub(r"[^a-z0-9.-]", "_", self.all[0].replace("*", "_wildcard").replace(":", "-"))
        digest = hashlib.sha256("\n".join(self.all).encode()).hexdigest()[:_DIGEST_LENGTH]
        return f"{readable[:_FOLDER_LENGTH].lstrip('.-')}-{digest}"

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Those that begin with `*.`."""
        return tuple(name for name in self.all if name.startswith("*."))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that are IP addresses."""
        return tuple(name for name in self.all if is_address(name))

    def holds(self, host: str) -> bool:
        """Whether a certificate for these names is good for the host; no for what is none."""
        try:
            return not Names.of([host]).missing_from(self)
        except ValueError:
            return False

    def missing_from(self, others: Names) -> tuple[str, ...]:
        """Names of this set that `others` do not hold, by themselves or under a wildcard (RFC 9525 section 6.3)."""
        held = set(others.all)
        return tuple(
            name
            for name in self.all
            if name not in held and (is_address(name) or f"*.{name.partition('.')[2]}" not in held)
        )


def _normal(name: str) -> str:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
            raise ValueError(f"{name[:80]!r} is an address of one network link; no certificate can be for it")
        return str(address)
    if not name.isascii():
        raise ValueError(f"{name[:80]!r} is not in ASCII; write the form that begins with xn--")
    lower = name.lower()
    labels = lower.removeprefix("*.").split(".")
    if len(lower) > NAME_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{name[:80]!r} is no DNS name and no IP address")
    if labels[-1].isdecimal():
        # Some programs would take it for an address (RFC 3696 section 2: no top-level name is all digits).
        raise ValueError(f"{name[:80]!r} ends in a number and is no IP address")
    return lower
