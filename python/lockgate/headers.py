"""Names of headers that may carry a credential: any but those that are the gate's own business.

The core acts by the names, and says which they are.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from lockgate import _native
from lockgate.scalars import Scalar, refusal, shown

_WHY: Final = {
    "hop-by-hop": "is for one connection alone, so the gate takes it off every request",
    "written": "is written by the gate itself",
    "identity": "says who is calling or from where, so the gate takes it off every request",
}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")


def parse_header(value: object) -> str:
    """The name of a header that may carry a credential."""
    allowed = "a header's name, such as `X-API-Key`"
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise refusal("header-malformed", f"{shown(value)} is not a header's name", allowed=allowed)
    kind = _native.reserved_header(value)
    if kind == "framing":
        raise refusal(
            "header-framing", f"{shown(value)} frames the message and can carry no credential", hint="use `X-API-Key`"
        )
    if kind is not None:
        hint = "use a name that means nothing else, such as `X-API-Key` or `X-Gate-Token`"
        raise refusal("header-reserved", f"{shown(value)} {_WHY[kind]}, and can carry no credential", hint=hint)
    return value


Header = Annotated[str, Scalar(parse_header, {"type": "string"})]
