"""A gate where people sign in, a real provider, and a browser without a screen."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import yaml

from support.certificates import Authority
from support.ports import free_port
from support.processes import Processes
from support.providers import Provider
from support.running import Running
from support.waiting import until

SECRET = "hush & more: 100%"


class SignInPlace:
    """A gate with TLS whose one API wants a session, and the provider that signs people in."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        upstream: int,
        *,
        sign_in: dict[str, Any] | None = None,
        client: dict[str, Any] | None = None,
        issuer: dict[str, Any] | None = None,
        session: dict[str, Any] | None = None,
        ways: list[Any] | None = None,
        provider: dict[str, Any] | None = None,
        provider_port: int | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.processes = processes
        self.folder = folder
        self.port = free_port()
        self.authority = Authority(folder)
        gate = self.authority.issue("gate", "localhost", "other.localhost")
        self.base = f"https://localhost:{self.port}"
        self.settings = provider or {}
        self.provider_port = provider_port or free_port()
        self.provider: Provider | None = None if provider_port else self.start_provider()
        (folder / "client.secret").write_text(SECRET)
        (folder / "client.secret").chmod(0o600)
        self.config = {
            "version": 1,
            "listeners": {
                "public": {
                    "address": f"127.0.0.1:{self.port}",
                    "tls": {"certificate": {"chain": str(gate.chain), "key": str(gate.key)}},
                }
            },
            "admin": {"address": "127.0.0.1:0"},
            "outgoing": {"allow": ["127.0.0.0/8", "::1/128"]},
            "issuers": {
                "company": {
                    "issuer": f"http://localhost:{self.provider_port}",
                    "client": {"id": "gate", "secret": "${file:client.secret}"} if client is None else client,
                    **(issuer or {}),
                }
            },
            "sign_in": {"staff": {"issuers": ["company"], **(sign_in or {})}},
            "apis": {
                "portal": {
                    "upstream": f"http://127.0.0.1:{upstream}",
                    "authenticate": [{"session": {"sign_in": "staff", **(session or {})}}, *(ways or [])],
                    "authorize": "authenticated",
                }
            },
            **(more or {}),
        }
        self.write()
        self.running = Running(processes, folder).ready()
        self.running.serving()

    def write(self) -> None:
        """Write the configuration."""
        (self.folder / "lockgate.yaml").write_text(yaml.safe_dump(self.config))

    def start_provider(self, kid: str = "one") -> Provider:
        """Start the provider; with another `kid` its key is another."""
        settings = json.dumps(self.settings)
        self.provider = Provider(
            self.processes, "sign_in_provider.mjs", kid, self.base, settings, port=self.provider_port
        )
        return self.provider

    def kill(self, name: str) -> None:
        """Kill one of its processes, and wait until it is back."""
        before = self.running.pids()[name]
        os.kill(before, signal.SIGKILL)
        until(lambda: self.running.pids().get(name) not in (None, before), f"the {name} process to be back")
        self.running.serving()

    @contextmanager
    def browser(self) -> Iterator[Browser]:
        """A browser that nobody has used before."""
        context = ssl.create_default_context(cafile=str(self.authority.pem))
        with httpx.Client(verify=context, trust_env=False, timeout=30, follow_redirects=False) as client:

            def as_browsers_do(_: httpx.Response) -> None:
                # `localhost` is as good as TLS (Secure Contexts section 3.1).
                for one in client.cookies.jar:
                    one.secure = one.secure and one.name.startswith("__Host-")

            client.event_hooks = {"response": [as_browsers_do]}
            yield Browser(client, self.base)


class Browser:
    """Follows redirects by hand, fills in the provider's form, and says what it is."""

    def __init__(self, client: httpx.Client, base: str) -> None:
        self.client = client
        self.base = base
        self.visited: list[str] = []

    def get(self, url: str, **headers: str) -> httpx.Response:
        """One request for a page."""
        said = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none", **headers}
        answer = self.client.get(urljoin(self.base, url), headers=said)
        self.visited.append(str(answer.request.url))
        return answer

    def follow(self, answer: httpx.Response, until: str | None = None) -> httpx.Response:
        """Go where it leads, or up to the address that begins so."""
        for _ in range(12):
            place = answer.headers.get("location")
            if place is None:
                return answer
            place = urljoin(str(answer.request.url), place)
            if until is not None and place.startswith(urljoin(self.base, until)):
                return answer
            answer = self.get(place)
        raise AssertionError(f"it leads nowhere: {self.visited[-5:]}")

    def submit(self, answer: httpx.Response, **form: str) -> httpx.Response:
        """Send the form of a page."""
        found = re.search(r'action="([^"]*)"', answer.text)
        place = urljoin(str(answer.request.url), found[1].replace("&amp;", "&") if found else "")
        hidden = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', answer.text))
        said = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
        return self.client.post(place, data={**hidden, **form}, headers=said)

    def sign_in(self, who: str, at: str = "/", until: str | None = None) -> httpx.Response:
        """Open a page as somebody who has to sign in first; the page that comes of it."""
        form = self.follow(self.get(at))
        assert "Who are you?" in form.text, form.text
        return self.follow(self.submit(form, login=who), until)

    @property
    def session(self) -> str | None:
        """The session's cookie."""
        return next((one.value for one in self.client.cookies.jar if one.name == "__Host-lockgate-staff"), None)
