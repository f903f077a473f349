"""Completion scripts, made from the commands themselves.

They are plain words of each shell, with every command and option written in:
nothing of Lockgate is started when Tab is pressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main

Takes = Literal["nothing", "any", "file", "folder"] | tuple[str, ...]
"""What may stand behind an option, or as an argument; several words are all there are."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option, in all its spellings."""

    spellings: tuple[str, ...]
    takes: Takes
    help: str


@dataclass(slots=True)
class Node:
    """A command, or a word with commands below it."""

    below: dict[str, str] = field(default_factory=dict)
    """Names, each with its help."""
    options: list[Option] = field(default_factory=list)
    argument: Takes = "nothing"


def nodes() -> dict[str, Node]:
    """Every command by its words: `keys create`."""
    from lockgate.cli._main import application

    found: dict[str, Node] = {}
    _walk(typer.main.get_command(application()), "", found)
    return found


def script(shell: str) -> str:
    """The script for a shell."""
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return "".join(f"{line}\n" for line in makers[shell](nodes()))


def _walk(command: Any, path: str, found: dict[str, Node]) -> None:
    node = found[path] = Node()
    for each in command.params:
        if each.param_type_name == "argument":
            node.argument = _takes(each)
        elif not each.hidden:
            spellings = tuple(sorted((*each.opts, *each.secondary_opts), key=len, reverse=True))
            node.options.append(Option(spellings, "nothing" if each.is_flag else _takes(each), _line(each.help)))
    node.options.append(Option(("--help", "-h"), "nothing", "Show what there is to say."))
    for name, below in getattr(command, "commands", {}).items():
        node.below[name] = _line(below.get_short_help_str(200))
        _walk(below, f"{path} {name}".strip(), found)


def _takes(parameter: Any) -> Takes:
    kinds = list(_kinds(parameter.type_descriptor.annotation))
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return tuple(str(choice.value) for choice in kind)
        if get_origin(kind) is Literal:
            return tuple(map(str, get_args(kind)))
    if parameter.metavar == "DIR":
        return "folder"
    return "file" if Path in kinds else "any"


def _kinds(annotation: Any) -> Iterator[Any]:
    """An annotation and what it is made of: `list[Path] | None` holds a Path."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _kinds(part)


def _line(text: str | None) -> str:
    """One line without what a shell would take for its own."""
    return " ".join((text or "").split()).translate(str.maketrans("`'\"$\\", "     ")).replace("  ", " ").strip()


def _values(found: dict[str, Node], kind: str) -> Iterator[str]:
    for path, node in found.items():
        for option in node.options:
            if option.takes == kind:
                yield from (f'"{path}:{spelling}"' for spelling in option.spellings)


def _bash(found: dict[str, Node]) -> Iterator[str]:
    yield "# Completion of lockgate for bash, made by `lockgate completion bash`."
    yield "_lockgate() {"
    yield '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path="" i'
    yield "    local IFS=$'\\n'"
    yield "    COMPREPLY=()"
    # bash splits words at `=`: `--role=g` is three.
    yield '    if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi'
    yield "    for ((i = 1; i < COMP_CWORD; i++)); do"
    yield '        case "${path:+$path }${COMP_WORDS[i]}" in'
    known = "|".join(_quoted(path) for path in found if path)
    yield f"            {known}) path=${{path:+$path }}${{COMP_WORDS[i]}} ;;"
    yield "        esac"
    yield "    done"
    yield '    case "$path:$prev" in'
    yield from (f"        {line}" for line in _bash_values(found))
    yield "    esac"
    yield '    case "$path" in'
    for path, node in found.items():
        options = "\\n".join(spelling for option in node.options for spelling in option.spellings)
        yield f"        {_quoted(path)})"
        yield f"            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W $'{options}' -- \"$cur\"))"
        words = list(node.below) or (list(node.argument) if isinstance(node.argument, tuple) else [])
        if words:
            yield f"            else COMPREPLY=($(compgen -W $'{_joined(words)}' -- \"$cur\"))"
        elif node.argument in {"file", "folder"}:
            yield '            else COMPREPLY=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null'
        yield "            fi ;;"
    yield "    esac"
    yield "}"
    yield "complete -F _lockgate lockgate"


def _bash_values(found: dict[str, Node]) -> Iterator[str]:
    for kind, flag in (("file", "-f"), ("folder", "-d")):
        places = "|".join(_values(found, kind))
        if places:
            words = f'COMPREPLY=($(compgen {flag} -- "$cur")); compopt -o filenames 2>/dev/null; return'
            yield f"{places}) {words} ;;"
    for path, node in found.items():
        for option in node.options:
            if isinstance(option.takes, tuple):
                places = "|".join(f'"{path}:{spelling}"' for spelling in option.spellings)
                yield f"{places}) COMPREPLY=($(compgen -W $'{_joined(option.takes)}' -- \"$cur\")); return ;;"
    places = "|".join(_values(found, "any"))
    if places:
        yield f"{places}) return ;;"


def _zsh(found: dict[str, Node]) -> Iterator[str]:
    yield "#compdef lockgate"
    yield "# Completion of lockgate for zsh, made by `lockgate completion zsh`."
    yield "_lockgate() {"
    yield '    local path_="" word prev=${words[CURRENT-1]}'
    yield "    local -a below"
    yield "    for word in ${words[2,CURRENT-1]}; do"
    yield '        case "${path_:+$path_ }$word" in'
    yield f"            ({'|'.join(_quoted(path) for path in found if path)}) path_=${{path_:+$path_ }}$word ;;"
    yield "        esac"
    yield "    done"
    # `--role=g` is one word here.
    yield '    if [[ ${words[CURRENT]} == --*=* ]]; then prev=${words[CURRENT]%%=*}; compset -P "*="; fi'
    yield '    case "$path_:$prev" in'
    for kind, words in (("file", "_files"), ("folder", "_files -/"), ("any", ":")):
        places = "|".join(_values(found, kind))
        if places:
            yield f"        ({places}) {words}; return ;;"
    for path, node in found.items():
        for option in node.options:
            if isinstance(option.takes, tuple):
                places = "|".join(f'"{path}:{spelling}"' for spelling in option.spellings)
                yield f"        ({places}) compadd -- {' '.join(option.takes)}; return ;;"
    yield "    esac"
    yield '    case "$path_" in'
    for path, node in found.items():
        options = [(spelling, option.help) for option in node.options for spelling in option.spellings]
        yield f"        ({_quoted(path)})"
        yield "            if [[ ${words[CURRENT]} == -* ]]; then"
        yield f"                below=({_described(options)}); _describe option below"
        if node.below:
            yield f"            else below=({_described(node.below.items())}); _describe command below"
        elif isinstance(node.argument, tuple):
            yield f"            else compadd -- {' '.join(node.argument)}"
        elif node.argument in {"file", "folder"}:
            yield "            else _files"
        yield "            fi ;;"
    yield "    esac"
    yield "}"
    # Loaded by its name out of $fpath, the file is the function's body; sourced, it tells of itself.
    yield 'if [[ $funcstack[1] == _lockgate ]]; then _lockgate "$@"; else compdef _lockgate lockgate; fi'


def _fish(found: dict[str, Node]) -> Iterator[str]:
    yield "# Completion of lockgate for fish, made by `lockgate completion fish`."
    yield f"set -g __lockgate_paths {' '.join(_quoted(path) for path in found if path)}"
    yield "function __lockgate_at"
    yield "    set -l path"
    yield "    for word in (commandline -opc)[2..-1]"
    yield "        if contains -- (string join ' ' -- $path $word) $__lockgate_paths"
    yield "            set path $path $word"
    yield "        end"
    yield "    end"
    yield '    test "$path" = "$argv[1]"'
    yield "end"
    yield "complete -c lockgate -f"
    for path, node in found.items():
        at = f"complete -c lockgate -n '__lockgate_at \"{path}\"'"
        for name, text in node.below.items():
            yield f"{at} -a {name} -d '{text}'"
        if isinstance(node.argument, tuple):
            yield f"{at} -a '{' '.join(node.argument)}'"
        elif node.argument in {"file", "folder"}:
            yield f"{at} -F"
        for option in node.options:
            names = " ".join(
                f"-l {each.removeprefix('--')}" if each.startswith("--") else f"-s {each.removeprefix('-')}"
                for each in option.spellings
            )
            yield f"{at} {names} {_fish_value(option.takes)}-d '{option.help}'"


def _fish_value(takes: Takes) -> str:
    if isinstance(takes, tuple):
        return f"-x -a '{' '.join(takes)}' "
    return {"nothing": "", "any": "-x ", "file": "-r -F ", "folder": "-x -a '(__fish_complete_directories)' "}[takes]


def _described(pairs: Any) -> str:
    return " ".join(f"'{name}:{text}'" for name, text in ((name, text.replace(":", ";")) for name, text in pairs))


def _joined(words: Any) -> str:
    return "\\n".join(words)


def _quoted(path: str) -> str:
    return f'"{path}"'
