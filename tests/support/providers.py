"""Real identity providers in processes of their own; a test is skipped where they cannot be had."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import httpx
import pytest

from support.ports import free_port
from support.processes import Process, Processes
from support.tree import ROOT

FOLDER = Path(__file__).parent / "providers"


@functools.cache
def installed() -> str:
    """Where the providers, and other servers in JavaScript, are installed."""
    found = subprocess.run([str(ROOT / "scripts/node-servers.sh")], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"the servers cannot be installed: {found.stderr.strip()[-300:]}")
    return found.stdout.strip()


class Provider:
    """One of them."""

    def __init__(self, processes: Processes, script: str, *words: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.process: Process = processes.start(
            ["node", str(FOLDER / script), str(self.port), *words], env={"PROVIDERS": installed()}
        )
        self.process.wait_for_output("ready", within=60)

    @property
    def url(self) -> str:
        """Its name as an issuer."""
        return f"http://127.0.0.1:{self.port}"

    def token(self, **more: str) -> str:
        """A token for the client `crm`."""
        form = {"grant_type": "client_credentials", "client_id": "crm", "client_secret": "hush", **more}
        answer = httpx.post(f"{self.url}/token", data=form, trust_env=False)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])
