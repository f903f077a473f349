"""The client: one call, bounded in time and size, its redirects followed one by one."""

from __future__ import annotations

import asyncio
import http.cookiejar
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from lockgate.outgoing.addresses import OutgoingError, Rules

if TYPE_CHECKING:
    import httpx

TOTAL_SECONDS: Final = 10.0
"""A call and all of its redirects; issuers answer within one second or are down."""
CONNECT_SECONDS: Final = 5.0
ANSWER_BYTES: Final = 2**20
"""A key set of 64 keys with certificates has some 200 KiB."""
REDIRECTS: Final = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    url: str
    """Of the last hop."""
    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = field(repr=False)


class Outgoing:
    """The client. One for the control process; every call opens a connection of its own."""

    def __init__(self, rules: Rules) -> None:
        """`rules` say where calls may go."""
        self.rules = rules
        self._context: ssl.SSLContext | None = None

    async def get(
        self, url: str, *, accept: str = "application/json", limit: int = ANSWER_BYTES, redirects: int = REDIRECTS
    ) -> Answer:
        """Get `url`; raises `OutgoingError` for whatever keeps it from being had."""
        return await self._call("GET", url, {"Accept": accept}, None, limit, redirects, TOTAL_SECONDS)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        limit: int = ANSWER_BYTES,
        seconds: float = TOTAL_SECONDS,
        signed: bool = False,
    ) -> Answer:
        """Send one request; raises `OutgoingError` as `get` does, and for a redirect.

        `limit` bounds the answer in bytes, `seconds` the whole call. A request that is signed
        for one URL is nothing that another should be given, so a redirect ends the call.
        `signed` says that the caller verifies the answer's own signature: then it may come
        over `http://` from wherever it may come over `https://`.
        """
        return await self._call(method, url, headers or {}, content, limit, 0, seconds, signed=signed)

    async def _call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        limit: int,
        redirects: int,
        seconds: float,
        *,
        signed: bool = False,
    ) -> Answer:
        import httpx

        try:
            async with asyncio.timeout(seconds):
                return await self._follow(method, url, headers, content, limit, redirects, seconds, signed=signed)
        except TimeoutError as error:
            raise OutgoingError(f"{_shown(url)} did not answer within {seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise OutgoingError(f"{_shown(url)}: {str(error) or type(error).__name__}") from error

    async def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        limit: int,
        redirects: int,
        seconds: float,
        *,
        signed: bool,
    ) -> Answer:
        import httpx

        from lockgate.outgoing.transport import CheckedTransport

        async with httpx.AsyncClient(
            transport=CheckedTransport(self.rules, self._tls(), signed=signed),
            timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            headers={"Accept-Encoding": "identity", "User-Agent": "lockgate", **headers},
            trust_env=False,
            follow_redirects=False,
            cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[])),
        ) as client:
            for _ in range(redirects + 1):
                check_url(url)
                async with client.stream(method, url, content=content) as response:
                    if response.has_redirect_location:
                        target = urljoin(url, response.headers["location"])
                        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                            raise OutgoingError(f"{_shown(url)} leads from https to {_shown(target)}")
                        url = target
                        continue
                    body = await _read(response, url, limit)
                    found = {name.lower(): value for name, value in response.headers.items()}
                    return Answer(url, response.status_code, found, body)
            if redirects == 0:
                raise OutgoingError(f"the answer is a redirect to {_shown(url)}, which is not followed")
            raise OutgoingError(f"{_shown(url)}: more than {redirects} redirects")

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = ssl.create_default_context(cafile=self.rules.trust)
            except (OSError, ssl.SSLError) as error:
                raise OutgoingError(
                    f"the certificates to trust ({self.rules.trust}) cannot be read: {error}"
                ) from error
        return self._context


async def _read(response: httpx.Response, url: str, limit: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        # Not asked for; and a small answer could unpack to a large one.
        raise OutgoingError(f"{_shown(url)} answers in an encoding that was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise OutgoingError(f"{_shown(url)} answers with more than {limit} bytes")
    return bytes(body)


def check_url(url: str) -> None:
    """Refuse what is no plain http(s) URL; raises `OutgoingError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OutgoingError(f"{_shown(url)} is not a URL") from error
    if parts.scheme not in {"https", "http"} or not host or port == 0:
        raise OutgoingError(f"{_shown(url)} is not an https URL")
    if parts.username is not None or parts.password is not None:
        raise OutgoingError("a URL with a name or password in it is not called")


def _shown(url: str) -> str:
    """A URL as a message may quote it: without what could be a secret, and short."""
    parts = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = parts.partition("://")
    rest = rest.rpartition("@")[2] if "@" in rest.partition("/")[0] else rest
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in scheme + separator + rest)
    return f"`{text if len(text) <= 200 else text[:197] + '…'}`"
