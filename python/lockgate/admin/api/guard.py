"""What every request to the admin API passes before any resource sees it.

In this order: a Host that is ours (or a page on another name could be made to
point here, DNS rebinding), no foreign Origin (or any page open in the same
browser could talk to us), the credential, and a bounded body. There is no
CORS: no other site has business here. Each refusal is counted.
"""

import hmac
from collections.abc import Iterable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockgate.admin.api.problems import Problem
from lockgate.admin.control import Counters
from lockgate.printable import printable

BODY_BYTES = 4 * 1024 * 1024
"""The largest thing anybody has to send is a batch of 5,000 keys to import, about 2 MB."""

LOGGED = 200
"""Characters of a stranger's words that a log line repeats; none of them may drive a terminal."""

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What a probe may ask without the credential: they tell nothing but up or down."""

HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]

log = structlog.get_logger("lockgate.control")


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, *, token: str, address: str, counters: Counters) -> None:
        """`address` is where the API really listens."""
        self._app = app
        self._token = token.encode()
        self._hosts = _own_hosts(address)
        self._origins = {f"http://{host}" for host in self._hosts}
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let through."""
        if scope["type"] != "http":
            return
        body = _Body(receive)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
                self._counters.answered(scope["method"], message["status"])
            await send(message)

        async def answer_of_app(message: Message) -> None:
            # What a resource says of a body that was cut off is not what is to be said.
            if not body.too_large:
                await answer(message)

        try:
            self._check(scope)
            try:
                await self._app(scope, body.receive, answer_of_app)
            except Exception:
                if not body.too_large:
                    raise
            if body.too_large:
                raise Problem("admin-body-too-large", f"A body has at most {BODY_BYTES} bytes.")  # noqa: TRY301
        except Problem as problem:
            self._counters.refused(problem.code)
            method, path = (printable(scope[name])[:LOGGED] for name in ("method", "path"))
            log.warning("admin-refused", code=problem.code, method=method, path=path)
            await problem.response()(scope, receive, answer)

    def _check(self, scope: Scope) -> None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._check_host(_values(headers, b"host"))
        self._check_origin(_values(headers, b"origin"), _values(headers, b"sec-fetch-site"))
        if scope["path"] not in OPEN_PATHS:
            self._check_credential(_values(headers, b"authorization"))
        for length in _values(headers, b"content-length"):
            if length.isdigit() and int(length) > BODY_BYTES:
                raise Problem("admin-body-too-large", f"A body has at most {BODY_BYTES} bytes.")

    def _check_host(self, hosts: list[str]) -> None:
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            known = ", ".join(sorted(self._hosts))
            raise Problem("admin-host-unknown", f"Ask under one of its own names: {known}.")

    def _check_origin(self, origins: list[str], sites: list[str]) -> None:
        foreign = [origin for origin in origins if origin.lower() not in self._origins]
        if foreign or any(site not in {"same-origin", "none"} for site in sites):
            raise Problem("admin-origin-foreign", "Pages of other sites may not use the admin API.")

    def _check_credential(self, given: list[str]) -> None:
        challenge = {"WWW-Authenticate": 'Bearer realm="lockgate-admin"'}
        if not given:
            raise Problem(
                "admin-credential-missing",
                "Send `Authorization: Bearer …` with what the state folder's admin.token holds.",
                headers=challenge,
            )
        scheme, _, token = given[0].partition(" ")
        good = hmac.compare_digest(token.strip().encode("utf-8", "surrogateescape"), self._token)
        if len(given) != 1 or scheme.lower() != "bearer" or not good:
            raise Problem(
                "admin-credential-wrong",
                "The credential is in the state folder's admin.token; it may have been made anew.",
                headers=challenge,
            )


def _own_hosts(address: str) -> frozenset[str]:
    host, _, port = address.rpartition(":")
    names = {"127.0.0.1", "localhost", "[::1]", host}
    hosts = {f"{name}:{port}" for name in names}
    if port == "80":
        hosts.update(names)
    return frozenset(hosts)


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


class _Body:
    """Stops a body that says nothing of its length, or lies about it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received = 0
        self.too_large = False

    async def receive(self) -> Message:
        """The next piece; beyond the limit the client seems gone, so that whoever reads stops."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > BODY_BYTES:
                self.too_large = True
                return {"type": "http.disconnect"}
        return message
