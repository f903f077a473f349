"""The rows of a bundle's routing table, for people."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from lockgate.admin.clock import now_ms


class Route(BaseModel):
    """One path of an API."""

    api: str = Field(description="Name of the API.")
    hosts: list[str] = Field(description="Hosts it answers to; empty means any.")
    match: str = Field(description="`exact`, `prefix` or `template`.")
    path: str = Field(description="The path, as the configuration says it.")
    methods: list[str] = Field(description="Methods it answers to; empty means any.")
    upstream: str = Field(description="Name of its upstream, or of several with their weights.")
    access: str = Field(description="`public`, the ways to prove an identity, or that the waiver has ended (403).")
    file: str = Field(description="Where the configuration says it.")
    line: int = Field(description="The line, from 1.")


def routes_of(document: dict[str, Any]) -> list[Route]:
    """The routes of a bundle, in the order of the configuration."""
    return [route for api in document["apis"] for route in _of_api(document, api)]


def _of_api(document: dict[str, Any], api: dict[str, Any]) -> list[Route]:
    file, line = place(document, api["span"])
    authenticators = [name for way in api["policies"]["authenticate"] for name in way]
    return [
        Route(
            api=api["name"],
            hosts=api["hosts"],
            match=match,
            path=path,
            methods=api["methods"],
            upstream=_goes_to(api),
            access=_open(api["public"]["until_ms"]) if api["public"] is not None else " or ".join(authenticators),
            file=file,
            line=line,
        )
        for matcher in api["paths"]
        for match, path in matcher.items()
    ]


def _goes_to(api: dict[str, Any]) -> str:
    if api["split"] is None:
        return str(api["upstream"])
    return ", ".join(f"{share['upstream']} {share['weight']}" for share in api["split"]["to"])


def _open(until_ms: int) -> str:
    """Who may call what a waiver opens: nobody, once it has ended."""
    if until_ms > now_ms():
        return "public"
    return f"waiver ended {datetime.fromtimestamp(until_ms / 1000, UTC):%Y-%m-%d} (403)"


def place(document: dict[str, Any], span: dict[str, int]) -> tuple[str, int]:
    """File and line of a span."""
    return str(document["sources"][span["file"]]), span["line"]
