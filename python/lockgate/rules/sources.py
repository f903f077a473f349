"""Where a rule set comes from: a version, an archive here or elsewhere, a folder, a package of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lockgate.rules.archive import ENTRIES, UNPACKED, Files, unpacked
from lockgate.rules.checksums import SUMS, VERSION, checked, sha256
from lockgate.rules.fetch import MODULE, Done, bare, cached_sum, fetched, local, module, module_sum
from lockgate.rules.layout import RuleFolder, plugin_files, rule_folder
from lockgate.rules.problems import RulesError

PACKAGES: Final = (
    (Path("/usr/share/modsecurity-crs"), Path("/etc/modsecurity/crs")),
    (Path("/usr/share/owasp-modsecurity-crs"), Path("/etc/modsecurity.d/owasp-modsecurity-crs")),
)
"""Where distributions put the rules, and what may be set of them."""
OWN_RULES: Final = ("REQUEST-900-", "RESPONSE-999-")
"""What an operator's own rules beside the settings begin with: they are loaded before and after the others."""

OLDEST: Final = 4
"""Of the Core Rule Set. Distributions have older ones."""

_VERSION: Final = re.compile(r"v?(\d{1,3}\.\d{1,4}\.\d{1,4}(?:-[a-z0-9.]{1,20})?)")
_UNKNOWN: Final = """\
no checksum is known here for {version}, only for {known}, and without one nothing tells what comes. One of these does:
  lockgate waf install {version} --checksum h1:…    with the sum that Go's checksum database has of the module
                                                   {module} v{version}
  go mod download {module}@v{version}
                                                   where there is Go, which asks that database; then the same again
  lockgate waf install SOURCE --checksum SUM       with the URL or the file of the project's release archive, and the
                                                   SHA-256 that the project tells of it"""
"""What to do about a version that is not pinned."""

_PROTOCOL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Had:
    """What was had, and from where."""

    files: Files
    name: str
    checksum: str | None
    """What it was held against; nothing where it lay on this machine already."""


def core(source: str | None, checksum: str | None, done: Done) -> tuple[RuleFolder, Had]:
    """A rule set from where `source` says; raises `RulesError` where it cannot be had as it should be."""
    had = _had(source, checksum, done)
    folder = rule_folder(had.files, had.name)
    if folder.version is not None and int(folder.version.partition(".")[0]) < OLDEST:
        raise RulesError(
            f"{had.name} is the Core Rule Set {folder.version}, and Lockgate runs version {OLDEST} and later: the ones "
            "before need patterns that take more than linear time, and answers of name servers. "
            f"`lockgate waf install` has {VERSION}"
        )
    return folder, had


def plugin(source: str, checksum: str | None, done: Done) -> Had:
    """A plugin's files, by their paths in a rule set."""
    had = _named(source, checksum, done)
    return Had(plugin_files(had.files, had.name), had.name, had.checksum)


def _had(source: str | None, checksum: str | None, done: Done) -> Had:
    wanted = None if checksum is None else checked(checksum)
    if source == "package":
        return _package()
    version = _VERSION.fullmatch(source or VERSION)
    if version is None or (source is not None and Path(source).exists()):
        return _named(source or "", checksum, done)
    known = wanted or SUMS.get(version[1]) or cached_sum(version[1])
    if known is None:
        raise RulesError(_UNKNOWN.format(version=version[1], known=" and ".join(SUMS), module=MODULE))
    content, name = module(version[1], done)
    if not known.startswith("h1:") and sha256(content) != known:
        raise RulesError(
            f"{name} is not what was asked for: its SHA-256 is {sha256(content)}, and not {known}. A version by its "
            "number is had as a Go module; if that is the SHA-256 of the project's release archive, name the archive "
            f"in place of {version[1]}: its URL, or its file"
        )
    return _held(content, name, known)


def _named(source: str, checksum: str | None, done: Done) -> Had:
    wanted = None if checksum is None else checked(checksum)
    if _PROTOCOL.match(source):
        if wanted is None:
            raise RulesError(
                f"{bare(source)} comes from elsewhere and nothing tells what is in it: give its SHA-256 as "
                "the project publishes it, with --checksum"
            )
        return _held(fetched(source, done), bare(source), wanted)
    path = Path(source)
    if path.is_dir():
        return Had(_folder([path]), str(path.absolute()), None)
    if not path.is_file():
        raise RulesError(f"there is no {source}: name a version such as {VERSION}, a URL, an archive or a folder")
    content = local(path)
    return _held(content, str(path.absolute()), wanted)


def _held(content: bytes, name: str, wanted: str | None) -> Had:
    """The archive, if it is the one that is wanted. A module's checksum is of what is in it."""
    found = sha256(content)
    if wanted is not None and not wanted.startswith("h1:"):
        if found != wanted:
            raise RulesError(f"{name} is not what was asked for: its SHA-256 is {found}, and not {wanted}")
        return Had(unpacked(content, name), name, f"sha256:{found}")
    if wanted is None:
        raise RulesError(
            f"{name} is an archive, and nothing tells what is in it: its SHA-256 is {found}; where the project "
            f"publishes the same, give it with --checksum"
        )
    files = unpacked(content, name)
    found = module_sum(files)
    if found != wanted:
        raise RulesError(f"{name} is not what was asked for: its checksum is {found}, and not {wanted}")
    return Had(files, name, found)


def _package() -> Had:
    for rules, settings in PACKAGES:
        if (rules / "rules").is_dir():
            files = _folder([rules, settings])
            for name in [each for each in files if each.startswith(OWN_RULES) and each.endswith(".conf")]:
                files[f"rules/{name}"] = files.pop(name)
            return Had(files, str(rules), None)
    looked = " or ".join(str(rules) for rules, _ in PACKAGES)
    raise RulesError(f"no package of the Core Rule Set is installed here: there is no {looked}")


def _folder(folders: Iterable[Path]) -> Files:
    """What is in folders, the later ones over the earlier; links lead wherever the machine's owner put them."""
    files: Files = {}
    total = 0
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in {".conf", ".data", ".example"} and path.name != "LICENSE":
                continue
            if path.is_dir() or not path.exists():
                continue
            # A pipe would make this wait for whoever writes to it, and a device has no end.
            if not path.is_file():
                raise RulesError(f"{path} is not a regular file")
            content = local(path)
            total += len(content)
            if total > UNPACKED or len(files) >= ENTRIES:
                raise RulesError(f"{folder} is no rule set: it has more than {UNPACKED >> 20} MiB or {ENTRIES:,} files")
            files[str(path.relative_to(folder))] = content
    return files
