"""Archives that strangers made, read within bounds and into memory: nothing of them is written by its own name."""

from __future__ import annotations

import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from typing_extensions import override

from lockgate.rules.problems import RulesError

PACKED: Final = 64 * 2**20
"""The Core Rule Set with all its cases has one megabyte, packed."""
UNPACKED: Final = 128 * 2**20
"""It has 20 MiB, unpacked."""
ENTRIES: Final = 20_000
"""It has 1,500."""

Files = dict[str, bytes]
"""Contents by name, `/` between the steps."""

_BROKEN: Final = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


def unpacked(archive: bytes, name: str) -> Files:
    """Every file in a `.zip` or `.tar.gz`; raises `RulesError` for what no release has.

    Names that lead out of the archive are refused, wherever they stand; links and devices where something of the name
    would be read from them. What an entry says of its own size is not believed.
    """
    if len(archive) > PACKED:
        raise RulesError(f"{name} has more than {PACKED >> 20} MiB")
    try:
        if archive.startswith(b"PK\x03\x04"):
            return _gathered(_zip(archive), name)
        if archive.startswith(b"\x1f\x8b"):
            return _gathered(_tar(archive), name)
    except RulesError:
        raise
    except NotImplementedError as error:
        raise RulesError(f"{name} is packed in a way that is not read: {error}") from error
    except (*_BROKEN, RuntimeError) as error:
        raise RulesError(f"{name} is damaged or cut off: {str(error) or type(error).__name__}") from error
    raise RulesError(f"{name} is neither a .zip nor a .tar.gz file")


def _gathered(entries: Iterator[tuple[str, bytes | None]], name: str) -> Files:
    files: Files = {}
    total = 0
    for number, (entry, content) in enumerate(entries):
        if number >= ENTRIES:
            raise RulesError(f"{name} has more than {ENTRIES:,} entries")
        within = _within(entry, name)
        if content is None:
            files.pop(within, None)
            continue
        if within in files:
            raise RulesError(f"{name} has `{within}` twice")
        total += len(content)
        if total > UNPACKED:
            raise RulesError(f"{name} unpacks to more than {UNPACKED >> 20} MiB")
        files[within] = content
    return files


def _within(entry: str, name: str) -> str:
    """The entry's name, if it stays in the archive's folder."""
    path = PurePosixPath(entry)
    if path.is_absolute() or ".." in path.parts or "\\" in entry or not entry.isprintable():
        raise RulesError(f"{name} holds a file outside of its folder: {entry[:200]!r}")
    return str(path)


def _zip(archive: bytes) -> Iterator[tuple[str, bytes | None]]:
    left = UNPACKED
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        for number, entry in enumerate(packed.infolist()):
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if number > ENTRIES:
                return
            if entry.is_dir():
                continue
            if kind not in {0, stat.S_IFREG}:
                yield entry.filename, None
                continue
            with packed.open(entry) as stream:
                # One byte more than is left: the sum then tells that it is too much.
                content = stream.read(left + 1)
            left -= min(len(content), left)
            yield entry.filename, content


def _tar(archive: bytes) -> Iterator[tuple[str, bytes | None]]:
    import gzip

    with (
        gzip.GzipFile(fileobj=io.BytesIO(archive)) as plain,
        tarfile.open(fileobj=_Bounded(plain), mode="r|") as packed,
    ):
        for entry in packed:
            if entry.isdir():
                continue
            stream = packed.extractfile(entry) if entry.isreg() else None
            yield entry.name, None if stream is None else stream.read()


class _Bounded(io.RawIOBase):
    """A stream that ends with an error once it has given more than an archive may hold, headers and all."""

    def __init__(self, inner: BinaryIO | io.BufferedIOBase) -> None:
        self._inner = inner
        self._left = UNPACKED + ENTRIES * 1024

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        content = self._inner.read(wanted)
        self._left -= len(content)
        if self._left < 0:
            raise RulesError(f"the archive unpacks to more than {UNPACKED >> 20} MiB")
        return content
