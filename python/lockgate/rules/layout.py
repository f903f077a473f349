"""Which of the files of a release, a module or a package are rules, and where each belongs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from lockgate.rules.archive import Files
from lockgate.rules.problems import RulesError

RULE_FOLDERS: Final = ("rules", "@owasp_crs")
"""What releases call it, and what the Go module does."""
SETUP: Final = "crs-setup.conf"
EXAMPLES: Final = ("crs-setup.conf.example", "@crs-setup.conf.example")
"""Settings as a release has them: whoever changes some does so in a copy named `SETUP`."""
PARTS: Final = ("-config.conf", "-before.conf", "-after.conf")
"""Of a plugin: its settings, what stands before the rules, and what stands behind them."""
KINDS: Final = frozenset({".conf", ".data"})
MAX_TAKEN: Final = 1_000
"""As many files as a rule set may have."""

_VERSION: Final = re.compile(rb"ver[:.]\s?'?(?:OWASP_CRS/)?(\d{1,3}\.\d{1,4}\.\d{1,4}(?:-[a-z0-9.]{1,20})?)\b")


@dataclass(frozen=True, slots=True)
class RuleFolder:
    """A rule set as it is installed: contents by path, and what is known of it."""

    files: Files
    version: str | None
    plugins: list[str] = field(default_factory=list)
    setup_before: bytes | None = None
    """What `crs-setup.conf` was in the release, where somebody's own is beside it."""


def rule_folder(files: Mapping[str, bytes], name: str) -> RuleFolder:
    """What of these files is a rule set; raises `RulesError` where there is none."""
    folder = _rules(files)
    if folder is None:
        raise RulesError(
            f"{name} has no rules in it: a release has a folder `rules` with .conf files, and crs-setup.conf.example"
        )
    taken = {f"rules/{each}": content for each, content in _of_kind(files, folder)}
    above = folder.parent
    setups = [found for each in (SETUP, *EXAMPLES) if (found := files.get(str(above / each))) is not None]
    own = str(above / SETUP) in files
    if setups:
        taken[SETUP] = setups[0]
    before = setups[1] if own and len(setups) > 1 and setups[1] != setups[0] else None
    for place in (above, above.parent):
        if "LICENSE" not in taken and str(place / "LICENSE") in files:
            taken["LICENSE"] = files[str(place / "LICENSE")]
    # Releases have empty ones, as places to put one's own into: they say nothing.
    plugins = {each: content for each, content in _of_kind(files, above / "plugins") if _says(content)}
    taken |= {f"plugins/{each}": content for each, content in plugins.items()}
    if len(taken) > MAX_TAKEN:
        raise RulesError(f"{name} has more than {MAX_TAKEN:,} files of rules")
    return RuleFolder(taken, _version(taken), names(plugins), before)


def plugin_files(files: Mapping[str, bytes], name: str) -> Files:
    """What of these files is a plugin, by its path in the rule set; raises `RulesError` where there is none."""
    for folder in sorted({PurePosixPath(each).parent for each in files}, key=lambda each: len(each.parts)):
        found = dict(_of_kind(files, folder))
        if names(found) and "tests" not in folder.parts:
            return {f"plugins/{each}": content for each, content in found.items()}
    raise RulesError(f"{name} is no plugin: it has files named NAME-config.conf, NAME-before.conf or NAME-after.conf")


def names(files: Iterable[str]) -> list[str]:
    """Plugins, by the names that their files share."""
    found = (each.removeprefix("plugins/") for each in files)
    return sorted({each.removesuffix(part) for each in found for part in PARTS if each.endswith(part)})


def belongs(file: str, plugin: str) -> bool:
    """Whether a file of the rule set is that plugin's."""
    name = file.removeprefix("plugins/")
    return name != file and (name in {plugin + part for part in PARTS} or name.startswith(f"{plugin}-"))


def _rules(files: Mapping[str, bytes]) -> PurePosixPath | None:
    """The folder of rules that is nearest to the top."""
    folders: dict[PurePosixPath, int] = {}
    for each in files:
        path = PurePosixPath(each)
        if path.suffix == ".conf" and path.parent.name in RULE_FOLDERS and "tests" not in path.parts:
            folders[path.parent] = folders.get(path.parent, 0) + 1
    return min(folders, key=lambda each: (len(each.parts), -folders[each], str(each)), default=None)


def _of_kind(files: Mapping[str, bytes], folder: PurePosixPath) -> Iterable[tuple[str, bytes]]:
    for each, content in sorted(files.items()):
        path = PurePosixPath(each)
        if path.parent == folder and path.suffix in KINDS:
            yield path.name, content


def _says(content: bytes) -> bool:
    return any(line.strip() and not line.lstrip().startswith(b"#") for line in content.splitlines())


def _version(taken: Mapping[str, bytes]) -> str | None:
    """What the rules themselves say that they are."""
    said = [name for name in taken if name.endswith(".conf") and not name.startswith("plugins/")]
    for name in sorted(said, key=lambda each: each != SETUP):
        found = _VERSION.search(taken[name])
        if found is not None:
            return found[1].decode("ascii")
    return None
