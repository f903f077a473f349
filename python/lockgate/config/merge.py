"""`defaults` and refinement: what each API has in the end, and where that is said."""

from __future__ import annotations

from typing import TypeVar

from lockgate.policies import Policy

P = TypeVar("P", bound=Policy)


def refined(default: P | None, own: P | None) -> P | None:
    """The API's own policy over the default, key by key: a key that the API says replaces the default's."""
    if own is None or default is None:
        return own or default
    said = {name: getattr(own, name) for name in own.model_fields_set}
    return default.model_copy(update=said)
