"""The guides are played as they are written: each command, in order, with what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import acme
from support.ports import free_port, listens
from support.processes import Processes
from support.tree import ROOT, matching, text
from support.waiting import until

GUIDES = matching(r"docs/guides/.*\.md$")
BLOCK = re.compile(
    r"^```(console|(?:python|yaml|json|cedar|seclang) (?P<file>[\w.]+))\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
# The default ports may be taken on the machine that runs the tests.
PORTS = ("9000", "8080", "8081", "8443", "8444", "14000", "15000", "8053", "8055")
KEPT = ".variables"


@dataclass
class Step:
    """A command, and what it must print."""

    command: str
    expected: list[str] = field(default_factory=list)


@dataclass
class Saved:
    """A file that the reader saves."""

    name: str
    content: str


def steps(page: str) -> Iterator[Step | Saved]:
    for block in BLOCK.finditer(page):
        if block["file"]:
            yield Saved(block["file"], block["text"])
            continue
        current: Step | None = None
        for line in block["text"].splitlines():
            if line.startswith("$ "):
                if current:
                    yield current
                current = Step(line[2:])
            else:
                assert current is not None, "a block begins with a command"
                current.expected.append(line)
        if current:
            yield current


class Terminal:
    """A folder, ports of our own, and the variables that the reader's shell keeps."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        self.folder = folder
        self.processes = processes
        self.ports = {port: str(free_port()) for port in PORTS}
        self.memory: dict[str, str] = {}
        self.programs: list[str] = []
        """Folders of what the page has its reader install."""

    def run(self, step: Step | Saved) -> None:
        if isinstance(step, Saved):
            (self.folder / step.name).write_text(self.translated(step.content), encoding="utf-8")
            return
        command = self.translated(step.command)
        if command.endswith(" &"):
            self.start(command.removesuffix(" &"), [self.translated(line) for line in step.expected])
        else:
            self.finish(command, [self.translated(line) for line in step.expected])
        self.settle_ports()

    def finish(self, command: str, expected: list[str]) -> None:
        done = subprocess.run(
            ["/bin/bash", "-c", f"{command}\nstatus=$?; printenv -0 >{KEPT}; exit $status"],
            cwd=self.folder,
            # Each assignment is exported, so that `printenv` tells it and the next command has it.
            env={**self.environment(), "SHELLOPTS": "allexport"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        printed = done.stdout + done.stderr
        assert done.returncode in {0, 1}, f"$ {command}\n{printed}"
        missing = [words for words in expected if words not in printed]
        assert not missing, f"$ {command}\n{printed}\nlacks {missing}"
        self.remember()

    def start(self, command: str, expected: list[str]) -> None:
        process = self.processes.start(["/bin/bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment())
        for words in expected:
            process.wait_for_output(words)
        if "lockgate run" in command and "--role control" not in command:
            gate = int(self.ports["8080"])
            admin = int(self.ports["8081"])
            until(
                lambda: (listens(gate) and listens(admin)) or process.child.poll() is not None,
                "the gate and the admin API to listen",
            )
            assert process.child.poll() is None, process.output

    def translated(self, words: str) -> str:
        return re.sub(rf"(?<![0-9])({'|'.join(PORTS)})(?![0-9])", lambda found: self.ports[found[1]], words)

    def settle_ports(self) -> None:
        """Move a configuration that was just written to our ports."""
        config = self.folder / "lockgate.yaml"
        if not config.exists():
            return
        written = self.translated(config.read_text(encoding="utf-8"))
        if "\nadmin:" not in written:
            written += f"\nadmin:\n  address: 127.0.0.1:{self.ports['8081']}\n"
        if written != config.read_text(encoding="utf-8"):
            config.write_text(written, encoding="utf-8")

    def remember(self) -> None:
        """Keep the variables that the command has set, as a reader's shell does."""
        kept = self.folder / KEPT
        pairs = (pair.partition("=") for pair in kept.read_text(encoding="utf-8").split("\0") if pair)
        self.memory |= {name: value for name, _, value in pairs if name.startswith(("KEY", "ID"))}
        kept.unlink()

    def environment(self) -> Mapping[str, str]:
        commands = str(Path(sys.executable).parent)
        return {**os.environ, **self.memory, "PATH": os.pathsep.join([commands, *self.programs, os.environ["PATH"]])}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_does_what_it_says(guide: Path, tmp_path: Path, processes: Processes) -> None:
    played = list(steps(text(guide)))
    assert played, f"{guide} has no ```console block: a guide shows what to type"
    folder = tmp_path / "here"
    folder.mkdir()
    terminal = Terminal(folder, processes)
    if "\n$ env PEBBLE" in text(guide):
        terminal.programs.append(str(acme.installed()))
    for step in played:
        terminal.run(step)


def test_there_are_guides() -> None:
    assert GUIDES
    assert (ROOT / "docs/guides/first-gate.md").is_file()
