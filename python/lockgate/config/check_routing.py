"""Rules about where an API's requests go."""

from __future__ import annotations

import difflib

from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi, direct_name
from lockgate.config.model_apis import Api, Route
from lockgate.config.model_routing import Goes, Split
from lockgate.scalars import shown

Path = tuple[str | int, ...]


def check_api(document: Document, path: Path, api: Api) -> None:
    """An API that could be read: it goes to one upstream, or to several by weights that make sense."""
    if api.upstream is not None and api.split is not None:
        _exclude(document, path)
    elif not any(document.says(*path, key) for key in ("upstream", "split", "redirect", "versions")):
        document.problems.add(
            document.region(*path),
            "missing-key",
            f"`{'.'.join(map(str, path))}` has no `upstream`",
            hint="add `upstream: shop`; or `split` for several of them",
            path=(*path, "upstream"),
        )
    if api.split is not None:
        _split(document, (*path, "split"), api.split)
    _mirror(document, path, api)
    for point in api.authorize.decide.points if api.authorize is not None and api.authorize.decide is not None else ():
        if not document.says("upstreams", point.upstream):
            unknown_upstream(document, (*path, "authorize", "decide", point.key, "upstream"), point.upstream)
    for name, route in api.routes.items():
        _route(document, (*path, "routes", name), route)


def _route(document: Document, path: Path, route: Route) -> None:
    if route.upstream is not None and not document.says("upstreams", route.upstream):
        unknown_upstream(document, (*path, "upstream"), route.upstream)
    if route.upstream is not None and route.split is not None:
        _exclude(document, path)
    if route.split is not None:
        _split(document, (*path, "split"), route.split)
    _mirror(document, path, route)


def _mirror(document: Document, path: Path, goes: Goes) -> None:
    if goes.mirror is not None and not document.says("upstreams", goes.mirror.upstream):
        place = (*path, "mirror", "upstream")
        unknown_upstream(document, place if document.says(*place) else place[:-1], goes.mirror.upstream)


def _exclude(document: Document, path: Path) -> None:
    document.problems.add(
        document.region(*path, "split"),
        "upstream-and-split",
        "`upstream` and `split` exclude each other",
        hint="name the upstream among those of the split, and take `upstream` out",
        path=(*path, "split"),
    )


def check_calls(document: Document, api: EffectiveApi) -> None:
    """Calls of gRPC go where HTTP/2 is spoken: HTTP/1.1 carries none."""
    if api.grpc is None or api.grpc.policy.mode == "off":
        return
    for name in api.goes_to:
        path = ("upstreams", name, "protocol")
        if name == direct_name(api.name):
            path, hint = ("apis", api.name, "upstream"), "name the server under `upstreams`, with `protocol: h2`"
        elif name in document.upstreams and document.upstreams[name].protocol != "h2":
            hint = "add `protocol: h2` to it"
        else:
            continue
        document.problems.add(
            document.region(*path) if document.says(*path) else document.region(*path[:-1]),
            "grpc-needs-h2",
            f"HTTP/1.1 carries no gRPC, which the API {shown(api.name)} takes and its upstream is to get",
            hint=hint,
            path=path,
        )


def unknown_upstream(document: Document, path: Path, upstream: str) -> None:
    """Note an upstream that is not there."""
    section = document.sections.get("upstreams")
    names = list(section.children) if section is not None and isinstance(section.children, dict) else []
    close = difflib.get_close_matches(upstream, names, n=1, cutoff=0.5)
    allowed = ", ".join(map(shown, names[:20])) if names else "a name under `upstreams`, of which there is none yet"
    document.problems.add(
        document.value_region(*path),
        "upstream-unknown",
        f"there is no upstream {shown(upstream)}",
        allowed=allowed,
        hint=f"did you mean {shown(close[0])}?" if close else None,
        path=path,
    )


def _split(document: Document, path: Path, split: Split) -> None:
    shares = split.to
    for index, share in enumerate(shares):
        place = (*path, "to", index, "upstream")
        if not document.says("upstreams", share.upstream):
            unknown_upstream(document, place, share.upstream)
        if share.upstream in [other.upstream for other in shares[:index]]:
            document.problems.add(
                document.value_region(*place),
                "share-repeated",
                f"{shown(share.upstream)} has a share already",
                hint="give it one weight, and one `when`",
                path=place,
            )
    if not shares or not sum(share.weight for share in shares):
        document.problems.add(
            document.region(*path, "to"),
            "weights-sum-to-nothing",
            "the weights sum to nothing, so no upstream would get a request that no `when` decides",
            hint="give at least one of them a `weight`, such as 100",
            path=(*path, "to"),
        )
