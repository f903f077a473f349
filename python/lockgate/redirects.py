"""Where people come back to from signing in at a program's behest: addresses that are compared as they stand."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

MOST: Final = 64
LENGTH_MAX: Final = 2_000
_HOST: Final = re.compile(r"([a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_LOOPBACK: Final = ("127.0.0.1", "[::1]", "localhost")


class RedirectError(ValueError):
    """It is no address that is safe to come back to."""

    def __init__(self, what: str, hint: str) -> None:
        """`hint` says what to write instead."""
        super().__init__(f"{what}: {hint}")
        self.what, self.hint = what, hint


def parse_redirect(value: str) -> str:
    """A redirection URI, just as a program will ask for it (RFC 9700 section 2.1).

    Raises:
        RedirectError: anybody might receive what is sent there.
    """

    def wrong(what: str, hint: str) -> RedirectError:
        return RedirectError(f"`{value[:200]}` {what}", hint)

    if len(value) > LENGTH_MAX or not re.fullmatch(r"[!-~]+", value):
        raise wrong("is no URL to come back to", "write it whole, such as https://crm.example.com/callback")
    if "*" in value:
        raise wrong("has a `*` in it", "name each address, since one that anybody may make up gives codes to anybody")
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise wrong("is no URL", "write it whole, such as https://crm.example.com/callback") from error
    if "#" in value:
        raise wrong("has a fragment (`#`)", "take it out, since it never reaches a server (RFC 6749 section 3.1.2)")
    if "@" in url.netloc:
        raise wrong("has a name or a password in it", "take it out")
    if "\\" in value or re.search(r"/\.\.?(?:/|$)", url.path):
        raise wrong("leads elsewhere than it says", "write the path as browsers end up with it")
    # Nothing else: the origin stands in a Content-Security-Policy, where `;` and `,` begin something new.
    if url.scheme == "https" and _HOST.fullmatch(url.netloc.lower()) and port != 0:
        return value
    host = url.netloc.rpartition(":")[0] if port is not None else url.netloc
    if url.scheme == "http" and host in _LOOPBACK:
        return value
    if "." in url.scheme and not url.netloc and url.path.startswith("/"):
        return value  # An app's own, by its domain (RFC 8252 section 7.1).
    raise wrong(
        "is no address that is safe to come back to",
        "use https://; http:// to 127.0.0.1, [::1] or localhost; or an app's own scheme, such as com.example.app:/",
    )
