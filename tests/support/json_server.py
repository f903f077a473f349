"""A real json-server: an API over a file that does what it is told, for anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from support.ports import free_port
from support.processes import Processes
from support.providers import installed
from support.waiting import until

Things = Mapping[str, dict[str, Any]]


class JsonServer:
    """One that runs, and what it holds."""

    def __init__(self, port: int, http: httpx.Client) -> None:
        self.port = port
        self._http = http

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            return self._http.get("/db").status_code == 200
        except httpx.TransportError:
            return False

    def holds(self, kind: str) -> dict[str, dict[str, Any]]:
        """All things of a kind, by their ids."""
        return {one["id"]: one for one in self._http.get(f"/{kind}").json()}

    def make(self, kind: str, things: Things) -> None:
        """Have it hold these things of a kind, and no others."""
        there = self.holds(kind)
        for name in there.keys() - things.keys():
            self._http.delete(f"/{kind}/{name}").raise_for_status()
        for name, thing in things.items():
            if name not in there:
                self._http.post(f"/{kind}", json=thing).raise_for_status()
            elif there[name] != thing:
                self._http.put(f"/{kind}/{name}", json=thing).raise_for_status()


@contextmanager
def json_server(folder: Path, kinds: list[str], routes: Mapping[str, str]) -> Iterator[JsonServer]:
    """One that holds such kinds of things, and none yet; `routes` are its own, by what they stand for."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "db.json").write_text(json.dumps({kind: [] for kind in kinds}), encoding="utf-8")
    (folder / "routes.json").write_text(json.dumps(routes), encoding="utf-8")
    port, processes = free_port(), Processes(folder)
    program = Path(installed()) / "node_modules/.bin/json-server"
    options = ["--host", "127.0.0.1", "--port", str(port), "--routes", "routes.json", "--quiet"]
    process = processes.start([str(program), *options, "db.json"], cwd=folder)
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
    server = JsonServer(port, http)

    def answers() -> bool:
        assert process.child.poll() is None, process.output
        return server.answers()

    try:
        until(answers, "json-server to answer", within=60)
        yield server
    finally:
        http.close()
        processes.end()
