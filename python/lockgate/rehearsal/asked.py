"""What `explain` and tables tell alike of a request that is only asked about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from lockgate._native import Engine

Explanation = dict[str, Any]


class NoListenerError(ValueError):
    """There is no listener of that name; the message names those that there are."""


def on_port(listeners: Mapping[str, str], url: str) -> tuple[str | None, str | None]:
    """The port that a URL names, and the listener that has it; `listeners` are their addresses by name."""
    try:
        port = urlsplit(url).port if "://" in url else None
    except ValueError:
        port = None  # What is no URL is refused elsewhere.
    if port is None:
        return None, None
    # A listener on port 0 takes a free one, which may be the URL's.
    fitting = [name for name, address in listeners.items() if address.rpartition(":")[2] in {str(port), "0"}]
    return str(port), fitting[0] if fitting else None


def arrives_at(bundle: Mapping[str, Any], url: str, named: str | None) -> dict[str, Any]:
    """Where the request arrives: the listener that is named, the one on the URL's port, or the first.

    `assumed` is true where the URL names a port that no listener has. Raises `NoListenerError`.
    """
    listeners = {item["name"]: item["address"] for item in bundle["listeners"]}
    if named is not None:
        if named not in listeners:
            there = ", ".join(f"`{known}`" for known in listeners)
            raise NoListenerError(f"there is no listener `{named}`; there are: {there}")
        return {"name": named, "address": listeners[named], "assumed": False}
    port, fitting = on_port(listeners, url)
    name = fitting or next(iter(listeners))
    return {"name": name, "address": listeners[name], "assumed": port is not None and fitting is None}


def explanation(
    explained: Explanation,
    listener: Mapping[str, Any],
    request: Mapping[str, Any],
    other_methods: Mapping[str, str] | None = None,
) -> Explanation:
    """With the target as it was asked about: of one that is refused before routing there is no normal form."""
    more = {"request": {**explained["request"], "target": request["target"]}, "other_methods": other_methods}
    return {"id": None, "at_ms": None, "listener": listener, **explained, **more}


def other_methods(
    engine: Engine, bundle: Mapping[str, Any], request: Mapping[str, Any], explained: Explanation
) -> dict[str, str] | None:
    """What the Allow header of a 405 names, each with the API that takes it; the engine itself is asked for each."""
    if explained["status"] != 405 or explained["route"] is not None:
        return None
    # A GET is also a HEAD (RFC 9110, 9.3.2).
    named = sorted({"HEAD", *(method for api in bundle["apis"] for method in api["methods"])})
    found = ((method, engine.evaluate({**request, "method": method})["route"]) for method in named)
    return {method: route["api"] for method, route in found if route is not None}
