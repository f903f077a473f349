"""Unix sockets under names of any length, and who is at the other end."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from lockgate.gate.sockets import NAME_MAX_BYTES, SocketNameError, peer_is_same_user, socket_name

LINUX = sys.platform.startswith("linux")


def test_a_short_name_is_used_as_it_is(tmp_path: Path) -> None:
    with socket_name(Path("/short/link.sock")) as name:
        assert name == "/short/link.sock"


@pytest.mark.skipif(not LINUX, reason="only Linux has /proc/self/fd")
def test_a_folder_of_any_depth_can_hold_the_socket(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-rather-long-name"] * 8)
    folder.mkdir(parents=True)
    path = folder / "link.sock"
    assert len(os.fsencode(path)) > 108
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        with socket_name(path) as name:
            assert len(name) <= NAME_MAX_BYTES
            listener.bind(name)
        listener.listen()
        assert path.is_socket()
        with socket_name(path) as name:
            client.connect(name)
        accepted, _ = listener.accept()
        with accepted:
            assert peer_is_same_user(accepted)
            assert peer_is_same_user(client)


def test_where_there_is_no_such_way_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SocketNameError, match="--state"), socket_name(tmp_path / ("x" * 120)):
        pytest.fail("a name too long was accepted")


@pytest.mark.skipif(not LINUX, reason="only Linux has SO_PEERCRED")
def test_another_users_process_is_known_as_such() -> None:
    class Foreign:
        def getsockopt(self, *_: int) -> bytes:
            return struct.pack("3i", 1, os.geteuid() + 1, 1)

    assert not peer_is_same_user(Foreign())  # type: ignore[arg-type]
