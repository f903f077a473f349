"""Every `lockgate` command that the documentation shows exists, with the options that it is shown with."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from lockgate.cli._main import application
from support.tree import matching, text

PAGES = [path for path in matching(r"(docs/.*|examples/.*|[A-Z_]+)\.md$") if "docs/reference/" not in path.as_posix()]
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(page: Path) -> list[str]:
    """The commands in a page's blocks and between its backticks."""
    content = text(page)
    lines = [line for block in BLOCK.findall(content) for line in block.splitlines()]
    inline = re.findall(r"`(lockgate [^`\n]+)`", BLOCK.sub("", content))
    found = [line.removeprefix("$ ").split(" # ")[0].split("#")[0].strip() for line in lines]
    return [command for command in [*found, *inline] if re.match(r"lockgate [a-z]", command)]


COMMANDS = sorted({(path, command) for path in PAGES for command in shown(path)})


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 15


@pytest.fixture(scope="module")
def tree() -> Any:
    return typer.main.get_command(application())


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[f"{path}: {command}" for path, command in COMMANDS])
def test_a_shown_command_exists(tree: Any, page: Path, command: str) -> None:
    words = [word for word in shlex.split(command.replace("…", "x"))[1:] if word != "&"]
    node = tree
    while words and hasattr(node, "commands"):
        name = words.pop(0)
        assert name in node.commands, f"{page} shows `{command}`, but there is no `{name}`"
        node = node.commands[name]
    known = {option for each in node.params for option in [*each.opts, *each.secondary_opts]} | {"--help", "-h"}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]
    assert not unknown, f"{page} shows `{command}`, which knows no {unknown}"
