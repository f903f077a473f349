"""Where the admin API may listen."""

from __future__ import annotations

import socket

import pytest

from lockgate.admin.listen import CannotStartError, bind, name_of


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "127.0.0.9:0"])
def test_loopback_addresses_are_taken(address: str) -> None:
    with bind(address) as listener:
        host, _, port = name_of(listener).rpartition(":")
        assert host.startswith("127.")
        assert int(port) > 0


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_loopback_is_written_in_brackets() -> None:
    try:
        listener = bind("[::1]:0")
    except CannotStartError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        assert name_of(listener).startswith("[::1]:")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.1:8081", "[::]:0"])
def test_any_other_address_is_refused_with_what_to_do(address: str) -> None:
    with pytest.raises(CannotStartError, match="SSH tunnel"):
        bind(address)


def test_a_taken_port_is_named() -> None:
    with bind("127.0.0.1:0") as taken, pytest.raises(CannotStartError, match=r"another port") as refused:
        bind(name_of(taken))
    assert "in use" in str(refused.value)
