"""What a plugin can say: let through, with changes to header fields, or deny with a reason of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

REASON: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_REASON: Final = 64
MAX_DETAIL: Final = 500
STATUSES: Final = frozenset({*range(400, 500), 503}) - {401, 407, 499}
"""What a plugin may answer with. 401 and 407 want a challenge, which authentication writes."""

Change = tuple[Literal["set", "add", "remove"], str, str]
"""A change of one field: what is done, its name, and its value (empty where it is removed)."""


@dataclass(frozen=True, slots=True)
class Allow:
    """Go on, with these changes."""

    request: tuple[Change, ...] = ()
    """To the request that goes to the upstream; of an answer's hook there are none."""
    answer: tuple[Change, ...] = ()
    """To the answer that goes to the client."""


@dataclass(frozen=True, slots=True)
class Deny:
    """End it here."""

    reason: str
    """Kebab-case, of the plugin's own: `tenant-missing`. Shown to the client as `code`."""
    status: int = 403
    detail: str | None = field(default=None, kw_only=True)
    """What is particular to this request; shown to the client."""

    def __post_init__(self) -> None:
        """Refuse what could not be sent, where it is written."""
        if not REASON.fullmatch(self.reason) or len(self.reason) > MAX_REASON:
            raise ValueError(f"a reason is kebab-case of at most {MAX_REASON} letters, not {self.reason!r}")
        if self.status not in STATUSES:
            raise ValueError(f"a plugin denies with 400 to 499 but for 401, 407 and 499, or 503; not {self.status!r}")
        if self.detail is not None and (len(self.detail) > MAX_DETAIL or not self.detail.isprintable()):
            raise ValueError(f"a detail is one line of at most {MAX_DETAIL} characters")


Verdict = Allow | Deny


def allow(
    *,
    set: Mapping[str, str] | None = None,  # noqa: A002 -- It reads as the configuration of `headers` does.
    add: Mapping[str, str] | None = None,
    remove: Sequence[str] = (),
    answer_set: Mapping[str, str] | None = None,
    answer_add: Mapping[str, str] | None = None,
    answer_hide: Sequence[str] = (),
) -> Allow:
    """Let it through; the first three change the request, the others its answer."""
    return Allow(_changes(set, add, remove), _changes(answer_set, answer_add, answer_hide))


def deny(reason: str, status: int = 403, *, detail: str | None = None) -> Deny:
    """Deny, with a reason of the plugin's own."""
    return Deny(reason, status, detail=detail)


def _changes(
    fields: Mapping[str, str] | None, more: Mapping[str, str] | None, removed: Sequence[str]
) -> tuple[Change, ...]:
    if isinstance(removed, str):
        raise TypeError("fields to take off are a list of names")
    made: list[Change] = [("remove", name, "") for name in removed]
    made += [("set", name, value) for name, value in (fields or {}).items()]
    made += [("add", name, value) for name, value in (more or {}).items()]
    for _, name, value in made:
        # Whoever wrote the plugin may use no type checker.
        if not all(isinstance(text, str) for text in (name, value)):
            raise TypeError(f"fields are texts, and {name!r} is none or has none")
    return tuple(made)
