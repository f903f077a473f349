"""`lockgate tls audit` on a whole Lockgate: what it says, how it ends, and what it leaves in the findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lockgate.state import StateFolder
from support.command import lockgate
from support.ports import free_port
from support.processes import Processes
from support.running import Running
from support.weak import Made, made, secured, written

CONFIG = """\
version: 1
listeners:
  public:
    address: 127.0.0.1:{port}
    tls:
      certificate: {{chain: gate.pem, key: gate.key}}
      {more}
  plain: {{address: "127.0.0.1:{plain}", redirect_to: public}}
admin: {{address: "127.0.0.1:0"}}
upstreams:
  orders: {{targets: ["https://localhost:{upstream}"], tls: {{trust: root.pem}}}}
apis:
  shop: {{upstream: orders, authenticate: [api_key], authorize: authenticated}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Made:
    """An authority."""
    root = made("Root", authority=True, ends=1000)
    (tmp_path / "root.pem").write_bytes(root.pem)
    written(tmp_path, "gate", made("gate", root, names=("api.example", "*.shop.example")))
    return root


def configured(folder: Path, upstream: int, more: str = "") -> Path:
    path = folder / "lockgate.yaml"
    path.write_text(CONFIG.format(port=free_port(), plain=free_port(), upstream=upstream, more=more))
    return path


def audited(folder: Path, *words: str, code: int) -> dict[tuple[str, str], dict[str, Any]]:
    ended = lockgate("tls", "audit", "--json", *words, cwd=folder)
    assert ended.code == code, ended.out + ended.err
    told = json.loads(ended.out)
    assert told["ok"] is (code == 0)
    return {(each["kind"], each["name"]): each for each in told["subjects"]}


def open_findings(running: Running) -> dict[tuple[str, str], dict[str, Any]]:
    with running.admin as admin:
        rows = admin.get("/v1/findings").json()["items"]
    return {(row["object"], row["code"]): row for row in rows if row["source"] == "tls-audit"}


def test_a_gate_as_it_comes_is_an_a_plus(tmp_path: Path, root: Made, processes: Processes) -> None:
    with secured(*written(tmp_path, "server", made("server", root))) as upstream:
        configured(tmp_path, upstream)
        Running(processes, tmp_path).ready().serving()
        found = audited(tmp_path, "--trust", "root.pem", code=0)
    public = found["listener", "public"]
    assert (public["grade"], public["points"], public["findings"]) == ("A+", 100, [])
    assert public["seen"]["versions"] == ["TLS 1.3", "TLS 1.2"]
    assert public["seen"]["post_quantum"] == "preferred"
    assert public["seen"]["group"] == "X25519MLKEM768"
    assert [each["asked_for"] for each in public["seen"]["certificates"]] == ["api.example", "www.shop.example"]
    plain = found["listener", "plain"]
    assert (plain["grade"], plain["unknown"], plain["note"]) == (None, False, "plain HTTP that only sends to HTTPS")
    assert found["upstream", "orders"]["grade"] in {"A+", "A"}


def test_a_file_without_an_authority_is_a_wrong_call(tmp_path: Path, root: Made) -> None:
    configured(tmp_path, free_port())
    for content in ("", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "nothing.pem").write_text(content)
        ended = lockgate("tls", "audit", "--trust", "root.pem", "--trust", "nothing.pem", cwd=tmp_path)
        assert (ended.code, ended.err) == (2, "--trust: nothing.pem holds no certificate in PEM.\n")


def test_what_is_found_is_kept_until_it_is_mended(tmp_path: Path, root: Made, processes: Processes) -> None:
    expired = made("server", root, begins=-30, ends=-1)
    with secured(*written(tmp_path, "server", expired)) as upstream:
        path = configured(tmp_path, upstream)
        running = Running(processes, tmp_path).ready()
        running.serving()
        found = audited(tmp_path, "--trust", "root.pem", code=1)
        assert found["upstream", "orders"]["grade"] == "F"
        [finding] = [each for each in found["upstream", "orders"]["findings"] if each["code"] == "expired"]
        line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "orders: {targets" in text)
        assert (finding["file"], finding["line"], finding["lost"]) == (str(path), line, 100)
        object_ = f"upstreams.orders https://localhost:{upstream}"
        row = open_findings(running)[object_, "tls-expired"]
        assert (row["severity"], row["line"]) == ("error", line)
        assert "renew it on the server" in row["message"]
        # Looking at the others leaves it open.
        audited(tmp_path, "--trust", "root.pem", "--only", "listeners", code=0)
        assert (object_, "tls-expired") in open_findings(running)
        audited(tmp_path, "--only", "upstreams", "--at-least", "F", code=0)
    # Who cannot be reached has not mended anything.
    audited(tmp_path, "--only", "upstreams", code=1)
    assert (object_, "tls-expired") in open_findings(running)
    with secured(*written(tmp_path, "server", made("server", root))) as upstream:
        path.write_text(path.read_text().replace(object_.rpartition(":")[2], str(upstream)))
        audited(tmp_path, "--only", "upstreams", code=0)
        assert {code for _, code in open_findings(running)}.isdisjoint({"tls-expired"})


def test_without_a_gate_upstreams_are_looked_at_and_listeners_said_to_be_away(
    tmp_path: Path, root: Made, processes: Processes
) -> None:
    with secured(*written(tmp_path, "server", made("server", root, names=("elsewhere.example",)))) as upstream:
        configured(tmp_path, upstream)
        ended = lockgate("tls", "audit", cwd=tmp_path)
        assert ended.code == 1
        assert "`lockgate run` starts the gate" in ended.out
        assert "[wrong-name]" in ended.out
        assert "lockgate.yaml:" in ended.out
        assert not (tmp_path / ".lockgate").exists(), "an audit makes no state folder"
        # The database of one that has run takes the findings, too.
        running = Running(processes, tmp_path).ready()
        running.serving()
        running.process.stop()
        told = json.loads(lockgate("tls", "audit", "--json", "--only", "upstreams", cwd=tmp_path).out)
        assert told["kept"]["open"] >= 1
    again = Running(processes, tmp_path).ready()
    assert "tls-wrong-name" in {code for _, code in open_findings(again)}
    assert StateFolder.existing(tmp_path / ".lockgate").database.exists()


def test_a_listener_of_others_is_seen_as_it_is(tmp_path: Path, root: Made) -> None:
    """Something else holds the listener's port: with what it speaks, not what the configuration says."""
    path = configured(tmp_path, free_port())
    with secured(*written(tmp_path, "other", made("other")), old=True) as port:
        lines = path.read_text().splitlines()
        lines[3] = f"    address: 127.0.0.1:{port}"
        path.write_text("\n".join(lines))
        found = audited(tmp_path, "--only", "listeners", "--trust", "root.pem", code=1)
    codes = {each["code"] for each in found["listener", "public"]["findings"]}
    assert {"self-signed", "wrong-name", "old-versions"} <= codes
    assert found["listener", "public"]["grade"] == "F"


def test_listeners_behind_a_balancer_and_with_client_certificates(
    tmp_path: Path, root: Made, processes: Processes
) -> None:
    path = configured(tmp_path, free_port(), "minimum: 1.3\n      client_certificates: {trust: root.pem}")
    text = path.read_text().replace(
        "    tls:\n", "    trusted_proxies: [127.0.0.0/8]\n    proxy_protocol: true\n    tls:\n"
    )
    path.write_text(text)
    Running(processes, tmp_path).ready().serving()
    public = audited(tmp_path, "--only", "listeners", "--trust", "root.pem", code=0)["listener", "public"]
    assert (public["grade"], public["seen"]["versions"]) == ("A+", ["TLS 1.3"])
    assert public["seen"]["certificates"][0]["believed"] is True


def test_a_listener_at_a_unix_socket_is_graded_like_any_other(tmp_path: Path, root: Made, processes: Processes) -> None:
    path = configured(tmp_path, free_port())
    text = path.read_text().replace("address: 127.0.0.1:", f"address: unix:{tmp_path}/gate.sock # ", 1)
    path.write_text(text.replace(", redirect_to: public", ""))
    Running(processes, tmp_path).ready().serving()
    found = audited(tmp_path, "--only", "listeners", "--trust", "root.pem", code=0)
    public = found["listener", "public"]
    assert (public["grade"], public["address"]) == ("A+", f"unix:{tmp_path}/gate.sock")


def test_wrong_calls(tmp_path: Path, root: Made) -> None:
    configured(tmp_path, 1)
    assert "There is no grade 'G'" in lockgate("tls", "audit", "--at-least", "G", cwd=tmp_path).err
    assert "--only takes" in lockgate("tls", "audit", "--only", "doors", cwd=tmp_path).err
    (tmp_path / "lockgate.yaml").write_text("version: 2\n")
    assert lockgate("tls", "audit", cwd=tmp_path).code == 2


def test_what_is_carried_on_unread_is_named_and_not_graded(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(
        """\
version: 1
listeners:
  carried:
    address: 127.0.0.1:0
    tls:
      passthrough: [{hosts: [db.example], upstream: db}]
upstreams:
  db: {targets: ["tcp://127.0.0.1:9443"]}
  shop: {targets: ["http://127.0.0.1:9001"]}
apis:
  shop: {upstream: shop, authenticate: [api_key], authorize: authenticated}
"""
    )
    ended = lockgate("tls", "audit", cwd=tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert "not graded: it carries TLS on unread (`passthrough`)" in ended.out
    assert "tcp://127.0.0.1:9443" in ended.out
    assert "1 looked at; all have A or better." in ended.out
