"""How upstreams are, as the gate tells it: what somebody should look at."""

from typing import Any

from lockgate.admin.findings import Seen

MAX_TARGETS = 5
"""Targets that a message names."""


def unavailable(stats: dict[str, Any]) -> list[Seen]:
    """A finding for each upstream that has no server in health."""
    return [
        Seen(
            kind="finding",
            code="upstream-down",
            object=f"upstreams.{upstream['name']}",
            message=f"no target of the upstream `{upstream['name']}` is available: {_targets(upstream['targets'])}",
            severity="error",
        )
        for upstream in stats.get("upstreams", [])
        if not upstream["available"]
    ]


def _targets(targets: list[dict[str, Any]]) -> str:
    told = [f"{target['target']} is {target['state']}" for target in targets[:MAX_TARGETS]]
    more = len(targets) - len(told)
    return ", ".join(told or ["DNS names none"]) + (f", and {more} more" if more else "")
