"""What a program has read and done: how far a leak of its would reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lockgate.history.reader import History
from lockgate.state import StateFolder

MOST: Final = 1_000
"""People, objects and addresses that are listed."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What events tell of a program's requests that were answered."""

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

        def rows(select: str, rest: str = "AND reason IS NULL") -> list[dict[str, Any]]:
            query = f"SELECT {select} FROM events WHERE {_OF_APP} {rest}"  # noqa: S608 -- Our own words.
            return history.rows(query, [app, since_ms])

        whole = rows(
            "min(at_ms) AS first_ms, max(at_ms) AS last_ms, count(*) AS requests, "
            "count(*) FILTER (WHERE reason IS NOT NULL) AS refused, "
            "coalesce(sum(bytes_out) FILTER (WHERE reason IS NULL), 0) AS bytes_out, "
            "count(DISTINCT identity) FILTER (WHERE reason IS NULL) AS people, "
            "count(DISTINCT (api, path)) FILTER (WHERE reason IS NULL) AS objects, "
            "count(DISTINCT peer) FILTER (WHERE reason IS NULL) AS addresses",
            "",
        )[0]
        operations = rows(
            "api, coalesce(operation, route) AS operation, method, count(*) AS requests, "
            "sum(bytes_out)::BIGINT AS bytes_out, max(at_ms) AS last_ms",
            f"AND reason IS NULL GROUP BY ALL ORDER BY requests DESC LIMIT {MOST}",
        )
        people = rows(
            "identity AS person, count(*) AS requests, max(at_ms) AS last_ms",
            f"AND reason IS NULL AND identity IS NOT NULL GROUP BY ALL ORDER BY requests DESC, person LIMIT {MOST}",
        )
        objects = rows(
            "api, path, count(*) AS requests, max(at_ms) AS last_ms",
            f"AND reason IS NULL GROUP BY ALL ORDER BY requests DESC, path LIMIT {MOST}",
        )
        addresses = rows(
            "peer AS address, any_value(country) AS country, count(*) AS requests, max(at_ms) AS last_ms",
            f"AND reason IS NULL GROUP BY peer ORDER BY requests DESC, address LIMIT {MOST}",
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


_OF_APP: Final = "class IN ('access', 'security') AND app = $1 AND at_ms >= $2"
