"""The Core Rule Set with its regression cases, as a Go module: fetched by plain HTTP, and held by its checksum."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

PATH = "github.com/corazawaf/coraza-coreruleset/v4"
VERSION = "4.25.0"
"""The version that is run where nothing else is said."""
SUMS = {
    "4.22.0": "h1:rQhJ1+2+TZsoVBXlRWn+AVteECot3pIF8tSVDjjhkUc=",
    "4.25.0": "h1:tqFO1lfVpTiyWtlN618OXpZMfw+nnN0Q4///W5W+/HM=",
}
"""Checksums as the checksum database has them; another version's is told by `LOCKGATE_CRS_SUM`."""
LARGEST = 64 << 20
"""Bytes that an archive may have, packed and unpacked; this one has half a megabyte."""
FETCH_SECONDS = 60


class UnavailableError(Exception):
    """The module cannot be had here: the proxy is away, or does not have it."""


def h1(files: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]]) -> str:
    """The checksum that Go's tools call `h1:`, of names and contents.

    It is the SHA-256 of one line per file in order of their names: the content's SHA-256 in hexadecimal, two spaces,
    the name.
    """
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in sorted(files, key=lambda each: each[0].encode())
    ]
    return "h1:" + base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


def contents(archive: bytes) -> list[tuple[str, bytes]]:
    """The files of a zip file, with a bound on their sum."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        entries = [entry for entry in packed.infolist() if not entry.is_dir()]
        if sum(entry.file_size for entry in entries) > LARGEST:
            raise ValueError(f"the archive unpacks to more than {LARGEST} bytes")
        return [(entry.filename, packed.read(entry)) for entry in entries]


def proxies() -> list[str]:
    """The module proxies that GOPROXY names, or else those that Go does; in their order."""
    words = os.environ.get("GOPROXY") or gos()
    return [word.rstrip("/") for word in words.replace("|", ",").split(",") if word.startswith(("https://", "http://"))]


def gos() -> str:
    """What Go says that GOPROXY is; nothing where there is no Go."""
    try:
        return subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def fetched(version: str) -> bytes:
    """The module's zip file from the first proxy that has it."""
    problems = []
    for proxy in proxies():
        url = f"{proxy}/{PATH}/@v/v{version}.zip"
        try:
            with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 -- Schemes are chosen above.
                archive: bytes = answer.read(LARGEST + 1)
        except OSError as error:
            problems.append(f"{url}: {error}")
            continue
        if len(archive) > LARGEST:
            raise ValueError(f"{url} has more than {LARGEST} bytes")
        return archive
    raise UnavailableError("; ".join(problems) or "no module proxy is known: set GOPROXY, or install Go")


def chosen() -> str:
    """The version that `LOCKGATE_CRS_VERSION` names, or the usual one."""
    return os.environ.get("LOCKGATE_CRS_VERSION", VERSION).removeprefix("v")


def wanted_sum(version: str) -> str:
    """What a version's checksum has to be."""
    told = os.environ.get("LOCKGATE_CRS_SUM") if version == chosen() else None
    known = told or SUMS.get(version)
    if known is None:
        raise ValueError(f"no checksum is known for {version}: tell it as LOCKGATE_CRS_SUM=h1:…")
    return known


def cache() -> Path:
    """Where tests keep what they fetch."""
    told = os.environ.get("LOCKGATE_TEST_CACHE")
    return Path(told) if told else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lockgate"


def installed(version: str | None = None) -> Path:
    """The folder of a version, with `rules` and `tests` in it.

    It is fetched into the cache for tests (`LOCKGATE_TEST_CACHE`, or ~/.cache/lockgate) once. Each time, what lies
    there is held against the checksum, so nobody else's change goes unseen.
    """
    version = version or chosen()
    place = cache() / "crs"
    folder = place / f"v{version}"
    prefix = f"{PATH}@v{version}/"
    if folder.is_dir():
        held = [(prefix + file.relative_to(folder).as_posix(), file.read_bytes()) for file in every_file(folder)]
        if h1(held) == wanted_sum(version):
            return folder
    files = contents(fetched(version))
    found = h1(files)
    if found != wanted_sum(version):
        raise ValueError(f"{PATH} v{version} has the checksum {found}, and not {wanted_sum(version)}")
    place.mkdir(parents=True, exist_ok=True)
    unpacked = Path(tempfile.mkdtemp(dir=place))
    for name, content in files:
        relative = Path(name.removeprefix(prefix))
        if not name.startswith(prefix) or relative.is_absolute() or ".." in relative.parts:
            raise ValueError(f"the archive holds a file outside of its folder: {name}")
        (unpacked / relative).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / relative).write_bytes(content)
    # Several test processes may come at once: the first one's folder stays, as all are alike.
    try:
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.rename(folder)
    except OSError:
        shutil.rmtree(unpacked)
    return folder


def every_file(folder: Path) -> list[Path]:
    """All files below a folder."""
    return [file for file in folder.rglob("*") if file.is_file()]


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
