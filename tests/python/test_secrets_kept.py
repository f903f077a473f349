"""Marked secrets go through a whole gate and every command; afterwards none stands anywhere but in its own place."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.processes import Processes
from support.running import Running

FROM_ENV = "marked-secret-of-the-environment"
FROM_FILE = "marked-secret-of-a-file"
LITERAL = "marked-secret-in-the-wrong-place"
FORGED = "lg_live_" + "Q" * 38

CONFIG = """\
version: 1
listeners: {{public: {{address: "127.0.0.1:0"}}}}
admin: {{address: "127.0.0.1:0"}}
upstreams:
  one: {{targets: ["{upstream}"], credential: {{header: X-Gate-One, value: "${{env:MARKED}}"}}}}
  two: {{targets: ["{upstream}"], credential: {{header: X-Gate-Two, value: "${{file:token.txt}}"}}}}
apis:
  shop: {{path: /, upstream: one, authenticate: [api_key], authorize: authenticated}}
  open:
    path: /open
    upstream: two
    public: {{owner: tests, reason: nobody calls it but the test, until: 2099-01-01}}
"""


class Site:
    """A running gate, and all that was said by commands."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.folder = running.folder
        self.said = ""

    def lockgate(self, *words: str, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "lockgate", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "MARKED": FROM_ENV, **env},
        )
        self.said += done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def command_lines(self) -> str:
        pids = [self.running.process.pid, *self.running.pids().values()]
        return "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)

    def written(self) -> Iterator[tuple[Path, bytes]]:
        """Every file that Lockgate has written, but for the places where its own secrets are kept."""
        state = self.running.state
        kept = {state.admin_token_file, state.pepper_file, state.signing_key_file}
        for path in sorted(self.folder.rglob("*")):
            inside = path.is_relative_to(state.root)
            if path.is_file() and path not in kept and (inside or path == self.running.process.log):
                yield path, path.read_bytes()


@pytest.fixture
def site(processes: Processes, tmp_path: Path, shop_port: int) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    secret = folder / "token.txt"
    secret.write_text(FROM_FILE)
    secret.chmod(0o600)
    (folder / "lockgate.yaml").write_text(CONFIG.format(upstream=f"http://127.0.0.1:{shop_port}"))
    # Where the account's umask lets everybody read, Lockgate's files are closed all the same.
    before = os.umask(0o000)
    try:
        running = Running.__new__(Running)
        running.folder = folder
        running.process = processes.lockgate("run", cwd=folder, env={"MARKED": FROM_ENV})
    finally:
        os.umask(before)
    return Site(running.ready())


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_no_secret_is_written_down_anywhere(site: Site) -> None:
    running, token = site.running, site.running.state.admin_token()
    base = running.url()
    revoked = site.lockgate("keys", "create", "--name", "a", "--owner", "tests", "--expires", "1d").strip()
    key = site.lockgate("keys", "create", "--name", "b", "--owner", "tests").strip()
    assert key.startswith("lg_live_")
    kinds = site.lockgate("keys", "list", "--json")
    ids = [word.strip('",') for word in kinds.split() if word.startswith('"key_')]
    site.said = ""  # A key is shown once, by the command that made it.

    call(base, key, token)
    site.lockgate("keys", "revoke", ids[0], "--reason", "the test")
    assert httpx.get(f"{base}/products", headers={"X-API-Key": revoked}).status_code == 401
    ask_admin(running, key, token)
    every_command(site, ids, key)

    broken = CONFIG.replace("${{env:MARKED}}", LITERAL).format(upstream="http://127.0.0.1:9")
    good = (site.folder / "lockgate.yaml").read_text()
    (site.folder / "lockgate.yaml").write_text(broken)
    for words in (["check"], ["check", "--json"], ["reload"], ["config", "show"], ["explain", "GET", "/"]):
        site.lockgate(*words)
    (site.folder / "lockgate.yaml").write_text(broken + "  }broken: [\n")
    site.lockgate("check")
    site.lockgate("reload")
    (site.folder / "lockgate.yaml").write_text(good)
    site.lockgate("reload")
    every_command(site, ids, key)
    command_lines = site.command_lines()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in running.state.root.rglob("*") if not path.is_socket()}
    running.process.stop()

    secrets = {
        "the environment's": FROM_ENV,
        "a file's": FROM_FILE,
        "one in the wrong place": LITERAL,
        "the admin token": token,
        "a key": key,
        "a revoked key": revoked,
        "a forged key": FORGED,
        "the pepper": running.state.pepper().hex(),
        "the signing key": running.state.signing_key().hex(),
    }
    files = list(site.written())
    assert len(files) > 5
    told = []
    for name, secret in secrets.items():
        forms = {secret.encode(), bytes.fromhex(secret)} if len(secret) == 64 else {secret.encode()}
        told += [(name, str(path)) for path, content in files if any(form in content for form in forms)]
        told += [(name, line) for line in site.said.splitlines() if secret in line]
        told += [(name, "a program's arguments")] * (secret in command_lines)
    assert not told
    assert not {path for path, mode in modes.items() if mode & 0o077}


@pytest.mark.full
def test_a_key_in_the_wrong_place_is_blotted_out_of_events(site: Site) -> None:
    key = site.lockgate("keys", "create", "--name", "b", "--owner", "tests").strip()
    base = site.running.url()
    for path, headers in (
        (f"/open/{key}", {}),
        (f"/{key}/x", {}),
        ("/open", {"Host": key}),
        ("/open", {"User-Agent": key}),
    ):
        assert httpx.get(base + path, headers=headers).status_code in {400, 401, 404}
    site.running.process.stop()
    assert not [str(path) for path, content in site.written() if key.encode() in content]


def call(base: str, key: str, token: str) -> None:
    """Requests with a key in every place where a caller may put it."""
    with httpx.Client(base_url=base) as client:
        assert client.get("/products", headers={"X-API-Key": key}).status_code == 200
        assert client.get("/open").status_code < 500
        for secret in (key, FORGED, token):
            for headers in (
                {"X-API-Key": secret},
                {"X-API-Key": f"{secret} x"},
                {"X-Api-Kee": secret},
                {"Authorization": f"Bearer {secret}"},
                {"Cookie": f"key={secret}"},
                {"Referer": f"http://shop.example/?key={secret}"},
                {"X-Request-Id": secret},
                {"traceparent": secret},
                {"X-Forwarded-For": secret},
                {"Content-Encoding": secret},
            ):
                client.get("/products", headers=headers)
            client.get("/products", params={"api_key": secret})
            client.post("/products", headers={"X-API-Key": key}, content=secret)
            client.request(secret, "/products")


def ask_admin(running: Running, key: str, token: str) -> None:
    """Good and bad requests to the admin API, secrets in wrong places."""
    with running.admin as admin:
        for path in ("/v1/status", "/v1/routes", "/v1/apis", "/v1/keys", "/v1/findings", "/v1/events", "/metrics"):
            assert admin.get(path).status_code == 200
        for secret in (key, token):
            admin.get(f"/v1/keys/{secret}")
            admin.get("/v1/keys", params={"after": secret, "token": secret})
            admin.get(f"/v1/explain/{secret}")
            admin.get(f"/{secret}")
            admin.get("/v1/status", headers={"Host": secret})
            admin.get("/v1/status", headers={"Authorization": f"Bearer {secret}x"})
            admin.post("/v1/keys", json={"name": "x", "owner": "y", "key": secret})
            admin.post("/v1/keys", content=f'{{"name": {secret}')
            admin.request("POST", "/v1/explain", json={"url": "/products", "key": secret, "listener": "none"})


def every_command(site: Site, ids: list[str], key: str) -> None:
    """Every command that asks, right and wrong."""
    key_file = site.folder / "key.txt"
    key_file.write_text(key)
    for words in (
        ["status"],
        ["status", "--json"],
        ["routes"],
        ["routes", "--json"],
        ["check"],
        ["config", "show"],
        ["keys", "list"],
        ["keys", "show", ids[0]],
        ["keys", "show", key],
        ["keys", "revoke", key],
        ["explain", "GET", "/products", "--key-file", "key.txt"],
        ["explain", "GET", "/products", "--key-file", "key.txt", "--json"],
        ["explain", "GET", "/products", "-H", f"X-API-Key: {key}"],
        ["explain", "GET", "/products", "-H", f"X-API-Key {key}"],
        ["explain", "--request", key],
        ["logs"],
        ["logs", "--json"],
        ["reload"],
    ):
        site.lockgate(*words)
    site.lockgate("explain", "GET", "/products", LOCKGATE_KEY=key)
    key_file.unlink()
