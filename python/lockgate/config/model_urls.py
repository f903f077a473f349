"""Addresses that the control process calls."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from lockgate.scalars import Scalar, refusal, shown


def parse_url(value: object) -> str:
    """An address that the control process calls."""
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        plain = parts.hostname and not (parts.username or parts.password or parts.fragment) and parts.port != 0
    except ValueError:
        plain = False
    if plain and text.isprintable() and " " not in text and text.startswith(("https://", "http://")):
        return text
    raise refusal(
        "url-malformed", f"{shown(value)} is not a URL", allowed="a URL such as `https://login.example.com/keys`"
    )


Url = Annotated[str, Scalar(parse_url, {"type": "string", "pattern": "^https?://"})]
