"""Mails with links: a program, a hook that verifies by another implementation, and a real mail server."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from standardwebhooks import Webhook, WebhookVerificationError

from lockgate.config.people import MailWay
from lockgate.identity.mail import MailError, Message, send
from lockgate.outgoing import Outgoing, Rules
from support.certificates import Authority
from support.ports import free_port

LINK = "https://portal.example.com/.lockgate/staff/link?t=secret"
MAIL = Message("ann@example.com", "Your invitation", f"Hello Ann,\n\n{LINK}\n", "invitation", "ann")
NONE: dict[str, Any] = dict.fromkeys(("url", "secret", "smtp", "sender", "user", "password", "trust")) | {"command": ()}
HERE = Outgoing(Rules((ip_network("127.0.0.0/8"),)))


def hand_over(message: Message = MAIL, outgoing: Outgoing = HERE, secret: str = "hush", **said: Any) -> None:
    asyncio.run(send(MailWay(**{**NONE, **said}), message, outgoing, lambda _: secret))


def test_a_program_is_given_the_mail_and_no_shell_is_between(tmp_path: Path) -> None:
    script = tmp_path / "mail"
    script.write_text(f'#!/bin/sh\ncat > {tmp_path}/sent\nprintf %s "$1" > {tmp_path}/word\n')
    script.chmod(0o755)
    hand_over(command=(str(script), "$(id); x"))
    assert json.loads((tmp_path / "sent").read_text())["text"] == MAIL.text
    assert (tmp_path / "word").read_text() == "$(id); x"


@pytest.mark.parametrize(
    ("body", "words"),
    [("exit 3", "ended with 3"), ("echo it broke >&2; exit 1", "it broke"), (None, "cannot be started")],
)
def test_a_program_that_fails_is_told(tmp_path: Path, body: str | None, words: str) -> None:
    script = tmp_path / "mail"
    if body is not None:
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    with pytest.raises(MailError, match=words) as refused:
        hand_over(command=(str(script),))
    assert "secret" not in str(refused.value)


def test_a_program_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.identity.mail.SECONDS", 0.2)
    with pytest.raises(MailError, match="longer"):
        hand_over(command=("sleep", "1000"))


@contextmanager
def hook(status: int = 200) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()
        thread.join()


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_hook_knows_whose_words_they_are() -> None:
    with hook() as (url, got):
        hand_over(url=url, secret=SECRET)
    [(headers, body)] = got
    assert Webhook(SECRET).verify(body, headers)["user"] == "ann"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"ann", b"bob"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**headers, "webhook-timestamp": "1"})


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_hook_that_does_not_take_it_is_told(status: int) -> None:
    with hook(status) as (url, got), pytest.raises(MailError):
        hand_over(url=url, secret=SECRET)
    assert len(got) == 1


def test_a_hook_is_called_where_outgoing_allows_it() -> None:
    with hook() as (url, got), pytest.raises(MailError):
        hand_over(url=url, secret=SECRET, outgoing=Outgoing(Rules()))
    assert got == []


class Box:
    """What a mail server has taken."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Any]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- The library's name.
        self.mails.append((envelope.rcpt_tos[0], message_from_bytes(envelope.content)))
        return "250 OK"


def knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    ours = isinstance(data, LoginPassword) and (data.login, data.password) == (b"portal", b"hush")
    return AuthResult(success=ours)


@contextmanager
def mail_server(folder: Path, *, how: str) -> Iterator[tuple[str, Box, Path]]:
    """A real one on this machine: `plain`, `starttls` or `smtps`."""
    authority = Authority(folder)
    own = authority.issue("mail", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.chain, own.key)
    box, port = Box(), free_port()

    class Made(Controller):
        def factory(self) -> SMTP:
            more: dict[str, Any] = {"authenticator": knows, "auth_require_tls": how != "smtps"}
            if how == "starttls":
                more |= {"tls_context": context, "require_starttls": True, "auth_required": True}
            return SMTP(box, hostname="localhost", **more)

        def _trigger_server(self) -> None:
            """Its first client, for which it begins: with TLS that one wants a client's context."""
            with socket.create_connection(("127.0.0.1", port), 10) as first:
                if how == "smtps":
                    trusting = ssl.create_default_context(cafile=str(authority.pem))
                    with trusting.wrap_socket(first, server_hostname="localhost") as spoken:
                        spoken.recv(1_024)
                else:
                    first.recv(1_024)

    server = Made(box, hostname="127.0.0.1", port=port, ssl_context=context if how == "smtps" else None)
    server.start()
    try:
        yield f"{'smtps' if how == 'smtps' else 'smtp'}://localhost:{port}", box, authority.pem
    finally:
        server.stop()


ACCOUNT: dict[str, Any] = {"sender": "portal@example.com", "user": "portal", "password": "env:X"}


def test_a_mail_server_is_spoken_to_with_tls(tmp_path: Path) -> None:
    with mail_server(tmp_path, how="starttls") as (smtp, box, trust):
        hand_over(smtp=smtp, trust=str(trust), **ACCOUNT)
        with pytest.raises(MailError):
            hand_over(smtp=smtp, trust=str(trust), secret="wrong", **ACCOUNT)
        with pytest.raises(MailError, match=r"(?i)certificate"):
            hand_over(smtp=smtp, **ACCOUNT)
    [(to, mail)] = box.mails
    assert (to, mail["From"], mail["Subject"]) == ("ann@example.com", "portal@example.com", "Your invitation")
    assert LINK in mail.get_payload(decode=True).decode()
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_mail_server_with_tls_from_the_first_byte(tmp_path: Path) -> None:
    with mail_server(tmp_path, how="smtps") as (smtp, box, trust):
        hand_over(smtp=smtp, trust=str(trust), sender="portal@example.com")
        with pytest.raises(MailError, match=r"(?i)certificate"):
            hand_over(smtp=smtp, sender="portal@example.com")
    assert len(box.mails) == 1


def test_without_tls_nothing_leaves_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(tmp_path, how="plain") as (smtp, box, _):
        hand_over(smtp=smtp, sender="portal@example.com")
        monkeypatch.setattr("lockgate.identity.mail.is_loopback", lambda _: False)
        with pytest.raises(MailError, match="no TLS"):
            hand_over(smtp=smtp, sender="portal@example.com")
    assert len(box.mails) == 1


@pytest.mark.parametrize("to", ["ann@example.com\r\nBcc: evil@example.com", "ann", "a@b@c", "@example.com", ""])
def test_an_address_is_an_address(tmp_path: Path, to: str) -> None:
    with mail_server(tmp_path, how="plain") as (smtp, box, _), pytest.raises(MailError, match="address"):
        hand_over(Message(to, "s", "t", "reset", "ann"), smtp=smtp, sender="portal@example.com")
    assert box.mails == []


def test_a_server_that_is_down_and_a_secret_that_is_gone_are_told() -> None:
    with pytest.raises(MailError):
        hand_over(smtp=f"smtp://127.0.0.1:{free_port()}", sender="portal@example.com")

    def gone(_: str) -> str:
        raise ValueError("the environment has no variable X")

    with pytest.raises(MailError, match="no variable X"):
        asyncio.run(send(MailWay(**{**NONE, "smtp": "smtp://localhost", **ACCOUNT}), MAIL, HERE, gone))
