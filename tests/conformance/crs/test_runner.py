"""The runner of the Core Rule Set's cases itself: what it fetches, reads, sends and judges."""

from __future__ import annotations

import base64
import http.client
from pathlib import Path

import pytest

from conformance.crs import ftw, module
from conformance.crs.answer import answer
from conformance.crs.backend import Backend
from conformance.crs.client import exchange
from conformance.crs.ftw import FormatError, Input, Output
from conformance.crs.judge import Result, wrong
from conformance.crs.request import built, read

FILE = """\
meta: {author: somebody}
rule_id: 1
tests:
  - test_id: 7
    stages:
      - input: {uri: "/?a=1", headers: {Host: localhost, X-Number: 007}}
        output: {log: {expect_ids: [1]}}
"""

FORM = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
FORM_LAST = (
    b"POST / HTTP/1.1\r\nconnection: x\r\ncontent-length: 3\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
)
PARTS = b"GET / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"


def test_a_checksum_is_that_of_go() -> None:
    assert module.h1([]) == "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    files = [("m@v1/b", b"2"), ("m@v1/a", b"1")]
    assert module.h1(files) == module.h1(files[::-1])
    assert module.h1(files) != module.h1([("m@v1/b", b"2"), ("m@v1/a", b"3")])
    assert module.h1(files) != module.h1([("m@v1/b", b"2"), ("m@v1/c", b"1")])


def test_another_checksum_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCKGATE_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "proxies", list)
    folder = tmp_path / "crs/v4.25.0"
    folder.mkdir(parents=True)
    (folder / "LICENSE").write_text("changed by somebody")
    with pytest.raises(module.UnavailableError):  # What lies there does not count, and a new one is fetched.
        module.installed("4.25.0")


def test_a_version_of_no_known_checksum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCKGATE_CRS_SUM", raising=False)
    with pytest.raises(ValueError, match="LOCKGATE_CRS_SUM"):
        module.wanted_sum("0.0.1")


def test_texts_keep_their_letters() -> None:
    (case,) = ftw.parsed("1.yaml", FILE)
    assert case.id == "1-7"
    assert case.stages[0].input.headers == {"Host": "localhost", "X-Number": "007"}
    assert case.stages[0].output == Output(expect_ids=(1,))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("uri:", "url:", "url"),
        ("rule_id: 1", "rule_id: one", "no whole number"),
        ("expect_ids: [1]", "expect_id: [1]", "expect_id"),
        ("{log: {expect_ids: [1]}}", "{}", "expects nothing"),
        ("test_id: 7", "test_id: 7\n    test_id: 8", "twice"),
        ("meta: {author", "meta: {writer", "writer"),
        ("headers: {Host: localhost, X-Number: 007}", "stop_magic: maybe", "neither true nor false"),
    ],
)
def test_what_is_not_of_the_format_is_refused(old: str, new: str, told: str) -> None:
    assert old in FILE
    with pytest.raises(FormatError, match=told):
        ftw.parsed("1.yaml", FILE.replace(old, new))


def test_no_case_is_no_suite(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text("# nothing\n")
    with pytest.raises(FormatError, match="no case"):
        ftw.cases(tmp_path)


@pytest.mark.parametrize(
    ("case", "wanted"),
    [
        (Input(), b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
        (Input(autocomplete_headers=False), b"GET / HTTP/1.1\r\n\r\n"),
        (
            Input(method="POST", headers={"b": "2", "A": "1"}),
            b"POST / HTTP/1.1\r\nA: 1\r\nb: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            Input(method="POST", data=b"a=b c&d"),
            FORM + b"Connection: close\r\nContent-Length: 7\r\n\r\na=b+c&d",
        ),
        (
            Input(method="POST", data=b"a=%20c d", headers={"connection": "x", "content-length": "3"}),
            FORM_LAST + b"a=%20c d",
        ),
        (
            Input(data=b"--x\n--x--\n", headers={"Content-Type": "multipart/form-data; boundary=x"}),
            PARTS + b"Connection: close\r\nContent-Length: 12\r\n\r\n--x\r\n--x--\r\n",
        ),
        (Input(encoded_request=b"anything", uri="/other"), b"anything"),
    ],
)
def test_what_is_sent(case: Input, wanted: bytes) -> None:
    assert built(case) == wanted


def test_chunks_are_read() -> None:
    raw = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\nrest"
    found = read(raw)
    assert (found.body, found.trailers, found.rest, found.missing) == (b"abcde", (("T", "1"),), b"rest", 0)
    assert read(raw[:60]).missing > 0
    assert read(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc").missing == 6


@pytest.mark.parametrize(
    ("body", "status", "kind", "content"),
    [
        (b'{"body": "plain"}', 200, "text/plain; charset=utf-8", b"plain"),
        (b'{"body": " <html >", "status": 503}', 503, "text/html; charset=utf-8", b" <html >"),
        (b'{"encodedBody": "AAEC"}', 200, "application/octet-stream", b"\x00\x01\x02"),
        (b'{"headers": {"Content-Type": "a/b"}, "body": "x"}', 200, "a/b", b"x"),
        (b'{"body": 1}', 400, "text/plain; charset=utf-8", b"Invalid JSON in request body"),
        (b"{", 400, "text/plain; charset=utf-8", b"Invalid JSON in request body"),
        (b'{"status": 42}', 400, "text/plain; charset=utf-8", b"Invalid status code: 42"),
        (b"{}", 200, None, b""),
    ],
)
def test_the_backend_reflects(body: bytes, status: int, kind: str | None, content: bytes) -> None:
    found = answer("POST", "/reflect", body)
    assert (found.status, dict(found.fields).get("Content-Type"), found.body) == (status, kind, content)


def test_the_backend_answers_over_connections_that_are_kept() -> None:
    with Backend() as backend:
        connection = http.client.HTTPConnection("127.0.0.1", backend.port, timeout=20)
        for number in range(3):
            connection.request("POST", "/reflect", body=b'{"status": 20%d, "body": "b"}' % number)
            got = connection.getresponse()
            assert (got.status, got.read()) == (200 + number, b"b")
        connection.request("HEAD", "/anything")
        got = connection.getresponse()
        assert (got.status, got.read()) == (200, b"")
        connection.close()
        raw = b"POST /reflect HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n" + b'{"body": "chunks"}'[:17]
        found = exchange(backend.port, raw + b"\r\n1\r\n}\r\n0\r\n\r\n")
        assert (found.status, found.body) == (200, b"chunks")
        assert backend.served == 5


GOOD = Result(200, frozenset({1, 2}), 'one [id "1"]', answer="HTTP 200\n\nhello")


@pytest.mark.parametrize(
    ("output", "passes"),
    [
        (Output(expect_ids=(1, 2)), True),
        (Output(expect_ids=(1, 3)), False),
        (Output(no_expect_ids=(3,)), True),
        (Output(no_expect_ids=(3, 2)), False),
        (Output(status=200), True),
        (Output(status=403), False),
        (Output(match_regex=r"one \[id"), True),
        (Output(match_regex="two"), False),
        (Output(no_match_regex="two"), True),
        (Output(no_match_regex="one"), False),
        (Output(response_contains="hello"), True),
        (Output(response_contains="bye"), False),
        (Output(expect_ids=(1,), isolated=True), False),
        (Output(expect_error=True), False),
    ],
)
def test_what_is_expected_is_looked_at(output: Output, passes: bool) -> None:
    assert (wrong(output, GOOD) is None) is passes


def test_no_answer_fails_unless_it_is_expected() -> None:
    none = Result(None, frozenset({1}), error="hung up")
    assert wrong(Output(expect_ids=(1,)), none) == "no answer: hung up"
    assert wrong(Output(expect_ids=(1,), expect_error=True), none) is None


def test_packed_requests_may_have_lines() -> None:
    packed = base64.b64encode(b"GET / HTTP/1.1\r\n\r\n").decode()
    document = FILE.replace('{uri: "/?a=1", headers: {Host: localhost, X-Number: 007}}', "\n          x: y")
    document = document.replace("x: y", f"encoded_request: |\n            {packed[:8]}\n            {packed[8:]}")
    assert ftw.parsed("1.yaml", document)[0].stages[0].input.encoded_request == b"GET / HTTP/1.1\r\n\r\n"
