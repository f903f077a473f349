"""What an audit of TLS has found, for the table of findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lockgate.admin.findings import Findings, Seen

SOURCE = "tls-audit"

Kind = Literal["listeners", "upstreams"]


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome of one audit."""

    seen: Sequence[Seen]
    kinds: Sequence[Kind]
    """What was looked at; findings about the other kind stay as they are."""
    unknown: Sequence[str]
    """Objects that could not be looked at: what is open about them stays open."""

    def keep(self, findings: Findings) -> list[Seen]:
        """Write it down; what was not open before."""
        unknown, kinds = set(self.unknown), set(self.kinds)

        def untold(name: str) -> bool:
            # Of a service whose servers nobody could say, all are unknown.
            whole = " ".join(name.split(" ")[:2])
            return name in unknown or whole in unknown or name.partition(".")[0] not in kinds

        return findings.sync(SOURCE, self.seen, untold=untold)
