"""RFC 9110 and RFC 9112: what an intermediary has to do with requests and answers, case by case.

What tests of the gate try already (fields of one hop, trailers, interim answers, HEAD, HTTP/1.0) is not here again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import pytest

from conformance.conftest import Told
from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import Upstream
from gateway.harness.wire import Client
from support.suites import judge
from support.waiting import until

pytestmark = pytest.mark.full

Wanted = dict[str, str | None]
"""Fields by name: the one value, or nothing where it must not be there."""


@dataclass(frozen=True)
class Case:
    """A request and what the upstream answers, and what both ends have to see."""

    name: str
    rfc: str
    first: str = "GET / HTTP/1.1"
    fields: tuple[str, ...] = ()
    answer: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    """Nothing: the gate answers without asking the upstream."""
    asked: Wanted = field(default_factory=dict)
    """What stands at the upstream."""
    line: str | None = None
    """The request line at the upstream."""
    status: int = 200
    told: Wanted = field(default_factory=dict)
    """What stands in the client's answer."""
    body: bytes | None = b"ok"
    after: Literal["open", "closed"] = "open"
    """The client's connection: whether a second request is served on it."""
    dated: bool = False
    """The client's answer says when the gate had it."""


def said(status: str, *fields: str, body: bytes = b"", version: str = "1.1") -> bytes:
    """An answer's bytes; its framing is among the fields."""
    return "\r\n".join([f"HTTP/{version} {status}", *fields, "", ""]).encode("latin-1") + body


OK = "Content-Length: 2"

CASES = [
    Case("a method that nobody knows goes on", "9110 9.1", "PURGE /a HTTP/1.1", line="PURGE /a HTTP/1.1"),
    Case("a method of any letters goes on", "9110 9.1", "M-SEARCH /a HTTP/1.1", line="M-SEARCH /a HTTP/1.1"),
    Case("a target goes on byte for byte", "9112 3.2.1", "GET /a?b=%20&c HTTP/1.1", line="GET /a?b=%20&c HTTP/1.1"),
    Case(
        "the target's host takes the place of Host's",
        "9112 3.2.2",
        "GET http://a.example/x HTTP/1.1",
        asked={"host": "a.example"},
        line="GET /x HTTP/1.1",
    ),
    Case(
        "another version of HTTP/1 is answered and sent as 1.1",
        "9110 2.5",
        "GET /a HTTP/1.1",
        answer=said("200 OK", OK, body=b"ok", version="1.0"),
    ),
    Case("conditions go on", "9110 13.1", fields=('If-None-Match: "a", W/"b"',), asked={"if-none-match": '"a", W/"b"'}),
    Case("ranges go on", "9110 14.2", fields=("Range: bytes=0-1",), asked={"range": "bytes=0-1"}),
    Case(
        "a part of content goes on",
        "9110 15.3.7",
        answer=said("206 Partial Content", OK, "Content-Range: bytes 0-1/9", body=b"ok"),
        status=206,
        told={"content-range": "bytes 0-1/9"},
    ),
    Case(
        "an upgrade that the gate does not do ends here",
        "9110 7.8",
        fields=("Connection: Upgrade", "Upgrade: h2c"),
        asked={"upgrade": None, "connection": None},
    ),
    Case(
        "what a transfer may be coded in is for one hop",
        "9110 10.1.4",
        fields=("Connection: TE", "TE: gzip"),
        asked={"te": None},
    ),
    Case(
        "a coding of content is kept",
        "9110 7.7",
        answer=said("200 OK", OK, "Content-Encoding: x-own", body=b"ok"),
        told={"content-encoding": "x-own"},
    ),
    Case(
        "a strong validator is kept",
        "9110 8.8.3",
        answer=said("200 OK", OK, 'ETag: "x"', body=b"ok"),
        told={"etag": '"x"'},
    ),
    Case("a list with empty places is kept", "9110 5.6.1", fields=("Accept: a, , b",), asked={"accept": "a, , b"}),
    Case("a status that nobody knows goes on", "9110 15", answer=said("299 Odd", OK, body=b"ok"), status=299),
    Case("the last status goes on", "9110 15", answer=said("599 Odd", OK, body=b"ok"), status=599),
    Case("an answer without a reason phrase", "9112 4", answer=said("200 ", OK, body=b"ok")),
    Case(
        "a status beyond three digits is the upstream's fault",
        "9112 4",
        answer=said("1000 No", OK, body=b"ok"),
        status=502,
        body=None,
    ),
    Case(
        "a status below 100 is the upstream's fault",
        "9110 15",
        answer=said("099 No", OK, body=b"ok"),
        status=502,
        body=None,
    ),
    Case(
        "304 has no content, whatever its length says",
        "9110 15.4.5",
        answer=said("304 Not Modified", "Content-Length: 99"),
        status=304,
        body=b"",
    ),
    Case(
        "204 has no length",
        "9110 8.6",
        answer=said("204 No Content"),
        status=204,
        told={"content-length": None, "transfer-encoding": None},
        body=b"",
    ),
    Case(
        "205 has no content", "9110 15.3.6", answer=said("205 Reset Content", "Content-Length: 0"), status=205, body=b""
    ),
    Case("an answer without a date gets one", "9110 6.6.1", dated=True),
    Case(
        "an answer's own date goes on",
        "9110 6.6.1",
        answer=said("200 OK", OK, "Date: Sun, 06 Nov 1994 08:49:37 GMT", body=b"ok"),
        told={"date": "Sun, 06 Nov 1994 08:49:37 GMT"},
    ),
    Case(
        "an upstream that closes does not close the client",
        "9112 9.3",
        answer=said("200 OK", OK, "Connection: close", body=b"ok"),
        told={"connection": None},
    ),
    Case(
        "a client that closes is told so",
        "9112 9.6",
        fields=("Connection: close",),
        told={"connection": "close"},
        after="closed",
    ),
    Case("content of GET has its length", "9110 9.3.1", fields=("Content-Length: 0",), asked={"content-length": "0"}),
    Case(
        "an expectation that nobody knows is not met",
        "9110 10.1.1",
        fields=("Expect: x-miracle",),
        answer=None,
        status=417,
        body=None,
        after="closed",
    ),
    Case(
        "a tunnel is not made",
        "9110 9.3.6",
        "CONNECT a.example:443 HTTP/1.1",
        answer=None,
        status=501,
        body=None,
        after="closed",
    ),
    Case(
        "the last hop of OPTIONS is here",
        "9110 7.6.2",
        "OPTIONS / HTTP/1.1",
        ("Max-Forwards: 0",),
        None,
        status=200,
        body=None,
    ),
    Case(
        "hops of OPTIONS are counted down",
        "9110 7.6.2",
        "OPTIONS / HTTP/1.1",
        ("Max-Forwards: 5",),
        asked={"max-forwards": "4"},
    ),
    Case(
        "the last hop of TRACE is here",
        "9110 7.6.2",
        "TRACE / HTTP/1.1",
        ("Max-Forwards: 0",),
        None,
        status=501,
        body=b"",
    ),
    Case(
        "hops of other methods are not counted",
        "9110 7.6.2",
        fields=("Max-Forwards: 0",),
        asked={"max-forwards": "0"},
    ),
]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate; each case gives it an upstream."""
    with Gate(tmp_path_factory.mktemp("semantics") / "state") as running:
        yield running


def differs(wanted: Wanted, seen: dict[str, str]) -> str | None:
    """Which field is not as it has to be."""
    found = {name: seen.get(name) for name in wanted}
    return None if found == wanted else f"{found} in the place of {wanted}"


def outcome(gate: Gate, case: Case) -> str | None:
    """What is not as the RFC wants it."""
    # Of its own, so that no connection of another case is taken for this one's.
    with Upstream() as far:
        gate.load(bundles.plain(far.port))
        with Client(gate.port()) as client:
            return exchange(case, client, far)


def exchange(case: Case, client: Client, far: Upstream) -> str | None:
    """One request and its answer."""
    client.send("\r\n".join([case.first, "Host: a.example", *case.fields, "", ""]).encode())
    if case.answer is not None:
        _, asked = far.serve(case.answer)
        if case.line is not None and asked.first != case.line:
            return f"the upstream was asked {asked.first!r}"
        wrong = differs(case.asked, {name.lower(): value for name, value in asked.headers})
        if wrong is not None:
            return f"at the upstream: {wrong}"
    until(lambda: not client.silent() or not far.untouched(), "an answer, or a question to the upstream")
    if case.answer is None and not far.untouched():
        return "it went on to the upstream"
    got = client.message()
    if got.status != case.status or (case.body is not None and got.body != case.body):
        return f"it was answered with {got.status} {got.body[:80]!r}"
    if not got.first.startswith("HTTP/1.1 "):
        return f"it was answered as {got.first!r}"
    if case.after == "closed" and not client.ended():
        return "the connection stays open"
    if case.dated and not is_now(got.all("date")):
        return f"it is dated {got.all('date')}"
    return differs(case.told, {name.lower(): value for name, value in got.headers})


def is_now(dates: list[str]) -> bool:
    """Whether it is one date, in the form that may be sent (RFC 9110 section 5.6.7), of this hour."""
    try:
        [told] = [dt.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.UTC) for date in dates]
    except ValueError:
        return False
    return abs(dt.datetime.now(dt.UTC) - told) < dt.timedelta(hours=1)


def judged(gate: Gate, case: Case) -> str | None:
    """The same; an end that says nothing is wrong too."""
    try:
        return outcome(gate, case)
    except TimeoutError as error:
        return f"{error}"


def test_every_case(gate: Gate, summary: Told) -> None:
    outcomes = {f"{case.name} (RFC {case.rfc})": judged(gate, case) for case in CASES}
    assert len(outcomes) == len(CASES) > 25, "names are unique"
    summary("RFC 9110 and 9112", judge("http-semantics", outcomes))
