"""Httpx's way out, through a pool of httpcore's that dials only checked addresses."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, Final

import httpcore
import httpx

from lockgate.outgoing.addresses import OutgoingError, Rules, resolve

HEADER_LINES: Final = 100
"""Of an answer; servers send ten to thirty."""


class CheckedTransport(httpx.AsyncBaseTransport):
    """Between the types of httpx and those of httpcore."""

    def __init__(self, rules: Rules, context: ssl.SSLContext, *, signed: bool = False) -> None:
        """Calls go where `rules` let them; `context` verifies who answers, unless what is answered is `signed`."""
        self._signed = signed
        self._backend = _Backend(rules)
        # No connection is kept: calls are rare, and each must be checked anew.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context, network_backend=self._backend, max_keepalive_connections=0
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        self._backend.plain = request.url.scheme == "http" and not self._signed
        sent = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            got = await self._pool.handle_async_request(sent)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise httpx.TransportError(str(error) or type(error).__name__) from error
        if len(got.headers) > HEADER_LINES or not isinstance(got.stream, AsyncIterable):
            await got.aclose()
            raise httpx.TransportError(f"the answer has more than {HEADER_LINES} header lines")
        return httpx.Response(got.status, headers=got.headers, stream=_Body(got), extensions=got.extensions)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    """Resolves, checks, and connects to what was checked."""

    def __init__(self, rules: Rules) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._rules = rules
        self.plain = False

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- The signature is httpcore's.
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address that answers."""
        last: Exception | None = None
        for address in await resolve(host, port, self._rules, plain=self.plain):
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise OutgoingError(f"`{host}` cannot be reached: {last}") from last

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Never: a URL names no file."""
        raise OutgoingError("a Unix socket is not called")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    """The answer's body, in the types of httpx."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.aiter_stream():
                yield part
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise httpx.TransportError(str(error) or type(error).__name__) from error

    async def aclose(self) -> None:
        await self._response.aclose()
