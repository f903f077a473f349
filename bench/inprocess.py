"""What the middlewares add to a request: an application called directly, with and without them; no server, no socket.

An API key, a limit by client, one by address and a bound on bodies are judged;
every request is let through. Rounds take turns, so that what else the machine
does falls upon both alike; a round's number is CPU time. What is added is the
median of the differences of two rounds that stand side by side, so it need not
be the difference of the two medians before it.

Example:
    python -m bench.inprocess
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastapi
import flask
from fastapi import FastAPI, Request
from flask import Flask

from bench.machine import machine
from lockgate import asgi, wsgi
from lockgate._native import __version__
from lockgate.admin.keys import create_key

CONFIG = """\
version: 1
apis:
  shop:
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize: authenticated
    body_limit: {bytes: 64KiB}
    limits:
      - {name: per-client, by: client, allow: 1000000/s, burst: 1000000}
      - {name: per-address, by: address, allow: 1000000/s, burst: 1000000}
"""
BODY = b'{"customer": "c-000001", "lines": [%s]}' % b", ".join(b'{"sku": "LK-%03d", "count": 2}' % n for n in range(40))
HEADERS = {
    "host": "shop.example.com",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "application/json",
    "accept-language": "en-US,en;q=0.5",
    "accept-encoding": "gzip, deflate, br, zstd",
    "referer": "https://shop.example.com/orders",
    "cookie": "session=5f2d8c1e9b7a4f3c; theme=dark",
    "cache-control": "no-cache",
    "connection": "keep-alive",
    "content-type": "application/json",
}
BUDGET_US = 100.0
"""What a middleware may add to a FastAPI request."""

Run = Callable[[int], None]


@dataclass(frozen=True)
class Row:
    """One application, asked one way, without a middleware and with it."""

    name: str
    bare: Run
    judged: Run


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "lockgate.yaml"
        config.write_text(CONFIG, encoding="utf-8")
        key = create_key(Path(folder) / ".lockgate", name="bench", owner="bench").key
        rows = [
            _nothing("ASGI, nothing else", config, key),
            _fastapi("FastAPI, GET", config, key, b""),
            _fastapi("FastAPI, POST of 1.3 KB", config, key, BODY),
            _flask("Flask, GET", config, key, b""),
            _flask("Flask, POST of 1.3 KB", config, key, BODY),
        ]
        here = machine()
        print(f"lockgate {__version__}, FastAPI {fastapi.__version__}, Flask {_version()}, Python {here.python}")
        print(f"{here.cpu}, {here.cores} cores; {options.rounds} rounds of {options.requests} requests\n")
        print(f"{'':28}{'without, µs':>14}{'with, µs':>12}{'added, µs':>12}")
        for row in rows:
            bare, judged, added = _measure(row, options.rounds, options.requests)
            over = "  over its budget" if row.name.startswith("FastAPI") and added > BUDGET_US else ""
            print(f"{row.name:28}{bare:14.1f}{judged:12.1f}{added:12.1f}{over}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.inprocess", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each kind (15)")
    parser.add_argument("--requests", type=int, default=2_000, help="requests of a round (2000)")
    return parser.parse_args()


def _measure(row: Row, rounds: int, requests: int) -> tuple[float, float, float]:
    for run in (row.bare, row.judged):
        run(requests)  # Caches are filled, and code is specialised.
    took = [(_timed(row.bare, requests), _timed(row.judged, requests)) for _ in range(rounds)]
    bare, judged = zip(*took, strict=True)
    added = statistics.median(with_it - without for without, with_it in took)
    return statistics.median(bare), statistics.median(judged), added


def _timed(run: Run, requests: int) -> float:
    """CPU time of one request, microseconds; that of the thread, since a process has others."""
    with _quiet():
        began = time.thread_time_ns()
        run(requests)
        return (time.thread_time_ns() - began) / requests / 1000


@contextmanager
def _quiet() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _nothing(name: str, config: Path, key: str) -> Row:
    """An application that does nothing: what is added is the middleware's own work alone."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        head = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"{}"})

    return Row(name, _asked(app, key, b""), _asked(asgi.Middleware(app, config), key, b""))


def _fastapi(name: str, config: Path, key: str, body: bytes) -> Row:
    api = FastAPI()

    @api.get("/orders")
    async def orders() -> dict[str, str]:
        return {"status": "ok"}

    @api.post("/orders")
    async def order(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return Row(name, _asked(api, key, body), _asked(asgi.Middleware(api, config), key, body))


def _asked(app: Callable[..., Awaitable[None]], key: str, body: bytes) -> Run:
    told = {**HEADERS, "x-api-key": key, **({"content-length": str(len(body))} if body else {})}
    headers = [(field.encode(), value.encode()) for field, value in told.items()]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def ask(requests: int) -> None:
        for _ in range(requests):
            # As a server does: a scope of its own for each request.
            scope = {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "http_version": "1.1",
                "method": "POST" if body else "GET",
                "scheme": "http",
                "path": "/orders",
                "raw_path": b"/orders",
                "query_string": b"page=2",
                "root_path": "",
                "headers": headers,
                "client": ("127.0.0.1", 50_000),
                "server": ("127.0.0.1", 8_000),
                "state": {},
            }
            await app(scope, receive, send)

    def run(requests: int) -> None:
        statuses.clear()
        asyncio.run(ask(requests))
        if statuses != [200] * requests:
            raise SystemExit(f"not every request was let through: {sorted(set(statuses))}")

    return run


def _flask(name: str, config: Path, key: str, body: bytes) -> Row:
    app = Flask(__name__)

    @app.get("/orders")
    def orders() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/orders")
    def order() -> dict[str, int]:
        return {"bytes": len(flask.request.get_data())}

    return Row(name, _called(app, key, body), _called(wsgi.Middleware(app, config), key, body))


def _called(app: Callable[..., Any], key: str, body: bytes) -> Run:
    told = {**HEADERS, "x-api-key": key}
    fields = {f"HTTP_{field.upper().replace('-', '_')}": value for field, value in told.items()}
    fields["CONTENT_TYPE"] = fields.pop("HTTP_CONTENT_TYPE")
    statuses: list[str] = []

    def start_response(status: str, _headers: Any, _exc_info: Any = None) -> Callable[[bytes], None]:
        statuses.append(status)
        return lambda _piece: None

    def run(requests: int) -> None:
        statuses.clear()
        for _ in range(requests):
            environ = {
                "REQUEST_METHOD": "POST" if body else "GET",
                "SCRIPT_NAME": "",
                "PATH_INFO": "/orders",
                "QUERY_STRING": "page=2",
                "SERVER_NAME": "shop.example.com",
                "SERVER_PORT": "80",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_LENGTH": str(len(body)) if body else "",
                "wsgi.version": (1, 0),
                "wsgi.url_scheme": "http",
                "wsgi.input": io.BytesIO(body),
                "wsgi.errors": io.StringIO(),
                **fields,
            }
            answer = app(environ, start_response)
            for _piece in answer:
                pass
            if hasattr(answer, "close"):
                answer.close()
        if {status[:3] for status in statuses} != {"200"}:
            raise SystemExit(f"not every request was let through: {sorted(set(statuses))}")

    return run


def _version() -> str:
    from importlib.metadata import version

    return version("flask")


if __name__ == "__main__":
    main()
