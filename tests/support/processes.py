"""Programs that a test starts, whose output it reads, and that are stopped with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.waiting import until

STOP_SECONDS = 15.0


def children(pid: int) -> list[int]:
    """The processes that this one has started, also such as have ended and wait to be told of."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        # The name in brackets may hold anything; behind it come the state and the parent.
        if int(stat.rpartition(")")[2].split()[1]) == pid:
            found.append(int(folder.name))
    return found


def gone(pid: int) -> bool:
    """Whether there is no such process any more, not even as a zombie."""
    return not Path(f"/proc/{pid}").exists()


class Process:
    """A program of its own session, its output in a file."""

    def __init__(self, command: Sequence[str], *, log: Path, cwd: Path | None, env: Mapping[str, str]) -> None:
        self.command = list(command)
        self.log = log
        with log.open("wb") as output:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **env},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_output(self, text: str, *, within: float = 30.0) -> str:
        """Wait until the text was printed; gives all that was printed."""

        def look() -> str | None:
            printed = self.output
            if text in printed:
                return printed
            if self.child.poll() is not None:
                raise AssertionError(f"{self.command} ended with {self.child.returncode}:\n{printed}")
            return None

        return until(look, f"{text!r} from {self.command}", within=within)

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def wait(self, *, within: float = STOP_SECONDS) -> int:
        return self.child.wait(within)

    def stop(self) -> int:
        """Ask it to end; where it does not, end all that it started."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.end_session()
                raise
        return self.child.returncode

    def end_session(self) -> None:
        """Kill the program and its children: they are one session, and it is ours."""
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()


class Processes:
    """Starts programs, and ends those that still run at the end of a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Process] = []

    def start(
        self, command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Process:
        log = self._folder / f"process-{len(self._started)}.log"
        process = Process(command, log=log, cwd=cwd, env=env or {})
        self._started.append(process)
        return process

    def lockgate(self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Process:
        """The `lockgate` command of the environment that runs the tests."""
        return self.start([sys.executable, "-m", "lockgate", *words], cwd=cwd, env=env)

    def end(self) -> None:
        """Ask each to end, so that it ends what it has started itself; kill what does not."""
        for process in reversed(self._started):
            try:
                process.stop()
            except subprocess.TimeoutExpired:
                continue
