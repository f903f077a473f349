"""`waf` and answers that a client would rather have otherwise: the gate asks for all of them as they are, and looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.http3 import Http3
from gateway.harness.secure import Http2, context, secure
from gateway.harness.servers import nginx
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message, answer, chunked, request
from lockgate.config import load
from lockgate.config.bundle_types import Listener, PlacedCompress
from policies.conftest import WAIVED_UNTIL, written
from support.certificates import Authority
from support.codings import bomb, packed, zstd_with_window

RULES = """
SecRule RESPONSE_HEADERS:Content-Encoding "@pm gzip deflate br zstd" "id:9,phase:4,pass,nolog,skipAfter:END"
SecRule RESPONSE_BODY "@contains stack trace" "id:10,phase:4,deny,status:502,msg:'an error page',severity:ERROR"
SecMarker END
"""
"""As the Core Rule Set has it: what says that it is packed is passed over."""
LEAK = b"an error: a stack trace"
CLEAN = b"an order: two pairs of shoes"
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR, a stack trace"
CODINGS = ["gzip", "deflate", "br", "zstd"]
TEXT = "Content-Type: text/plain"
REFUSED, UNREADABLE = "waf-answer-refused", "waf-answer-unreadable"
PARTS = b"--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-9/99\r\n\r\n" + LEAK + b"\r\n--b--\r\n"
PART = "206 Partial Content"
ASKED = [
    ("Range", "bytes=0-9,20-29"),
    ("Request-Range", "bytes=0-9"),
    ("If-Range", '"a"'),
    ("If_Range", '"a"'),
    ("Accept-Encoding", "gzip, br"),
    ("Accept-Charset", "utf-16"),
    ("A-IM", "gzip"),
    ("Accept", "text/plain"),
]
WANTS = [f"{name}: {value}" for name, value in ASKED]


def looking(folder: Path, port: int | str, *, rules: bool = True, **more: Any) -> Callable[..., Any]:
    """A configuration that looks at answers; more of it is said to what it gives."""
    (folder / "own.conf").write_text(RULES)
    types = ["text/plain", "text/event-stream"]
    own = {"files": ["own.conf"]} if rules else {}
    config = {**own, "answers": {"types": types, **more.pop("answers", {})}, **more}
    bundle = load(written(folder, {"waf": config})).compile(1, 1)
    placed = bundle["apis"][0]["policies"]["waf"]

    def whole(packs: PlacedCompress | None = None, listeners: list[Listener] | None = None) -> Any:
        api = bundles.api(guards=placed, packs=packs)
        upstreams = [bundles.upstream(port)]
        return bundles.bundle([api], upstreams, rule_sets=bundle["rule_sets"], listeners=listeners)

    return whole


@contextmanager
def answering(gate: Gate, folder: Path, said: bytes, **more: Any) -> Iterator[AutoUpstream]:
    """An upstream that answers so, and a gate that looks."""
    with AutoUpstream(lambda _request: said) as upstream:
        gate.load(looking(folder, upstream.port, **more)())
        yield upstream


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """One for all cases."""
    with Gate(tmp_path_factory.mktemp("gate") / "state") as running:
        yield running


def coded(coding: str, text: bytes) -> bytes:
    """An answer in a coding that nobody asked for."""
    return answer(packed(coding, text), TEXT, f"Content-Encoding: {coding}")


ANSWERS = [
    ("a text", answer(LEAK, TEXT), REFUSED),
    ("of another type", answer(LEAK, "Content-Type: image/png"), None),
    ("without a type, a text", answer(LEAK), REFUSED),
    ("without a type, something else", answer(PICTURE), None),
    ("without a type, nothing", answer(b""), None),
    ("of a type that is none", answer(LEAK, "Content-Type: */*"), REFUSED),
    ("of two types, the first", answer(LEAK, TEXT, "Content-Type: image/png"), REFUSED),
    ("of two types, the last", answer(LEAK, "Content-Type: image/png", TEXT), REFUSED),
    ("of two types in a line", answer(LEAK, "Content-Type: image/png, text/plain"), REFUSED),
    ("coded as itself", answer(LEAK, TEXT, "Content-Encoding: identity"), REFUSED),
    ("in an unknown coding", answer(LEAK, TEXT, "Content-Encoding: exi"), UNREADABLE),
    ("in an unknown coding, of another type", answer(LEAK, "Content-Type: a/b", "Content-Encoding: exi"), None),
    ("in an unknown coding, nothing", answer(b"", TEXT, "Content-Encoding: exi"), None),
    ("not what its coding says", answer(LEAK, TEXT, "Content-Encoding: gzip"), UNREADABLE),
    ("cut short", answer(packed("gzip", CLEAN)[:-4], TEXT, "Content-Encoding: gzip"), UNREADABLE),
    ("packed twice", answer(packed("br", packed("gzip", LEAK)), TEXT, "Content-Encoding: gzip, br"), REFUSED),
    ("of too large a window", answer(zstd_with_window(24), TEXT, "Content-Encoding: zstd"), UNREADABLE),
    ("parts", answer(PARTS, "Content-Type: multipart/byteranges; boundary=b", status=PART), REFUSED),
    ("a part", answer(LEAK, TEXT, "Content-Range: bytes 0-22/99", status=PART), REFUSED),
    ("UTF-16 with a mark", answer(LEAK.decode().encode("utf-16"), TEXT), REFUSED),
    ("UTF-16 without", answer(LEAK.decode().encode("utf-16-be"), TEXT), REFUSED),
    ("UTF-16, as it says", answer("秘 stack trace".encode("utf-16-le"), f"{TEXT}; charset=utf-16le"), REFUSED),
    ("a text that begins as UTF-16 does", answer(b"a\0b\0 is not there: a stack trace", TEXT), REFUSED),
    ("UTF-32", answer(LEAK.decode().encode("utf-32"), TEXT), REFUSED),
    ("UTF-16 without a type", answer(LEAK.decode().encode("utf-16")), REFUSED),
    *((f"packed by {coding}", coded(coding, LEAK), REFUSED) for coding in CODINGS),
    *((f"good, by {coding}", coded(coding, CLEAN), None) for coding in CODINGS),
]


@pytest.mark.parametrize(("said", "reason"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_what_can_be_looked_at_is_and_what_cannot_is_refused(
    said: bytes, reason: str | None, gate: Gate, tmp_path: Path
) -> None:
    with answering(gate, tmp_path, said), gate.client() as client:
        got = client.get("/", *WANTS)
    if reason is None:
        head, _, body = said.partition(b"\r\n\r\n")
        assert (got.status, got.body) == (int(head.split(b" ")[1]), body), "it goes on as it came"
    else:
        assert (got.status, got.reason) == (502, reason)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
def test_what_has_no_body_passes(status: str, gate: Gate, tmp_path: Path) -> None:
    said = f"HTTP/1.1 {status}\r\nContent-Encoding: exi\r\n\r\n".encode()
    with answering(gate, tmp_path, said), gate.client() as client:
        assert client.get("/", method="HEAD").first == f"HTTP/1.1 {status}"
        if not status.startswith("200"):
            assert client.get("/").first == f"HTTP/1.1 {status}"


def test_packed_events_are_refused(gate: Gate, tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
    said = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(packed("gzip", CLEAN))
    with answering(gate, tmp_path, said), gate.client() as client:
        assert client.get("/").reason == UNREADABLE


@pytest.mark.parametrize("coding", CODINGS)
def test_of_what_is_packed_only_so_much_is_unpacked(coding: str, gate: Gate, tmp_path: Path) -> None:
    short = b"x" * 2000 + LEAK
    for said, status in ((short, 200), (short[1500:], 502)):
        with answering(gate, tmp_path, coded(coding, said), answers={"bytes": "1KiB"}), gate.client() as client:
            got = client.get("/")
            assert got.status == status
    burst = answer(bomb(coding, 1 << 26), TEXT, f"Content-Encoding: {coding}")
    with answering(gate, tmp_path, burst), gate.client() as client:
        before = gate.memory()
        assert client.get("/").status == 200
        assert gate.memory() - before < 32 << 20, "it is not unpacked any further"


def test_what_unpacks_takes_of_the_memory_for_bodies(gate: Gate, tmp_path: Path) -> None:
    with AutoUpstream(lambda _request: coded("zstd", CLEAN)) as upstream:
        bundle = looking(tmp_path, upstream.port)()
        bundle["listeners"][0]["limits"]["inspect_memory"] = 2000
        gate.load(bundle)
        with gate.client() as client:
            got = client.get("/")
            assert (got.status, got.reason, got.get("retry-after")) == (503, "inspect-full", "1")


def test_where_it_is_only_observed_it_passes_and_is_written_down(gate: Gate, tmp_path: Path) -> None:
    for said, reason in ((coded("gzip", LEAK), REFUSED), (coded("exi", LEAK), UNREADABLE)):
        with answering(gate, tmp_path, said, mode="observe") as upstream, gate.client() as client:
            got = client.get("/", *WANTS)
            assert (got.status, got.body) == (200, said.partition(b"\r\n\r\n")[2])
            event = gate.event(str(got.get("x-request-id")))
            verdicts = [(one["outcome"], one["reason"]) for one in event["verdicts"] if one["policy"] == "waf"]
            assert verdicts == [("observe-deny", reason)]
            assert upstream.requests[-1].get("accept-encoding") == "identity", "what is enforced later is observed"


def told(message: Message) -> dict[str, str]:
    """What an upstream is told of what a client wants."""
    wanted = {name.lower() for name, _ in ASKED}
    return {name.lower(): value for name, value in message.headers if name.lower() in wanted}


def test_over_each_version_the_gate_asks_for_all_of_it_as_it_is(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = bundles.tls(authority.issue("shop", "shop.example"))
    fields = [(name.lower(), value) for name, value in ASKED]
    said = answer(CLEAN, TEXT, "Accept-Ranges: bytes")
    with AutoUpstream(lambda _request: said) as upstream, Gate(tmp_path / "state") as gate:
        listeners = [bundles.listener(tls=tls, http3=True)]
        gate.load(looking(tmp_path, upstream.port)(listeners=listeners))
        with secure(gate.port(), context(authority.pem)) as one:
            for wants in (WANTS, []):
                one.send(request("/", *wants, host="shop.example"))
                got = one.message()
                assert (got.status, got.body, got.get("accept-ranges")) == (200, CLEAN, None)
        with Http2(gate.port(), authority.pem) as two, Http3(gate.port(), authority.pem) as three:
            for reply in (two.get("/", *fields), three.get("/", *fields)):
                assert (reply.status, reply.body, reply.get("accept-ranges")) == (200, CLEAN, None)
    whole = {"accept-encoding": "identity"}
    assert [told(asked) for asked in upstream.requests] == [
        {**whole, "accept": "text/plain"},
        whole,
        {**whole, "accept": "text/plain"},
        {**whole, "accept": "text/plain"},
    ]


@pytest.mark.parametrize(
    "config",
    [{"rules": False}, {"mode": "off", "waiver": {"owner": "a", "reason": "b", "until": WAIVED_UNTIL}}],
    ids=["no rule reads answers", "off"],
)
def test_where_nobody_looks_nothing_else_is_asked(config: dict[str, Any], gate: Gate, tmp_path: Path) -> None:
    said = answer(CLEAN, TEXT, "Accept-Ranges: bytes")
    with answering(gate, tmp_path, said, **config) as upstream, gate.client() as client:
        assert client.get("/", *WANTS).get("accept-ranges") == "bytes"
        assert told(upstream.requests[-1]) == {name.lower(): value for name, value in ASKED}


NGINX = """
    listen unix:{socket}; root {root}; default_type "";
    types {{ text/plain txt; }}
    gzip on; gzip_min_length 1; gzip_types text/plain; gzip_vary on;
    location /always/ {{ alias {root}/; gzip_static always; }}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of an nginx with a page that leaks, and a good one; below `/always/` packed whatever is asked."""
    folder = tmp_path_factory.mktemp("nginx")
    root = folder / "root"
    root.mkdir()
    for name, text in (("leak", LEAK.rjust(3000)), ("clean", CLEAN.rjust(3000))):
        (root / f"{name}.txt").write_bytes(text)
        (root / f"{name}.txt.gz").write_bytes(packed("gzip", text))
        (root / name).write_bytes(text)
    server = NGINX.format(socket=folder / "sock", root=root)
    form = "$uri $http_accept_encoding $http_range$http_if_range $status"
    with nginx(folder / "run", server, form, ready=folder / "run" / "pid") as behind:
        yield folder / "sock"
        assert [line for line in behind.seen if " identity -- 200" not in line] == []


@pytest.mark.parametrize("path", ["/leak.txt", "/always/leak.txt", "/leak"], ids=["typed", "packed always", "no type"])
@pytest.mark.parametrize(
    "wants",
    [
        [],
        ["Range: bytes=0-2990"],
        ["Range: bytes=0-9,2980-2990"],
        ["Range: bytes=2985-", 'If-Range: "none"'],
        ["Accept-Encoding: gzip"],
        ["Accept-Encoding: identity;q=0, gzip"],
    ],
    ids=str,
)
def test_whatever_a_client_asks_of_nginx_is_looked_at(
    wants: list[str], path: str, gate: Gate, files: Path, tmp_path: Path
) -> None:
    gate.load(looking(tmp_path, f"unix:{files}")())
    with gate.client() as client:
        assert client.get(path, *wants).reason == REFUSED
    with gate.client() as client:
        good = client.get(path.replace("leak", "clean"), *wants)
    expected = CLEAN.rjust(3000)
    assert good.status == 200
    assert good.body == (packed("gzip", expected) if "always" in path else expected)


def test_answers_are_packed_for_clients_all_the_same(gate: Gate, files: Path, tmp_path: Path) -> None:
    gate.load(looking(tmp_path, f"unix:{files}")(packs=bundles.packs()))
    with gate.client() as client:
        good = client.get("/clean.txt", "Accept-Encoding: br, gzip;q=0.5")
        assert (good.status, good.get("content-encoding")) == (200, "br")
        assert len(good.body) < 200
        assert client.get("/leak.txt", "Accept-Encoding: br").reason == REFUSED
