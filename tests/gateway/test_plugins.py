"""Plugins behind a running gate: what they may do, and what none of them can do to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate, Refused
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer
from lockgate.config import load
from support.processes import children, gone
from support.waiting import until

CHECKS = '''
import ctypes, io, os, signal, sys, threading
from lockgate.plugin import Plugin, allow, deny, on_request


class Tenant(Plugin):
    """Wants a tenant, and tells the API whose it is."""

    def on_request(self, head):
        tenant = head.headers.get("x-tenant")
        if tenant is None:
            return deny("tenant-missing", 400, detail="Send X-Tenant.")
        return allow(set={"X-Shop-Tenant": tenant.lower()}, answer_set={"X-Served-For": tenant})

    def on_response(self, head):
        if head.headers.get("x-leak"):
            return deny("leak")
        return allow(answer_hide=["X-Node"], answer_set={"X-Status": str(head.status)})


class Shown(Plugin):
    """Tells what it is shown."""

    def on_request(self, head):
        seen = " ".join(sorted(head.headers))
        return allow(set={"X-Seen": seen, "X-Head": f"{head.method} {head.path}?{head.query}"})


class Acts(Plugin):
    """Does what the request says."""

    def on_request(self, head):
        do = head.headers.get("x-do", "nothing")
        return getattr(self, do)() or allow(set={"X-Done": do})

    def nothing(self):
        pass

    def hang(self):
        threading.Event().wait()

    def spin(self):
        while True:
            pass

    def hold_the_lock(self):
        # Native code that does not give the interpreter's lock back.
        ctypes.PyDLL(None).pause()

    def ignore_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.hang()

    def raise_error(self):
        raise ValueError("no tenant of that name")

    def leave(self):
        sys.exit(3)

    def leave_at_once(self):
        os._exit(3)

    def abort(self):
        os.abort()

    def segfault(self):
        ctypes.string_at(0)

    def recurse(self):
        return self.recurse()

    def fork(self):
        os.fork()

    def fork_natively(self):
        if ctypes.CDLL(None).fork() < 0:
            raise PermissionError("no child")

    def call_out(self):
        import socket
        socket.create_connection(("127.0.0.1", 9), 1)

    def call_out_natively(self):
        if ctypes.CDLL(None).socket(2, 1, 0) < 0:
            raise PermissionError("no socket")

    def write(self):
        io.open(os.path.join(os.path.dirname(__file__), "written"), "w")

    def read_state(self):
        io.open(self.options["state"] + "/anything").read()

    def environment(self):
        return allow(set={"X-Environment": " ".join(sorted(os.environ)) or "empty"})

    def descriptors(self):
        return allow(set={"X-Descriptors": " ".join(what.partition(":")[0] for _, what in self.open())})

    def print_much(self):
        for number in range(100_000):
            print("x" * 2000)

    def print_secretly(self):
        print("a line", "\\x1b[2Jof control")
        sys.stderr.write("and an error\\n")
        os.write(1, b"and a raw one\\n")

    def eat(self):
        self.eaten = bytearray(4 * 2**30)

    def eat_slowly(self):
        eaten = []
        while True:
            eaten.append(bytearray(2**20))

    def close_link(self):
        os.closerange(3, 64)

    def open(self):
        # The last is the folder itself, which is being read.
        numbers = sorted(map(int, os.listdir("/proc/self/fd")))[:-1]
        return [(number, os.readlink(f"/proc/self/fd/{number}")) for number in numbers]

    def link(self):
        return next(number for number, what in self.open() if what.startswith("socket"))

    def garbage(self):
        os.write(self.link(), b"\\x00\\x00\\x00\\x05hello")

    def too_much(self):
        os.write(self.link(), b"\\xff\\xff\\xff\\xff")

    def half(self):
        os.write(self.link(), b"\\x00\\x00\\x01\\x00{")
        threading.Event().wait()

    def speak_later(self):
        link = self.link()
        threading.Timer(0.02, lambda: os.write(link, b"\\x00\\x00\\x00\\x02{}")).start()

    def say_nothing(self):
        return "yes"

    def say_much(self):
        return allow(set={f"X-{number}": "a" * 8192 for number in range(400)})

    def say_numbers(self):
        return allow(set={"X-Number": 5})

    def set_host(self):
        return allow(set={"Host": "evil.example"})


@on_request
def closed(head):
    return deny("closed", 503)
'''


class Shop:
    """A gate whose API asks plugins."""

    def __init__(self, gate: Gate, auto: AutoUpstream, folder: Path) -> None:
        self.gate, self.auto, self.folder = gate, auto, folder
        (folder / "checks.py").write_text(CHECKS, encoding="utf-8")

    def plugins(self, *entries: str | dict[str, Any], **more: Any) -> None:
        """Serves with these plugins."""
        api: dict[str, Any] = {
            "upstream": f"http://127.0.0.1:{self.auto.port}",
            # The machine may be busy: only those are short that are meant to pass.
            "plugins": [{"use": entry, "deadline": "10s"} if isinstance(entry, str) else entry for entry in entries],
            "public": {"owner": "tests", "reason": "A test.", "until": "2100-01-01"},
        }
        file = self.folder / "lockgate.yaml"
        file.write_text(yaml.safe_dump({"version": 1, "apis": {"shop": {**api, **more}}}), encoding="utf-8")
        compiled = load(file).compile(1, 1)
        policies = compiled["apis"][0]["policies"]
        served = bundles.api(checks=policies["plugins"])
        self.gate.load(bundles.bundle([served], [bundles.upstream(self.auto.port)], plugins=compiled["plugins"]))

    def get(self, *headers: str) -> Message:
        """Asks on a connection of its own."""
        return self.gate.client().get("/", *headers)

    def do(self, what: str) -> Message:
        """Has the plugin do something."""
        return self.get(f"X-Do: {what}")

    def processes(self) -> set[int]:
        """The gate's worker processes."""
        return set(children(self.gate.pid))

    def said(self, code: str) -> list[str]:
        """Messages of the log with this code."""
        return [str(event["message"]) for event in self.gate.written(code=code)]


@pytest.fixture
def shop(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> Shop:
    return Shop(gate, auto, tmp_path)


@pytest.fixture
def leaking(gate: Gate, tmp_path: Path) -> Iterator[Shop]:
    with AutoUpstream(lambda _message: answer(b"ok", "X-Node: 7", "X-Leak: card")) as upstream:
        yield Shop(gate, upstream, tmp_path)


def ended(processes: set[int]) -> None:
    """Waits until these are no more."""
    until(lambda: all(gone(process) for process in processes), "the end of what is not asked any more")


def refused(got: Message, reason: str) -> dict[str, Any]:
    """The refusal, for this reason."""
    problem = dict(json.loads(got.body))
    assert problem["reason"] == reason, problem
    assert problem["status"] == got.status
    return problem


def test_a_plugin_lets_through_with_changes_both_ways(shop: Shop) -> None:
    shop.plugins("checks:Tenant")
    got = shop.get("X-Tenant: ACME")
    assert (got.status, got.get("x-served-for"), got.get("x-status")) == (200, "ACME", "200")
    assert shop.auto.requests[-1].get("x-shop-tenant") == "acme"


def test_a_plugin_refuses_with_a_reason_of_its_own(shop: Shop) -> None:
    shop.plugins("checks:Tenant")
    got = shop.get()
    problem = refused(got, "plugin-denied")
    assert (got.status, problem["code"], problem["detail"]) == (400, "tenant-missing", "Send X-Tenant.")
    assert not shop.auto.requests
    event = shop.gate.event(str(got.get("x-request-id")))
    assert (event["reason"], event["room"], event["status"]) == ("plugin-denied", "plugins", 400)
    assert event["own"] == "tenant-missing"
    assert event["span"]["line"] > 0


def test_an_answer_can_be_refused_and_fields_of_it_hidden(leaking: Shop) -> None:
    leaking.plugins("checks:Tenant")
    got = leaking.get("X-Tenant: a")
    assert refused(got, "plugin-denied")["code"] == "leak"
    assert got.get("x-node") is None


def test_a_function_is_a_plugin_too(shop: Shop) -> None:
    shop.plugins("checks:closed")
    assert refused(shop.get(), "plugin-denied")["code"] == "closed"


def test_several_are_asked_in_their_order_and_the_first_refusal_ends_it(shop: Shop) -> None:
    shop.plugins("checks:closed", "checks:Acts")
    assert refused(shop.do("abort"), "plugin-denied")["code"] == "closed"
    assert shop.gate.count("lockgate_plugin_calls_total", plugin="checks:Acts") == 0


def test_credentials_are_withheld_unless_they_are_named(shop: Shop) -> None:
    sent = ["Authorization: Basic Og==", "Cookie: a=b", "X-API-Key: k", "X-Mine: 1"]
    shop.plugins("checks:Shown")
    assert shop.gate.client().get("/a?b=c", *sent).status == 200
    told = shop.auto.requests[-1]
    assert told.get("x-seen") == "host x-mine"
    assert told.get("x-head") == "GET /a?b=c"
    # The API gets them as ever.
    assert (told.get("authorization"), told.get("cookie")) == ("Basic Og==", "a=b")
    shop.plugins({"use": "checks:Shown", "credentials": ["cookie"], "deadline": "10s"})
    assert shop.get(*sent).status == 200
    assert shop.auto.requests[-1].get("x-seen") == "cookie host x-mine"


FAILS = [
    "raise_error",
    "leave",
    "leave_at_once",
    "abort",
    "segfault",
    "recurse",
    "fork",
    "fork_natively",
    "call_out",
    "call_out_natively",
    "write",
    "read_state",
    "eat",
    "eat_slowly",
    "close_link",
    "garbage",
    "too_much",
    "say_nothing",
    "say_much",
    "say_numbers",
    "set_host",
]
HANGS = ["hang", "spin", "hold_the_lock", "ignore_signals", "half"]


@pytest.mark.parametrize("what", FAILS)
def test_a_plugin_that_fails_denies_and_the_next_request_is_served(shop: Shop, what: str) -> None:
    shop.plugins({"use": "checks:Acts", "deadline": "10s", "options": {"state": str(shop.gate.state)}})
    before = shop.processes()
    got = shop.do(what)
    assert got.status == 500
    refused(got, "plugin-failed")
    assert not shop.auto.requests
    # What it raised is for the log, and never for the caller.
    assert b"checks" not in got.body
    assert any(str(got.get("x-request-id")) in said for said in shop.said("policy-failed"))
    until(lambda: shop.do("nothing").status == 200, "a process that answers again")
    assert shop.gate.tell("alive")
    # One process, and no child of it.
    until(lambda: len(shop.processes()) == 1, "one process")
    after = shop.processes()
    assert all(not children(process) for process in after)
    ended(before - after)
    assert not (shop.folder / "written").exists()


@pytest.mark.parametrize("what", HANGS)
def test_a_plugin_that_hangs_is_ended(shop: Shop, what: str) -> None:
    shop.plugins({"use": "checks:Acts", "deadline": "150ms"})
    (before,) = shop.processes()
    got = shop.do(what)
    assert got.status == 503
    refused(got, "plugin-timeout")
    until(lambda: gone(before), "the end of what hung")
    until(lambda: shop.do("nothing").status == 200, "a process that answers again")
    assert shop.gate.count("lockgate_plugin_calls_total", plugin="checks:Acts", outcome="timeout") >= 1
    assert shop.gate.count("lockgate_plugin_restarts_total") >= 1


def test_speaking_unasked_ends_a_process(shop: Shop) -> None:
    shop.plugins("checks:Acts")
    (before,) = shop.processes()
    assert shop.do("speak_later").status == 200
    until(lambda: gone(before), "the end of what spoke")
    until(lambda: shop.do("nothing").status == 200, "a process that answers again")


def test_a_process_has_neither_environment_nor_descriptors_of_the_gate(
    tmp_path: Path, auto: AutoUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "s3cret")
    with Gate(tmp_path / "state") as gate:
        shop = Shop(gate, auto, tmp_path)
        shop.plugins("checks:Acts")
        assert shop.do("environment").status == 200
        assert shop.auto.requests[-1].get("x-environment") == "LC_ALL"
        assert shop.do("descriptors").status == 200
        # Nothing to read from, what is printed, the same, and the link.
        assert str(shop.auto.requests[-1].get("x-descriptors")).split() == ["/dev/null", "pipe", "pipe", "socket"]
        (process,) = shop.processes()
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status


def test_what_is_printed_goes_to_the_log_and_not_to_the_wire(shop: Shop) -> None:
    shop.plugins("checks:Acts")
    got = shop.do("print_secretly")
    assert (got.status, got.body) == (200, b"ok")
    until(lambda: len(shop.said("plugin-printed")) >= 3, "all that was printed")
    assert {said.partition(": ")[2] for said in shop.said("plugin-printed")} == {
        "a line [2Jof control",
        "and an error",
        "and a raw one",
    }


def test_a_flood_of_lines_is_bounded(shop: Shop) -> None:
    shop.plugins({"use": "checks:Acts", "deadline": "5s"})
    memory = shop.gate.memory()
    assert shop.do("print_much").status in (200, 503)
    told = shop.said("plugin-printed")
    assert 0 < len(told) < 1000
    assert max(map(len, told)) < 600
    assert shop.gate.memory() - memory < 32 * 2**20


def test_more_calls_than_can_wait_are_refused_at_once(shop: Shop) -> None:
    shop.plugins({"use": "checks:Acts", "deadline": "10s"})
    waiting = [shop.gate.client() for _ in range(1 + 256 + 20)]
    for client in waiting:
        client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Do: hang\r\n\r\n")
    until(
        lambda: shop.gate.count("lockgate_plugin_calls_total", outcome="overloaded") >= 20,
        "calls that were turned away",
    )
    got = shop.do("nothing")
    assert got.status == 503
    refused(got, "plugin-overloaded")
    # The rest of the gate does not wait for it.
    assert shop.gate.client().get("/.lockgate/reasons/plugin-overloaded").status == 200


def test_on_error_allow_lets_through_what_failed_and_no_refusal(shop: Shop) -> None:
    shop.plugins({"use": "checks:Acts", "on_error": "allow", "deadline": "150ms"})
    assert [shop.do(what).status for what in ("raise_error", "hang")] == [200, 200]
    shop.plugins({"use": "checks:Tenant", "on_error": "allow", "deadline": "10s"})
    assert shop.get().status == 400


def test_what_is_only_observed_changes_nothing_and_is_counted(leaking: Shop) -> None:
    leaking.plugins({"use": "checks:Tenant", "mode": "observe", "deadline": "10s"})
    got = leaking.get("X-Tenant: a")
    assert (got.status, got.get("x-served-for"), got.get("x-node")) == (200, None, "7")
    assert leaking.auto.requests[-1].get("x-shop-tenant") is None
    assert leaking.get().status == 200
    event = leaking.gate.event(str(got.get("x-request-id")))
    verdicts = {verdict["policy"]: verdict for verdict in event["verdicts"]}
    assert (verdicts["plugins"]["outcome"], verdicts["plugins"]["reason"]) == ("observe-deny", "plugin-denied")
    assert leaking.gate.tell("stats")["observed"]["plugins"] == 2


def test_what_is_off_is_not_asked(shop: Shop) -> None:
    shop.plugins({"use": "checks:closed", "mode": "off"})
    assert shop.get().status == 200
    assert shop.gate.count("lockgate_plugin_calls_total") == 0


def test_what_calls_cost_is_measured(shop: Shop) -> None:
    shop.plugins("checks:Tenant")
    shop.get("X-Tenant: a")
    shop.get()
    (cost,) = shop.gate.tell("stats")["plugins"]
    # A request and its answer, and a request.
    assert (cost["name"], cost["calls"], cost["denied"], cost["failed"]) == ("checks:Tenant", 3, 1, 0)
    assert 0 < cost["own_us"] <= cost["mean_us"] <= cost["longest_us"]
    assert shop.gate.count("lockgate_plugin_calls_total", plugin="checks:Tenant", outcome="allow") == 2


def test_a_reload_keeps_the_processes_of_the_same_code_and_ends_those_of_other(shop: Shop) -> None:
    shop.plugins("checks:Tenant")
    before = shop.processes()
    shop.plugins("checks:Tenant", strip_path=True)
    assert shop.processes() == before
    source = shop.folder / "checks.py"
    source.write_text(CHECKS.replace('"tenant-missing"', '"no-tenant"'), encoding="utf-8")
    shop.plugins("checks:Tenant")
    assert refused(shop.get(), "plugin-denied")["code"] == "no-tenant"
    until(lambda: not shop.processes() & before, "the processes of the old code to end")
    ended(before)


def test_code_that_changed_since_it_was_checked_does_not_run(shop: Shop) -> None:
    shop.plugins({"use": "checks:Acts", "deadline": "300ms"})
    source = shop.folder / "checks.py"
    source.write_text(CHECKS + "\n# Another.\n", encoding="utf-8")
    shop.do("abort")
    until(lambda: shop.gate.now_written(code="plugin-process-failed"), "that it is not started")
    assert "changed since" in shop.said("plugin-process-failed")[0]
    assert shop.do("nothing").status == 503
    # Written back, it runs again.
    source.write_text(CHECKS, encoding="utf-8")
    until(lambda: shop.do("nothing").status == 200, "the code that was checked")


def test_a_bundle_whose_plugins_cannot_be_loaded_is_refused_and_the_old_one_serves_on(shop: Shop) -> None:
    shop.plugins("checks:Tenant")
    compiled = load(shop.folder / "lockgate.yaml").compile(1, 1)
    compiled["plugins"]["plugins"][0]["name"] = "checks:Missing"
    served = bundles.api(checks=compiled["apis"][0]["policies"]["plugins"])
    bundle = bundles.bundle([served], [bundles.upstream(shop.auto.port)], plugins=compiled["plugins"])
    with pytest.raises(Refused) as refusal:
        shop.gate.load(bundle)
    assert "has no 'Missing'" in str(refusal.value)
    assert shop.get("X-Tenant: a").status == 200


def test_a_gate_whose_plugins_are_gone_serves_what_needs_none(shop: Shop) -> None:
    shop.plugins({"use": "checks:Tenant", "deadline": "300ms"})
    state = shop.gate.state
    shop.gate.kill()
    (shop.folder / "checks.py").unlink()
    with Gate(state, signer=shop.gate.signer) as again:
        got = again.client().get("/", "X-Tenant: a")
        assert got.status == 503
        assert again.client().get("/.lockgate/reasons/plugin-timeout").status == 200


def test_processes_end_with_the_gate_also_where_it_is_killed(shop: Shop) -> None:
    shop.plugins({"use": "checks:Acts", "deadline": "10s"})
    client = shop.gate.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Do: ignore_signals\r\n\r\n")
    (process,) = shop.processes()
    until(lambda: "S" in _state(process), "that it sleeps")
    shop.gate.kill()
    until(lambda: gone(process), "the process's end")


def test_nothing_is_left_behind_by_many_crashes(shop: Shop) -> None:
    shop.plugins({"use": "checks:Acts", "deadline": "5s"})
    assert shop.do("nothing").status == 200
    descriptors = shop.gate.descriptors()
    for _ in range(5):
        assert shop.do("segfault").status == 500
        until(lambda: shop.do("nothing").status == 200, "a process that answers again")
    until(lambda: len(shop.processes()) == 1, "one process, and no zombies")
    # The test's own connections are open still, and nothing else is.
    until(lambda: shop.gate.descriptors() <= descriptors + len(shop.gate._clients), "closed descriptors")


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
