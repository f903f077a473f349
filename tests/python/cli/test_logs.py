"""`lockgate logs` prints the events of the gate and of the control process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lockgate import _native
from lockgate.admin.event_log import faults, find
from lockgate.cli._event_lines import line
from lockgate.cli._events import BadFilterError, moment_ms, wanted
from lockgate.cli._main import application
from lockgate.history.compact import Compactor
from lockgate.state import StateFolder
from support.command import lockgate
from support.processes import Processes

AT_MS = 1_800_000_000_000


def exchange(identifier: str, **fields: Any) -> dict[str, Any]:
    event = {
        "class": "access",
        "at_ms": AT_MS,
        "id": identifier,
        "method": "GET",
        "host": "shop.example.com",
        "path": "/products",
        "peer": "203.0.113.7",
        "api": "shop",
        "status": 200,
        "took_us": 1234,
    }
    return event | fields


class Written:
    """A state folder with both logs open."""

    def __init__(self, root: Path) -> None:
        self.state = StateFolder.open(root)
        self.gate = _native.EventWriter(str(self.state.gate_events), 1 << 24, node="gate")
        self.control = _native.EventWriter(str(self.state.control_events), 1 << 24)

    def gate_event(self, event: dict[str, Any]) -> None:
        self.gate.append(event)
        self.gate.flush()

    def control_event(self, event: dict[str, Any]) -> None:
        self.control.append(event)
        self.control.flush()

    def close(self) -> None:
        self.gate.close()
        self.control.close()


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    logs = Written(tmp_path / "state")
    yield logs
    logs.close()


def run(written: Written, *arguments: str) -> Result:
    given = ["logs", "--state", str(written.state.root), *arguments]
    return CliRunner().invoke(application(given), given)


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


def test_both_logs_come_in_one_list_in_order_of_time(written: Written) -> None:
    for number in (1, 3, 5):
        written.gate_event(exchange(f"r{number}", at_ms=AT_MS + number))
    for number in (2, 4):
        written.control_event(
            {"class": "system", "at_ms": AT_MS + number, "id": f"s{number}", "code": "c", "message": "m"}
        )
    assert ids(run(written, "--json")) == ["r1", "s2", "r3", "s4", "r5"]
    assert ids(run(written, "--json", "--last", "2")) == ["s4", "r5"]
    assert ids(run(written, "--json", "--last", "0")) == []
    assert ids(run(written, "--json", "--since", "2027-01-15T00:00:00Z")) == ["r1", "s2", "r3", "s4", "r5"]


def test_the_last_are_the_newest_although_long_requests_are_written_late(written: Written) -> None:
    for number in (50, 51, 52):
        written.gate_event(exchange(f"r{number}", at_ms=AT_MS + number))
    for number in (1, 2, 3):
        written.gate_event(exchange(f"long{number}", at_ms=AT_MS + number))
    written.control_event({"class": "system", "at_ms": AT_MS + 4, "id": "s4", "code": "c", "message": "m"})
    assert ids(run(written, "--json", "--last", "3")) == ["r50", "r51", "r52"]
    assert ids(run(written, "--json", "--last", "4")) == ["s4", "r50", "r51", "r52"]
    since = ["--since", "2027-01-15T08:00:00.002Z"]
    assert ids(run(written, "--json", "--last", "9", *since)) == ["long2", "long3", "s4", "r50", "r51", "r52"]
    assert ids(run(written, "--json", "--last", "2", *since)) == ["r51", "r52"]


def test_a_json_line_is_the_whole_event(written: Written) -> None:
    written.gate_event(exchange("r1"))
    event = json.loads(run(written, "--json").stdout)
    assert event["node"] == "gate"
    assert event["v"] == 1
    assert event | exchange("r1") == event


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--class", "security"], ["refused"]),
        (["--class", "security", "--class", "audit"], ["refused", "changed"]),
        (["--class", "audit,security"], ["refused", "changed"]),
        (["--api", "other"], ["other"]),
        (["--status", "403"], ["refused"]),
        (["--status", "4xx"], ["refused", "other"]),
        (["--status", "200-403"], ["fine", "refused"]),
        (["--reason", "key-missing"], ["refused"]),
        (["--key", "key_1"], ["fine"]),
        (["--app", "crm"], ["refused"]),
        (["--app", "crm", "--reason", "key-missing"], ["refused"]),
        (["--since", "2027-01-15T08:00:03Z"], ["other", "changed"]),
        (["--until", "2027-01-15T08:00:02Z"], ["fine", "refused"]),
        (["--since", "2027-01-15T08:00:01Z", "--until", "2027-01-15T08:00:02Z", "--last", "1"], ["refused"]),
    ],
)
def test_a_filter_lets_through_what_is_wanted(written: Written, arguments: list[str], expected: list[str]) -> None:
    written.gate_event(exchange("fine", at_ms=AT_MS + 1000, key="key_1"))
    refused = {"class": "security", "status": 403, "reason": "key-missing", "app": "crm"}
    written.gate_event(exchange("refused", at_ms=AT_MS + 2000, **refused))
    assert "app=crm" in run(written).stdout
    written.gate_event(exchange("other", at_ms=AT_MS + 3000, api="other", status=404))
    changed = {"class": "audit", "at_ms": AT_MS + 4000, "id": "changed", "actor": "a", "action": "b", "object": "c"}
    written.control_event(changed)
    assert ids(run(written, "--json", *arguments)) == expected


def test_what_was_only_observed_goes_by_its_reason_too(written: Written) -> None:
    def verdicts(outcome: str, reason: str | None) -> list[dict[str, Any]]:
        return [
            {"policy": "api_key", "outcome": "identify", "reason": None},
            {"policy": "waf", "outcome": outcome, "reason": reason},
        ]

    written.gate_event(exchange("fine", at_ms=AT_MS, verdicts=verdicts("allow", None)))
    written.gate_event(exchange("observed", at_ms=AT_MS + 1, verdicts=verdicts("observe-deny", "waf-refused")))
    written.gate_event(exchange("other", at_ms=AT_MS + 2, verdicts=verdicts("observe-deny", "json-end")))
    refused = {"class": "security", "status": 403, "reason": "waf-refused"}
    written.gate_event(exchange("refused", at_ms=AT_MS + 3, **refused, verdicts=verdicts("deny", "waf-refused")))
    assert ids(run(written, "--json", "--reason", "waf-refused")) == ["observed", "refused"]
    assert ids(run(written, "--json", "--reason", "waf-refused", "--status", "200")) == ["observed"]
    assert ids(run(written, "--json", "--reason", "waf-refused", "--class", "security")) == ["refused"]
    unscanned = {"verdicts": verdicts("error", "waf-scan-unavailable")}
    written.gate_event(exchange("unscanned", **unscanned))
    assert ids(run(written, "--json", "--reason", "waf-scan-unavailable")) == ["unscanned"]
    called = run(written, "--reason", "waf-unscanned")
    assert (called.exit_code, "--reason waf-scan-unavailable lists" in called.stderr) == (2, True)
    observed, refused_line = run(written, "--reason", "waf-refused").stdout.splitlines()
    assert "waf-refused (observed)" in observed
    assert "(observed)" not in refused_line


@pytest.mark.parametrize(("reason", "exclusion"), [("waf-refused", True), ("json-end", False)])
def test_why_proposes_no_exclusion_where_none_would_help(written: Written, reason: str, exclusion: bool) -> None:
    verdicts = [{"policy": "waf", "outcome": "observe-deny", "reason": reason}]
    found = {"rule": "sql-injection", "at": "query/q", "message": "m", "masked": "a", "score": 5}
    found |= {"places": ["query/q"], "level": 0, "counts": 1, "overruled": 0}
    waf = {"score": 5, "threshold": 5, "found": [found], "by": "", "left_out": 0}
    written.gate_event(exchange("r1", verdicts=verdicts, waf=waf, bundle="b"))
    given = ["waf", "why", "r1", "--state", str(written.state.root)]
    shown = CliRunner().invoke(application(given), given)
    assert shown.exit_code == 0, shown.output
    assert "would have been refused" in shown.stdout
    assert ("lockgate waf exclude r1" in shown.stdout) is exclusion
    assert (reason in shown.stdout) is not exclusion


def test_where_nothing_is_found_that_is_said_beside(written: Written) -> None:
    written.gate_event(exchange("fine", at_ms=AT_MS))
    result = run(written, "--json", "--api", "nosuch")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing of that" in result.stderr
    assert "'nosuch'" in result.stderr
    assert run(written, "--json", "--last", "0").stderr == ""
    assert run(written, "--json").stderr == ""


def test_a_line_says_what_matters(written: Written) -> None:
    written.gate_event(exchange("r1", **{"class": "security", "status": 403, "reason": "key-missing", "key": "key_1"}))
    written.control_event(
        {"class": "audit", "at_ms": AT_MS + 1, "actor": "admin", "action": "key.create", "object": "key_2"}
    )
    written.control_event(
        {"class": "system", "at_ms": AT_MS + 2, "code": "bundle-loaded", "message": "It serves the new bundle."}
    )
    first, second, third = run(written).stdout.splitlines()
    for part in ("security", "403", "GET shop.example.com/products", "key-missing", "203.0.113.7", "api=shop", "1.2ms"):
        assert part in first
    assert second.endswith("audit     admin key.create key_2")
    assert third.endswith("system    bundle-loaded  It serves the new bundle.")


def test_a_line_tells_one_change_from_another(written: Written) -> None:
    def audit(action: str, object_: str, **detail: Any) -> None:
        event = {"v": 1, "class": "audit", "actor": "admin:ops", "action": action, "object": object_, "detail": detail}
        written.control_event(event)

    audit("config.reload", "/lockgate.yaml", result="applied", sequence=7, errors=0)
    audit("config.reload", "/lockgate.yaml", result="unchanged", sequence=7, errors=0)
    audit("config.reload", "/lockgate.yaml", result="refused", sequence=None, errors=1)
    audit("key.revoke", "key_a", name="export", owner="sales", reason="left the company")
    audit("key.revoke", "key_b", name="export", owner="sales", reason=None)
    lines = [line.split("config.reload")[-1].split("key.revoke")[-1] for line in run(written).stdout.splitlines()]
    assert [" ".join(line.split()) for line in lines] == [
        "/lockgate.yaml applied bundle 7",
        "/lockgate.yaml unchanged bundle 7",
        "/lockgate.yaml refused 1 error",
        "key_a name=export owner=sales reason=left the company",
        "key_b name=export owner=sales reason=none given",
    ]


def test_nothing_that_a_stranger_sent_drives_the_terminal(written: Written) -> None:
    written.gate_event(exchange("r1", host="\x1b[2Jevil\n\u202e", path="/[bold]x"))
    printed = run(written).stdout
    assert len(printed.splitlines()) == 1
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert "/[bold]x" in printed, "brackets are no markup"


def test_one_event_is_shown_in_full(written: Written) -> None:
    verdicts = [
        {"policy": "ip_filter", "outcome": "allow", "reason": None},
        {"policy": "api_key", "outcome": "deny", "reason": "key-missing"},
    ]
    span = {"file": "lockgate.yaml", "line": 12, "column": 5}
    written.gate_event(exchange("r1", verdicts=verdicts, span=span, bundle="8f2a61c0"))
    printed = run(written, "--id", "r1").stdout
    for part in ("lockgate.yaml:12:5", "ip_filter", "deny key-missing", "8f2a61c0", "203.0.113.7"):
        assert part in printed
    assert json.loads(run(written, "--id", "r1", "--json").stdout)["span"] == span


def test_one_event_in_full_is_never_wrapped(written: Written) -> None:
    path = "/" + "/".join(["a segment"] * 40)
    written.gate_event(exchange("r1", path=path))
    assert sum(path in line for line in run(written, "--id", "r1").stdout.splitlines()) == 2


def test_an_id_that_is_nowhere_is_a_finding(written: Written) -> None:
    result = run(written, "--id", "none")
    assert result.exit_code == 1
    assert "No event has the id 'none'" in result.stderr


def test_what_was_appended_is_in_the_audit_chain(written: Written) -> None:
    for number in range(2):
        written.control_event({"class": "audit", "actor": "a", "action": "b", "object": str(number)})
    first, second = (json.loads(line) for line in run(written, "--json", "--class", "audit").stdout.splitlines())
    assert first["prev"] == "0" * 64
    assert second["prev"] == first["hash"]


def test_follow_shows_what_happens_now(written: Written, processes: Processes) -> None:
    written.gate_event(exchange("before"))
    command = [sys.executable, "-m", "lockgate", "logs", "--state", str(written.state.root), "--json"]
    process = processes.start([*command, "--follow", "--api", "shop"])
    process.wait_for_output('"id":"before"')
    for number in range(3):
        written.gate_event(exchange(f"skipped{number}", api="other"))
        written.gate_event(exchange(f"now{number}"))
        process.wait_for_output(f'"id":"now{number}"')
    assert [json.loads(line)["id"] for line in process.output.splitlines()] == ["before", "now0", "now1", "now2"]


def test_follow_waits_for_a_log_that_is_not_there_yet(tmp_path: Path, processes: Processes) -> None:
    state = StateFolder.open(tmp_path / "state")
    process = processes.start([sys.executable, "-m", "lockgate", "logs", "--state", str(state.root), "-f"])
    gate = _native.EventWriter(str(state.gate_events), 1 << 24)
    gate.append(exchange("first"))
    gate.flush()
    assert "first" in process.wait_for_output("first")
    gate.close()


def test_more_than_a_page_is_read_to_its_end(written: Written) -> None:
    for number in range(2500):
        written.gate.append(exchange(f"r{number}", at_ms=AT_MS + number))
        if number % 100 == 0:
            written.gate.flush()
    written.gate.flush()
    expected = [f"r{number}" for number in range(2500)]
    assert ids(run(written, "--json", "--since", "2027-01-15")) == expected
    assert ids(run(written, "--json", "--last", "2000")) == expected[500:]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--status", "999"], "Write one, such as 404"),
        (["--status", "40x"], "Write one, such as 404"),
        (["--class", "acess"], "Did you mean access? There are access, security, audit, system"),
        (["--reason", "key-mising"], "Did you mean key-missing?"),
        (["--key", "nightly"], "begins with key_"),
        (["--clas", "access"], "--class"),
        (["--last", "abc"], "--last"),
        (["--since", "yesterday"], "Write how long ago, such as 15m"),
        (["--since", "ago"], "Write how long ago, such as 15m"),
        (["--until", "2027-13-01"], "Write how long ago, such as 15m"),
    ],
)
def test_what_cannot_be_understood_is_a_wrong_call(written: Written, arguments: list[str], said: str) -> None:
    result = run(written, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_state_folder_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    given = ["logs", "--state", str(tmp_path / "none")]
    result = CliRunner().invoke(application(given), given)
    assert result.exit_code == 2
    assert "--state" in result.stderr


def test_the_environment_may_name_the_state(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    written.gate_event(exchange("r1"))
    monkeypatch.setenv("LOCKGATE_STATE", str(written.state.root))
    result = CliRunner().invoke(application(["logs"]), ["logs", "--json"])
    assert ids(result) == ["r1"]


def test_a_moment_is_ago_or_a_date() -> None:
    assert moment_ms("15m", now=1000.0) == 100_000
    assert moment_ms("15m ago", now=1000.0) == 100_000
    assert moment_ms("2027-01-15T08:00:00Z") == AT_MS
    assert moment_ms("2027-01-15T10:00:00+02:00") == AT_MS
    local = time.mktime((2027, 1, 15, 8, 0, 0, 0, 0, -1))
    assert moment_ms("2027-01-15T08:00") == int(local * 1000), "without a zone it is this machine's"
    with pytest.raises(BadFilterError):
        moment_ms("0001-01-01T00:00:00+23:00")


def test_a_range_of_statuses_may_be_one() -> None:
    assert wanted(None, "404", None, None, {}) == {"status_min": 404, "status_max": 404}
    assert wanted(None, "5xx", None, None, {"api": None}) == {"status_min": 500, "status_max": 599}


def test_one_that_the_log_has_deleted_is_found_in_the_history(tmp_path: Path) -> None:
    written = Written(tmp_path / ".lockgate")
    written.gate_event(exchange("r-old"))
    Compactor(written.state, least=1).round(1 << 30)
    written.close()
    for segment in written.state.gate_events.glob("*.seg"):
        segment.unlink()
    ended = lockgate("logs", "--id", "r-old", "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["path"] == "/products"
    explained = lockgate("explain", "--request", "r-old", cwd=tmp_path)
    assert "GET shop.example.com/products" in explained.out
    assert lockgate("logs", "--id", "r-none", cwd=tmp_path).code == 1


def test_what_a_policy_met_is_told_with_its_request(written: Written) -> None:
    fault = {"class": "system", "at_ms": AT_MS + 10, "code": "policy-failed"}
    written.gate_event(fault | {"message": "plugin tenants: ValueError: no tenant (request theirs)"})
    written.gate_event(fault | {"message": "plugin tenants: ValueError: of another (request other)"})
    written.gate_event(exchange("theirs", at_ms=AT_MS + 20, status=500, reason="plugin-failed"))
    event = find(written.state, "theirs")
    assert event is not None
    assert faults(written.state, event) == ["plugin tenants: ValueError: no tenant"]
    explained = CliRunner()
    given = ["explain", "--request", "theirs", "--state", str(written.state.root)]
    result = explained.invoke(application(given), given)
    assert "plugin tenants: ValueError: no tenant" in result.output


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"method": "GET", "path": "/orders", "protocol": "h2"}, "GET shop.example/orders"),
        ({"method": "", "path": "", "protocol": "tls-handshake"}, "tls-handshake shop.example  "),
        ({"method": "", "path": "", "host": "", "protocol": "proxy-protocol"}, "proxy-protocol  "),
    ],
)
def test_what_was_no_request_is_told_by_its_protocol(fields: dict[str, Any], said: str) -> None:
    told = {"host": "shop.example", "class": "security", "reason": None, "key": None}
    event = exchange("01", **(told | fields))
    assert said in line(event).plain
