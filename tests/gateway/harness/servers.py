"""Servers that others have written, in front of a gate and behind it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.waiting import until

STOP_SECONDS = 15.0


def program(name: str) -> str:
    """Where it is; a test that wants what is not installed is skipped (scripts/system-packages.sh)."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


class Nginx:
    """An nginx that answers by itself, and writes down what it saw."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "seen.log"

    @property
    def seen(self) -> list[str]:
        """A line for each request."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    @property
    def errors(self) -> str:
        """What it complained about."""
        log = self.folder / "error.log"
        return log.read_text(encoding="utf-8") if log.exists() else ""


@contextmanager
def nginx(folder: Path, server: str, form: str, *, ready: Path) -> Iterator[Nginx]:
    """One with this `server`, whose log has this form; it is there once `ready` is."""
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; {_user()} pid {folder}/pid; error_log {folder}/error.log info;
        events {{ worker_connections 256; }}
        http {{
            log_format seen '{form}';
            access_log {folder}/seen.log seen;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            server {{ {server} }}
        }}
        """,
        encoding="utf-8",
    )
    with _runs([program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")], folder, ready):
        yield Nginx(folder)


def _user() -> str:
    """So that its worker may go where the test may; only root has to say so."""
    return f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""


@contextmanager
def haproxy(folder: Path, config: str, *, ready: Path) -> Iterator[None]:
    """One with this configuration; it is there once `ready` is."""
    folder.mkdir()
    file = folder / "haproxy.cfg"
    file.write_text(config, encoding="utf-8")
    with _runs([program("haproxy"), "-db", "-f", str(file)], folder, ready):
        yield


@contextmanager
def _runs(command: list[str], folder: Path, ready: Path) -> Iterator[None]:
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            until(lambda: ready.exists() or process.poll() is not None, f"{command[0]} to listen")
            if process.poll() is not None:
                raise AssertionError((folder / "output").read_text(encoding="utf-8"))
            yield
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
