"""What `waf` looked at in a request that was explained, what it did not, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lockgate._native import waf_leaves_alone

BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
ASKED: Final = frozenset({"allow", "deny", "observe-deny"})
SAMPLING: Final = "sampling_percentage"


def placed_of(explained: Mapping[str, Any], bundle: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `waf` that judged it; nothing where none did."""
    route = explained["route"]
    if route is None or not any(one["policy"] == "waf" and one["verdict"] in ASKED for one in explained["steps"]):
        return None
    named = (one for one in bundle["apis"] if one["name"] == route["api"] and one["route"] == route.get("route"))
    placed: dict[str, Any] | None = next((one["policies"]["waf"] for one in named), None)
    return placed


def looked(
    explained: Mapping[str, Any], bundle: Mapping[str, Any], body: bytes | None, giving: str
) -> dict[str, list[str]] | None:
    """What looked, and what it left alone, in words; nothing where no `waf` judged the request.

    `giving` is what gives a body.
    """
    placed = placed_of(explained, bundle)
    if placed is None:
        return None
    config = placed["config"]
    by = ["detectors"] if config["native"] else []
    if config["set"] is not None:
        by.append(f"rules ({bundle['rule_sets'][config['set']]['name']})")
    return {"by": by, "not_at": list(_not_at(explained["request"], config, body, giving))}


def _not_at(request: Mapping[str, Any], config: Mapping[str, Any], body: bytes | None, giving: str) -> Iterator[str]:
    if body is None and request["method"] not in BODILESS:
        yield f"the body: none was given, {giving} does"
    elif body is not None and len(body) > config["inspect_bytes"] and config["longer"] == "begin":
        yield f"what stands behind the first {config['inspect_bytes']} bytes of the body: `longer: begin`"
    now_ms = time.time_ns() // 1_000_000
    for one in config["exclude"]:
        waiver, on = one["waiver"], one["request"]
        if waiver["until_ms"] > now_ms and waf_leaves_alone("", request["method"], request["path"], request=on):
            day = datetime.fromtimestamp(waiver["until_ms"] / 1000, UTC).date()
            yield (
                f"{one['at'] or 'every value'}, for {one['rule']}: `exclude`, of {waiver['owner']} until {day} "
                f"({waiver['reason']})"
            )
    share = config["variables"].get(SAMPLING, "100")
    if share != "100":
        yield f"{100 - int(share)} of 100 requests, for rules: `sampling`"
    if config["answers"] is None:
        yield "answers: `answers` is not said"
