"""Mails with links: by a program, by a call to a hook, or to a mail server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import smtplib
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from typing import Final
from urllib.parse import urlsplit

from lockgate.config.model_people import is_loopback
from lockgate.config.people import MailWay
from lockgate.outgoing import Outgoing, OutgoingError

SECONDS: Final = 20.0
SAID_BYTES: Final = 4_096


class MailError(Exception):
    """It did not go out; the message is for the operator, and says nothing of the link."""


@dataclass(frozen=True, slots=True)
class Message:
    """A mail."""

    to: str
    subject: str
    text: str = field(repr=False)
    """There is a link in it that opens an account."""
    kind: str
    """`invitation` or `reset`."""
    user: str


async def send(
    way: MailWay,
    message: Message,
    outgoing: Outgoing,
    secret: Callable[[str], str],
    pool: Executor | None = None,
) -> None:
    """Send it; raises `MailError`. `secret` reads what a reference names, and blocks.

    Mail servers are spoken to in threads of `pool`: one that lets its clients wait holds up nothing else.
    """
    try:
        async with asyncio.timeout(SECONDS):
            if way.command:
                await _by_command(way.command, message)
            elif way.url is not None:
                await _by_hook(way.url, await asyncio.to_thread(secret, way.secret or ""), message, outgoing)
            else:
                password = None if way.password is None else await asyncio.to_thread(secret, way.password)
                await asyncio.get_running_loop().run_in_executor(pool, _by_server, way, password, message)
    except TimeoutError:
        raise MailError(f"it took longer than {SECONDS:.0f} s") from None
    except ValueError as error:
        raise MailError(str(error)) from error


async def _by_command(command: tuple[str, ...], message: Message) -> None:
    try:
        running = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise MailError(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        _, said = await running.communicate(json.dumps(asdict(message)).encode())
    finally:
        if running.returncode is None:
            # With all that it has started: it leads a session of its own.
            os.killpg(running.pid, signal.SIGKILL)
            await running.wait()
    if running.returncode:
        words = said[:SAID_BYTES].decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise MailError(f"{command[0]} ended with {running.returncode}: {words[:200]}")


async def _by_hook(url: str, secret: str, message: Message, outgoing: Outgoing) -> None:
    body = json.dumps(asdict(message)).encode()
    headers = {
        "Content-Type": "application/json",
        **signature(secret, body, f"msg_{secrets.token_hex(12)}", time.time()),
    }
    try:
        answer = await outgoing.send("POST", url, headers=headers, content=body, limit=SAID_BYTES, seconds=SECONDS / 2)
    except OutgoingError as error:
        raise MailError(str(error)) from error
    if not 200 <= answer.status < 300:
        raise MailError(f"{urlsplit(url).hostname} answers {answer.status}")


def signature(secret: str, body: bytes, number: str, now_s: float) -> dict[str, str]:
    """The headers of Standard Webhooks: an HMAC-SHA256 of number, time and body."""
    key = secret.encode()
    if secret.startswith("whsec_"):
        key = base64.b64decode(secret.removeprefix("whsec_"))
    at = str(int(now_s))
    made = hmac.digest(key, b".".join((number.encode(), at.encode(), body)), hashlib.sha256)
    return {
        "webhook-id": number,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }


def _by_server(way: MailWay, password: str | None, message: Message) -> None:
    mail = EmailMessage(policy=SMTP_LINES)
    try:
        mail["From"] = Address(addr_spec=way.sender or "")
        mail["To"] = Address(addr_spec=message.to)
        mail["Subject"] = message.subject
    except (ValueError, IndexError, MessageError) as error:
        raise MailError(f"this is no address of a mailbox: {error}") from error
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    parts = urlsplit(way.smtp or "")
    context = ssl.create_default_context(cafile=way.trust)
    try:
        if parts.scheme == "smtps":
            with smtplib.SMTP_SSL(
                parts.hostname or "", parts.port or 465, timeout=SECONDS / 2, context=context
            ) as server:
                _hand_over(server, way, password, mail)
            return
        with smtplib.SMTP(parts.hostname or "", parts.port or 587, timeout=SECONDS / 2) as server:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif not is_loopback(way.smtp or ""):
                raise MailError("the mail server offers no TLS: links that open accounts are not sent in the clear")
            _hand_over(server, way, password, mail)
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(f"{type(error).__name__}: {error}"[:300]) from error


def _hand_over(server: smtplib.SMTP, way: MailWay, password: str | None, mail: EmailMessage) -> None:
    if way.user is not None and password is not None:
        server.login(way.user, password)
    server.send_message(mail)
