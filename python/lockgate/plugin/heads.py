"""What a plugin is shown: heads of requests and of answers, never their bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class Headers(Mapping[str, str]):
    """Header fields by name, in any case. A field that came more than once is joined with commas."""

    __slots__ = ("_fields",)

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = [(name.lower(), value) for name, value in fields]

    def all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        wanted = name.lower()
        return [value for other, value in self._fields if other == wanted]

    def __getitem__(self, name: str) -> str:
        """The value of a field."""
        found = self.all(name)
        if not found:
            raise KeyError(name)
        return ", ".join(found)

    def __iter__(self) -> Iterator[str]:
        """The names, each once."""
        return iter(dict.fromkeys(name for name, _ in self._fields))

    def __len__(self) -> int:
        """How many names there are."""
        return len({name for name, _ in self._fields})

    def __repr__(self) -> str:
        """Names alone: values may be secret."""
        return f"Headers({', '.join(self)})"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the gate has proved it."""

    proved_by: str
    """The policy that proved it, such as `api_key`."""
    credential: str
    """The credential's public id."""
    owner: str
    """Who answers for the credential."""
    app: str | None
    """The program that calls, where the credential tells it."""
    claims: Mapping[str, Any]
    """What a verified token says besides; empty for keys."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request's head in normal form: what the upstream would get."""

    id: str
    method: str
    host: str
    path: str
    query: str | None
    headers: Headers
    """As the client sent them, but for those that carry the API's keys."""
    client: str
    """The client's address."""
    api: str
    operation: str | None
    caller: Caller | None
    """None where nobody was proved to be anybody."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """An answer's head, as the upstream gave it."""

    status: int
    headers: Headers
    request: RequestHead
    """The request that it answers."""
