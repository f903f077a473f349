"""A whole `lockgate run` in a folder, as a test sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from lockgate.state import StateFolder
from support.processes import Process, Processes
from support.waiting import until

CONFIG = """\
version: 1
listeners: {{public: {{address: "{gate}"}}}}
admin: {{address: "{admin}"}}
upstreams: {{shop: {{targets: ["{upstream}"]}}}}
apis:
  shop:
    path: /
    upstream: shop
    authenticate: [api_key]
    authorize: authenticated
"""


def write_config(
    folder: Path, upstream: str, *, gate: str = "127.0.0.1:0", admin: str = "127.0.0.1:0", extra: str = ""
) -> Path:
    path = folder / "lockgate.yaml"
    path.write_text(CONFIG.format(gate=gate, admin=admin, upstream=upstream) + extra)
    return path


class Running:
    """A supervisor with its processes, and clients for both of its ports."""

    def __init__(self, processes: Processes, folder: Path, *words: str) -> None:
        self.folder = folder
        self._processes = processes
        self._words = words
        self.process = self._run()

    def _run(self) -> Process:
        return self._processes.lockgate("run", *self._words, cwd=self.folder)

    @property
    def state(self) -> StateFolder:
        return StateFolder.existing(self.folder / ".lockgate")

    @property
    def output(self) -> str:
        return self.process.output

    def ready(self) -> Running:
        self.process.wait_for_output("Ctrl-C stops it.")
        return self

    def again(self, *, beside: str = "") -> None:
        """Stops it and starts it anew, `beside` what is written to its configuration meanwhile."""
        self.process.stop()
        path = self.folder / "lockgate.yaml"
        path.write_text(path.read_text(encoding="utf-8") + beside, encoding="utf-8")
        self.process = self._run()
        self.ready()

    @property
    def admin(self) -> httpx.Client:
        address = self.state.admin_address_file.read_text().strip()
        token = {"Authorization": f"Bearer {self.state.admin_token()}"}
        return httpx.Client(base_url=f"http://{address}", headers=token, timeout=30)

    def status(self) -> dict[str, Any]:
        """The admin API's word; empty while it does not answer."""
        try:
            with self.admin as admin:
                answer: dict[str, Any] = admin.get("/v1/status").json()
        except (httpx.TransportError, OSError):
            return {}
        return answer

    def serving(self) -> dict[str, Any]:
        """Wait until a gate serves; the admin API's word of it."""

        def look() -> dict[str, Any] | None:
            status = self.status()
            return status if status and status["gate"]["bundle"] else None

        return until(look, f"a gate that serves; so far:\n{self.output}")

    def url(self) -> str:
        """Where the gate listens now."""
        return f"http://{self.serving()['gate']['addresses']['public']}"

    def pids(self) -> dict[str, int]:
        written = json.loads(self.state.supervisor_file.read_text())
        return {name: process["pid"] for name, process in written["processes"].items()}

    def restarts(self) -> dict[str, int]:
        written = json.loads(self.state.supervisor_file.read_text())
        return {name: process["restarts"] for name, process in written["processes"].items()}

    def make_key(self, **more: Any) -> dict[str, Any]:
        with self.admin as admin:
            answer = admin.post("/v1/keys", json={"name": "test", "owner": "tests", **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made
