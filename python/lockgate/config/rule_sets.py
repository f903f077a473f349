"""Rules in SecLang that policies name: read from disk, and put into the bundle."""

from __future__ import annotations

import fnmatch
import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lockgate import _native
from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.placed import Placed
from lockgate.config.problems import Problems, Region
from lockgate.config.references import References
from lockgate.policies import Waf

CORE: Final = Path(".lockgate/rules/core")
"""Where the Core Rule Set is installed, beside the configuration."""

MAX_FILE: Final = 4 * 2**20
"""The largest file of the Core Rule Set has 150 KiB."""
MAX_BYTES: Final = 32 * 2**20
MAX_FILES: Final = 1_000

# Exclusion packages and other plugins stand around the rules, as the Core Rule Set's own documentation has it.
ENTRIES: Final = (
    "core/crs-setup.conf",
    "core/plugins/*-config.conf",
    "core/plugins/*-before.conf",
    "core/rules/*.conf",
    "core/plugins/*-after.conf",
)

KINDS: Final = frozenset({".conf", ".data"})
"""What is read of the Core Rule Set's folder."""

WATCHED: Final = ("*.conf", "rules/*", "plugins/*")
"""What a new file would match that is read."""

OWN: Final = "own/"
"""What the names of own files begin with, so that none is taken for one of the Core Rule Set's."""

ELSEWHERE: Final = "@"
"""And of those that lie elsewhere than below the configuration: a folder each."""

Key = tuple[bool, tuple[Path, ...]]


@dataclass(slots=True)
class RuleSets:
    """Reads rule sets, each once, and remembers which policy has which."""

    problems: Problems
    references: References
    core: Path | None = None
    """Where the Core Rule Set is instead, while another version of it is tried."""
    made: list[types.RuleSet] = field(default_factory=list)
    _known: dict[Key, int] = field(default_factory=dict)
    _of: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def resolve(self, document: Document, apis: list[EffectiveApi]) -> None:
        """Read what every API's `waf` names."""
        for api in apis:
            if api.waf is not None and api.waf.policy.reads_rules and api.waf.path not in self._of:
                self._resolve(document, api.waf)

    def of(self, placed: Placed[Waf]) -> int | None:
        """The number of a policy's rule set."""
        return self._of.get(placed.path)

    def _resolve(self, document: Document, placed: Placed[Waf]) -> None:
        policy, path = placed.policy, placed.path
        region = document.region(*path)
        core = "core" in policy.rules
        item = document.item(*path)
        own = dict(self._own(policy, item.file if item is not None else 0, document, path))
        key = (core, tuple(own))
        if key not in self._known:
            files = [*self._core(document, path)] if core else []
            named = [self._read(name, self._named(n, name), said) for n, (name, said) in enumerate(own.items())]
            mine = [each for each in named if each is not None]
            found = [each for each in files if each is not None]
            found += [*mine, *self._asked_for(mine, list(own), region)]
            if sum(len(each["text"]) for each in found) > MAX_BYTES:
                self.problems.add(region, "waf-rules-too-large", "the rules are too large", allowed="32MiB in all")
                return
            entries = [*ENTRIES] if core else []
            present = [each["name"] for each in found]
            first = {each["name"] for each in mine}
            self._known[key] = len(self.made)
            self.made.append(
                {
                    "name": "core" if core else "own",
                    "files": found,
                    "entries": [
                        entry
                        for entry in (*entries, *(name for name in present if name in first))
                        if any(fnmatch.fnmatchcase(name, entry) for name in present)
                    ],
                    "span": region.span,
                }
            )
        self._of[path] = self._known[key]

    def _own(
        self, policy: Waf, file: int, document: Document, path: tuple[str | int, ...]
    ) -> Iterator[tuple[Path, Region]]:
        """The own files, and where the configuration names each."""
        for index, pattern in enumerate(policy.files):
            target = self.references.absolute(pattern, file)
            self.references.patterns.append(str(target))
            region = document.value_region(*path, "files", index)
            found = sorted(target.parent.glob(target.name))
            if not found:
                self.problems.add(region, "waf-no-rules", f"there is no file {self.references.say(target)}")
            yield from ((each, region) for each in found)

    def _named(self, number: int, target: Path) -> str:
        """An own file's name among the rules: its way from the configuration, where it lies below that."""
        below = target.is_relative_to(self._home)
        return f"{OWN}{target.relative_to(self._home) if below else f'{ELSEWHERE}{number}/{target.name}'}"

    @property
    def _home(self) -> Path:
        """The configuration's folder."""
        return self.problems.sources[0].path.parent

    def _asked_for(self, files: Sequence[types.RuleFile], own: Sequence[Path], region: Region) -> list[types.RuleFile]:
        """What own files name in their turn: lists of words and addresses, and rules that they include.

        The engine says what it looks for, since paths are meant from the folder of the file that names them.
        """
        found: list[types.RuleFile] = []
        tried: set[str] = {each["name"] for each in files}
        while len(found) < MAX_FILES:
            all_files = [*files, *found]
            entries = [each["name"] for each in files]
            asked = {"name": "own", "files": all_files, "entries": entries, "span": region.span}
            wanted = [name for name in _native.wanted_rule_files(json.dumps(asked).encode()) if name not in tried]
            if not wanted:
                return found
            tried.update(wanted)
            for name, target in (each for pattern in wanted for each in self._there(pattern, own)):
                read = self._read(target, name, region) if name not in {each["name"] for each in all_files} else None
                found += [read] if read is not None else []
                tried.add(name)
        return found

    def _there(self, wanted: str, own: Sequence[Path]) -> Iterator[tuple[str, Path]]:
        """The files that a name among the rules, or a pattern of such, stands for."""
        root, begin = self._home, OWN
        if wanted.startswith("/"):
            root, begin = Path("/"), "/"
        elif wanted.startswith(OWN + ELSEWHERE):
            number = wanted.removeprefix(OWN + ELSEWHERE).partition("/")[0]
            if not number.isdecimal() or int(number) >= len(own):
                return
            root, begin = own[int(number)].parent, f"{OWN}{ELSEWHERE}{number}/"
        elif not wanted.startswith(OWN):
            return
        below = wanted.removeprefix(begin)
        self.references.patterns.append(str(root / below))
        targets = sorted(root.glob(below)) if set(below) & set("*?[") else [root / below]
        yield from ((f"{begin}{each.relative_to(root)}", each) for each in targets if each.is_file())

    def _core(self, document: Document, path: tuple[str | int, ...]) -> Iterator[types.RuleFile | None]:
        folder = self.core or self.references.absolute(str(CORE), 0)
        region = document.value_region(*path, "rules") if document.says(*path, "rules") else document.region(*path)
        self.references.looked_at.append(folder)
        self.references.patterns += [str(folder / below) for below in WATCHED]
        rules = sorted(folder.glob("rules/*.conf"))
        if not rules:
            self.problems.add(
                region,
                "waf-core-missing",
                f"the OWASP Core Rule Set is not in {self.references.say(folder)}",
                hint="`lockgate waf install` puts it there",
            )
            return
        for name in sorted(each for each in folder.rglob("*") if each.suffix in KINDS and not each.is_dir()):
            yield self._read(name, f"core/{name.relative_to(folder)}", region)

    def _read(self, target: Path, name: str, region: Region) -> types.RuleFile | None:
        self.references.name(target)
        try:
            mode = target.stat().st_mode
            # A pipe would make the load wait for whoever writes to it, and a device has no end.
            if not stat.S_ISREG(mode):
                kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
                hint = f"name the files in it: {target.name}/*.conf" if stat.S_ISDIR(mode) else None
                self.problems.add(region, "file-unreadable", f"{self.references.say(target)} is {kind}", hint=hint)
                return None
            with target.open("rb") as stream:
                content = stream.read(MAX_FILE + 1)
            if len(content) > MAX_FILE:
                self.problems.add(
                    region, "file-too-large", f"{self.references.say(target)} is too large", allowed="4MiB"
                )
                return None
            return {"name": name, "text": content.decode("utf-8")}
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            self.problems.add(region, "file-unreadable", f"{self.references.say(target)} cannot be read: {why}")
            return None
