"""`lockgate demo`: what it prints is true, and nothing is left of it."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from lockgate.demo.authority import local_authority
from lockgate.demo.left import remove_left
from lockgate.state import StateFolder
from support.ports import listens
from support.processes import Process, Processes
from support.waiting import until

LAST_LINE = "Ctrl-C stops everything."


def started(processes: Processes, folder: Path, *words: str) -> tuple[Process, str]:
    demo = processes.lockgate("demo", "--dir", str(folder), *words)
    return demo, demo.wait_for_output(LAST_LINE)


def ports(printed: str) -> list[int]:
    return [int(port) for port in dict.fromkeys(re.findall(r"http://127\.0\.0\.1:([0-9]+)", printed))]


def shown(printed: str, beginning: str) -> list[str]:
    """The commands that are shown, as words."""
    lines = [line.strip() for line in printed.splitlines()]
    return next(shlex.split(line) for line in lines if re.search(beginning, line))


@pytest.fixture
def demo(processes: Processes, tmp_path: Path) -> tuple[Process, str]:
    return started(processes, tmp_path / "demo", "--port", "0", "--admin-port", "0")


def test_what_it_shows_is_true(demo: tuple[Process, str]) -> None:
    _, printed = demo
    gate = re.search(r"The gate +(\S+)", printed)
    key = re.search(r"lg_live_[A-Za-z0-9]{38}", printed)
    assert gate is not None
    assert key is not None

    refused = httpx.get(f"{gate[1]}/products")
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"].endswith("/key-missing")

    *_, url = shown(printed, r"^curl .*limit=2")
    answered = httpx.get(url, headers={"X-API-Key": key[0]})
    assert answered.status_code == 200
    assert len(answered.json()["items"]) == 2

    *_, url = shown(printed, r"^curl .*UNION")
    attack = httpx.get(url, headers={"X-API-Key": key[0]})
    assert (attack.status_code, attack.json()["type"].rpartition("/")[2]) == (403, "waf-refused")

    *_, url = shown(printed, r"^curl -N")
    events = httpx.get(url, headers={"X-API-Key": key[0]}, timeout=30).text
    assert events.count("event: status") == 4

    assert httpx.get(f"{gate[1]}/healthz").json() == {"status": "open"}


def test_the_explanation_that_it_shows_can_be_asked_for(demo: tuple[Process, str]) -> None:
    _, printed = demo
    words = shown(printed, r"explain --config")
    asked = words[words.index("explain") :]
    explained = subprocess.run(
        [sys.executable, "-m", "lockgate", *asked], capture_output=True, text=True, check=False, timeout=60
    )
    assert "key-missing" in explained.stdout, explained.stderr
    assert "lockgate.yaml" in explained.stdout, "it names the file that decides"


def test_what_a_program_was_given_is_held_against_what_it_uses(demo: tuple[Process, str]) -> None:
    _, printed = demo
    words = shown(printed, r"apps usage")
    command = [sys.executable, "-m", "lockgate", *words[words.index("apps") :]]

    def told() -> str | None:
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
        return said if "1 of 3 used" in said else None

    report = until(told, "the report of what the program uses")
    assert "67 % of what it was given it did not use." in report
    assert re.search(r"unused +orders:write +\(never, dangerous\)", report)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)])
def test_it_stops_all_cleanly(processes: Processes, tmp_path: Path, number: signal.Signals) -> None:
    demo, printed = started(processes, tmp_path / "demo", "--port", "0", "--admin-port", "0")
    listening = ports(printed)
    assert len(listening) == 3
    demo.signal(number)
    assert demo.wait(within=30) == 0
    assert demo.output.rstrip().endswith("Stopped.")
    assert not [port for port in listening if listens(port)]


def test_killing_it_leaves_nothing_running(demo: tuple[Process, str], tmp_path: Path) -> None:
    process, printed = demo
    listening = ports(printed)
    process.signal(signal.SIGKILL)
    until(lambda: not [port for port in listening if listens(port)], "the end of everything", within=20)
    until(lambda: not (tmp_path / "demo/.lockgate/supervisor.json").exists(), "an end in order", within=20)


@pytest.mark.full
def test_it_starts_a_second_time_in_the_same_folder(processes: Processes, tmp_path: Path) -> None:
    for _ in range(2):
        demo, _ = started(processes, tmp_path / "demo", "--port", "0", "--admin-port", "0")
        demo.signal(signal.SIGINT)
        assert demo.wait(within=30) == 0


def test_a_port_that_is_taken_is_left_alone(processes: Processes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, printed = started(processes, tmp_path / "demo", "--port", str(port), "--admin-port", "0")
    assert f"Port {port} is taken: the gate listens on " in printed
    assert f"http://127.0.0.1:{port}/" not in printed


def test_somebodys_configuration_is_not_overwritten(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text("version: 1\napis: {}\n", encoding="utf-8")
    demo = processes.lockgate("demo", "--dir", str(tmp_path), "--port", "0", "--admin-port", "0")
    assert demo.wait() == 2
    assert "was not written by `lockgate demo`" in demo.output
    assert (tmp_path / "lockgate.yaml").read_text(encoding="utf-8") == "version: 1\napis: {}\n"


def test_an_edited_configuration_is_kept(processes: Processes, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo, _ = started(processes, folder, "--port", "0", "--admin-port", "0")
    config = folder / "lockgate.yaml"
    changed = config.read_text(encoding="utf-8").replace("X-API-Key", "X-Shop-Key")
    config.write_text(changed, encoding="utf-8")
    demo.wait_for_output("The changed configuration is live.")
    config.write_text(changed + "colour: red\n", encoding="utf-8")
    demo.wait_for_output("[unknown-key]")
    assert "The changed configuration is refused; the one before goes on serving:" in demo.output
    config.write_text(changed, encoding="utf-8")
    demo.signal(signal.SIGINT)
    assert demo.wait(within=30) == 0

    _, printed = started(processes, folder)
    assert f"Kept: {config} was changed" in printed
    assert config.read_text(encoding="utf-8") == changed
    key = re.search(r"lg_live_[A-Za-z0-9]{38}", printed)
    assert key is not None
    *_, url = shown(printed, r"^curl .*limit=2")
    assert httpx.get(url, headers={"X-Shop-Key": key[0]}).status_code == 200
    for command in ("logs", "status", "keys list"):
        words = shown(printed, rf" {command} --config")
        asked = words[words.index(command.split()[0]) :]
        done = subprocess.run([sys.executable, "-m", "lockgate", *asked], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, (done.stdout, done.stderr)
    assert str(folder / "lockgate.log") in printed


def test_only_folders_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    old, used, young = (tmp_path / f"lockgate-demo-{name}" for name in ("old", "used", "young"))
    other = tmp_path / "else"
    for folder in (old, used, young, other):
        StateFolder.open(folder / ".lockgate")
    (tmp_path / "lockgate-demo-link").symlink_to(other)
    with StateFolder(used / ".lockgate").lock("control"):
        for folder in (old, used, other):
            for each in (folder / ".lockgate", folder):
                os.utime(each, (0, 0))
        remove_left(tmp_path)
    assert [folder.exists() for folder in (old, used, young, other)] == [False, True, True, True]


def test_the_shop_answers_at_once_on_a_kept_connection(shop_port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shop_port)
    took = []
    for _ in range(11):
        began = time.perf_counter()
        connection.request("GET", "/products?limit=2")
        connection.getresponse().read()
        took.append(time.perf_counter() - began)
    connection.close()
    assert statistics.median(took) < 0.03, "a delayed acknowledgement takes 40 ms"


def test_a_state_folder_that_cannot_be_used_is_said(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / ".lockgate").write_text("in the way", encoding="utf-8")
    demo = processes.lockgate("demo", "--dir", str(tmp_path), "--port", "0", "--admin-port", "0")
    assert demo.wait() == 1
    assert "Traceback" not in demo.output
    assert ".lockgate" in demo.output


def test_over_tls_its_curl_lines_work(processes: Processes, tmp_path: Path) -> None:
    ends = ("--port", "0", "--admin-port", "0", "--tls", "--tls-port", "0")
    _, printed = started(processes, tmp_path / "demo", *ends)
    lines = [shlex.split(line) for line in printed.splitlines() if "--cacert" in line]
    assert len(lines) == 2
    over_h2, over_h1 = (subprocess.run(line, capture_output=True, text=True, check=False, timeout=30) for line in lines)
    assert over_h2.stdout.startswith("HTTP/2 200"), over_h2.stdout + over_h2.stderr
    assert '"items"' in over_h2.stdout
    assert over_h1.stdout.startswith("HTTP/1.1 200"), over_h1.stdout + over_h1.stderr
    without = [word for word in lines[0] if not word.endswith("authority.pem") and word != "--cacert"]
    refused = subprocess.run(without, capture_output=True, text=True, check=False, timeout=30)
    assert refused.returncode == 60, "nobody trusts it who was not told to"  # CURLE_PEER_FAILED_VERIFICATION


def test_the_authority_can_vouch_for_this_machine_alone(tmp_path: Path) -> None:
    files = local_authority(tmp_path)
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    limits = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert [str(each.value) for each in limits.value.permitted_subtrees or ()] == [
        "localhost",
        "127.0.0.1/32",
        "::1/128",
    ]
    assert sorted(path.name for path in files.folder.iterdir()) == ["authority.pem", "localhost.key", "localhost.pem"]
    before = files.chain.read_bytes()
    assert local_authority(tmp_path).chain.read_bytes() == before, "a browser that trusts it does so at the next start"
    files.chain.write_bytes(b"")
    assert local_authority(tmp_path).chain.read_bytes() not in {before, b""}
