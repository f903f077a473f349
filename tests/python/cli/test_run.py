"""`lockgate run`: two processes that live and die apart."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from lockgate import _native
from support.endless import endless
from support.ports import free_port
from support.processes import Processes
from support.running import Running, write_config
from support.waiting import until


@pytest.fixture
def running(processes: Processes, tmp_path: Path, shop_port: int) -> Running:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    return Running(processes, tmp_path).ready()


def gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for has too."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


def get(url: str, key: str) -> int:
    return httpx.get(f"{url}/products", headers={"X-API-Key": key}).status_code


def test_it_says_where_everything_is_and_no_secret(running: Running) -> None:
    key = running.make_key()["key"]
    assert get(running.url(), key) == 200
    output = running.output
    assert f"The gate   {running.url()}" in output
    assert f"(its credential: {running.state.admin_token_file})" in output
    assert running.state.admin_token() not in output
    assert key not in output
    assert running.state.pepper().hex() not in output


def test_everything_it_leaves_is_private(running: Running) -> None:
    running.make_key()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [running.state.root, *running.state.root.rglob("*")]}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_a_term_signal_stops_all_of_it_cleanly(running: Running) -> None:
    pids = running.pids()
    running.process.signal(signal.SIGTERM)
    assert running.process.wait() == 0
    assert all(gone(pid) for pid in pids.values())
    assert "The gate has stopped, as it was asked to." in running.output
    assert "gate-lost" not in running.output
    left = {path.name for path in running.state.root.iterdir()}
    assert not left & {"link.sock", "admin.address", "supervisor.json"}


def test_ctrl_c_reaches_the_whole_group_and_still_drains(running: Running) -> None:
    os.killpg(running.process.pid, signal.SIGINT)
    assert running.process.wait() == 0
    assert '"gate-stopped"' in running.output


def test_requests_under_way_are_finished_first(processes: Processes, tmp_path: Path) -> None:
    with endless() as (upstream, end):
        write_config(tmp_path, upstream)
        running = Running(processes, tmp_path).ready()
        key = running.make_key()["key"]
        with httpx.stream("GET", running.url(), headers={"X-API-Key": key}) as answer:
            lines = answer.iter_lines()
            next(lines)
            running.process.signal(signal.SIGTERM)
            running.process.wait_for_output('"gate-draining"')
            # What was begun goes on, for as long as it takes within the drain timeout.
            assert all(next(lines).startswith("line ") for _ in range(20))
            end.set()
            for _ in lines:
                pass  # A cut-off answer would raise here.
        assert running.process.wait() == 0
    assert '"all_requests_finished": true' in running.output


def test_a_stream_that_never_ends_is_cut_at_the_drain_timeout(processes: Processes, tmp_path: Path) -> None:
    with endless() as (upstream, _):
        write_config(tmp_path, upstream)
        running = Running(processes, tmp_path, "--drain-timeout", "200ms").ready()
        key = running.make_key()["key"]
        with httpx.stream("GET", running.url(), headers={"X-API-Key": key}) as answer:
            lines = answer.iter_lines()
            next(lines)
            running.process.signal(signal.SIGTERM)
            assert running.process.wait() == 0
    assert '"all_requests_finished": false' in running.output


def test_a_second_signal_does_not_wait(processes: Processes, tmp_path: Path) -> None:
    with endless() as (upstream, _):
        write_config(tmp_path, upstream)
        running = Running(processes, tmp_path).ready()
        key = running.make_key()["key"]
        with httpx.stream("GET", running.url(), headers={"X-API-Key": key}) as answer:
            lines = answer.iter_lines()
            next(lines)
            running.process.signal(signal.SIGTERM)
            running.process.wait_for_output('"gate-draining"')
            running.process.signal(signal.SIGTERM)
            running.process.wait(within=10)
    assert "Asked twice" in running.output


def test_a_killed_control_process_is_missed_by_no_request(running: Running) -> None:
    key, url, pids = running.make_key()["key"], running.url(), running.pids()
    failed: list[object] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(headers={"X-API-Key": key}) as client:
            while not stop.is_set():
                status = client.get(f"{url}/products").status_code
                if status != 200:
                    failed.append(status)

    asking = threading.Thread(target=ask)
    asking.start()
    os.kill(pids["control"], signal.SIGKILL)
    until(lambda: running.restarts()["control"] == 1 and running.pids()["control"], "a new control process")
    status = running.serving()
    stop.set()
    asking.join()
    assert failed == []
    assert running.url() == url
    assert status["gate"]["pid"] == pids["gate"] == running.pids()["gate"]
    assert status["supervisor"]["processes"]["control"]["restarts"] == 1
    assert get(url, running.make_key()["key"]) == 200


def test_a_killed_gate_comes_back_with_all_that_it_knew(running: Running) -> None:
    key, closed, pids = running.make_key()["key"], running.make_key(), running.pids()
    with running.admin as admin:
        admin.post(f"/v1/keys/{closed['id']}/revoke")
    os.kill(pids["gate"], signal.SIGKILL)
    until(lambda: running.restarts()["gate"] == 1, "the restart")
    status = until(lambda: (s := running.serving())["gate"]["pid"] != pids["gate"] and s, "a new gate")
    assert status["control"]["pid"] == pids["control"]
    assert get(running.url(), key) == 200
    assert get(running.url(), closed["key"]) == 401
    events, _ = _native.read_events(str(running.state.control_events), filter={"classes": ["system"]})
    [restarted] = [event for event in events if event["code"] == "process-restarted"]
    assert restarted["detail"]["name"] == "gate"
    assert restarted["detail"]["status"] == -signal.SIGKILL


def test_a_gate_serves_without_any_control_process(running: Running, tmp_path: Path, processes: Processes) -> None:
    key = running.make_key()["key"]
    running.process.signal(signal.SIGTERM)
    running.process.wait()
    alone = Running(processes, tmp_path, "--role", "gate").ready()
    [url] = [line.split()[2] for line in alone.output.splitlines() if line.startswith("The gate")]
    assert get(url, key) == 200
    assert get(url, key[:-1] + ("y" if key.endswith("x") else "x")) == 401


def test_both_roles_can_run_apart_on_one_folder(processes: Processes, tmp_path: Path, shop_port: int) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    control = Running(processes, tmp_path, "--role", "control").ready()
    gate = Running(processes, tmp_path, "--role", "gate").ready()
    assert get(control.url(), control.make_key()["key"]) == 200
    gate.process.signal(signal.SIGTERM)
    assert gate.process.wait() == 0
    assert until(lambda: not control.status()["gate"]["up"], "the loss of the gate")


def test_a_revoked_key_is_refused_when_the_answer_is_there(running: Running) -> None:
    made, url = running.make_key(), running.url()
    assert made["gate"] == "applied"
    assert get(url, made["key"]) == 200
    with running.admin as admin:
        answer = admin.post(f"/v1/keys/{made['id']}/revoke").json()
    assert answer["gate"] == "applied"
    assert get(url, made["key"]) == 401


CLOSED = "authenticate: [api_key]\n    authorize: authenticated"


def test_a_changed_file_is_taken_over_by_itself(running: Running, tmp_path: Path) -> None:
    url = running.url()
    path = tmp_path / "lockgate.yaml"
    public = "public: {owner: me, reason: a test, until: 2199-01-01}"
    changed = path.read_text().replace(CLOSED, public)
    # As an editor saves: a new file, renamed over the old one.
    (tmp_path / "lockgate.yaml.new").write_text(changed)
    (tmp_path / "lockgate.yaml.new").rename(path)
    until(lambda: httpx.get(f"{url}/products").status_code == 200, "the change", within=10)
    assert running.url() == url


def test_a_refused_change_leaves_the_old_one_serving_loudly(running: Running, tmp_path: Path) -> None:
    key, url = running.make_key()["key"], running.url()
    path = tmp_path / "lockgate.yaml"
    good = path.read_text()
    path.write_text(good.replace("upstream: shop", "upstream: shp"))
    line = good.splitlines().index("    upstream: shop") + 1
    running.process.wait_for_output(f"lockgate.yaml:{line}:")
    assert get(url, key) == 200
    path.write_text(good)
    until(lambda: running.status()["control"]["last_reload"]["result"] == "unchanged", "the repair")
    with running.admin as admin:
        assert "config-refused" not in admin.get("/v1/findings").text


def test_a_hangup_signal_reads_the_configuration_again(running: Running) -> None:
    before = running.status()["control"]["last_reload"]["at_ms"]
    running.process.signal(signal.SIGHUP)
    last = until(lambda: (r := running.status()["control"]["last_reload"])["at_ms"] != before and r, "the reload")
    assert (last["cause"], last["result"]) == ("signal", "unchanged")


def test_a_second_one_on_the_same_folder_is_refused(running: Running, processes: Processes, tmp_path: Path) -> None:
    second = processes.lockgate("run", cwd=tmp_path)
    assert second.wait() == 2
    assert f"is running on {tmp_path / '.lockgate'} already, as process {running.process.pid}" in second.output
    assert f"kill {running.process.pid}" in second.output
    assert "supervisor-" not in second.output
    assert "--state" in second.output
    assert running.serving()


@pytest.mark.parametrize("part", ["gate", "admin"])
def test_a_port_in_use_is_said_and_nothing_is_left_running(
    processes: Processes, tmp_path: Path, shop_port: int, part: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        write_config(tmp_path, f"http://127.0.0.1:{shop_port}", **{part: address})
        started = processes.lockgate("run", cwd=tmp_path)
        assert started.wait() == 2
    assert "Traceback" not in started.output
    *_, cause, advice = started.output.strip().splitlines()
    assert address in cause, "the last thing that is said"
    assert cause.startswith("Lockgate could not start: ")
    assert "start `lockgate run` again" in advice
    assert started.output.lower().count("address already in use") == 1
    assert "the one before" not in started.output, "there was none"
    if part == "admin":
        return  # The gate did serve for a moment.
    events = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.glob(".lockgate/control/events/*"))
    assert "is live" not in events


def test_a_refused_configuration_at_the_first_start_shows_every_error(processes: Processes, tmp_path: Path) -> None:
    write_config(tmp_path, "http://127.0.0.1:1", extra="colour: red\n")
    (tmp_path / "lockgate.yaml").write_text((tmp_path / "lockgate.yaml").read_text().replace("path: /", "path: x"))
    started = processes.lockgate("run", cwd=tmp_path)
    assert started.wait() == 2
    assert "2 errors" in started.output
    assert "^" in started.output
    assert started.output.count("lockgate.yaml:11:1") == 1
    assert "the one before" not in started.output, "there was none"
    assert "start `lockgate run` again" in started.output.strip().splitlines()[-1]
    assert "Nothing was started." in started.output
    assert not [word for word in ("process-started", "gate-draining", "process-stopped") if word in started.output]
    assert not (tmp_path / ".lockgate").exists()


def test_an_unresolved_secret_at_the_first_start_is_said_once(processes: Processes, tmp_path: Path) -> None:
    path = write_config(tmp_path, "http://127.0.0.1:1")
    path.write_text(path.read_text().replace("[api_key]", '[{api_key: {header: "${env:NOT_SET_HERE}"}}]'))
    started = processes.lockgate("run", cwd=tmp_path)
    assert started.wait() == 2
    assert started.output.count("has no variable `NOT_SET_HERE`") == 1
    assert started.output.strip().splitlines()[-1].startswith("Nothing was started.")
    assert "the one before" not in started.output


def test_a_healthy_start_warns_of_nothing(running: Running) -> None:
    running.serving()
    assert '"level": "warning"' not in running.output
    assert '"level": "error"' not in running.output


def first_answer(port: int, ended: threading.Event) -> int:
    """The status of the first answer that somebody gets who asks from before the start on."""
    while not ended.wait(0.005):
        try:
            return httpx.get(f"http://127.0.0.1:{port}/products").status_code
        except httpx.TransportError:
            continue
    return 0


def test_a_changed_configuration_is_what_a_start_begins_with(
    processes: Processes, tmp_path: Path, shop_port: int
) -> None:
    """Not what was served before, not for a moment: it may be what the change is to close."""
    port = free_port()
    path = write_config(tmp_path, f"http://127.0.0.1:{shop_port}", gate=f"127.0.0.1:{port}")
    closed = path.read_text()
    opened = closed.replace(CLOSED, "public: {owner: tests, reason: a test, until: 2199-01-01}")
    for text, status in [(opened, 200), (closed, 401), (closed, 401), (closed + "colour: red\n", 401), (opened, 200)]:
        path.write_text(text)
        ended = threading.Event()
        with ThreadPoolExecutor(1) as asking:
            answer = asking.submit(first_answer, port, ended)
            running = Running(processes, tmp_path)
            try:
                running.ready()
                assert answer.result(30) == status
            finally:
                ended.set()
        assert ("ATTENTION" in running.output) == ("colour" in text)
        assert "last-bundle-served" not in running.output
        running.process.stop()


def test_where_the_gate_refuses_a_changed_configuration_it_begins_with_the_last_good_one(
    processes: Processes, tmp_path: Path, shop_port: int
) -> None:
    port = free_port()
    path = write_config(tmp_path, f"http://127.0.0.1:{shop_port}", gate=f"127.0.0.1:{port}")
    Running(processes, tmp_path).ready().process.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        path.write_text(path.read_text().replace("listeners: {", f'listeners: {{second: {{address: "{place}"}}, '))
        running = Running(processes, tmp_path).ready()
        assert httpx.get(f"http://127.0.0.1:{port}/products").status_code == 401
        assert "the last good one is served" in running.output
        assert "listen-failed" in running.output
        with running.admin as admin:
            assert "bundle-refused" in admin.get("/v1/findings").text


def test_a_refused_configuration_later_serves_the_last_good_one(
    running: Running, processes: Processes, tmp_path: Path
) -> None:
    key = running.make_key()["key"]
    running.process.signal(signal.SIGTERM)
    running.process.wait()
    path = tmp_path / "lockgate.yaml"
    path.write_text(path.read_text() + "colour: red\n")
    again = Running(processes, tmp_path).ready()
    assert "ATTENTION" in again.output
    assert get(again.url(), key) == 200
    with again.admin as admin:
        assert "config-refused" in admin.get("/v1/findings").text


def test_without_a_configuration_it_says_how_to_get_one(processes: Processes, tmp_path: Path) -> None:
    started = processes.lockgate("run", cwd=tmp_path)
    assert started.wait() == 2
    assert "lockgate init" in started.output
    assert not (tmp_path / ".lockgate").exists()


def test_the_processes_do_not_outlive_a_killed_supervisor(running: Running) -> None:
    pids = running.pids()
    os.kill(running.process.pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids.values()), "the end of both", within=20)


def test_it_stops_when_standard_input_ends_if_asked_to(processes: Processes, tmp_path: Path, shop_port: int) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    child = subprocess.Popen(
        [sys.executable, "-m", "lockgate", "run", "--stop-with-stdin"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        while child.stdout.readline() != b"Ctrl-C stops it.\n":
            assert child.poll() is None
        processes_ = json.loads((tmp_path / ".lockgate/supervisor.json").read_text())["processes"]
        child.stdin.write(b"words are no end\n")
        child.stdin.flush()
        child.send_signal(signal.SIGHUP)
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(20) == 0
    assert all(gone(process["pid"]) for process in processes_.values())


IMPATIENT = """
import sys
from lockgate import supervisor
from lockgate.cli._main import main
supervisor.PING_SECONDS = 0.5
main(["run"])
"""


@pytest.mark.parametrize("name", ["gate", "control"])
def test_a_process_that_hangs_is_noticed_and_started_again(
    processes: Processes, tmp_path: Path, shop_port: int, name: str
) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    started = processes.start([sys.executable, "-c", IMPATIENT], cwd=tmp_path)
    started.wait_for_output("Ctrl-C stops it.")
    status = tmp_path / ".lockgate/supervisor.json"

    def pids() -> dict[str, int]:
        return {one: process["pid"] for one, process in json.loads(status.read_text())["processes"].items()}

    before = pids()
    os.kill(before[name], signal.SIGSTOP)
    printed = started.wait_for_output('"process-hung"')
    assert f'"pid": {before[name]}' in printed
    until(lambda: gone(before[name]), "its end")
    until(lambda: pids()[name] not in {None, before[name]}, "the next one")
    [other] = set(before) - {name}
    assert pids()[other] == before[other], "the other goes on"
    assert json.loads(status.read_text())["processes"][other]["restarts"] == 0


def test_what_follows_a_killed_supervisor_starts(running: Running, processes: Processes, tmp_path: Path) -> None:
    key = running.make_key()["key"]
    os.kill(running.process.pid, signal.SIGKILL)
    again = Running(processes, tmp_path).ready()
    assert get(again.url(), key) == 200


def test_a_folder_with_a_long_name_can_hold_the_state(processes: Processes, tmp_path: Path, shop_port: int) -> None:
    folder = tmp_path.joinpath(*["a-rather-long-name"] * 8)
    folder.mkdir(parents=True)
    write_config(folder, f"http://127.0.0.1:{shop_port}")
    running = Running(processes, folder).ready()
    assert get(running.url(), running.make_key()["key"]) == 200


def died(running: Running, times: int) -> bool:
    return running.restarts()["gate"] == times


def returned(running: Running, old: int | None) -> bool:
    return running.pids()["gate"] not in {None, old}


def test_a_gate_that_dies_again_and_again_is_started_ever_more_slowly(running: Running) -> None:
    waits = []
    for n in range(1, 4):
        pid = running.pids()["gate"]
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        until(partial(died, running, n), "its death")
        until(partial(returned, running, pid), "its return")
        waits.append(time.monotonic() - killed)
    assert waits[2] > waits[0]
    with running.admin as admin:
        assert 'lockgate_process_restarts_total{process="gate"} 3' in admin.get("/metrics").text


def test_configuration_and_state_may_lie_anywhere(processes: Processes, tmp_path: Path, shop_port: int) -> None:
    (tmp_path / "etc").mkdir()
    config = write_config(tmp_path / "etc", f"http://127.0.0.1:{shop_port}")
    running = Running(processes, tmp_path, "--config", str(config), "--state", ".lockgate", "--workers", "3").ready()
    status = running.serving()
    assert status["control"]["config"] == str(config)
    assert status["gate"]["stats"]["workers"] == 3
    assert not (tmp_path / "etc" / ".lockgate").exists()


def test_the_state_lies_beside_the_configuration_unless_it_is_said_otherwise(
    processes: Processes, tmp_path: Path, shop_port: int
) -> None:
    (tmp_path / "etc").mkdir()
    config = write_config(tmp_path / "etc", f"http://127.0.0.1:{shop_port}")
    processes.lockgate("run", "-c", str(config), cwd=tmp_path).wait_for_output("Ctrl-C stops it.")
    assert (tmp_path / "etc" / ".lockgate" / "admin.address").exists()


def test_the_environment_may_name_the_state(processes: Processes, tmp_path: Path, shop_port: int) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    started = processes.lockgate("run", cwd=tmp_path, env={"LOCKGATE_STATE": "elsewhere"})
    started.wait_for_output("Ctrl-C stops it.")
    assert (tmp_path / "elsewhere" / "admin.address").exists()


@pytest.mark.parametrize("text", ["soon", "30", "-1s"])
def test_a_drain_timeout_that_is_none_is_refused(processes: Processes, tmp_path: Path, text: str) -> None:
    write_config(tmp_path, "http://127.0.0.1:1")
    started = processes.lockgate("run", f"--drain-timeout={text}", cwd=tmp_path)
    assert started.wait() == 2
    assert "--drain-timeout" in started.output
    assert "30s" in started.output


def test_nobody_reading_its_output_ends_nothing(processes: Processes, tmp_path: Path, shop_port: int) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    shell = f"exec 2>&1; {sys.executable} -m lockgate run | head -n 1"
    processes.start(["sh", "-c", shell], cwd=tmp_path)
    state = tmp_path / ".lockgate"
    until((state / "admin.address").exists, "the admin API")
    supervisor = int(json.loads((state / "supervisor.json").read_text())["pid"])
    address, token = (state / "admin.address").read_text().strip(), (state / "admin.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://{address}", headers=headers) as admin:
        until(lambda: admin.get("/readyz").status_code == 200, "readiness")
        for _ in range(20):
            assert admin.post("/v1/reload").status_code == 200
        assert admin.get("/v1/status").json()["supervisor"]["processes"]["gate"]["restarts"] == 0
    os.kill(supervisor, signal.SIGTERM)
    until(lambda: gone(supervisor), "its end")


@pytest.mark.full
def test_reloads_under_traffic_fail_no_request_and_close_no_connection(running: Running, tmp_path: Path) -> None:
    key, url = running.make_key()["key"], httpx.URL(running.url())
    path, good = tmp_path / "lockgate.yaml", (tmp_path / "lockgate.yaml").read_text()
    stop, failed, served = threading.Event(), [], []

    def ask() -> None:
        # One connection for the whole test: one that was closed would raise here.
        connection = http.client.HTTPConnection(url.host, url.port, timeout=10)
        connection.connect()
        ours = connection.sock
        while not stop.is_set():
            connection.request("GET", "/products", headers={"X-API-Key": key})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200 or connection.sock is not ours:
                failed.append(answer.status)
            served.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    with running.admin as admin:
        for n in range(20):
            more = f"{{path: /more/{n}, upstream: shop, authenticate: [api_key], authorize: authenticated}}"
            path.write_text(good + f"  more{n}: {more}\n")
            done = admin.post("/v1/reload").json()
            assert done["result"] in {"applied", "unchanged"}, "unchanged where the watcher was quicker"
        sequence = admin.get("/v1/status").json()["gate"]["bundle"]["sequence"]
    stop.set()
    for thread in threads:
        thread.join()
    assert sequence == 21
    assert failed == []
    assert len(served) > 100
