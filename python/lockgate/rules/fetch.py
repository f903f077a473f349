"""Fetching an archive: over TLS, within bounds, and from the module proxies that Go would ask."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from lockgate.rules.archive import PACKED
from lockgate.rules.checksums import checked, h1, sha256
from lockgate.rules.problems import RulesError

if TYPE_CHECKING:
    import httpx

MODULE: Final = "github.com/corazawaf/coraza-coreruleset/v4"
"""The Core Rule Set, as it stands, in a module of Go."""
SECONDS: Final = 30.0
"""Between two pieces of an answer, and until there is a connection."""
WHOLE_SECONDS: Final = 900.0
"""For all of it: PACKED at 75 KB/s. Who sends a byte now and then is not waited for without end."""
SUM_BYTES: Final = 128
"""`h1:` and 44 letters, and perhaps the end of a line."""
REDIRECTS: Final = 5
"""The forge that hosts releases sends to its store of files once."""

Done = Callable[[int], None]
"""Told how many bytes more there are."""


def fetched(url: str, done: Done) -> bytes:
    """What is at an https URL; raises `RulesError` for whatever keeps it from being had, whole."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise RulesError(f"{bare(url)} is not encrypted: name it with https, or fetch it yourself and name the file")
    return _get(url, done, ("https",))


def module(version: str, done: Done) -> tuple[bytes, str]:
    """The module's zip file of a version, and where it came from: Go's cache here, or a proxy.

    The proxies are those of the variable GOPROXY or of Go's own settings, in their order.
    """
    cached = _cache() / f"v{version}.zip"
    if cached.is_file():
        return local(cached), str(cached)
    told = []
    for proxy in _proxies():
        url = f"{proxy}/{MODULE}/@v/v{version}.zip"
        parts = urlsplit(url)
        try:
            if parts.scheme == "file":
                return local(Path(url2pathname(parts.path))), url
            # A checksum is demanded of whatever comes, so that a proxy within one's own network may do without TLS.
            return _get(url, done, ("https", "http") if parts.scheme == "http" else ("https",)), bare(url)
        except RulesError as error:
            told.append(str(error))
    raise RulesError("; ".join(told) or "no module proxy is named: set GOPROXY to one, or name an archive or a folder")


def cached_sum(version: str) -> str | None:
    """The checksum that Go keeps beside a module in its cache here, once its checksum database has vouched for it."""
    try:
        with (_cache() / f"v{version}.ziphash").open("rb") as stream:
            return checked(stream.read(SUM_BYTES).decode("ascii", "replace"))
    except (OSError, RulesError):
        return None


def module_sum(files: dict[str, bytes]) -> str:
    """The checksum of a module's files, as Go's checksum database has it."""
    return h1((name, sha256(content)) for name, content in files.items())


def local(file: Path) -> bytes:
    """A file here."""
    try:
        with file.open("rb") as stream:
            content = stream.read(PACKED + 1)
    except OSError as error:
        raise RulesError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > PACKED:
        raise RulesError(f"{file} has more than {PACKED >> 20} MiB")
    return content


def bare(url: str) -> str:
    """A URL as it may be shown and kept: without what could be a secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _cache() -> Path:
    root = os.environ.get("GOMODCACHE") or Path(os.environ.get("GOPATH") or Path.home() / "go") / "pkg" / "mod"
    return Path(root) / "cache" / "download" / MODULE / "@v"


def _proxies() -> list[str]:
    words = os.environ.get("GOPROXY") or _gos()
    named = [word.strip().rstrip("/") for word in words.replace("|", ",").split(",")]
    return [word for word in named if word.startswith(("https://", "http://", "file://"))]


def _gos() -> str:
    """What Go's own settings say; nothing where there is no Go."""
    try:
        told = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True, timeout=SECONDS)  # noqa: S607 -- Whichever Go is used here.
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()


def _get(url: str, done: Done, schemes: tuple[str, ...]) -> bytes:
    import httpx

    until = time.monotonic() + WHOLE_SECONDS
    # What the system trusts, or what SSL_CERT_FILE names; a proxy is asked where the environment has one.
    context = ssl.create_default_context()
    try:
        with httpx.Client(verify=context, timeout=SECONDS, headers={"Accept-Encoding": "identity"}) as client:
            for _ in range(REDIRECTS + 1):
                with client.stream("GET", url) as answer:
                    if answer.has_redirect_location:
                        url = str(answer.url.join(answer.headers["location"]))
                        if urlsplit(url).scheme not in schemes:
                            raise RulesError(f"the answer leads to {bare(url)}, which is not encrypted")
                        continue
                    return _whole(answer, url, done, until)
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
        raise RulesError(f"{bare(url)} cannot be had: {str(error) or type(error).__name__}") from error
    raise RulesError(f"{bare(url)}: more than {REDIRECTS} redirects")


def _whole(answer: httpx.Response, url: str, done: Done, until: float) -> bytes:
    if answer.status_code != 200:
        raise RulesError(f"{bare(url)} cannot be had: the answer is {answer.status_code} {answer.reason_phrase}")
    told = answer.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > PACKED:
        raise RulesError(f"{bare(url)} has more than {PACKED >> 20} MiB")
    content = bytearray()
    for piece in answer.iter_raw():
        content += piece
        done(len(piece))
        if len(content) > PACKED:
            raise RulesError(f"{bare(url)} has more than {PACKED >> 20} MiB")
        if time.monotonic() > until:
            raise RulesError(f"{bare(url)} is not here after {WHOLE_SECONDS / 60:.0f} minutes")
    return bytes(content)
