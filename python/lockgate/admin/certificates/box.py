"""What gates are to have of certificates and challenges: all of it each time, under a number that only grows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from lockgate.certificates import Challenge, HttpChallenge, Kept, TlsAlpnChallenge


class Box:
    """The latest of it. Everything in it runs in the control process's event loop.

    Empty until it is filled for the first time: a gate that serves by what it has kept is not to lose that
    because a control process begins with a configuration that is refused.
    """

    def __init__(self) -> None:
        """Nothing is in it."""
        self.number = 0
        """0 while there is nothing to hand over."""
        self._text = b""
        self._filled = asyncio.Condition()

    def fill(self, certificates: Mapping[str, Kept], challenges: Iterable[Challenge]) -> int:
        """Put something in the place of what was there; its number."""
        text = _text(certificates, challenges)
        if text != self._text:
            self._text = text
            self.number += 1
        return self.number

    async def announce(self) -> None:
        """Wake whoever waits for something newer."""
        async with self._filled:
            self._filled.notify_all()

    async def newer(self, than: int) -> tuple[int, bytes]:
        """What is in it, once that is newer."""
        async with self._filled:
            await self._filled.wait_for(lambda: self.number > than)
            return self.number, self._text


def _text(certificates: Mapping[str, Kept], challenges: Iterable[Challenge]) -> bytes:
    """As `Gate.put_certificates` reads it. A certificate whose key is elsewhere is of no use to a gate."""
    handed = {
        "certificates": [
            {"name": name, "chain": kept.chain.pem, "key": kept.key_pem}
            for name, kept in sorted(certificates.items())
            if kept.chain is not None and kept.key_pem is not None
        ],
        "challenges": [_challenge(each) for each in challenges],
    }
    return json.dumps(handed, separators=(",", ":")).encode()


def _challenge(challenge: Challenge) -> dict[str, Any]:
    if isinstance(challenge, HttpChallenge):
        return {"http": {"token": challenge.token, "answer": challenge.key_authorization}}
    if isinstance(challenge, TlsAlpnChallenge):
        shown = {"name": challenge.server_name, "chain": challenge.certificate_pem, "key": challenge.key_pem}
        return {"tls_alpn": shown}
    raise TypeError("gates write no DNS records")
