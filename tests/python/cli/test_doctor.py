"""`lockgate doctor`: what it finds, what it says of it, and how it ends."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from lockgate.certificates import Store
from lockgate.config import load
from lockgate.doctor.certificates import certificates
from lockgate.doctor.result import Patient
from lockgate.state import StateFolder
from support.certificates import Authority
from support.command import lockgate
from support.ports import free_port
from support.processes import Processes
from support.running import Running, write_config

Found = dict[str, list[dict[str, Any]]]


def doctor(folder: Path, *words: str, env: dict[str, str] | None = None) -> tuple[int, Found]:
    ended = lockgate("doctor", "--json", *words, cwd=folder, env=env)
    assert ended.code in {0, 1, 2}, ended.err
    told = json.loads(ended.out)
    found: Found = {}
    for result in told["results"]:
        found.setdefault(result["check"], []).append(result)
        assert result["level"] == "ok" or (result["means"] and result["advice"]), result
    worst = {result["level"] for result in told["results"]}
    assert ended.code == (2 if "error" in worst else 1 if "warning" in worst else 0)
    return ended.code, found


def levels(found: Found, check: str) -> set[str]:
    return {result["level"] for result in found.get(check, [])}


@pytest.fixture
def upstream() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path, upstream: int) -> Path:
    write_config(
        tmp_path, f"http://127.0.0.1:{upstream}", gate=f"127.0.0.1:{free_port()}", admin=f"127.0.0.1:{free_port()}"
    )
    return tmp_path


def test_a_good_installation(folder: Path) -> None:
    StateFolder.open(folder / ".lockgate")
    _, found = doctor(folder)
    for check in (
        "native-module",
        "reuse-port",
        "state-folder",
        "disk-space",
        "configuration",
        "secret",
        "waiver",
        "port",
        "upstream",
        "processes",
    ):
        assert levels(found, check) == {"ok"}, found.get(check)
    assert len(found["port"]) == 2


def test_what_runs_is_examined(folder: Path, processes: Processes) -> None:
    running = Running(processes, folder).ready()
    running.serving()
    _, found = doctor(folder)
    for check in ("gate", "versions", "port"):
        assert levels(found, check) == {"ok"}, found.get(check)
    assert str(running.pids()["gate"]) in found["gate"][0]["found"]


def test_a_taken_port_names_who_has_it(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write_config(folder, "http://127.0.0.1:1", gate=f"127.0.0.1:{port}")
        code, found = doctor(folder)
    (wrong,) = [each for each in found["port"] if each["level"] == "error"]
    assert code == 2
    assert f"process {os.getpid()}" in wrong["found"]


def test_an_upstream_that_is_not_there(folder: Path) -> None:
    write_config(folder, f"http://127.0.0.1:{free_port()}")
    _, found = doctor(folder)
    assert levels(found, "upstream") == {"warning"}
    assert "upstream" not in doctor(folder, "--offline")[1]


def test_where_connections_are_carried_is_asked_as_well(folder: Path, upstream: int) -> None:
    config = folder / "lockgate.yaml"
    config.write_text(
        "version: 1\n"
        "listeners:\n"
        f"  public:\n    address: 127.0.0.1:{free_port()}\n"
        "    tls: {passthrough: [{hosts: [db.example], upstream: db}]}\n"
        f"upstreams: {{db: {{targets: ['tcp://127.0.0.1:{upstream}', 'tcp://127.0.0.1:{free_port()}']}}}}\n"
        f"apis: {{shop: {{hosts: [shop.example], upstream: 'http://127.0.0.1:{upstream}', "
        "authenticate: [api_key], authorize: authenticated}}\n"
    )
    _, found = doctor(folder)
    (wrong,) = found["upstream"]
    assert (wrong["level"], "tcp://127.0.0.1:" in wrong["found"]) == ("warning", True), found


def test_open_modes(folder: Path) -> None:
    state = StateFolder.open(folder / ".lockgate")
    state.pepper_file.chmod(0o644)
    code, found = doctor(folder)
    assert (code, levels(found, "state-folder")) == (2, {"error"})
    assert "key-pepper" in found["state-folder"][0]["found"]
    assert state.pepper_file.stat().st_mode & 0o777 == 0o644, "it changes nothing"


def test_a_socket_in_a_folder_of_others(folder: Path) -> None:
    run = folder / "run"
    run.mkdir(mode=0o755)
    config = folder / "lockgate.yaml"
    text = config.read_text()
    config.write_text(re.sub(r"127\.0\.0\.1:\d+", f"unix:{run}/gate.sock", text, count=1))
    assert levels(doctor(folder)[1], "socket-folder") == {"ok"}
    for mode in (0o775, 0o757):
        run.chmod(mode)
        _, found = doctor(folder)
        assert levels(found, "socket-folder") == {"warning"}
        assert "written to by others" in found["socket-folder"][0]["found"]
        warned = "any user of this machine" in str(found["configuration"])
        assert warned == (mode == 0o757), "as `lockgate check` does"
    run.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(run, 65534, -1)
        assert "belongs to user 65534" in doctor(folder)[1]["socket-folder"][0]["found"]


def test_a_bad_configuration(folder: Path) -> None:
    path = folder / "lockgate.yaml"
    path.write_text(path.read_text() + "nonsense: 1\n")
    code, found = doctor(folder)
    assert code == 2
    assert any("nonsense" in each["found"] for each in found["configuration"])
    path.unlink()
    assert "there is no" in doctor(folder)[1]["configuration"][0]["found"]


def test_secrets_and_waivers(folder: Path) -> None:
    path = folder / "lockgate.yaml"
    text = path.read_text().replace(
        "}}\napis", ', credential: {header: X-Gate, value: "${env:NO_SUCH_SECRET}"}}}\napis'
    )
    text += "  open: {path: /o, upstream: shop, public: {owner: web, reason: r, until: 2026-01-05}}\n"
    path.write_text(text)
    _, found = doctor(folder)
    assert levels(found, "secret") == {"warning"}
    assert levels(found, "waiver") == {"warning"}
    assert levels(doctor(folder, env={"NO_SUCH_SECRET": "x"})[1], "secret") == {"ok"}


def test_few_descriptors(folder: Path) -> None:
    import resource
    import subprocess
    import sys

    ended = subprocess.run(
        [sys.executable, "-m", "lockgate", "doctor", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512)),
    )
    told = {each["check"]: each["level"] for each in json.loads(ended.stdout)["results"]}
    assert told["descriptors"] == "error"


def test_for_people(folder: Path) -> None:
    path = folder / "lockgate.yaml"
    path.write_text("version: 1\n")
    ended = lockgate("doctor", cwd=folder)
    assert ended.code == 2
    assert "error    configuration: lockgate.yaml:1:1: " in ended.out
    assert "         means " in ended.out
    assert "         do    " in ended.out


def test_an_imported_certificate_that_ends_is_imported_anew(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("api", "api.example.com", days=1, begins=-29)
    (tmp_path / "lockgate.yaml").write_text(
        "version: 1\nlisteners: {public: {address: 127.0.0.1:8443, tls: {imported: api.example.com}}}\n"
        "apis: {shop: {upstream: http://127.0.0.1:9000, authenticate: [api_key], authorize: authenticated}}\n"
    )
    state = StateFolder.open(tmp_path / ".lockgate")
    Store.open(state).take_in(issued.chain.read_text(), issued.key.read_text(), dt.datetime.now(dt.UTC))
    loaded = load(tmp_path / "lockgate.yaml")
    [found] = certificates(Patient(tmp_path / "lockgate.yaml", state, loaded, asks=False))
    assert (found.level, found.found) == (
        "warning",
        "that for api.example.com soon ends, and no other was imported",
    )
    assert "`lockgate certs import FILE --key FILE`" in (found.advice or "")
