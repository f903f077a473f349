"""Lists of networks that lie in files of their own: one to a line, `#` before comments."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Final, TypeVar

from pydantic_core import PydanticCustomError

from lockgate.addresses import parse_network
from lockgate.config import passthrough
from lockgate.config.document import Document
from lockgate.config.placed import Path
from lockgate.config.problems import Problems, Region, Source
from lockgate.config.references import References
from lockgate.policies import AddressEntry, AddressFilter, Lists

Filter = TypeVar("Filter", bound=AddressFilter)

MAX_FILE: Final = 64 * 2**20
"""A million networks take about 16 MiB."""


@dataclass(slots=True)
class ListFiles:
    """Reads the lists that policies name, each once."""

    problems: Problems
    references: References
    read: dict[str, list[str]] = field(default_factory=dict)
    """The networks of each file, by absolute path."""

    def resolve(self, document: Document) -> None:
        """Read every list, and put absolute paths into the policies that name them."""
        if document.defaults.ip_filter is not None:
            found = self._filter(document, document.defaults.ip_filter, ("defaults", "ip_filter"))
            document.defaults = document.defaults.model_copy(update={"ip_filter": found})
        for name, api in document.apis.items():
            if api.ip_filter is not None and any(_files(api.ip_filter)):
                found = self._filter(document, api.ip_filter, ("apis", name, "ip_filter"))
                document.apis[name] = api.model_copy(update={"ip_filter": found})

        for name, listener in document.listeners.items():
            tls = listener.tls
            if tls is not None and any(any(_files(entry.ip_filter)) for entry in tls.passthrough):
                ways = [
                    entry.model_copy(
                        update={"ip_filter": self._filter(document, entry.ip_filter, (*path, "ip_filter"))}
                    )
                    for path, entry in passthrough.entries(name, tls)
                ]
                update = {"tls": tls.model_copy(update={"passthrough": ways})}
                document.listeners[name] = listener.model_copy(update=update)

    def _filter(self, document: Document, policy: Filter, path: Path) -> Filter:
        update: dict[str, list[AddressEntry]] = {}
        if policy.allow is not None:
            update["allow"] = self._entries(document, policy.allow, (*path, "allow"))
        if "deny" in policy.model_fields_set:
            update["deny"] = self._entries(document, policy.deny, (*path, "deny"))
        return policy.model_copy(update=update)

    def _entries(self, document: Document, entries: list[AddressEntry], path: Path) -> list[AddressEntry]:
        found = list(entries)
        for index, entry in enumerate(entries):
            if entry.file is not None:
                item = document.item(*path, index)
                target = self.references.absolute(entry.file, item.file if item is not None else 0)
                self._load(target, document.value_region(*path, index, "file"))
                found[index] = AddressEntry(file=str(target))
        return found

    def _load(self, target: File, region: Region) -> None:
        if str(target) in self.read:
            return
        self.read[str(target)] = []
        self.references.name(target)
        try:
            if not stat.S_ISREG(target.stat().st_mode):
                self.problems.add(region, "file-unreadable", f"{self.references.say(target)} is not a regular file")
                return
            with target.open("rb") as stream:
                content = stream.read(MAX_FILE + 1)
            if len(content) > MAX_FILE:
                self.problems.add(
                    region, "file-too-large", f"{self.references.say(target)} is too large", allowed="64MiB"
                )
                return
            text = content.decode("utf-8-sig")
        except FileNotFoundError:
            self.problems.add(region, "file-missing", f"there is no file {self.references.say(target)}")
            return
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            self.problems.add(region, "file-unreadable", f"{self.references.say(target)} cannot be read: {why}")
            return
        self.read[str(target)] = list(self._networks(target, text))

    def _networks(self, target: File, text: str) -> Iterator[str]:
        index: int | None = None
        for number, line in enumerate(text.split("\n"), 1):
            word = line.partition("#")[0].strip()
            if not word:
                continue
            try:
                yield parse_network(word)
            except PydanticCustomError as error:
                if index is None:
                    index = self._source(target, text)
                context = error.context or {}
                column = line.index(word) + 1
                self.problems.add(
                    Region(index, number, column, number, column + len(word)),
                    error.type,
                    error.message(),
                    allowed=context.get("allowed"),
                    hint=context.get("hint"),
                )

    def _source(self, target: File, text: str) -> int:
        main = self.problems.sources[0].path.parent
        name = str(target.relative_to(main)) if target.is_relative_to(main) else str(target)
        self.problems.sources.append(Source(target, name, text))
        return len(self.problems.sources) - 1


def check_filter(document: Document, policy: AddressFilter, path: Path, lists: Lists) -> None:
    """Note a list of those who may come that has nobody: to the gate it would mean that there is none."""
    if policy.allow is None or policy.own(lists)["allow"]:
        return
    told = {problem.region for problem in document.problems.errors}
    if any(document.value_region(*path, "allow", index, "file") in told for index in range(len(policy.allow))):
        return  # A list that could not be read is no empty one.
    document.problems.add(
        document.region(*path, "allow"),
        "allow-empty",
        "an empty `allow` would let in nobody or everybody, depending on who reads it",
        hint="name the networks that may call, or leave `allow` out to let in all",
        path=(*path, "allow"),
    )


def _files(policy: AddressFilter) -> Iterator[str]:
    for entry in (*(policy.allow or ()), *policy.deny):
        if entry.file is not None:
            yield entry.file
