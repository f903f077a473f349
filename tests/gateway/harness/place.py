"""A gate that one module of tests asks much."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream


@dataclass
class Place:
    """A gate before an upstream that keeps count."""

    gate: Gate
    upstream: AutoUpstream
    port: int
