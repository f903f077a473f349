"""References to secrets, as the models that want some declare them."""

from __future__ import annotations

from typing import Annotated

from lockgate.config.references import REFERENCE
from lockgate.scalars import Scalar, refusal


def parse_secret(value: object) -> str:
    """A reference to a secret. The value itself is refused, since a file with it would be copied and kept."""
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value
    # The value is not quoted here: it may be the secret.
    raise refusal(
        "secret-literal",
        "a secret must not stand in the file",
        allowed="`${env:NAME}` or `${file:path}`",
        hint='put it into a variable or a file of mode 0600, and write "${env:NAME}" here',
    )


Secret = Annotated[
    str,
    Scalar(parse_secret, {"type": "string", "pattern": r"^\$\{(env|file):[^${}]+\}$", "secret": True}),
]
