"""What a program has read and done: how far a leak of its would reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lockgate.admin.app_asked import ASKED, OF_APPS
from lockgate.history.reader import History
from lockgate.state import StateFolder

MOST: Final = 1_000
"""People, objects and addresses that are listed."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What events tell of a program's requests, as far as an API was asked."""

    app: str
    since_ms: int
    first_ms: int | None
    last_ms: int | None
    requests: int
    refused: int
    bytes_out: int
    operations: list[dict[str, Any]]
    """By API, operation (or route) and method: how many, how much, and when last."""
    people: list[dict[str, Any]]
    """For whom it asked."""
    people_count: int
    objects: list[dict[str, Any]]
    """What it asked for: paths without their queries, those that were asked for most."""
    objects_count: int
    addresses: list[dict[str, Any]]
    """Where it came from."""
    addresses_count: int


def reach(state: StateFolder, app: str, since_ms: int) -> Reach:
    """What the program did since then, as far as events are kept."""
    with History.open(state, sources=("gate",)) as history:

        def rows(select: str, rest: str = f"AND {ASKED}") -> list[dict[str, Any]]:
            query = f"SELECT {select} FROM events WHERE {_OF_APP} {rest}"  # noqa: S608 -- Our own words.
            return history.rows(query, [app, since_ms])

        whole = rows(
            "min(at_ms) AS first_ms, max(at_ms) AS last_ms, count(*) AS requests, "
            f"count(*) FILTER (WHERE NOT {ASKED}) AS refused, "
            f"coalesce(sum(bytes_out) FILTER (WHERE {ASKED}), 0) AS bytes_out, "
            f"count(DISTINCT identity) FILTER (WHERE {ASKED}) AS people, "
            f"count(DISTINCT (api, path)) FILTER (WHERE {ASKED}) AS objects, "
            f"count(DISTINCT peer) FILTER (WHERE {ASKED}) AS addresses",
            "",
        )[0]
        operations = rows(
            "api, coalesce(operation, route) AS operation, method, count(*) AS requests, "
            "sum(bytes_out)::BIGINT AS bytes_out, max(at_ms) AS last_ms",
            f"AND {ASKED} GROUP BY ALL ORDER BY requests DESC LIMIT {MOST}",
        )
        people = rows(
            "identity AS person, count(*) AS requests, max(at_ms) AS last_ms",
            f"AND {ASKED} AND identity IS NOT NULL GROUP BY ALL ORDER BY requests DESC, person LIMIT {MOST}",
        )
        objects = rows(
            "api, path, count(*) AS requests, max(at_ms) AS last_ms",
            f"AND {ASKED} GROUP BY ALL ORDER BY requests DESC, path LIMIT {MOST}",
        )
        addresses = rows(
            "peer AS address, any_value(country) AS country, count(*) AS requests, max(at_ms) AS last_ms",
            f"AND {ASKED} GROUP BY peer ORDER BY requests DESC, address LIMIT {MOST}",
        )
    return Reach(
        app,
        since_ms,
        whole["first_ms"],
        whole["last_ms"],
        int(whole["requests"]),
        int(whole["refused"]),
        int(whole["bytes_out"]),
        operations,
        people,
        int(whole["people"]),
        objects,
        int(whole["objects"]),
        addresses,
        int(whole["addresses"]),
    )


_OF_APP: Final = f"{OF_APPS} AND app = $1 AND at_ms >= $2"
