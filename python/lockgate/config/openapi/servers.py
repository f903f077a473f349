"""`servers`: what stands before a document's paths."""

from __future__ import annotations

import itertools
import re
from typing import Final
from urllib.parse import urlsplit

from lockgate.config.openapi.files import wanted_mapping
from lockgate.config.openapi.nodes import Node, mapping
from lockgate.config.problems import Problems
from lockgate.scalars import shown

MAX_BASES: Final = 32
"""Ways to fill in a server's variables, and servers."""
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")


def server_urls(servers: Node, problems: Problems) -> list[str] | None:
    """The servers' URLs, with every value that their variables may have; `None` where they are broken."""
    if servers.kind != "list":
        problems.add(servers.region, "openapi-malformed", "`servers` must be a list")
        return None
    urls: list[str] = []
    for server in servers.entries():
        members = wanted_mapping(server, "a server", problems)
        if members is None:
            return None
        url = members["url"][1] if "url" in members else None
        if url is None or not isinstance(url.scalar, str):
            problems.add(server.region, "openapi-server", "this server has no `url`")
            return None
        variables = mapping(members["variables"][1], problems) if "variables" in members else {}
        filled = _filled(url, {name: value for name, (_, value) in variables.items()}, problems)
        if filled is None:
            return None
        urls += filled
    urls = list(dict.fromkeys(urls))
    if len(urls) > MAX_BASES:
        hint = "name what stands before the paths with `openapi: {file: …, base: /v1}`"
        message = f"the servers have more than {MAX_BASES} addresses"
        problems.add(servers.region, "openapi-servers", message, hint=hint)
        return None
    return urls


def base_of(url: str) -> str:
    """The path of a server's URL, without the slash at its end."""
    path = urlsplit(url).path
    # A relative one begins where the document lies, which to a gate is the root.
    path = "/" + path.removeprefix(".").lstrip("/")
    return path.rstrip("/")


def bases(urls: list[str]) -> list[str]:
    """The paths of the servers; a document without servers begins at the root."""
    return list(dict.fromkeys(map(base_of, urls))) or [""]


def _filled(url: Node, variables: dict[str, Node], problems: Problems) -> list[str] | None:
    text = str(url.scalar)
    names = list(dict.fromkeys(_VARIABLE.findall(text)))
    values = []
    for name in names:
        variable = variables.get(name)
        members = mapping(variable, problems) if variable is not None and variable.kind == "mapping" else {}
        found = [members["default"][1].scalar] if "default" in members else []
        if "enum" in members and members["enum"][1].kind == "list":
            found += [entry.scalar for entry in members["enum"][1].entries()]
        if not found:
            problems.add(url.region, "openapi-server", f"the server's variable {shown(name)} has no `default`")
            return None
        values.append(list(dict.fromkeys(map(str, found)))[: MAX_BASES + 1])
    ways = itertools.islice(itertools.product(*values), MAX_BASES + 1)
    return [_put(text, dict(zip(names, way, strict=True))) for way in ways]


def _put(text: str, values: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values[found[1]], text)
