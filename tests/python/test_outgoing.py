"""The one way out: what it calls, what it refuses to call, and what it bounds."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.outgoing import Answer, Outgoing, OutgoingError, Rules, client, embedded, public, transport
from support.issuer import Issuer

LOOPBACK = Rules((ipaddress.ip_network("127.0.0.0/8"),))


@pytest.fixture
def server() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def get(url: str, rules: Rules = LOOPBACK, **more: Any) -> Answer:
    return asyncio.run(Outgoing(rules).get(url, **more))


def refusal(url: str, rules: Rules = LOOPBACK, **more: Any) -> str:
    with pytest.raises(OutgoingError) as refused:
        get(url, rules, **more)
    return str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104 -- Judged, never bound.
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001::1",
        "fe80::1",
        "fe80::1%1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "100::1",
        "2001:db8::1",
    ],
)
def test_what_is_not_public(address: str) -> None:
    assert not public(ipaddress.ip_address(address))
    assert not Rules().permits(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.216.34",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "64:ff9b::808:808",
        "::ffff:8.8.8.8",
    ],
)
def test_what_is_public(address: str) -> None:
    assert public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_every_way_to_write_an_address_is_judged_alike(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for other in (
        0xFFFF << 32 | number,
        int(ipaddress.IPv6Address("64:ff9b::")) | number,
        0x2002 << 112 | number << 80,
    ):
        wrapped = ipaddress.IPv6Address(other)
        assert embedded(wrapped) == address
        assert public(wrapped) == public(address)


def test_an_allowed_network_holds_in_each_spelling_and_no_further() -> None:
    rules = Rules((ipaddress.ip_network("10.0.0.0/8"),))
    assert rules.permits(ipaddress.ip_address("10.1.1.1"))
    assert rules.permits(ipaddress.ip_address("::ffff:10.1.1.1"))
    assert not rules.permits(ipaddress.ip_address("127.0.0.1"))
    assert not rules.permits(ipaddress.ip_address("192.168.1.1"))


def test_an_allowed_address_is_called(server: Issuer) -> None:
    answer = get(f"{server.url}/keys")
    assert (answer.status, b'"keys"' in answer.body) == (200, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001"])
def test_loopback_is_refused_however_it_is_written(host: str, server: Issuer) -> None:
    for scheme in ("http", "https"):
        said = refusal(f"{scheme}://{host}:{server.port}/keys", Rules())
        assert "no public address" in said or "not encrypted" in said or "resolved" in said
    assert server.fetches == []


def test_plain_http_to_a_public_address_is_refused() -> None:
    assert "not encrypted" in refusal("http://192.0.2.1/keys")
    assert "not encrypted" in refusal("http://8.8.8.8/keys")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "https://",
        "https://u:p@127.0.0.1/",
        "http://127.0.0.1:0/",
        "x",
        "http://[::1/",
    ],
)
def test_what_is_no_url_to_call_is_refused(url: str) -> None:
    assert "p@" not in refusal(url)


def test_the_address_that_was_checked_is_the_one_that_is_called(
    server: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to something else at each look gains nothing."""
    looks = []

    async def resolve(host: str, port: int, rules: Rules, *, plain: bool = False) -> list[Any]:
        looks.append(host)
        return [ipaddress.ip_address("127.0.0.1")]

    monkeypatch.setattr(transport, "resolve", resolve)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("resolved a second time"))
    answer = get(f"http://rebinding.example:{server.port}/keys")
    assert (answer.status, looks) == (200, ["rebinding.example"])


def test_redirects_are_followed_checked_and_counted(server: Issuer) -> None:
    server.answers["/a"] = (302, {"Location": "/keys"}, b"")
    assert get(f"{server.url}/a").status == 200
    for target, word in [
        ("http://169.254.169.254/latest", "not encrypted"),
        ("https://169.254.169.254/latest", "no public address"),
        ("file:///etc/passwd", "not an https URL"),
        ("/loop", "redirects"),
    ]:
        server.answers["/loop"] = (302, {"Location": target}, b"")
        assert word in refusal(f"{server.url}/loop")


def test_a_request_with_a_body_is_sent_once_and_not_elsewhere(server: Issuer) -> None:
    server.answers["/a"] = (307, {"Location": "/keys"}, b"")

    def sent(**more: Any) -> Answer:
        return asyncio.run(Outgoing(LOOPBACK).send("GET", f"{server.url}/a", content=b"{}", **more))

    with pytest.raises(OutgoingError, match=r"redirect to .*/keys`, which is not followed"):
        sent()
    assert server.fetches == ["/a"]
    server.answers["/a"] = (400, {"Replay-Nonce": "abc"}, b"no")
    answer = sent(headers={"Accept": "application/json"}, limit=2)
    assert (answer.status, answer.headers["replay-nonce"], answer.body) == (400, "abc", b"no")
    with pytest.raises(OutgoingError, match="more than 1 bytes"):
        sent(limit=1)
    server.hold.clear()
    with pytest.raises(OutgoingError, match=r"did not answer within 0\.2 s"):
        sent(seconds=0.2)


def test_an_answer_is_bounded_in_size(server: Issuer) -> None:
    server.answers["/large"] = (200, {}, b"x" * 5000)
    assert get(f"{server.url}/large", limit=5000).body == b"x" * 5000
    assert "more than 4999 bytes" in refusal(f"{server.url}/large", limit=4999)


def test_an_answer_that_unpacks_is_refused(server: Issuer) -> None:
    server.answers["/bomb"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * 10**6))
    assert "encoding" in refusal(f"{server.url}/bomb")


def test_an_answer_that_does_not_come_is_given_up(server: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TOTAL_SECONDS", 0.2)
    server.hold.clear()
    assert "did not answer" in refusal(f"{server.url}/keys")


def test_nothing_out_of_the_environment_is_used(server: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert get(f"{server.url}/keys").status == 200


def test_cookies_are_not_kept(server: Issuer) -> None:
    server.answers["/a"] = (302, {"Location": "/keys", "Set-Cookie": "a=b"}, b"")
    assert get(f"{server.url}/a").status == 200
    assert server.fetches == ["/a", "/keys"]
    assert server.cookies == []


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        said = refusal(f"http://127.0.0.1:{taken.getsockname()[1]}/keys")
    assert "cannot be reached" in said
    assert "\n" not in said


def test_a_name_that_does_not_resolve_is_told() -> None:
    assert "cannot be resolved" in refusal("https://nothing.invalid/keys")


def test_secrets_of_a_url_are_not_told() -> None:
    assert "hush" not in refusal("https://127.0.0.1:1/keys?token=hush", Rules())
