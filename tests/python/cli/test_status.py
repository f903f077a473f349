"""`lockgate status`, `reload` and `routes`: what is served, how it is, and a change of it."""

from __future__ import annotations

import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from lockgate.admin.listen import elsewhere
from lockgate.cli.status import _gates_wrong, _lines, _one_of, _several, unfit
from lockgate.state import StateFolder
from support.certificates import Authority
from support.issuer import b64
from support.ports import free_port
from support.processes import Processes
from support.running import Running, write_config
from support.waiting import until


class Cli:
    """The command in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "lockgate", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self(*words, "--json", status=status))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def running(processes: Processes, tmp_path: Path, shop_port: int) -> Running:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    return Running(processes, tmp_path).ready()


GROUP = """version: 1
listeners:
  public: {{address: 127.0.0.1:0}}
admin: {{address: 127.0.0.1:0}}
upstreams:
  shop:
    targets: ["http://127.0.0.1:{one}", "http://127.0.0.1:{other}"]
    health: {{path: /products, every: 100ms, timeout: 1s}}
apis:
  shop: {{upstream: shop, authenticate: [api_key], authorize: authenticated}}
"""


def test_status_tells_how_upstreams_are(processes: Processes, tmp_path: Path, cli: Cli, shop_port: int) -> None:
    config = tmp_path / "lockgate.yaml"
    config.write_text(GROUP.format(one=shop_port, other=free_port()), encoding="utf-8")
    running = Running(processes, tmp_path).ready()
    until(lambda: "Upstream   shop: 1 of 2 targets available" in cli("status"), "the dead target to be found")
    assert "unhealthy)" in cli("status")
    with running.admin as admin:
        assert "upstream-down" not in admin.get("/v1/findings").text
    config.write_text(GROUP.format(one=free_port(), other=free_port()), encoding="utf-8")

    def down() -> bool:
        done = subprocess.run(
            [sys.executable, "-m", "lockgate", "status"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode == 1 and "Wrong:     no target is available of shop" in done.stdout

    until(down, "the upstream to be down")


def test_status_of_what_is_well(running: Running, cli: Cli) -> None:
    said = cli("status")
    assert running.url() in said
    assert "bundle 1" in said
    assert "Wrong" not in said
    assert cli.json("status")["gate"]["up"] is True


def test_a_gate_that_drains_is_said_to(running: Running, cli: Cli) -> None:
    key = running.make_key()["key"]
    host, _, port = running.url().removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        # A body that does not come keeps the request under way.
        head = f"PUT /products/GT-001/photo HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: 100\r\n\r\nx"
        client.sendall(head.encode())
        until(lambda: "1 connection" in cli("status"), "the request under way")
        os.kill(running.pids()["gate"], signal.SIGTERM)
        until(lambda: running.status()["gate"]["stats"]["draining"], "the draining")
        told = running.status()
    assert told["gate"]["up"] is True
    assert _lines(told)[0].startswith("The gate   drains")


def test_status_of_what_is_not(running: Running, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "lockgate.yaml"
    path.write_text(path.read_text() + "colour: red\n")
    until(lambda: running.status()["control"]["last_reload"]["result"] == "refused", "the refusal")
    assert "lockgate check" in cli("status", status=1)
    assert cli.json("status", status=1)["control"]["last_reload"]["errors"][0]["line"] == 11


@pytest.mark.parametrize("command", ["status", "reload"])
def test_where_nothing_runs_it_is_said(cli: Cli, tmp_path: Path, command: str) -> None:
    assert "lockgate run" in cli(command, status=2)
    StateFolder.open(tmp_path / "elsewhere")
    assert "nothing runs" in cli(command, "--state", "elsewhere", status=2)


def test_reload_says_what_became_of_it(running: Running, cli: Cli, tmp_path: Path) -> None:
    assert "Nothing has changed" in cli("reload")
    path = tmp_path / "lockgate.yaml"
    good = path.read_text()
    path.write_text(good.replace("path: /", "path: /api"))
    # The watcher may be quicker than the command; then nothing is left to change.
    assert cli.json("reload")["sequence"] == 2
    path.write_text(good.replace("path: /", "path: /v2"))
    until(lambda: running.status()["control"]["last_reload"]["sequence"] == 3, "the watcher")
    assert "Live already: bundle 3 (" in (said := cli("reload"))
    assert "was taken over when the files changed, at 20" in said
    path.write_text(good.replace("upstream: shop", "upstream: shp").replace("path: /", "path: api"))
    said = cli("reload", status=2)
    assert "lockgate.yaml:7:" in said
    assert "lockgate.yaml:8:" in said
    assert len(cli.json("reload", status=2)["errors"]) == 2


def test_a_port_that_is_taken_is_named_and_not_the_files(running: Running, cli: Cli, tmp_path: Path) -> None:
    running.serving()
    path = tmp_path / "lockgate.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path.write_text(path.read_text().replace('{address: "127.0.0.1:0"}}', f'{{address: "{address}"}}}}', 1))
        said = cli("reload", status=2)
        assert f"cannot listen on {address}" in said
        assert "listen-failed" in said
        assert "Refused by the gate, though the files are fine" in said
        assert "lockgate check" not in said
        said = cli("status", status=1)
        assert f"cannot listen on {address}" in said
        assert "listen-failed" in said
        assert "free that address or change the listener's, then `lockgate reload`" in said
        assert "lockgate check" not in said
    assert "Live" in cli("reload")


@pytest.mark.parametrize("command", ["status", "reload"])
def test_a_control_process_that_is_being_started_is_said_to(cli: Cli, tmp_path: Path, command: str) -> None:
    state = StateFolder.open(tmp_path / ".lockgate")
    with state.lock("supervisor-control"), state.lock("gate"):
        said = cli(command, status=1)
    assert f"`lockgate run` (process {os.getpid()}) is starting it" in said
    assert "nothing runs" not in said
    with state.lock("gate"):
        assert "--role control" in cli(command, status=2)


def test_routes_want_nothing_running(cli: Cli, tmp_path: Path) -> None:
    write_config(tmp_path, "http://127.0.0.1:1")
    said = cli("routes")
    assert "prefix /" in said
    assert "api_key" in said
    assert "lockgate.yaml:6" in said
    [row] = cli.json("routes", "lockgate.yaml")
    assert (row["api"], row["upstream"], row["access"]) == ("shop", "shop", "api_key")
    assert not (tmp_path / ".lockgate").exists()


def test_what_no_terminal_reads_is_never_wrapped(cli: Cli, tmp_path: Path) -> None:
    name = "a-rather-long-name-of-an-api-" * 2 + "end"
    path = "/" + "/".join(["a-segment-of-a-path"] * 15)
    (tmp_path / "lockgate.yaml").write_text(
        f"version: 1\napis:\n  {name}:\n    path: {path}\n    upstream: http://127.0.0.1:1\n"
        "    authenticate: [api_key]\n"
        "    authorize: authenticated\n"
    )
    [_, row] = cli("routes").splitlines()
    assert name in row
    assert path in row
    cli("keys", "create", "--name", "n" * 300, "--owner", "o" * 200, status=2)
    StateFolder.open(tmp_path / ".lockgate")
    cli("keys", "create", "--name", "n" * 150, "--owner", "o" * 150)
    [_, row] = cli("keys", "list").splitlines()
    assert "n" * 150 in row
    said = cli("explain", "GET", path, status=1)
    assert f"{name}  {path}" in said


def test_routes_say_that_a_waiver_has_ended(cli: Cli, tmp_path: Path) -> None:
    text = 'version: 1\napis:\n  shop: {upstream: "http://127.0.0.1:1", public: {owner: a, reason: b, until: DAY}}\n'
    (tmp_path / "lockgate.yaml").write_text(text.replace("DAY", "2020-01-01"))
    assert [row["access"] for row in cli.json("routes")] == ["waiver ended 2020-01-01 (403)"]
    (tmp_path / "lockgate.yaml").write_text(text.replace("DAY", "2199-01-01"))
    assert [row["access"] for row in cli.json("routes")] == ["public"]


def test_routes_of_a_refused_configuration_are_its_errors(cli: Cli, tmp_path: Path) -> None:
    write_config(tmp_path, "http://127.0.0.1:1", extra="colour: red\n")
    assert "lockgate.yaml:11:1" in cli("routes", status=2)


def test_counts_are_said_as_people_say_them(running: Running, cli: Cli, tmp_path: Path) -> None:
    assert "no keys" in cli("status")
    running.make_key()
    until(lambda: "1 key" in cli("status"), "the first key")
    assert "1 keys" not in cli("status")
    line = json.dumps({"digest": "a" * 64, "name": "one", "owner": "tests"})
    (tmp_path / "keys.jsonl").write_text(f"{line}\n")
    assert cli("keys", "import", "keys.jsonl").strip() == "Added 1 key."
    assert cli("keys", "import", "keys.jsonl").strip() == "Nothing to add: 1 was known already."
    assert "2 keys" in cli("status")


def test_a_changed_admin_address_needs_a_restart_and_is_said_to(
    running: Running, processes: Processes, cli: Cli, tmp_path: Path
) -> None:
    assert "restart" not in cli("status") + cli("reload"), "port 0 is any port"
    path, real = tmp_path / "lockgate.yaml", running.state.admin_address_file.read_text().strip()
    wanted = f"127.0.0.1:{free_port()}"
    path.write_text(path.read_text().replace('admin: {address: "127.0.0.1:0"}', f'admin: {{address: "{wanted}"}}'))
    running.process.wait_for_output("admin.address changed: needs a restart")
    words = f"admin.address changed: needs a restart (it listens on {real}, and {wanted} is wanted)"
    assert words in cli("reload")
    assert words in cli("status", status=1)
    assert cli.json("status", status=1)["control"]["needs_restart"] == [words]
    running.process.signal(signal.SIGTERM)
    assert running.process.wait() == 0
    again = Running(processes, tmp_path).ready()
    assert again.state.admin_address_file.read_text().strip() == wanted
    again.serving()
    assert "restart" not in cli("status")


@pytest.mark.parametrize(
    ("wanted", "real", "other"),
    [
        ("127.0.0.1:8081", "127.0.0.1:8081", False),
        ("localhost:8081", "127.0.0.1:8081", False),
        ("127.0.0.1:0", "127.0.0.1:40000", False),
        ("[::1]:0", "127.0.0.1:40000", True),
        ("[::1]:8081", "[::1]:8081", False),
        ("127.0.0.1:8082", "127.0.0.1:8081", True),
    ],
)
def test_an_address_is_another_only_where_it_would_listen_elsewhere(wanted: str, real: str, other: bool) -> None:
    assert elsewhere(wanted, real) == other


def test_who_took_the_port_of_what_was_killed_is_not_sent_the_credential(running: Running, cli: Cli) -> None:
    host, _, port = running.state.admin_address_file.read_text().strip().rpartition(":")
    # The supervisor first, which would start the others again; and these end in order where they hear of its end.
    others = running.pids().values()
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    for pid in (running.process.pid, *others):
        os.kill(pid, signal.SIGKILL)
    running.process.child.wait()
    until(lambda: not running.state.is_held("control"), "the end of the control process")
    assert running.state.admin_address_file.exists()
    with socket.create_server((host, int(port))) as taken:
        taken.settimeout(0)
        assert "nothing runs" in cli("status", status=2)
        assert "There are no keys" in cli("keys", "list")
        with pytest.raises(BlockingIOError):
            taken.accept()


def gate(name: str, sequence: int | None = 7, **more: Any) -> dict[str, Any]:
    bundle = None if sequence is None else {"sequence": sequence}
    known = {"addresses": {"public": "127.0.0.1:80"}, "facts_behind": False, "bundle_behind": False, "bundle": bundle}
    return {"name": name, "status": "connected", **known, **more}


def test_each_of_several_gates_is_told_of() -> None:
    gates = [
        gate("one"),
        gate("two", None, status="away", addresses={}, facts_behind=None),
        gate("three", facts_behind=True),
        gate("four", 6, bundle_behind=True),
        gate("five", None, status="revoked"),
    ]
    several = _several({"gates": gates})
    assert [_one_of(each) for each in several] == [
        "one: http://127.0.0.1:80, serves bundle 7",
        "two: away",
        "three: http://127.0.0.1:80, serves bundle 7",
        "four: http://127.0.0.1:80, serves bundle 6",
    ]
    wrong = _gates_wrong(several)
    assert [line.split()[2] for line in wrong] == ["two", "three", "four"]
    assert "away" in wrong[0]
    assert "revocations" in wrong[1]
    assert "another configuration" in wrong[2]
    assert _several({"gates": [gates[0], gates[-1]]}) == []


SECRETS = """version: 1
listeners:
  public: {{address: 127.0.0.1:0}}
admin: {{address: 127.0.0.1:0}}
issuers:
  company:
    issuer: https://login.example.com
    audience: shop
    algorithms: [HS256]
    secret: ${{file:company.secret}}
apis:
  shop: {{upstream: "http://127.0.0.1:{port}", authenticate: [{{jwt: {{issuer: company}}}}], authorize: authenticated}}
"""


def test_a_secret_that_is_renewed_is_put_to_work(
    processes: Processes, tmp_path: Path, cli: Cli, shop_port: int
) -> None:
    """Whoever rotates secrets changes no configuration; and one that is unfit is told of."""
    first, second = ("first-" * 8, "second-" * 8)
    secret = tmp_path / "company.secret"
    secret.write_text(first)
    (tmp_path / "lockgate.yaml").write_text(SECRETS.format(port=shop_port), encoding="utf-8")
    running = Running(processes, tmp_path).ready()
    gate = running.pids()["gate"]

    def status(signed_with: str) -> int:
        claims = {"iss": "https://login.example.com", "aud": "shop", "sub": "ann", "exp": int(time.time()) + 600}
        signed = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "at+jwt"}, claims))
        token = f"{signed}.{b64(hmac.digest(signed_with.encode(), signed.encode(), 'sha256'))}"
        return httpx.get(f"{running.url()}/products", headers={"Authorization": f"Bearer {token}"}).status_code

    assert (status(first), status(second)) == (200, 401)
    secret.write_text(second)
    until(lambda: status(second) == 200, "the new secret")
    assert status(first) == 401, "what was verified before is not remembered"
    assert "Wrong" not in cli("status")
    secret.write_text("short")
    until(lambda: status(second) == 503, "the unfit secret")
    said = cli("status", status=1)
    assert "the secret of the issuer `company` (file:" in said
    assert "has 5 bytes, which is too short" in said
    assert "too short" in cli("doctor", status=1)
    secret.unlink()
    until(lambda: "is not there" in cli("status", status=1), "the lack of a secret")
    secret.write_text(first)
    until(lambda: status(first) == 200, "the first secret again")
    assert running.pids()["gate"] == gate
    assert "secrets-renewed" in cli("logs", "--class", "system")


def test_what_serves_while_the_configuration_is_refused_has_its_certificates(
    processes: Processes, tmp_path: Path, cli: Cli, shop_port: int
) -> None:
    Authority(tmp_path).issue("shop", "shop.example")
    config = tmp_path / "lockgate.yaml"
    good = f"""version: 1
listeners:
  public: {{address: 127.0.0.1:0, tls: {{certificate: {{chain: shop.pem, key: shop.key}}}}}}
admin: {{address: 127.0.0.1:0}}
apis:
  shop: {{upstream: "http://127.0.0.1:{shop_port}", authenticate: [api_key], authorize: authenticated}}
"""
    config.write_text(good, encoding="utf-8")
    running = Running(processes, tmp_path).ready()
    said = cli("status")
    assert "https://127.0.0.1:" in said
    assert "Shows      shop.example: a certificate of authority, until " in said
    assert re.search(r"(29|30) days left \(public\)$", said, re.MULTILINE)
    running.process.stop()
    config.write_text(good + "nonsense: 1\n", encoding="utf-8")
    Running(processes, tmp_path).ready().serving()
    said = cli("status", status=1)
    assert "https://127.0.0.1:" in said
    assert "shop.example: a certificate of authority" in said
    assert "shop.example" in cli("certs", "list")
    assert "BEGIN CERTIFICATE" in cli("certs", "show", "shop.example")


def test_the_certificate_that_is_shown_is_told_of_and_not_the_files(
    processes: Processes, tmp_path: Path, cli: Cli, shop_port: int
) -> None:
    issued = Authority(tmp_path).issue("shop", "shop.example", days=10.5)
    (tmp_path / "lockgate.yaml").write_text(
        f"""version: 1
listeners:
  public: {{address: 127.0.0.1:0, tls: {{certificate: {{chain: shop.pem, key: shop.key}}}}}}
admin: {{address: 127.0.0.1:0}}
apis:
  shop: {{upstream: "http://127.0.0.1:{shop_port}", authenticate: [api_key], authorize: authenticated}}
""",
        encoding="utf-8",
    )
    Running(processes, tmp_path).ready()
    issued.chain.write_text("spoiled", encoding="utf-8")
    until(lambda: "not what is in" in cli("status", status=1), "the spoiled file to be seen")
    [line] = [line for line in cli("status", status=1).splitlines() if line.startswith("Shows")]
    assert "10 days left (public); not what is in" in line
    assert line.endswith("the chain holds no certificate")
    [told] = cli.json("status", status=1)["gate"]["stats"]["certificates"]
    assert (told["hosts"], told["days_left"]) == (["shop.example"], 10)
    said = cli("logs", "--class", "system")
    assert "secret-unfit" in said
    assert "secrets-not-all-renewed" in said
    assert "secrets-renewed" not in said


def test_a_listener_that_passes_tls_on_is_named_as_one(processes: Processes, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "lockgate.yaml").write_text(
        f"""\
version: 1
listeners:
  carried:
    address: 127.0.0.1:{free_port()}
    tls:
      passthrough: [{{hosts: [db.example], upstream: db}}]
  plain: {{address: "127.0.0.1:{free_port()}"}}
admin: {{address: "127.0.0.1:0"}}
upstreams: {{db: {{targets: ["tcp://127.0.0.1:9443"]}}}}
apis:
  shop: {{hosts: [shop.example], upstream: "http://127.0.0.1:9001", authenticate: [api_key], authorize: authenticated}}
"""
    )
    Running(processes, tmp_path).ready()
    told = cli("status")
    assert re.search(r"https://127\.0\.0\.1:\d+ \(carried\)", told), told
    assert re.search(r"http://127\.0\.0\.1:\d+ \(plain\)", told), told


def test_a_fault_is_said_once() -> None:
    certificate = {"name": "a.example", "state": "missing", "listeners": ["public"], "hosts": ["a.example"]}
    told: dict[str, Any] = {
        "gate": {
            "stats": {
                "unfit": ["x.pem is gone", "x.pem is gone", "the certificate `a.example` has not been issued yet"]
            }
        },
        "certificates": [certificate],
    }
    assert unfit(told) == ["x.pem is gone"]
