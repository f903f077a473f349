"""Each example in `examples/in-process`, with a real server, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets

from lockgate.admin.keys import create_key
from support.ports import free_port, listens
from support.processes import Processes
from support.tree import ROOT
from support.waiting import until

FOLDER = ROOT / "examples/in-process"
PAGE = "https://shop.example.com"
SERVED = {
    "fastapi_app:app": ["uvicorn", "--log-level", "warning", "--port", "{port}"],
    "starlette_app:app": ["uvicorn", "--log-level", "warning", "--port", "{port}"],
    "flask_app:app": ["waitress", "--listen", "127.0.0.1:{port}"],
    "django_app:application": ["waitress", "--listen", "127.0.0.1:{port}"],
}


class Running:
    """An example that runs, and a key for it."""

    def __init__(self, application: str, folder: Path, processes: Processes) -> None:
        self.port = free_port()
        self.key = create_key(folder / "state", name="test", owner="crm").key
        server, *options = SERVED[application]
        command = [sys.executable, "-m", server, *(option.format(port=self.port) for option in options), application]
        environment = {"LOCKGATE_STATE": str(folder / "state"), "PYTHONPATH": str(FOLDER), "PYTHONWARNINGS": "error"}
        process = processes.start(command, cwd=folder, env=environment)
        until(lambda: listens(self.port) or process.child.poll() is not None, f"{application} to listen")
        assert process.child.poll() is None, process.output
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}")

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key}


@pytest.fixture(scope="module", params=SERVED)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("example")
    processes = Processes(folder)
    try:
        example = Running(request.param, folder, processes)
        with example.client:
            yield example
    finally:
        processes.end()


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["instance"] == answer.headers["x-request-id"]
    return answer.status_code, problem["reason"]


def test_who_holds_a_key_is_let_in_and_known(running: Running) -> None:
    answer = running.client.get("/orders", headers=running.headers)
    assert (answer.status_code, answer.json()) == (200, {"owner": "crm", "orders": []})
    assert len(answer.headers["x-request-id"]) == 26
    assert ";r=199;" in answer.headers["ratelimit"]


def test_nobody_else_is(running: Running) -> None:
    answer = running.client.get("/orders")
    assert refused(answer) == (401, "key-missing")
    assert "www-authenticate" in answer.headers
    assert refused(running.client.get("/orders", headers={"X-API-Key": "lg_live_guess"}))[0] == 401


def test_what_no_api_has_is_refused(running: Running) -> None:
    assert refused(running.client.get("/docs")) == (404, "no-route")
    assert refused(running.client.post("/healthz")) == (405, "method-not-allowed")
    assert running.client.get("/healthz").json() == {"status": "ok"}


def test_the_head_alone(running: Running) -> None:
    answer = running.client.head("/orders")
    assert (answer.status_code, answer.content) == (401, b"")
    # The connection goes on, with nothing left over on it.
    assert running.client.get("/healthz").status_code == 200


def test_a_body_within_its_bound_comes_through(running: Running) -> None:
    body = b"x" * 65_536
    told = running.client.post("/orders", headers=running.headers, content=body)
    assert (told.status_code, told.json()) == (200, {"bytes": 65_536})
    pieces = running.client.post("/orders", headers=running.headers, content=(body[:9_999] for _ in range(6)))
    assert (pieces.status_code, pieces.json()) == (200, {"bytes": 59_994})


def test_a_body_beyond_it_is_refused_whether_its_length_is_told_or_not(running: Running) -> None:
    body = b"x" * 65_537
    assert refused(running.client.post("/orders", headers=running.headers, content=body)) == (413, "body-too-large")
    pieces = (body[:10_000] for _ in range(7))
    assert refused(running.client.post("/orders", headers=running.headers, content=pieces)) == (413, "body-too-large")
    assert running.client.get("/healthz").status_code == 200


def test_pages_are_told_who_may_read(running: Running) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    preflight = running.client.options("/orders", headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, PAGE)
    for headers in ({"Origin": PAGE}, {"Origin": PAGE, **running.headers}):
        assert running.client.get("/orders", headers=headers).headers["access-control-allow-origin"] == PAGE


def test_a_websocket_is_judged_by_its_handshake(tmp_path: Path, processes: Processes) -> None:
    example = Running("starlette_app:app", tmp_path, processes)
    url = f"ws://127.0.0.1:{example.port}/orders/watch"

    async def watch() -> None:
        async with websockets.connect(url, additional_headers=example.headers) as socket:
            assert json.loads(await socket.recv()) == {"owner": "crm"}
            assert socket.response is not None
            assert len(socket.response.headers["x-request-id"]) == 26
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await websockets.connect(url)
        answer = refusal.value.response
        assert (answer.status_code, json.loads(answer.body or b"")["reason"]) == (401, "key-missing")

    asyncio.run(watch())
