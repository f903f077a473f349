"""The port that gates on other machines come to: to enrol, and for their link.

It is the one port of the control process that strangers may reach. Until a
certificate of ours has been seen, whoever is there gets one short line in and
one out, in a few seconds, and few may be there at once.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog

from lockgate.admin.gates.authority import Authority, RequestError, bearer
from lockgate.admin.gates.registry import EnrolmentError, GateUnknownError, Registry
from lockgate.admin.link import LinkServer
from lockgate.gate.frames import message

STRANGERS: Final = 64
"""Connections at once of whom nothing is known yet; nginx's worker has 512 for everybody."""

STRANGERS_EACH: Final = 8
"""Of them from one address."""

HANDSHAKE_SECONDS: Final = 5.0
LINE_SECONDS: Final = 5.0
LINE_BYTES: Final = 16_384
"""An enrolment has a token and a certificate request, some 600 bytes."""

ENROLMENTS_AT_ONCE: Final = 2
"""Each takes the database's write lock for a moment."""

RENEW_CONTEXT_SECONDS: Final = 7 * 24 * 3600.0
"""The listener's own certificate, of a year, is made anew every week."""

BACKLOG: Final = 128

log = structlog.get_logger("lockgate.control")

Secrets = Callable[[], dict[str, str]]
"""What a gate gets with its certificate."""


class GateListener:
    """Listens while the configuration says where."""

    def __init__(self, authority: Callable[[], Authority], registry: Callable[[], Registry], link: LinkServer) -> None:
        """`authority` and `registry` are made at the first use: most installations have one machine."""
        self._authority = authority
        self._registry = registry
        self._link = link
        self._tasks: set[asyncio.Task[Any]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._strangers: Counter[str] = Counter()
        self._enrolling = asyncio.Semaphore(ENROLMENTS_AT_ONCE)
        self.address: str | None = None
        """Where it really listens."""
        self._wanted: str | None = None
        self.refused = 0
        """Connections and enrolments that were refused."""
        self.secrets: Secrets = dict

    async def apply(self, address: str | None) -> None:
        """Listen there, or nowhere. A port that cannot be had is said, and ends nothing else."""
        if address == self._wanted and (self.address is not None or address is None):
            return
        await self.stop()
        self._wanted = address
        if address is None:
            return
        try:
            listener = _bind(address)
        except OSError as error:
            log.error(  # noqa: TRY400 -- The cause says it all.
                "gates-not-listening", address=address, cause=error.strerror, hint="gates elsewhere serve on meanwhile"
            )
            return
        context = await asyncio.to_thread(lambda: self._authority().context())
        host, port = listener.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._accepting = asyncio.ensure_future(self._accept(listener, context))
        log.info("gates-listening", address=self.address)

    async def stop(self) -> None:
        """Listen no more; links that are up stay."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        self._accepting, self.address = None, None

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        await self.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        made = loop.time()
        with listener:
            while True:
                try:
                    connection, peer = await loop.sock_accept(listener)
                except OSError as error:
                    log.warning("gates-accept-failed", cause=str(error))
                    await asyncio.sleep(0.1)
                    continue
                if loop.time() - made > RENEW_CONTEXT_SECONDS:
                    context, made = await asyncio.to_thread(lambda: self._authority().context()), loop.time()
                host = str(peer[0])
                if self._strangers.total() >= STRANGERS or self._strangers[host] >= STRANGERS_EACH:
                    self.refused += 1
                    connection.close()
                    continue
                self._strangers[host] += 1
                task = asyncio.ensure_future(self._serve(connection, host, context))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, host: str, context: ssl.SSLContext) -> None:
        """A connection, from its handshake on; a stranger's place is given back as soon as it is none."""
        place = contextlib.ExitStack()
        place.callback(self._leave, host)
        writer: asyncio.StreamWriter | None = None
        try:
            with place:
                reader, writer = await _secured(connection, context)
                certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                if certificate is None:
                    await self._enrolment(reader, writer, host)
                    return
                name, serial = bearer(certificate)
                if not await asyncio.to_thread(self._registry().admits, name, serial):
                    self.refused += 1
                    log.warning("gate-refused", gate=name, address=host, cause="it was revoked, or has enrolled anew")
                    return
            await self._converse(reader, writer, name)
        except (OSError, EOFError, TimeoutError, ValueError, RecursionError, asyncio.LimitOverrunError) as error:
            # Of a stranger there is nothing that is worth a warning.
            log.debug("gates-connection-ended", address=host, cause=str(error) or type(error).__name__)
        except Exception:
            log.exception("gates-connection-failed", address=host)
        finally:
            if writer is not None:
                writer.close()
            else:
                connection.close()

    def _leave(self, host: str) -> None:
        self._strangers[host] -= 1
        if self._strangers[host] <= 0:
            del self._strangers[host]

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        session = self._link.session(reader, writer, name)

        async def renew(said: dict[str, Any]) -> None:
            try:
                issued = await asyncio.to_thread(self._registry().renew, name, str(said.get("csr")))
            except (GateUnknownError, RequestError) as error:
                log.warning("gate-not-renewed", gate=name, cause=str(error))
                return
            writer.write(message("certificate", pem=issued.pem))
            log.info("gate-renewed", gate=name)

        session.on_renew = renew
        await self._link.converse(session)

    async def _enrolment(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        """One question and one answer."""
        async with asyncio.timeout(LINE_SECONDS):
            asked = json.loads(await reader.readuntil(b"\n"))
            answer = await self._answer(asked if isinstance(asked, dict) else {}, host)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    async def _answer(self, asked: dict[str, Any], host: str) -> dict[str, Any]:
        if asked.get("type") == "authority":
            return {"type": "authority", "pem": self._authority().pem}
        token, csr = asked.get("token"), asked.get("csr")
        if asked.get("type") != "enrol" or not isinstance(token, str) or not isinstance(csr, str):
            return {"type": "refused"}
        try:
            async with self._enrolling:
                name, issued = await asyncio.to_thread(self._registry().enrol, token, csr)
        except (EnrolmentError, RequestError) as error:
            self.refused += 1
            log.warning("enrolment-refused", address=host, cause=str(error))
            return {"type": "refused"}
        log.info("gate-enrolled", gate=name, address=host)
        return {"type": "enrolled", "name": name, "pem": issued.pem, **self.secrets()}


async def _secured(
    connection: socket.socket, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """TLS over an accepted socket."""
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, connection, ssl=context, ssl_handshake_timeout=HANDSHAKE_SECONDS, ssl_shutdown_timeout=1.0
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _bind(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
