"""What names (of roles, of scopes) open, and its short form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from lockgate.policies._base import Policy
from lockgate.policies._parts import MAX_PARTS, PartText, parse_parts
from lockgate.scalars import ShortForm

OWN: Final = frozenset({*Policy.model_fields, "opens"})
"""Keys that are no names, so nothing may be called so."""

Opens = Annotated[
    list[PartText], BeforeValidator(parse_parts), Field(max_length=MAX_PARTS), ShortForm({"type": "string"})
]
_LIST: Final = {"type": "array", "items": {"type": "string"}}
OPENS: Final = ShortForm({"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, _LIST]}})


def short(policy: type[Policy]) -> Callable[[object], object]:
    """Names beside the policy's own keys are what `opens` would hold."""
    own = frozenset(policy.model_fields)

    def lengthen(value: object) -> object:
        if not isinstance(value, dict) or "opens" in value or not value.keys() - own:
            return value
        opens: dict[str, Any] = {name: what for name, what in value.items() if name not in own}
        return {**{key: said for key, said in value.items() if key in own}, "opens": opens}

    return lengthen
