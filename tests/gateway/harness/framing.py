"""The cases of `tests/vectors/framing.yaml`, as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "framing.yaml"


@dataclass(frozen=True)
class Case:
    """Bytes, and what the guard makes of them."""

    name: str
    raw: bytes
    expect: str
    after: Literal["idle", "head", "body"]

    @property
    def accepted(self) -> bool:
        """Whether the guard lets them pass."""
        return self.expect == "accept"


def cases(kind: Literal["requests", "answers"]) -> list[Case]:
    """All cases of a kind; never none."""
    told = yaml.safe_load(VECTORS.read_text(encoding="utf-8"))[kind]
    found = [Case(case["name"], _raw(case["bytes"]), case["expect"], case.get("after", "idle")) for case in told]
    if len(found) < 20:
        raise AssertionError(f"only {len(found)} {kind}: the vectors must not vanish")
    return found


def _raw(pieces: Any) -> bytes:
    if isinstance(pieces, str):
        return pieces.encode("latin-1")
    texts = (piece if isinstance(piece, str) else piece["repeat"] * piece["times"] for piece in pieces)
    return "".join(texts).encode("latin-1")
