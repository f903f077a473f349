"""Past requests through a proposed configuration: whose would change, in groups for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lockgate._native import Replay, reasons

WHY: Final[Mapping[str, str]] = {
    "credential-not-looked-at": "whether it carried the credential that is wanted now: nobody looked for one then",
    "credential-elsewhere": "whether it carries its credential where the API looks for it now",
    "body-not-read": "how large its body is: it was refused before that was read",
    "policy-new": "what a policy would say that was not asked then, of headers, bodies or claims that are not kept",
    "policy-changed": "what a policy says as it is configured now, of headers, bodies or claims that are not kept",
    "rules-changed": "what the rules of `waf` find: they are others now, and the query, header fields and body "
    "that they would look at are not recorded",
    "not-kept": "what a limit would count by: headers, claims and programs are not kept",
    "policy-not-asked": "what a policy would say: another one had ended the request before it was asked",
    "head-not-kept": "what was asked: the gate refused the head before it was read whole",
    "path-not-whole": "the whole path: it was cut, or held what may be a secret",
    "not-judged": "what the gate would have said: the client went away before",
    "route-needs-headers": "which route takes it: one asks for a header, parameter or cookie, and none is kept",
    "query-not-kept": "what its query held: it was refused for a parameter that was there twice",
    "no-listener": "where it would arrive: the configuration has no listener",
}
"""What cannot be told, by the core's word for why."""

EXAMPLES: Final = 3
"""Ids of each row: as many as one would look at."""

NEEDLESS: Final = frozenset(
    {"node", "status", "room", "span", "bytes_out", "took_us", "upstream_us", "target", "trace", "worker", "user_agent"}
)
"""Fields of an event that no judgement depends on."""

BATCH: Final = 5_000
"""Lines that are judged at once."""

Group = dict[str, Any]


def judge_lines(replay: Replay, lines: Iterable[bytes], done: Callable[[int], None]) -> int:
    """Judge events that come as lines of JSON; how many were none."""
    bad = 0
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= BATCH:
            bad += replay.lines(b"\n".join(batch))
            done(len(batch))
            batch = []
    bad += replay.lines(b"\n".join(batch))
    done(len(batch))
    return bad


def judge_folder(
    replay: Replay, folder: Path, wanted: Mapping[str, Any], done: Callable[[int], None], *, after: str | None = None
) -> None:
    """Judge the events of a log's segments, from a cursor on."""
    cursor, more = after, True
    while more:
        count, cursor, more = replay.folder(str(folder), after=cursor, filter=dict(wanted))
        done(count)


def told(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary for people and programs: rolled up by client and by route, the groups themselves below."""
    titles = {reason["code"]: reason["title"] for reason in reasons()}
    groups: Sequence[Group] = [_worded(group, titles) for group in summary["groups"]]
    return {
        **summary,
        "groups": groups,
        "by_client": rolled(groups, "client"),
        "by_route": rolled(groups, "route"),
        "why_undecidable": _why(groups),
    }


def _why(groups: Iterable[Group]) -> dict[str, int]:
    """How many requests cannot be told, by why."""
    counts: dict[str, int] = {}
    for group in groups:
        if group["why"] is not None:
            counts[group["why"]] = counts.get(group["why"], 0) + group["requests"]
    return counts


def rolled(groups: Iterable[Group], by: str) -> list[dict[str, Any]]:
    """The groups put together by `client` or by `route`, of each change, reason and line apart; most frequent first."""
    other = "route" if by == "client" else "client"
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for group in groups:
        place = group["place"]
        line = (place["file"], place["line"]) if place is not None else None
        told = {name: group[name] for name in ("change", "why", "before", "after", "place")}
        named = (group[f"{by}_name"], group["change"], group["why"], group["before"], group["after"], line)
        row = rows.setdefault(
            named, {by: group[f"{by}_name"], **told, "requests": 0, f"{other}s": set(), "examples": []}
        )
        row["requests"] += group["requests"]
        row[f"{other}s"].add(group[f"{other}_name"])
        row["examples"] = [*row["examples"], *group["examples"]][:EXAMPLES]
    for row in rows.values():
        row[f"{other}s"] = len(row[f"{other}s"])
    return sorted(rows.values(), key=lambda row: -int(row["requests"]))


def _worded(group: Mapping[str, Any], titles: Mapping[str, str]) -> Group:
    why = group["why"]
    words = WHY.get(why, why) if why is not None else titles.get(group["after"] or group["before"] or "", "")
    return {**group, "client_name": _client(group), "route_name": _route(group), "words": words}


def _client(group: Mapping[str, Any]) -> str:
    """Whose requests they are."""
    if group["key"] is not None:
        return f"{group['key']} of {group['owner']}" if group["owner"] else str(group["key"])
    return str(group["owner"] or group["address"] or "others")


def _route(group: Mapping[str, Any]) -> str:
    """Where they go: the operation, where the API has a document that says so."""
    if group["api"] is None:
        return f"{group['method']} (no API)".strip()
    return f"{group['method']} {group['api']} {group['operation'] or group['route'] or ''}".strip()
