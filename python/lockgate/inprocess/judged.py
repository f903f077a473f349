"""What an application is told of a request that was let through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

if TYPE_CHECKING:
    from lockgate._native import Call


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls, as a credential proved it."""

    owner: str
    """Who answers for the credential: a key's owner, a token's subject."""
    credential: str
    """The credential's public id: `key_…` for a key, `<issuer>/<subject>` for a token."""
    proved_by: str
    """The policy that proved it: `api_key` or `jwt`; a certificate is the server's to judge, before the application."""
    app: str | None
    """The program that calls, where a token tells it."""
    claims: Mapping[str, Any]
    """What a token says besides, verified; a key says nothing more."""


class Judged:
    """A request that was let through. Each value is read when it is asked for: most requests ask for few."""

    __slots__ = ("_call", "_identity", "_known")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._identity: Identity | None = None
        self._known = False

    @property
    def identity(self) -> Identity | None:
        """Who calls; nobody where the API is public."""
        if not self._known:
            told = self._call.identity()
            self._identity = None if told is None else Identity(*told)
            self._known = True
        return self._identity

    @property
    def request_id(self) -> str:
        """The request's id, in the answer's `X-Request-Id` and in the log."""
        return self._call.id

    @property
    def api(self) -> str | None:
        """The API in the configuration that it was judged by."""
        return self._call.api

    @property
    def route(self) -> str | None:
        """The pattern of the path that matched."""
        return self._call.route

    @property
    def version(self) -> str | None:
        """The version of the API that it asks for."""
        return self._call.version

    @property
    def operation(self) -> str | None:
        """The operation of the API's OpenAPI document that it is."""
        return self._call.operation

    @property
    def client(self) -> str:
        """The client's address; `0.0.0.0` where the server tells none, as over a Unix socket."""
        return self._call.client

    @override
    def __repr__(self) -> str:
        return f"Judged(request_id={self.request_id!r}, api={self.api!r}, identity={self.identity!r})"
