"""A server behind `passthrough`, which ends TLS itself."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from support.certificates import Issued

Refusal = Literal["closes", "resets", "alerts"]
"""What a server does with hellos for other names than `db.example`."""


@contextmanager
def ending(issued: Issued, refusal: Refusal | None = None) -> Iterator[int]:
    """A server that ends TLS itself, says which name it was asked for, and echoes what it is told."""
    how = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    how.load_cert_chain(issued.chain, issued.key)
    asked: dict[int, str | None] = {}

    def hear(ours: object, name: str | None, _how: ssl.SSLContext) -> int | None:
        asked[id(ours)] = name
        if refusal is None or name == "db.example":
            return None
        assert isinstance(ours, ssl.SSLSocket)
        if refusal == "resets":
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if refusal != "alerts":
            # Before OpenSSL has a word to say; what it says goes nowhere, and not into what gets the number next.
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), ours.fileno())
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    how.sni_callback = hear

    def converse(raw: socket.socket) -> None:
        try:
            with how.wrap_socket(raw, server_side=True) as sock:
                sock.sendall(f"{asked.pop(id(sock), None)}\n".encode())
                while said := sock.recv(2**16):
                    sock.sendall(said)
        except OSError:
            raw.close()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:

        def serve() -> None:
            while True:
                try:
                    raw, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=converse, args=(raw,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield int(listening.getsockname()[1])
