"""A gate where people sign in with a password on its own pages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from support.certificates import Authority
from support.ports import free_port
from support.processes import Processes
from support.running import Running
from support.sign_in import Browser, SignInPlace

GOOD = "seven green chairs"
OTHER = "eight brown tables"


class PeoplePlace(SignInPlace):
    """A gate with TLS, whose API `portal` wants a session and whose API `orders` wants a password with each request."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        upstream: int,
        *,
        issuer: dict[str, Any] | None = None,
        sign_in: dict[str, Any] | None = None,
        basic: dict[str, Any] | None = None,
        portal: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.processes = processes
        self.folder = folder
        self.port = free_port()
        authority = Authority(folder)
        self.authority = authority
        gate = authority.issue("gate", "localhost")
        self.base = f"https://localhost:{self.port}"
        target = f"http://127.0.0.1:{upstream}"
        self.config: dict[str, Any] = {
            "version": 1,
            "listeners": {
                "public": {
                    "address": f"127.0.0.1:{self.port}",
                    "tls": {"certificate": {"chain": str(gate.chain), "key": str(gate.key)}},
                }
            },
            "admin": {"address": "127.0.0.1:0"},
            "issuers": {"people": issuer or {"users": {}}},
            "sign_in": {"staff": {"issuers": ["people"], "title": "the Example portal", **(sign_in or {})}},
            "apis": {
                "portal": {
                    "upstream": target,
                    "authenticate": [{"session": {"sign_in": "staff"}}],
                    "authorize": "authenticated",
                    **(portal or {}),
                },
                "orders": {
                    "path": "/api",
                    "upstream": target,
                    "authenticate": [{"basic": {"issuer": "people", "realm": "orders", **(basic or {})}}],
                    "authorize": "authenticated",
                },
            },
            **(more or {}),
        }
        self.write()
        self.running = Running(processes, folder).ready()
        self.running.serving()

    def reload(self) -> None:
        """Take over the configuration as it is now."""
        self.write()
        with self.running.admin as admin:
            admin.post("/v1/reload").raise_for_status()

    def users(self, *words: str, typed: str = "", code: int = 0) -> str:
        """What `lockgate users` says."""
        done = subprocess.run(
            [sys.executable, "-m", "lockgate", "users", *words],
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout

    def add(self, name: str, password: str = GOOD, **said: Any) -> None:
        """Somebody with a password, by the admin API."""
        with self.running.admin as admin:
            got = admin.post("/v1/users", json={"name": name, "password": password, **said})
        assert got.status_code == 201, got.text

    def events(self, code: str) -> list[dict[str, Any]]:
        """Events of the control process's own with that code, oldest first."""
        with self.running.admin as admin:
            found = admin.get("/v1/events", params={"limit": 500, "class": "system"}).json()["items"]
        return [event for event in found if event.get("code") == code]

    def link(self, name: str, kind: str = "invite") -> str:
        """The path of a link by which somebody sets a password."""
        return self.users(kind, name).strip().splitlines()[0]

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A program."""
        with self.browser() as browser:
            yield browser.client


def enter(browser: Browser, name: str, password: str, at: str = "/orders", **headers: str) -> httpx.Response:
    """Sign in on the page; what comes of it, not followed."""
    said = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Accept": "text/html", **headers}
    url = f"{browser.base}/.lockgate/staff/sign-in"
    return browser.client.post(url, params={"to": at}, data={"name": name, "password": password}, headers=said)


def send(browser: Browser, path: str, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
    """Send a form of the pages."""
    said = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Accept": "text/html", **(headers or {})}
    return browser.client.post(f"{browser.base}{path}", data=form, headers=said)


def orders(browser: Browser) -> str:
    """`ok`, or why the portal is not open."""
    said = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
    got = browser.client.get(f"{browser.base}/orders", headers=said)
    return "ok" if got.status_code == 200 else str(got.json()["reason"])


def alert(page: httpx.Response) -> str:
    """What a page says is wrong."""
    found = re.search(r'role="alert"><strong>([^<]*)</strong>', page.text)
    return found[1] if found else ""


def dumped(value: object) -> str:
    """For looking for a secret in anything."""
    return json.dumps(value)


def written(folder: Path, config: dict[str, Any]) -> None:
    """A configuration in a folder."""
    (folder / "lockgate.yaml").write_text(yaml.safe_dump(config))
