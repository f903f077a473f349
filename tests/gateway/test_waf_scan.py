"""`waf.scan`: files are shown to ClamAV before the API has anything of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.secure import Http2
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, chunked, request
from lockgate.config import load
from lockgate.config.bundle_types import Bundle
from policies.conftest import written
from support.certificates import Authority
from support.clamd import (
    MARK,
    MOST,
    NAME,
    Clamd,
    Fake,
    Talk,
    clamd,
    hangs,
    says,
    says_and_goes,
    says_at_once,
    waits,
)
from support.ports import free_port
from support.waiting import until

KIB = 1 << 10
GOOD = b"nothing is wrong with this"
LATE = b"x" * (300 * KIB) + MARK
"""Far behind the part that the engine itself keeps of a file."""
OCTETS = "Content-Type: application/octet-stream"
FORM = "Content-Type: multipart/form-data; boundary=b"
PLAIN_FORM = "Content-Type: application/x-www-form-urlencoded"
ANYBODY = {"owner": "team", "reason": "a test", "until": "2099-01-01"}


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with clamd(tmp_path_factory.mktemp("clamav") / "clamd") as running:
        yield running


def guarded(port: int, folder: Path, scan: dict[str, Any], **waf: Any) -> Bundle:
    """An API whose files are scanned."""
    placed = load(written(folder, {"waf": {"scan": scan, **waf}})).compile(1, 1)["apis"][0]["policies"]["waf"]
    return bundles.bundle([bundles.api(guards=placed)], [bundles.upstream(port)])


def form(**parts: bytes | tuple[str, bytes]) -> bytes:
    """A form: fields, and files by their types."""
    out = b""
    for name, part in parts.items():
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(part, tuple):
            head += f'; filename="{name}.bin"\r\nContent-Type: {part[0]}'
        out += f"{head}\r\n\r\n".encode() + (part[1] if isinstance(part, tuple) else part) + b"\r\n"
    return out + b"--b--\r\n"


def binary(content: bytes) -> tuple[str, bytes]:
    """A file of no type that is known."""
    return "application/octet-stream", content


def posted(gate: Gate, body: bytes, *fields: str, path: str = "/inbox", within: float = 30.0) -> Message:
    with gate.client() as client:
        client.send(request(path, *fields, method="POST", body=body))
        return client.message(within=within)


def why(answer: Message) -> str | None:
    """Why it was refused, if it was."""
    return None if answer.status == 200 else answer.reason


def found(gate: Gate, answer: Message) -> list[tuple[str, list[str]]]:
    """What the event has of the scanner: its words, and where."""
    told = (gate.event(answer.id).get("waf") or {"found": []})["found"]
    return [(one["message"], one["places"]) for one in told if one["rule"] == "malware-scan"]


BODIES: list[tuple[str, str, bytes, str | None]] = [
    ("a body of bytes", OCTETS, MARK, "body"),
    ("a picture", "Content-Type: image/png", b"\x89PNG\r\n\x1a\n" + MARK, "body"),
    ("no type", "X-None: 1", MARK, "body"),
    ("a good body of bytes", OCTETS, GOOD, None),
    ("a file", FORM, form(note=b"hello", avatar=binary(MARK)), "file/avatar"),
    ("a file whose end is bad", FORM, form(avatar=binary(LATE)), "file/avatar"),
    ("the second file", FORM, form(first=binary(GOOD), second=binary(MARK)), "file/second"),
    ("good files", FORM, form(first=binary(GOOD), second=binary(GOOD)), None),
    ("a field, which is no file", FORM, form(note=MARK), None),
    ("a field that is no text", FORM, form(note=b"\0" + MARK), "body/note"),
    ("what curl --data-binary sends", PLAIN_FORM, MARK, "body"),
    ("a form with a byte of none", PLAIN_FORM, b"a=1&b=" + MARK + b"\n", "body"),
    ("a form", PLAIN_FORM, b"a=1&b=" + MARK, None),
    ("a drawing", "Content-Type: image/svg+xml", b"<svg><title>" + MARK + b"</title></svg>", "body"),
    ("a drawing as XML", "Content-Type: application/xml", b"<svg><title>" + MARK + b"</title></svg>", "body"),
    ("XML", "Content-Type: application/xml", b"<a>" + MARK + b"</a>", None),
    ("text", "Content-Type: text/plain", MARK, "body"),
    ("bytes in a message", "Content-Type: application/x-protobuf", b"\x0a\x25\xff\x01" + MARK, "body"),
    ("a text in a message", "Content-Type: application/x-protobuf", b"\x0a\x23" + MARK, None),
    ("JSON, which is no file", "Content-Type: application/json", b'"' + MARK + b'"', None),
]


@pytest.mark.parametrize("pieces", [False, True], ids=["by length", "in chunks"])
@pytest.mark.parametrize(("kind", "body", "place"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
def test_files_are_scanned_and_nothing_else(
    kind: str,
    body: bytes,
    place: str | None,
    pieces: bool,
    gate: Gate,
    auto: AutoUpstream,
    tmp_path: Path,
    scanner: Clamd,
) -> None:
    gate.load(guarded(auto.port, tmp_path, {"clamd": scanner.socket}))
    if pieces:
        half = len(body) // 2
        with gate.client() as client:
            client.send(request("/inbox", kind, "Transfer-Encoding: chunked", method="POST"))
            client.send(chunked(body[:half], body[half:]))
            got = client.message()
    else:
        got = posted(gate, body, kind)
    if place is None:
        assert why(got) is None
        assert auto.requests[-1].body == body
        return
    assert (got.status, why(got)) == (403, "waf-malware")
    assert auto.requests == []
    assert found(gate, got) == [(f"clamd found {NAME}.UNOFFICIAL", [place])]
    assert gate.event(got.id)["waf"]["by"] == "malware-scan"


def test_a_part_without_a_file_name_is_a_file_by_its_type(
    gate: Gate, auto: AutoUpstream, tmp_path: Path, scanner: Clamd
) -> None:
    gate.load(guarded(auto.port, tmp_path, {"clamd": scanner.address}))
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: %s\r\n\r\n' + MARK + b"\r\n--b--\r\n"
    assert why(posted(gate, part % b"image/png", FORM)) == "waf-malware"
    assert why(posted(gate, part % b"text/plain", FORM)) is None


def test_over_http2(gate: Gate, auto: AutoUpstream, tmp_path: Path, scanner: Clamd) -> None:
    authority = Authority(tmp_path)
    bundle = guarded(auto.port, tmp_path, {"clamd": scanner.address})
    bundle["listeners"] = [bundles.listener(tls=bundles.tls(authority.issue("shop", "shop.example")))]
    gate.load(bundle)
    with Http2(gate.port(), authority.pem) as client:
        bad = client.ask("/inbox", "POST", ("content-type", "application/octet-stream"), body=True)
        good = client.ask("/inbox", "POST", ("content-type", "application/octet-stream"), body=True)
        client.say(bad, LATE, end=True)
        client.say(good, GOOD, end=True)
        assert (client.answer(bad).status, client.answer(good).status) == (403, 200)
    assert [message.body for message in auto.requests] == [GOOD]
    gate.refused("waf-malware")


def test_what_is_observed_passes_and_is_written_down(
    gate: Gate, auto: AutoUpstream, tmp_path: Path, scanner: Clamd
) -> None:
    gate.load(guarded(auto.port, tmp_path, {"clamd": scanner.socket}, mode="observe"))
    got = posted(gate, MARK, OCTETS)
    assert why(got) is None
    verdict = next(one for one in gate.event(got.id)["verdicts"] if one["policy"] == "waf")
    assert (verdict["outcome"], verdict["reason"]) == ("observe-deny", "waf-malware")
    assert found(gate, got) == [(f"clamd found {NAME}.UNOFFICIAL", ["body"])]


def test_what_is_left_out_is_not_sent(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    exclude = [{"rule": "malware-scan", "at": "file/avatar", "request": "POST /inbox", **ANYBODY}]
    with Fake(says(b"stream: OK\0")) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address}, exclude=exclude))
        body = form(avatar=binary(b"mine"), other=binary(b"theirs"))
        assert why(posted(gate, body, FORM)) is None
        assert why(posted(gate, body, FORM, path="/outbox")) is None
        assert fake.files == [b"theirs", b"mine", b"theirs"]


def test_a_file_that_is_too_long_is_refused_and_not_sent(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with Fake(says(b"stream: OK\0")) as fake:
        scan = {"clamd": fake.address, "bytes": "1KiB", "on_error": "pass"}
        gate.load(guarded(auto.port, tmp_path, scan))
        got = posted(gate, form(a=binary(GOOD), b=binary(b"x" * 1025)), FORM)
        assert (got.status, why(got)) == (413, "waf-file-too-long")
        assert found(gate, got) == [("Not scanned: the file is longer than is scanned", ["file/b"])]
        assert fake.begun == 0
        assert why(posted(gate, b"x" * 1024, OCTETS)) is None
        assert fake.files == [b"x" * 1024]


def test_what_clamd_finds_too_long_is_too_long(gate: Gate, auto: AutoUpstream, tmp_path: Path, scanner: Clamd) -> None:
    """By its socket: over TCP its reset can overtake what it said, and then it is a failure."""
    gate.load(guarded(auto.port, tmp_path, {"clamd": scanner.socket}, inspect_bytes="4MiB"))
    assert why(posted(gate, b"x" * (3 * MOST), OCTETS)) == "waf-file-too-long"
    assert why(posted(gate, b"x" * MOST, OCTETS)) is None


FAULTS: list[tuple[str, Talk, str]] = [
    ("nonsense", says(b"HTTP/1.1 400 Bad Request\r\n\r\n\0"), "its answer is none of clamd's"),
    ("nothing", says(b""), "it closed without an answer"),
    ("half an answer", says(b"stream: O"), "it closed within its answer"),
    ("an answer without end", says(b"x" * 4096), "its answer has no end"),
    ("an error", says(b"stream: Can't allocate memory ERROR\0"), "stream: Can't allocate memory ERROR"),
    ("two answers", says(b"stream: OK\0stream: OK\0"), "it said more than one answer"),
    ("silence", hangs, "no answer within 400 ms"),
]


@pytest.mark.parametrize("on_error", ["refuse", "pass"])
@pytest.mark.parametrize(("talk", "words"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_what_goes_wrong_is_refused_or_passes_as_is_said(
    talk: Talk, words: str, on_error: str, gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    body = b"x" * (900 * KIB)
    with Fake(talk) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address, "timeout": "400ms", "on_error": on_error}))
        got = posted(gate, body, OCTETS)
    (said,) = found(gate, got)
    assert (said[0].startswith("Not scanned: "), words in said[0], said[1]) == (True, True, ["body"]), said
    verdict = next(one for one in gate.event(got.id)["verdicts"] if one["policy"] == "waf")
    if on_error == "pass":
        assert why(got) is None
        assert auto.requests[-1].body == body
        assert (verdict["outcome"], verdict["reason"]) == ("error", "waf-scan-unavailable")
        (told,) = gate.written(code="waf-unscanned")
        assert got.id in told["message"]
    else:
        assert (got.status, why(got), got.get("retry-after")) == (503, "waf-scan-unavailable", "5")
        assert verdict["outcome"] == "deny"
        assert auto.requests == []
    assert gate.count("lockgate_waf_scans_total", outcome="failed") == 1


def test_who_has_not_read_it_cannot_call_it_clean(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """More than fits into what the system holds between the two."""
    with Fake(says_at_once(b"stream: OK\0")) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address}, inspect_bytes="24MiB"))
        got = posted(gate, b"x" * (20 * MOST), OCTETS)
        assert why(got) == "waf-scan-unavailable"
        assert "it called a file clean that it had not read" in found(gate, got)[0][0]


def test_what_it_found_counts_before_it_has_read_all(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with Fake(says_at_once(b"stream: Early FOUND\0")) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address}))
        got = posted(gate, b"x" * (900 * KIB), OCTETS)
    assert (why(got), found(gate, got)) == ("waf-malware", [("clamd found Early", ["body"])])


@pytest.mark.parametrize("place", ["network", "path"])
def test_who_closes_on_what_it_has_not_read_cannot_call_it_clean(
    place: str, gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    """A file that fits into what the system holds."""
    path = tmp_path / "fake.sock" if place == "path" else None
    with Fake(says_and_goes(b"stream: OK\0"), path) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address}))
        for size in (1, 1000, 30_000):
            got = posted(gate, b"x" * size, OCTETS)
            assert why(got) == "waf-scan-unavailable", size
    assert auto.requests == []


def test_what_it_found_counts_beside_whatever_else_it_says(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with Fake(says(b"stream: OK\0stream: Late FOUND\0")) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address, "on_error": "pass"}))
        got = posted(gate, GOOD, OCTETS)
    assert (why(got), found(gate, got)) == ("waf-malware", [("clamd found Late", ["body"])])


@pytest.mark.parametrize("head", ["\r\nContent-Type: image/png", '; filename=""', "\r\nContent-Type: text/plain"])
def test_files_without_a_name_are_no_more_than_files_with_one(
    head: str, gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    def files(count: int) -> bytes:
        one = f'--b\r\nContent-Disposition: form-data; name="a"{head}\r\n\r\n\0\1\2\r\n'
        return one.encode() * count + b"--b--\r\n"

    with Fake(says(b"stream: OK\0")) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address}))
        assert why(posted(gate, files(100), FORM)) is None
        assert fake.begun == 100
        refused = posted(gate, files(101), FORM)
        # By the reader of forms, where a name is said and is empty.
        wanted = (400, "multipart-strict") if "filename" in head else (413, "multipart-too-many")
        assert (refused.status, why(refused)) == wanted
        assert fake.begun == 100


def test_names_are_made_harmless(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with Fake(says(b"stream: a\x1b[2J\xff\n" + b"x" * 500 + b" FOUND\0")) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address}))
        ((said, _),) = found(gate, posted(gate, GOOD, OCTETS))
    assert said == f"clamd found a?[2J??{'x' * 89}"


def test_nobody_listens(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_port()}"
    gate.load(guarded(auto.port, tmp_path, {"clamd": place}))
    (away,) = gate.written(code="waf-scanner-away")
    assert place in away["message"]
    assert "are refused" in away["message"]
    assert why(posted(gate, GOOD, OCTETS)) == "waf-scan-unavailable"
    assert why(posted(gate, b"a=1", "Content-Type: application/x-www-form-urlencoded")) is None


def test_one_that_is_there_is_not_told_of(gate: Gate, auto: AutoUpstream, tmp_path: Path, scanner: Clamd) -> None:
    gate.load(guarded(auto.port, tmp_path, {"clamd": scanner.socket}))
    gate.load(guarded(auto.port, tmp_path, {"clamd": f"unix:{tmp_path}/none"}))
    gate.written(code="waf-scanner-away")
    assert [f"unix:{tmp_path}/none" in one["message"] for one in gate.now_written(code="waf-scanner-away")] == [True]


def test_no_more_than_so_many_at_once_and_others_wait_their_time(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    with Fake(waits) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address, "at_once": 2, "timeout": "20s"}))
        clients = [gate.client() for _ in range(5)]
        for client in clients:
            client.send(request("/inbox", OCTETS, method="POST", body=GOOD))
        until(lambda: fake.begun == 2, "two to be scanned")
        assert posted(gate, b"", OCTETS).status == 200, "the worker goes on"
        fake.go_on.set()
        assert [client.message().status for client in clients] == [200] * 5
        assert (fake.at_once, fake.begun) == (2, 5)


def test_who_gets_no_place_in_time_is_refused(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    """Both APIs have the one place at the one scanner."""
    with Fake(waits) as fake:
        apis = []
        for name, timeout in (("slow", "5m"), ("quick", "300ms")):
            scan = {"clamd": fake.address, "at_once": 1, "timeout": timeout}
            placed = guarded(auto.port, tmp_path, scan)["apis"][0]["policies"]["waf"]
            apis.append(bundles.api(name, f"/{name}", guards=placed))
        gate.load(bundles.bundle(apis, [bundles.upstream(auto.port)]))
        first = gate.client()
        first.send(request("/slow", OCTETS, method="POST", body=GOOD))
        until(lambda: fake.begun == 1, "one to be scanned")
        got = posted(gate, GOOD, OCTETS, path="/quick")
        assert why(got) == "waf-scan-unavailable"
        assert found(gate, got) == [("Not scanned: no place was free within 300 ms", ["body"])]
        fake.go_on.set()
        assert first.message().status == 200
        assert fake.begun == 1


def test_who_goes_away_takes_the_scan_along(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with Fake(hangs) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address, "at_once": 1, "timeout": "5m"}))
        client = gate.client()
        client.send(request("/inbox", OCTETS, method="POST", body=GOOD))
        until(lambda: fake.files, "the file")
        assert fake.over == 0
        client.close()
        until(lambda: fake.over == 1, "the scan to end")
        until(lambda: gate.count("lockgate_inspect_memory_bytes") == 0, "its memory")
        assert auto.requests == []
        # Its place is free again.
        fake.talk = says(b"stream: OK\0")
        assert why(posted(gate, GOOD, OCTETS)) is None


def test_what_is_refused_anyway_is_not_sent(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    with Fake(says(b"stream: OK\0")) as fake:
        gate.load(guarded(auto.port, tmp_path, {"clamd": fake.address}))
        body = form(note=b"x' UNION SELECT password FROM users-- ", a=binary(GOOD))
        assert why(posted(gate, body, FORM)) == "waf-refused"
        assert fake.begun == 0


def test_scans_are_counted(gate: Gate, auto: AutoUpstream, tmp_path: Path, scanner: Clamd) -> None:
    gate.load(guarded(auto.port, tmp_path, {"clamd": scanner.socket}))
    posted(gate, form(a=binary(GOOD), b=binary(GOOD)), FORM)
    posted(gate, form(a=binary(GOOD), b=binary(MARK)), FORM)
    outcomes = ("clean", "malware", "too_long", "failed")
    counted = [gate.count("lockgate_waf_scans_total", outcome=outcome) for outcome in outcomes]
    assert counted == [3, 1, 0, 0]
