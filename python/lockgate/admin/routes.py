"""The rows of a bundle's routing table, for people."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from lockgate.admin.clock import now_ms


class Route(BaseModel):
    """One path of an API."""

    api: str = Field(description="Name of the API.")
    route: str | None = Field(description="The route of the API; none for the API itself.")
    asks: list[str] = Field(description="What a request must carry besides.")
    hosts: list[str] = Field(description="Hosts it answers to; empty means any.")
    match: str = Field(description="`exact`, `prefix`, `template` or `regex`.")
    path: str = Field(description="The path, as the configuration says it.")
    methods: list[str] = Field(description="Methods it answers to; empty means any.")
    upstream: str = Field(description="Name of its upstream, or of several with their weights.")
    access: str = Field(description="`public`, the ways to prove an identity, or that the waiver has ended (403).")
    file: str = Field(description="Where the configuration says it.")
    line: int = Field(description="The line, from 1.")


def routes_of(document: dict[str, Any]) -> list[Route]:
    """The routes of a bundle, in the order of the configuration; `ordered` is the order in which they are tried."""
    return [route for api in document["apis"] for route in _of_api(document, api)]


KINDS = ("exact", "template", "regex", "prefix")


def ordered(rows: list[Route]) -> list[Route]:
    """The rows as a request is compared with them: host, path, what it carries; the method comes last."""

    def rank(row: Route) -> tuple[object, ...]:
        host = row.hosts[0] if row.hosts else "*"
        by_host = (host == "*", host.startswith("*"), -host.count("."), host)
        # A literal segment comes before one in braces, and a longer prefix or expression before a shorter one.
        shape = [segment.startswith("{") for segment in row.path.split("/")] if row.match == "template" else []
        size = -len(row.path) if row.match in {"prefix", "regex"} else 0
        return (*by_host, KINDS.index(row.match), shape, size, row.path, -len(row.asks), row.asks, not row.methods)

    return sorted(rows, key=rank)


class OperationRow(BaseModel):
    """One operation of an API's document."""

    api: str = Field(description="Name of the API.")
    version: str | None = Field(description="The version whose document it is of.")
    operation: str = Field(description="Its `operationId`, or method and path where it has none.")
    method: str = Field(description="Its method.")
    path: str = Field(description="The path template, as the document says it.")
    bases: list[str] = Field(description="What stands before the path in what the API gets; empty text for nothing.")
    unknown: str = Field(description="What happens to requests that the document does not know: the document's mode.")
    file: str = Field(description="The document.")
    line: int = Field(description="The line, from 1.")


def operations_of(
    document: dict[str, Any] | None, api: dict[str, Any] | None, version: str | None
) -> list[dict[str, Any]]:
    """The operations of an API of a bundle, or of a version of it, as the bundle has them."""
    if document is None or api is None:
        return []
    held = (attached for name, attached in attachments(api) if name == version)
    return [one for attached in held for one in document["documents"][attached["document"]]["operations"]]


def attachments(api: dict[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    """The documents of an API, each with the version that it is of."""
    own = [] if api["openapi"] is None else [(None, api["openapi"])]
    versions = [] if api["versions"] is None else api["versions"]["list"]
    return own + [(one["name"], one["openapi"]) for one in versions if one["openapi"] is not None]


def operation_rows(document: dict[str, Any]) -> list[OperationRow]:
    """The operations of a bundle, in the order of the configuration and of the documents."""
    return [
        OperationRow(
            api=api["name"],
            version=version,
            operation=one["name"],
            method=one["method"],
            path=one["path"],
            bases=document["documents"][attached["document"]]["bases"] if one["bases"] is None else one["bases"],
            unknown=attached["mode"],
            file=place(document, one["span"])[0],
            line=one["span"]["line"],
        )
        for api in document["apis"]
        for version, attached in attachments(api)
        for one in document["documents"][attached["document"]]["operations"]
    ]


def _of_api(document: dict[str, Any], api: dict[str, Any]) -> list[Route]:
    file, line = place(document, api["span"])
    authenticators = [name for way in api["policies"]["authenticate"] for name in way]
    return [
        Route(
            api=api["name"],
            route=api["route"],
            asks=[_condition(each) for each in api["conditions"]],
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


def _condition(condition: dict[str, Any]) -> str:
    ((kind, value),) = condition["test"].items()
    name = f"{condition['part']} {condition['name']}"
    if kind == "present":
        return name if value else f"no {name}"
    return f"{name} {'=' if kind == 'exact' else '~'} {value}"


def _goes_to(api: dict[str, Any]) -> str:
    if api["policies"]["redirect"] is not None:
        return f"redirect to {api['policies']['redirect']['config']['to']}"
    if api["versions"] is not None:
        own = {one["name"]: one["upstream"] or api["upstream"] or "split" for one in api["versions"]["list"]}
        return ", ".join(f"{name}: {upstream}" for name, upstream in own.items())
    to = [str(api["upstream"])]
    if api["split"] is not None:
        to = [f"{share['upstream']} {share['weight']}" for share in api["split"]["to"]]
    if api["mirror"] is not None:
        to.append(f"copies to {api['mirror']['upstream']} {api['mirror']['share']}%")
    return ", ".join(to)


def _open(until_ms: int) -> str:
    """Who may call what a waiver opens: nobody, once it has ended."""
    if until_ms > now_ms():
        return "public"
    return f"waiver ended {datetime.fromtimestamp(until_ms / 1000, UTC):%Y-%m-%d} (403)"


def place(document: dict[str, Any], span: dict[str, int]) -> tuple[str, int]:
    """File and line of a span."""
    return str(document["sources"][span["file"]]), span["line"]
