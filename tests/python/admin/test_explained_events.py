"""A request that was, told from its event."""

from __future__ import annotations

from lockgate.admin.explain import of_event


def test_each_policy_has_its_own_grounds() -> None:
    event = {
        "id": "r-1",
        "at_ms": 1,
        "method": "GET",
        "host": "shop.example.com",
        "path": "/orders",
        "peer": "127.0.0.1",
        "status": 200,
        "took_us": 1,
        "bundle": "0" * 16,
        "verdicts": [{"policy": name, "outcome": "allow"} for name in ("authorize", "scopes", "roles")],
        "grounds": ["scope orders:read", "role support"],
    }
    told = {step["policy"]: step["grounds"] for step in of_event(event, None)["steps"]}
    assert told == {"authorize": [], "scopes": ["scope orders:read"], "roles": ["role support"]}
    # What events have nothing of is there as null.
    event["grounds"] = None
    assert [step["grounds"] for step in of_event(event, None)["steps"]] == [[], [], []]
    del event["grounds"]
    assert [step["grounds"] for step in of_event(event, None)["steps"]] == [[], [], []]
