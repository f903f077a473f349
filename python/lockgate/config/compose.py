"""YAML text to a tree of nodes with marks, under bounds.

libyaml does the work (PyYAML's `CParser`; docs/decisions says why not
ruamel.yaml's composer, which takes forty times as long). YAML 1.1's guesses
are not used: a plain scalar means what YAML 1.2's core schema says, so `off`
is a word and `2027-01-01` is text.
"""

from __future__ import annotations

import re
from typing import Final

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

from lockgate.config.problems import Problems, Region, Source

try:
    from yaml._yaml import CParser  # Under `yaml.cyaml` it is the same, but no name of its own.
except ImportError:  # PyYAML was built without libyaml: the same tree, more slowly.
    CParser = None  # type: ignore[assignment,misc]

MAX_DEPTH: Final = 32
"""The deepest setting is eight levels down; a parser's stack is not to be a stranger's to fill."""


class TooDeepError(Exception):
    """The document is nested deeper than `MAX_DEPTH`."""


class _Untyped:
    """What a composer asks of a resolver: here no types are guessed, and depth and size are counted."""

    depth = 0
    nodes = 0
    limit = MAX_DEPTH

    def descend_resolver(self, parent: yaml.Node | None, index: object) -> None:  # noqa: ARG002 -- PyYAML names them.
        self.nodes += 1
        self.depth += 1
        if self.depth > self.limit:
            raise TooDeepError

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def resolve(self, kind: type[yaml.Node], value: object, implicit: object) -> str:  # noqa: ARG002 -- As above.
        # An empty tag can only come from here, so any other one was written in the file.
        return ""


if CParser is not None:

    class _NativeComposer(_Untyped, CParser):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)


class _PlainComposer(_Untyped, Reader, Scanner, Parser, Composer):
    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


def compose(
    source: Source, file: int, problems: Problems, *, native: bool = True, depth: int = MAX_DEPTH
) -> tuple[yaml.Node | None, int]:
    """The document's root and the number of its nodes; `None` where it is empty or broken."""
    try:
        composer = _NativeComposer(source.text) if native and CParser is not None else _PlainComposer(source.text)
        composer.limit = depth
        root = composer.get_single_node()
    except TooDeepError:
        problems.add(
            Region(file, 1, 1, 1, 1), "too-deep", "the document is nested too deeply", allowed=f"{depth} levels"
        )
    except ReaderError as error:
        region = _region_at(source, file, error.position)
        problems.add(
            region,
            "control-character",
            f"the character U+{_code_point(error):04X} may not stand in YAML",
            hint="take it out; an editor that shows invisible characters finds it",
        )
    except yaml.MarkedYAMLError as error:
        _marked(source, file, error, problems)
    except yaml.YAMLError as error:
        problems.add(Region(file, 1, 1, 1, 1), "yaml", f"this is not YAML: {_words(str(error))}")
    else:
        return root, composer.nodes
    return None, 0


def _marked(source: Source, file: int, error: yaml.MarkedYAMLError, problems: Problems) -> None:
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and "end of stream" in (error.problem or ""):
        mark = error.context_mark  # What was opened tells more than where the file ends.
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = _words(error.problem or "it cannot be read")
    context = _words(error.context) if error.context else ""
    if error.context_mark is not None and context and error.context_mark.line + 1 != line:
        context += f" that begins on line {error.context_mark.line + 1}"
    code, hint = _known(what, source.line(line), column)
    if code == "yaml-tab":
        what, context = "a tab in the indentation", ""
    if (left := _conflict(source)) is not None:
        line, column = left, 1
        code, what, context = "yaml-conflict", "this is left over from a merge of two versions", ""
        hint = "choose one of the two, and take the lines with `<<<<<<<`, `=======` and `>>>>>>>` out"
    if what == "but found another document":
        what = "a second document begins here"
        context = ""
    message = f"{what}, {context}" if context else what
    problems.add(Region(file, line, column, line, column + 1), code, message, hint=hint)


def _conflict(source: Source) -> int | None:
    """The line where git has left both versions of something."""
    found = re.search(r"^<<<<<<< ", source.text, re.MULTILINE)
    return source.text.count("\n", 0, found.start()) + 1 if found else None


def _known(what: str, line: str, column: int) -> tuple[str, str | None]:
    """A code and, for the mistakes that people make, what to do."""
    before = line[: column - 1]
    if "cannot start any token" in what:
        if line[column - 1 : column] == "\t":
            return "yaml-tab", "indent with spaces: YAML allows no tabs there"
        return "yaml", f"put the value in quotes: no plain text may begin with `{line[column - 1 : column]}`"
    if what == "but found another document":
        return "yaml-second-document", "one file is one document: use `include` for more, and take the `---` out"
    if what.startswith("mapping values are not allowed"):
        return "yaml", (
            "a text with `: ` in it wants quotes; or the line is indented too far, or the one above it has no space "
            "behind its `:`"
        )
    if "unknown escape character" in what:
        return "yaml", "in double quotes a backslash begins an escape: use single quotes, and `/` in paths"
    if "<document start>" in what:
        return "yaml", "a configuration is YAML, each setting written as `name: value`"
    if "alias" in what:
        return "yaml-alias", "an alias `*name` stands for what an anchor `&name` above it marked"
    if "tag" in what:
        return "yaml-tag", "tags (`!name`) are not taken; if this is a text, put it in quotes"
    if "{" in before and re.search(r"[:,] *[^\"',{}\[\] ][^\"',]*[{}\[\]]", line):
        return "yaml", "within `{…}` or `[…]`, a text that holds a brace or bracket wants quotes"
    if "did not find expected key" in what or "<block end>" in what or "expected ',' or" in what:
        return "yaml", "look at the indentation and the brackets of this line and the one above it"
    if "quoted scalar" in what or "end of stream" in what:
        return "yaml", "a quotation mark or a bracket was opened and not closed"
    return "yaml", None


def _words(text: str) -> str:
    """The parser's words on one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _code_point(error: ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")


def _region_at(source: Source, file: int, position: int) -> Region:
    before = source.text[: max(position, 0)]
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return Region(file, line, column, line, column + 1)
