"""What the gate tells of its upstreams, as findings."""

from typing import Any

from lockgate.admin.upstreams import unavailable


def upstream(name: str, *states: str, available: bool = False) -> dict[str, Any]:
    targets = [{"target": f"127.0.0.1:{9000 + number}", "state": state} for number, state in enumerate(states)]
    return {"name": name, "available": available, "targets": targets}


def test_an_upstream_without_a_server_in_health_is_one() -> None:
    told = {"upstreams": [upstream("good", "healthy", available=True), upstream("bad", "unhealthy", "unresolved")]}
    [finding] = unavailable(told)
    assert (finding.code, finding.object, finding.severity) == ("upstream-down", "upstreams.bad", "error")
    assert "127.0.0.1:9000 is unhealthy, 127.0.0.1:9001 is unresolved" in finding.message


def test_a_message_names_a_few_targets_only() -> None:
    [finding] = unavailable({"upstreams": [upstream("bad", *["unhealthy"] * 100)]})
    assert finding.message.endswith(", and 95 more")
    [empty] = unavailable({"upstreams": [upstream("empty")]})
    assert empty.message.endswith("DNS names none")


def test_a_gate_of_before_tells_nothing() -> None:
    assert unavailable({}) == []
