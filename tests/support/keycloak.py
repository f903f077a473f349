"""A real Keycloak in a process of its own, set up through its admin API; a test is skipped where it cannot be had."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.ports import free_port
from support.processes import Process, Processes
from support.tree import ROOT

SECRET = "hush & more: 100%"
PASSWORD = "a long word to come in by"


@functools.cache
def installed() -> Path:
    """Where it is installed."""
    found = subprocess.run([str(ROOT / "scripts/keycloak.sh")], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"Keycloak cannot be installed: {found.stderr.strip()[-300:]}")
    return Path(found.stdout.strip().splitlines()[-1])


class Keycloak:
    """One, with a realm `main`: the people ada and bob, and the clients gate, orders and robot."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        # It writes into its own folder, so each has its own; what is large in it is linked.
        self.home = folder / "keycloak"
        shutil.copytree(installed(), self.home, symlinks=True)
        self._processes = processes
        self.port = free_port()
        self.base = f"http://localhost:{self.port}"
        self.issuer = f"{self.base}/realms/main"
        self.process = self.start()
        self.admin = httpx.Client(base_url=f"{self.base}/admin/realms", trust_env=False, timeout=60)
        self._set_up()

    def start(self) -> Process:
        """Start it; what it was told before it knows again."""
        words = ["start-dev", "--http-host=127.0.0.1", f"--http-port={self.port}", "--cache=local"]
        # The gate's certificate is from a test's own authority.
        words.append("--spi-connections-http-client--default--disable-trust-manager=true")
        known = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD}
        process = self._processes.start(["bash", str(self.home / "bin/kc.sh"), *words], env=known)
        process.wait_for_output("Listening on", within=240)
        return process

    def sign_in(self) -> None:
        """Come in as its admin, whose tokens last for a minute."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": PASSWORD}
        answer = httpx.post(f"{self.base}/realms/master/protocol/openid-connect/token", data=form, trust_env=False)
        self.admin.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"

    def told(self, method: str, path: str, said: Any = None) -> Any:
        """Tell its admin API."""
        self.sign_in()
        answer = self.admin.request(method, path, json=said)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def client(self, name: str) -> dict[str, Any]:
        """What it keeps of a client."""
        [one] = self.told("GET", f"/main/clients?clientId={name}")
        return dict(one)

    def person(self, name: str) -> dict[str, Any]:
        """What it keeps of a person."""
        [one] = self.told("GET", f"/main/users?username={name}&exact=true")
        return dict(one)

    def token(self, client: str = "robot", **more: str) -> str:
        """A token for a program."""
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": SECRET, **more}
        answer = httpx.post(f"{self.issuer}/protocol/openid-connect/token", data=form, trust_env=False)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def new_key(self) -> None:
        """Another key signs from now on; the one before is still published."""
        realm = self.told("GET", "/main")
        keys = self.told("GET", "/main/components?type=org.keycloak.keys.KeyProvider")
        first = max(int(one["config"].get("priority", ["0"])[0]) for one in keys)
        key = {"priority": [str(first + 1)], "enabled": ["true"], "active": ["true"], "keySize": ["2048"]}
        said = {
            "name": f"key {first + 1}",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "parentId": realm["id"],
            "config": key,
        }
        self.told("POST", "/main/components", said)

    def _set_up(self) -> None:
        audience: dict[str, Any] = {
            "name": "who it is for",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.client.audience": "orders", "access.token.claim": "true"},
        }
        groups = {
            "name": "groups",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-group-membership-mapper",
            "config": {
                "claim.name": "groups",
                "full.path": "false",
                "id.token.claim": "true",
                "userinfo.token.claim": "true",
            },
        }
        usual = {"protocol": "openid-connect", "secret": SECRET, "publicClient": False, "redirectUris": ["*"]}
        gate = {
            **usual,
            "clientId": "gate",
            "standardFlowEnabled": True,
            "protocolMappers": [audience, groups],
            "attributes": {
                "standard.token.exchange.enabled": "true",
                "post.logout.redirect.uris": "+",
                "backchannel.logout.session.required": "true",
                "pkce.code.challenge.method": "S256",
            },
        }
        robot = {
            **usual,
            "clientId": "robot",
            "standardFlowEnabled": False,
            "serviceAccountsEnabled": True,
            # Whoever asks about a token has to be one of those whom it is for.
            "protocolMappers": [
                audience,
                {
                    **audience,
                    "name": "who may ask",
                    "config": {**audience["config"], "included.client.audience": "gate"},
                },
            ],
        }
        people = [
            {
                "username": name,
                "enabled": True,
                "email": f"{name}@example.com",
                "emailVerified": True,
                "firstName": name,
                "lastName": "L",
                "groups": groups_of,
                "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
            }
            for name, groups_of in (("ada", ["math", "staff"]), ("bob", ["staff"]))
        ]
        realm = {
            "realm": "main",
            "enabled": True,
            "sslRequired": "none",
            "groups": [{"name": "math"}, {"name": "staff"}],
            "clients": [gate, robot, {**usual, "clientId": "orders", "standardFlowEnabled": False}],
            "users": people,
        }
        self.told("POST", "", realm)
