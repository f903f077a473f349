"""`lockgate upgrade`: serve by the version that is installed now, without losing a request."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from lockgate.cli._admin import Admin, NotRunningError
from lockgate.cli._report import Json, leave, load_or_exit
from lockgate.cli._state import StateDir, state_or_exit

if TYPE_CHECKING:
    from lockgate.state import StateFolder

PATIENCE: Final = 120.0
"""Beyond what the supervisor gives the new gate, and the control process to start."""

LOOK: Final = 0.1


def upgrade(state: StateDir = None, as_json: Json = False) -> None:
    """Put the installed version to work in the place of the one that runs, without a lost request.

    Install the new version first. A new gate process is started beside the old one, takes over its sockets and
    serves; the old one finishes its requests and ends. Then the control process is started anew. A new gate that
    does not come to serve leaves the old one serving. The supervisor itself stays as it is until its next restart.

    Exits with 0 when the new version serves, 1 if it does not and the old one goes on, 2 if nothing runs or the new
    version refuses the configuration; then nothing was touched.

    Example: lockgate upgrade
    """
    folder = state_or_exit(state)
    pid = folder.holder("supervisor-gate") or folder.holder("supervisor-control")
    before = _status(folder)
    if pid is None or before is None:
        leave(f"Nothing runs on {folder.root}: `lockgate run` starts it.")
    if "upgrade" not in before:
        leave("What runs is too old to be upgraded while it serves: stop it, and start `lockgate run` again.")
    if before["role"] != "gate":
        load_or_exit(Path(before["config"]))  # By this version, which is the new one.
    began = time.monotonic()
    os.kill(pid, signal.SIGUSR2)
    done = _result(folder, before["upgrade"]["number"], began)
    control = _control_back(folder, before) if done["upgrade"]["result"] == "done" else None
    took = round(time.monotonic() - began, 1)
    if as_json:
        told = {**done["upgrade"], "took_s": took, "processes": done["processes"], "control": control}
        typer.echo(json.dumps(told, indent=2))
    elif done["upgrade"]["result"] == "done":
        for line in _lines(before, done, control, took):
            typer.echo(line)
    if done["upgrade"]["result"] != "done":
        leave(f"Not upgraded: {done['upgrade']['cause']}. What ran serves on.", code=1)
    if control is False:
        leave("The new control process does not answer yet; its log says why. The gate serves.", code=1)


def _status(folder: StateFolder) -> dict[str, Any] | None:
    try:
        value = json.loads(folder.supervisor_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _result(folder: StateFolder, number: int, began: float) -> dict[str, Any]:
    """The supervisor's word, once it has one on an upgrade after `number`."""
    while True:
        told = _status(folder)
        if told is not None and told["upgrade"]["number"] > number and told["upgrade"]["result"] != "running":
            return told
        if time.monotonic() - began > PATIENCE:
            leave(f"The supervisor has not said within {PATIENCE:.0f} s what became of it; its log does.", code=1)
        time.sleep(LOOK)


def _control_back(folder: StateFolder, before: dict[str, Any]) -> bool | None:
    """Whether a new control process answers; nothing where this supervisor has none."""
    old = before["processes"].get("control", {}).get("pid")
    if old is None:
        return None
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if Admin.of(folder).get("/v1/status")["control"]["pid"] != old:
                return True
        except NotRunningError:
            pass
        time.sleep(LOOK)
    return False


def _lines(before: dict[str, Any], done: dict[str, Any], control: bool | None, took: float) -> list[str]:
    import lockgate

    lines = [f"Upgraded in {took} s: version {lockgate.__version__} is at work."]
    gate, old = (told["processes"].get("gate", {}).get("pid") for told in (done, before))
    if gate is not None:
        lines.append(f"The gate    process {gate}; process {old} finishes its requests and ends.")
    if control:
        lines.append("The control process was started anew; the gate served meanwhile.")
    if before.get("version") != lockgate.__version__:
        lines.append(f"The supervisor stays at version {before.get('version')} until `lockgate run` is restarted.")
    return lines
