"""`docs/reference/cli.md`, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from lockgate.cli._main import application
from reference import NOTE
from reference.markdown import table

INTRODUCTION = """\
# Commands

Exit codes: 0 is fine, 1 is a finding or a refusal, 2 is a wrong call or a wrong configuration; 141 is output
that nobody read to its end (`lockgate logs | head`). With `--json`, a command prints data for programs.

"""


def files(_root: Path) -> dict[str, str]:
    """The page."""
    command = typer.main.get_command(application())
    parts = [section(words, each) for words, each in walk("lockgate", command) if not each.hidden]
    return {"docs/reference/cli.md": NOTE + INTRODUCTION + "\n".join(parts)}


def walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Each command that does something, by its words."""
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name in command.commands:
        yield from walk(f"{words} {name}", command.commands[name])


def section(words: str, command: Any) -> str:
    """One command: what it does, its arguments and options."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    usage = " ".join([words, *(shown(each) for each in arguments), *(["[OPTIONS]"] if options else [])])
    text = f"## `{words}`\n\n{paragraphs(command.help or '')}\n\n```text\n{usage}\n```\n"
    if arguments:
        text += "\n" + table(["Argument", "What it is"], [[f"`{shown(each)}`", each.help or ""] for each in arguments])
    if options:
        rows = [[spelled(each), default(each), each.help or ""] for each in options]
        text += "\n" + table(["Option", "Default", "What it does"], rows)
    return text


def shown(argument: Any) -> str:
    """An argument as a usage line names it."""
    name = (argument.metavar or argument.name.upper()).strip("[]")
    name = f"{name}..." if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def paragraphs(text: str) -> str:
    """The help's paragraphs, an example as code."""
    blocks = []
    for block in text.replace("\b", "").strip().split("\n\n"):
        words = " ".join(block.split())
        before, example, command = words.partition("Example: ")
        blocks.append(f"{before}{example}`{command}`" if example else words)
    return "\n\n".join(blocks)


def spelled(option: Any) -> str:
    """An option's names."""
    return ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])


def default(option: Any) -> str:
    """What holds when the option is left out."""
    if option.required:
        return "must be given"
    value = option.default
    return f"`{value}`" if isinstance(value, str | int | float | Path) and value is not False else ""
