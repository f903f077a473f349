"""What the upstream is told, and what nobody outside may tell it."""

from __future__ import annotations

import re

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream, Upstream
from gateway.harness.wire import Message, answer, chunked, request
from lockgate.config.bundle_types import RequestChanges

TRUSTED = ["127.0.0.1/32", "10.0.0.0/8"]


def passed(gate: Gate, auto: AutoUpstream, *headers: str, trusted: bool = False) -> Message:
    """What the upstream gets of a request with these headers."""
    listener = bundles.listener(trusted=TRUSTED if trusted else [])
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[listener]))
    assert gate.client().get("/", *headers).status == 200
    return auto.requests[-1]


def test_ordinary_headers_pass_in_their_order(gate: Gate, auto: AutoUpstream) -> None:
    got = passed(gate, auto, "Accept: a", "X-One: 1", "Cookie: c=1; d=2", "Accept: b", "X-Latin: caf\xe9", "X-Empty:")
    assert got.get("host") == "a.example"
    assert got.all("accept") == ["a", "b"]
    assert (got.get("x-one"), got.get("cookie"), got.get("x-empty")) == ("1", "c=1; d=2", "")
    assert got.get("x-latin") == "caf\xe9"


@pytest.mark.parametrize(
    "header",
    [
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic Og==",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "TE: gzip",
    ],
)
def test_hop_by_hop_headers_end_here(gate: Gate, auto: AutoUpstream, header: str) -> None:
    name = header.partition(":")[0].lower()
    assert name not in passed(gate, auto, header).names


def test_headers_that_connection_names_end_here(gate: Gate, auto: AutoUpstream) -> None:
    got = passed(gate, auto, "Connection: X-Secret, close-not, x-other", "X-Secret: 1", "X-Other: 2", "X-Third: 3")
    assert {"x-secret", "x-other", "connection"}.isdisjoint(got.names)
    assert got.get("x-third") == "3"


def test_connection_cannot_take_away_what_was_judged(gate: Gate, auto: AutoUpstream) -> None:
    """Hop-by-hop header abuse: the upstream would miss what the gate decided by."""
    named = "Connection: close-not, X-Forwarded-For, Authorization, Cookie, X-Request-Id, Host"
    got = passed(gate, auto, named, "Authorization: Basic Og==", "Cookie: a=b")
    assert (got.get("authorization"), got.get("cookie")) == ("Basic Og==", "a=b")
    assert got.get("x-forwarded-for") == "127.0.0.1"
    assert got.get("host") == "a.example"
    assert got.get("x-request-id")


@pytest.mark.parametrize("header", ["Connection: X-Inner", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic"])
def test_an_answers_hop_by_hop_headers_end_here(gate: Gate, header: str) -> None:
    with AutoUpstream(lambda _message: answer(b"ok", header, "X-Inner: 1", "X-Outer: 2")) as upstream:
        gate.load(bundles.plain(upstream.port))
        got = gate.client().get()
        assert header.partition(":")[0].lower() not in got.names
        assert got.get("x-inner") == (None if header.endswith("X-Inner") else "1")
        assert got.get("x-outer") == "2"


def test_an_answers_other_headers_pass(gate: Gate) -> None:
    told = ["Server: shop/1", "Set-Cookie: a=1", "Set-Cookie: b=2", "Date: Sun, 06 Nov 1994 08:49:37 GMT"]
    with AutoUpstream(lambda _message: answer(b"ok", *told)) as upstream:
        gate.load(bundles.plain(upstream.port))
        got = gate.client().get()
        assert got.all("set-cookie") == ["a=1", "b=2"]
        assert (got.get("server"), got.get("date")) == ("shop/1", "Sun, 06 Nov 1994 08:49:37 GMT")


def test_an_answers_bytes_beyond_ascii_pass(gate: Gate) -> None:
    with AutoUpstream(lambda _message: answer(b"ok", "X-Latin: caf\xe9")) as upstream:
        gate.load(bundles.plain(upstream.port))
        assert gate.client().get().get("x-latin") == "caf\xe9"


IDENTITIES = [
    "X-User-Id",
    "X_User_Id",
    "X-Remote-User",
    "Remote-User",
    "X-Auth-Request-Email",
    "X-Consumer-Username",
    "X-Real-IP",
    "X_Real_IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Forwarded-User",
    "X-Forwarded-Client-Cert",
    "X_Forwarded_For",
    "SSL-Client-Cert",
    "X-Lockgate-Identity",
    "Content_Length",
    "Transfer_Encoding",
    "X_API_Key",
]


@pytest.mark.parametrize("trusted", [False, True], ids=["from anyone", "from a trusted proxy"])
@pytest.mark.parametrize("name", IDENTITIES)
def test_nobody_outside_says_who_is_calling(gate: Gate, auto: AutoUpstream, name: str, trusted: bool) -> None:
    got = passed(gate, auto, f"{name}: admin", trusted=trusted)
    assert name.lower() not in got.names
    assert b"admin" not in got.head


def test_what_only_looks_like_an_identity_passes(gate: Gate, auto: AutoUpstream) -> None:
    got = passed(gate, auto, "X-User-Agent: grpc-web/1", "Authorization: Basic Og==", "X-Usage: 1", "My_Header: 1")
    assert {"x-user-agent", "authorization", "x-usage", "my_header"} <= set(got.names)


def test_where_it_came_from_is_told_anew(gate: Gate, auto: AutoUpstream) -> None:
    """Nobody is trusted: what a stranger says of the way is thrown away."""
    got = passed(
        gate,
        auto,
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Port: 443",
        "Forwarded: for=1.2.3.4;proto=https",
    )
    assert got.get("x-forwarded-for") == "127.0.0.1"
    assert got.get("x-forwarded-proto") == "http"
    assert got.get("x-forwarded-host") == "a.example"
    assert got.get("x-forwarded-port") == str(gate.port())
    assert got.get("forwarded") == "for=127.0.0.1;proto=http;host=a.example"


def test_a_trusted_proxy_is_believed_and_added_to(gate: Gate, auto: AutoUpstream) -> None:
    got = passed(
        gate,
        auto,
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: shop.example",
        "X-Forwarded-Port: 443",
        "Forwarded: for=203.0.113.7;proto=https",
        trusted=True,
    )
    assert got.get("x-forwarded-for") == "203.0.113.7, 127.0.0.1"
    assert got.get("x-forwarded-proto") == "https"
    assert got.get("x-forwarded-host") == "shop.example"
    assert got.get("x-forwarded-port") == "443"
    assert got.get("forwarded") == "for=203.0.113.7;proto=https;host=shop.example, for=127.0.0.1"
    assert gate.written(path="/")[-1]["peer"] == "203.0.113.7", "the client, not the proxy"


@pytest.mark.parametrize(
    "said",
    [
        ["X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.2.3", "X-Forwarded-Proto: https", "X-Forwarded-Host: b.example"],
        ["Forwarded: for=6.6.6.6;host=evil, for=203.0.113.7;proto=https;host=b.example, for=10.1.2.3;proto=http"],
    ],
    ids=["X-Forwarded-For", "Forwarded"],
)
def test_the_upstream_hears_the_same_in_both(gate: Gate, auto: AutoUpstream, said: list[str]) -> None:
    """Whichever the proxy writes; and what anybody may have written left of the client does not go on."""
    got = passed(gate, auto, *said, trusted=True)
    assert got.get("x-forwarded-for") == "203.0.113.7, 10.1.2.3, 127.0.0.1"
    assert got.get("forwarded") == "for=203.0.113.7;proto=https;host=b.example, for=10.1.2.3, for=127.0.0.1"
    assert (got.get("x-forwarded-proto"), got.get("x-forwarded-host")) == ("https", "b.example")


def test_what_a_client_adds_to_its_proxys_list_is_not_believed(gate: Gate, auto: AutoUpstream) -> None:
    """The proxy writes the one list, and passes the other on from a client that names itself rightly."""
    forged = "Forwarded: for=203.0.113.7;proto=https;host=evil.example"
    got = passed(gate, auto, "X-Forwarded-For: 203.0.113.7", forged, trusted=True)
    assert got.get("forwarded") == "for=203.0.113.7;proto=http;host=a.example, for=127.0.0.1"
    assert (got.get("x-forwarded-proto"), got.get("x-forwarded-host")) == ("http", "a.example")
    more = ["X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "X-Forwarded-Port: 1"]
    got = passed(gate, auto, "Forwarded: for=203.0.113.7", *more, trusted=True)
    assert got.get("forwarded") == "for=203.0.113.7;proto=http;host=a.example, for=127.0.0.1"
    assert (got.get("x-forwarded-proto"), got.get("x-forwarded-host")) == ("http", "a.example")
    assert got.get("x-forwarded-port") == str(gate.port())


def test_a_trusted_proxy_that_says_nothing_is_the_client(gate: Gate, auto: AutoUpstream) -> None:
    got = passed(gate, auto, trusted=True)
    assert got.get("x-forwarded-for") == "127.0.0.1"
    assert got.get("x-forwarded-host") == "a.example"


def test_only_the_nearest_stranger_counts(gate: Gate, auto: AutoUpstream) -> None:
    """What stands left of the first address that is no trusted proxy may be invented."""
    passed(gate, auto, "X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.2.3", trusted=True)
    assert gate.written(path="/")[-1]["peer"] == "203.0.113.7"


def test_two_stories_of_the_way_are_refused(gate: Gate, auto: AutoUpstream) -> None:
    listener = bundles.listener(trusted=TRUSTED)
    gate.load(bundles.bundle([bundles.api()], [bundles.upstream(auto.port)], listeners=[listener]))
    two = [
        ["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.8"],
        ["X-Forwarded-For: 203.0.113.7", "Forwarded: proto=https"],
        ["X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7;proto=http"],
        ["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Host: a.example", "Forwarded: for=203.0.113.7;host=b.example"],
    ]
    for said in two:
        refusal = gate.client().get("/", *said)
        assert (refusal.status, refusal.reason) == (400, "forwarded-conflict"), said
    assert auto.requests == []
    gate.refused("forwarded-conflict", len(two))


def test_a_request_id_is_ours_and_the_same_everywhere(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(bundles.plain(auto.port))
    got = gate.client().get("/", "X-Request-Id: mine")
    assert got.get("x-request-id") == auto.requests[-1].get("x-request-id") == got.id
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", got.id), "an id that sorts by time"
    assert gate.event(got.id)["path"] == "/"


def test_an_upstream_cannot_rename_the_request(gate: Gate) -> None:
    with AutoUpstream(lambda _message: answer(b"ok", "X-Request-Id: theirs")) as upstream:
        gate.load(bundles.plain(upstream.port))
        assert gate.client().get().id == upstream.requests[-1].get("x-request-id")


def test_via_names_the_gate(gate: Gate, auto: AutoUpstream) -> None:
    assert passed(gate, auto).get("via") == "1.1 lockgate"
    assert passed(gate, auto, "Via: 1.0 fred").all("via") == ["1.0 fred", "1.1 lockgate"]


def test_a_trace_is_begun(gate: Gate, auto: AutoUpstream) -> None:
    got = passed(gate, auto, "tracestate: a=1")
    told = got.get("traceparent")
    assert told is not None
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", told)
    assert got.get("tracestate") is None, "without a trace it means nothing"
    assert gate.event(got.id)["trace"] == told[3:35]


def test_a_trace_is_continued(gate: Gate, auto: AutoUpstream) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    got = passed(gate, auto, f"traceparent: 00-{trace}-{span}-01", "tracestate: a=1")
    told = got.get("traceparent")
    assert told is not None
    version, same, ours, flags = told.split("-")
    assert (version, same, flags) == ("00", trace, "01")
    assert ours != span
    assert got.get("tracestate") == "a=1"
    assert gate.event(got.id)["trace"] == trace


@pytest.mark.parametrize(
    "told", ["00-" + "0" * 32 + "-00f067aa0ba902b7-01", "garbage", "ff-" + "a" * 32 + "-" + "b" * 16]
)
def test_a_trace_that_is_none_is_begun_anew(gate: Gate, auto: AutoUpstream, told: str) -> None:
    got = passed(gate, auto, f"traceparent: {told}").get("traceparent")
    assert got is not None
    assert got != told
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", got)


def test_a_trailer_says_nothing_of_who_is_calling(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(
        request("/", "Transfer-Encoding: chunked", "Trailer: X-User-Id", method="POST"),
        chunked(b"hello", trailers="X-User-Id: admin\r\n"),
    )
    refusal = client.message()
    assert (refusal.status, refusal.reason) == (400, "framing-trailer-field")


def test_a_trailer_says_nothing_in_a_field_that_a_policy_has_settled(gate: Gate, upstream: Upstream) -> None:
    """An upstream that merges trailers into the head would take a client's word for the gate's."""
    changes: RequestChanges = {
        "remove": ["X-Debug"],
        "set": {"X-Caller": "{api}", "X-Ja4": "{ja4}"},
        "add": {},
    }
    fields = bundles.headers({"request": changes, "response": {"hide": [], "set": {}, "add": {}}})
    gate.load(bundles.bundle([bundles.api(fields=fields)], [bundles.upstream(upstream.port)]))
    client = gate.client()
    told = "X-Caller: me\r\nX_Caller: me\r\nX-Ja4: mine\r\nX-Debug: 1\r\nX-Sum: 5\r\n"
    client.send(
        request("/", "Transfer-Encoding: chunked", method="POST"),
        chunked(b"hello", trailers=told),
    )
    _, message = upstream.serve(answer())
    assert message.get("x-caller") == "shop"
    assert [(name.lower(), value) for name, value in message.trailers] == [("x-sum", "5")]


def test_a_key_goes_to_no_upstream_not_even_of_an_api_that_wants_none(gate: Gate, auto: AutoUpstream) -> None:
    """An upstream that saw it could use it at the API that it is for."""
    shop = bundles.api("shop", "/shop", keys=[bundles.api_key()])
    gate.load(bundles.bundle([shop, bundles.api("open", "/open")], [bundles.upstream(auto.port)]))
    key = gate.key(1)
    client = gate.client()
    assert client.get("/shop", f"X-API-Key: {key}").status == 200
    assert client.get("/open", f"X-API-Key: {key}").status == 200
    assert client.get("/open", "X-API-Key: theirs").status == 200
    assert [message.get("x-api-key") for message in auto.requests] == [None, None, "theirs"]


def test_a_request_of_http_1_0_without_a_host_gets_the_upstreams(gate: Gate, auto: AutoUpstream) -> None:
    """It goes on as HTTP/1.1, which wants one (RFC 9112, 3.2)."""
    gate.load(bundles.plain(auto.port))
    client = gate.client()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.message().status == 200
    assert auto.requests[-1].get("host") == f"127.0.0.1:{auto.port}"


def test_an_expectation_of_http_1_0_gets_no_interim_answer(gate: Gate, upstream: Upstream) -> None:
    gate.load(bundles.plain(upstream.port))
    client = gate.client()
    client.send(b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    client.send(b"ok")
    upstream.serve(answer())
    assert client.message().first == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("name", ["X_Request_Id", "X.Request.Id", "Trace_Parent", "TraceParent_", "V_ia"])
def test_nobody_says_what_the_gate_says_in_another_spelling(gate: Gate, auto: AutoUpstream, name: str) -> None:
    """CGI and WSGI read both spellings as one variable."""
    ours = name in {"X_Request_Id", "X.Request.Id"}
    got = passed(gate, auto, f"{name}: theirs")
    assert (name.lower() in got.names) is not ours
    assert got.get("x-request-id") != "theirs"
