"""`waf.scan` on the command line: why a file was refused, what leaves it alone, and whether clamd is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.harness.upstream import AutoUpstream
from lockgate.config import load
from support.clamd import MARK, NAME, Clamd, Fake, clamd, says
from support.command import lockgate
from support.ports import free_port
from support.processes import Processes
from support.running import Running
from support.waiting import until

CONFIG = """\
version: 1
listeners: {{public: {{address: "127.0.0.1:0"}}}}
admin: {{address: "127.0.0.1:0"}}
apis:
  shop:
    path: /
    upstream: http://127.0.0.1:{port}
    public: {{owner: ann, reason: a test, until: 2099-01-01}}
    waf:
      scan: {{clamd: "{clamd}"}}
"""
TYPE = "multipart/form-data; boundary=b"
FORM = {"Content-Type": TYPE}
BODY = (
    b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--b\r\nContent-Disposition: form-data; name="avatar"; filename="a.bin"\r\n\r\n' + MARK + b"\r\n--b--\r\n"
)
BY = ("--owner", "ann", "--reason", "a false alarm", "--until", "2099-01-01")


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with clamd(tmp_path_factory.mktemp("clamav") / "clamd") as running:
        yield running


def written(folder: Path, clamd: str, port: int = 9) -> Path:
    (folder / "lockgate.yaml").write_text(CONFIG.format(port=port, clamd=clamd))
    return folder


def test_why_and_exclude_of_a_file(processes: Processes, tmp_path: Path, scanner: Clamd) -> None:
    with AutoUpstream() as upstream:
        written(tmp_path, scanner.socket, upstream.port)
        gate = Running(processes, tmp_path).ready()
        with httpx.Client(base_url=gate.url(), timeout=30) as client:
            refused = client.post("/inbox", content=BODY, headers=FORM)
            assert refused.status_code == 403
            assert NAME not in refused.text, "signatures are nobody's business but the operator's"
            request = refused.headers["x-request-id"]
            until(lambda: request in lockgate("logs", "--json", cwd=tmp_path).out, "the event")
            why = lockgate("waf", "why", request, cwd=tmp_path)
            assert why.code == 0, why.err
            for words in (
                f"malware-scan  clamd found {NAME}",
                "file in the field `avatar`",
                "at: file/avatar",
                "waf-malware",
                "and refuses by itself",
                f"lockgate waf exclude {request}",
            ):
                assert words in why.out, why.out
            told = json.loads(lockgate("waf", "why", request, "--json", cwd=tmp_path).out)
            assert (told["reason"], told["refused_by"]) == ("waf-malware", "malware-scan")
            done = lockgate("waf", "exclude", request, *BY, "--yes", cwd=tmp_path)
            assert done.code == 0, done.out + done.err
            assert "not scanned any more" in done.out
            placed = load(tmp_path / "lockgate.yaml").compile(0, 0)["apis"][0]["policies"]["waf"]
            assert placed is not None
            (entry,) = placed["config"]["exclude"]
            assert (entry["rule"], entry["at"], entry["request"]) == ("malware-scan", "file/avatar", "POST /inbox")
            passes = lambda: client.post("/inbox", content=BODY, headers=FORM).status_code == 200  # noqa: E731
            until(passes, "the exclusion to hold")


def test_nothing_is_left_alone_because_nobody_could_be_asked(processes: Processes, tmp_path: Path) -> None:
    written(tmp_path, f"127.0.0.1:{free_port()}")
    gate = Running(processes, tmp_path).ready()
    refused = httpx.post(f"{gate.url()}/inbox", content=BODY, headers=FORM, timeout=30)
    assert refused.status_code == 503
    request = refused.headers["x-request-id"]
    until(lambda: request in lockgate("logs", "--json", cwd=tmp_path).out, "the event")
    why = lockgate("waf", "why", request, cwd=tmp_path)
    assert why.code == 0, why.err
    said = " ".join(why.out.split())
    assert "`waf-scan-unavailable` decided: the file was not looked at" in said, said
    assert "See to clamd" in said
    assert "waf exclude" not in said
    before = (tmp_path / "lockgate.yaml").read_text()
    refusal = lockgate("waf", "exclude", request, *BY, "--yes", cwd=tmp_path)
    assert refusal.code == 1, refusal.out + refusal.err
    assert "See to clamd" in refusal.err
    assert (tmp_path / "lockgate.yaml").read_text() == before


def test_explain_says_what_would_be_scanned_and_scans_nothing(tmp_path: Path) -> None:
    with Fake(says(b"stream: Eicar FOUND\0")) as fake:
        written(tmp_path, fake.address)
        words = ("POST", "http://127.0.0.1/inbox", "--body", BODY.decode(), "-H", f"Content-Type: {TYPE}")
        ended = lockgate("explain", *words, cwd=tmp_path)
        assert ended.code == 0, ended.out + ended.err
        size = len(MARK)
        said = f"Scan file/avatar, {size} bytes, would be asked about at clamd, {fake.address}; here nobody was asked"
        assert said in " ".join(ended.out.split())
        told = json.loads(lockgate("explain", *words, "--json", cwd=tmp_path).out)
        assert told["scans"] == [{"at": "file/avatar", "bytes": size, "clamd": fake.address}]
        assert fake.begun == 0


def test_doctor_and_status_say_whether_it_answers(tmp_path: Path, scanner: Clamd) -> None:
    def doctor() -> dict[str, str]:
        told = json.loads(lockgate("doctor", "--json", cwd=tmp_path).out)
        (found,) = [one for one in told["results"] if one["check"] == "scanner"]
        return {key: found[key] for key in ("level", "found")}

    for place in (scanner.socket, scanner.address):
        written(tmp_path, place)
        assert doctor()["level"] == "ok"
        assert f"clamd at {place} answers: ClamAV " in doctor()["found"]
        status = lockgate("waf", "status", cwd=tmp_path)
        assert (status.code, f"Scanner    clamd at {place}: ClamAV " in status.out) == (0, True), status.out
    away = f"127.0.0.1:{free_port()}"
    written(tmp_path, away)
    assert (doctor()["level"], f"clamd at {away} does not answer" in doctor()["found"]) == ("warning", True)
    status = lockgate("waf", "status", cwd=tmp_path)
    assert (status.code, f"Scanner    clamd at {away}: does not answer" in status.out) == (1, True), status.out
    assert "scanner" not in lockgate("doctor", "--json", "--offline", cwd=tmp_path).out
    assert lockgate("check", cwd=tmp_path).code == 0


def test_what_is_there_and_is_no_clamd_is_told(tmp_path: Path) -> None:
    with AutoUpstream() as other:
        written(tmp_path, f"127.0.0.1:{other.port}")
        assert "does not answer" in lockgate("waf", "status", cwd=tmp_path).out
