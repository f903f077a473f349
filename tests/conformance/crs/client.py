"""Sends a request's bytes as they are, and takes whatever answer comes."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass

from conformance.crs.request import Parsed, read

ANSWER_SECONDS = 20.0
"""How long an answer may take: as long as a busy machine needs, for a case that gets none fails."""


@dataclass(frozen=True)
class Exchange:
    """One request over a connection of its own."""

    port: int
    """The client's, by which a log names the connection."""
    status: int | None
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str | None = None
    """Why there is no answer that is one of HTTP/1.x."""

    def get(self, name: str) -> str | None:
        """A field's first value."""
        return next((value for known, value in self.fields if known.lower() == name), None)

    @property
    def whole(self) -> str:
        """The answer as one text."""
        lines = [f"HTTP {self.status}", *(f"{name}: {value}" for name, value in self.fields), ""]
        return "\n".join(lines) + self.body.decode("utf-8", "replace")


def sent(connection: socket.socket, raw: bytes, request: Parsed) -> str | None:
    """Sends; what went wrong with it, for a server may answer and hang up before it has read all."""
    try:
        connection.sendall(raw)
        if request.missing or (b"\r\n\r\n" not in raw and b"\n\n" not in raw):
            # Nothing more will come: a server that waits for the rest is told so, and need not time out.
            connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        return repr(error)
    return None


def exchange(port: int, raw: bytes) -> Exchange:
    """Sends a request to a port on loopback and reads its answer.

    Args:
        port: Where the subject listens.
        raw: The request, right or wrong.
    """
    request = read(raw)
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection:
        own: int = connection.getsockname()[1]
        problem = sent(connection, raw, request)
        answer = http.client.HTTPResponse(connection, method=request.method.strip() or None)
        try:
            answer.begin()
            body = answer.read()
        except http.client.IncompleteRead as error:
            return Exchange(own, answer.status, tuple(answer.getheaders()), error.partial)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Exchange(own, None, error=problem or repr(error))
        finally:
            answer.close()
        return Exchange(own, answer.status, tuple(answer.getheaders()), body)
