"""A policy, and where the document says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from lockgate.policies import Policy

P_co = TypeVar("P_co", bound=Policy, covariant=True)
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Placed(Generic[P_co]):
    """A policy of an API, and the path of what says it: its own key, the default's, or the API itself."""

    policy: P_co
    path: Path
    waiver_path: Path | None = None
    inherited: bool = False
