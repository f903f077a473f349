"""The provider's tokens of a session: they stay in the control process, and no browser ever has them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider gave when a person signed in, or since."""

    refresh_token: str | None = field(repr=False)
    access_token: str | None = field(repr=False)
    """Kept only where an upstream is given it, or one that is got for it."""
    expires_ms: int | None
    """When the access token ends; nothing where the provider did not say."""
    fresh_until_ms: int | None
    """Until when the provider need not be asked whether the session holds; nothing where it cannot be asked."""
    claims: dict[str, Any] | None = None
    """What it says of the person since then; nothing where it was never asked, or says nothing."""

    def to_json(self) -> str:
        """As it is kept, to be sealed."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Tokens:
        """What was kept. Raises `TypeError` or `ValueError` where another version wrote it."""
        return cls(**json.loads(text))
