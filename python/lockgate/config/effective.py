"""What each API has in the end, with its defaults, and the place that says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from lockgate.addresses import is_server
from lockgate.config.document import Document
from lockgate.config.limits import limits_of
from lockgate.config.merge import refined
from lockgate.config.model_apis import Api
from lockgate.config.placed import Path, Placed
from lockgate.config.problems import Region
from lockgate.policies import (
    Apps,
    Authentication,
    BodyLimit,
    Cedar,
    Compress,
    Cors,
    Device,
    Enumeration,
    Grpc,
    Headers,
    Inflate,
    IpFilter,
    Limit,
    Minimise,
    Objects,
    Plugin,
    Point,
    Policy,
    Properties,
    Risk,
    Roles,
    Scopes,
    StepUp,
    Users,
    Waf,
    Waiver,
    WebSocket,
)

P = TypeVar("P", bound=Policy)
Room = Literal[
    "ip_filter",
    "cors",
    "websocket",
    "inflate",
    "body_limit",
    "grpc",
    "waf",
    "device",
    "step_up",
    "headers",
    "compress",
]
ROOMS: Final = get_args(Room)
"""Policies that an API has once, and that `defaults` may say."""


PAGES: Final = "sign-in:"
"""The pages of a sign-in are an API of the gate's own; no name in a file can hold the colon."""


@dataclass(frozen=True, slots=True)
class PlacedWaiver:
    """A waiver, and what it excuses."""

    object: str
    waiver: Waiver
    path: Path


@dataclass(frozen=True, slots=True)
class EffectiveApi:
    """An API as the gate will have it."""

    name: str
    api: Api
    upstream: str | None
    """The name of its upstream in the bundle; none where a split chooses among several."""
    ip_filter: Placed[IpFilter] | None
    cors: Placed[Cors] | None
    authenticate: tuple[Placed[Authentication], ...]
    websocket: Placed[WebSocket] | None
    inflate: Placed[Inflate] | None
    compress: Placed[Compress] | None
    body_limit: Placed[BodyLimit]
    grpc: Placed[Grpc] | None
    waf: Placed[Waf] | None
    plugins: tuple[Placed[Plugin], ...]
    apps: Placed[Apps] | None
    scopes: Placed[Scopes] | None
    roles: Placed[Roles] | None
    cedar: Placed[Cedar] | None
    decide: tuple[Placed[Point], ...]
    objects: Placed[Objects] | None
    enumeration: Placed[Enumeration] | None
    users: Placed[Users] | None
    properties: Placed[Properties] | None
    minimise: Placed[Minimise] | None
    device: Placed[Device] | None
    risk: Placed[Risk] | None
    step_up: Placed[StepUp] | None
    headers: Placed[Headers] | None
    limits: tuple[Placed[Limit], ...]

    @property
    def together(self) -> Iterator[tuple[int, int]]:
        """Ways to authenticate that must hold together: the number of the first, and how many they are."""
        first = 0
        for entry in self.api.authenticate or []:
            if entry.all is not None:
                yield first, len(entry.ways)
            first += len(entry.ways)

    @property
    def said(self) -> Path:
        """Where the document says it."""
        return ("sign_in", self.name.removeprefix(PAGES)) if self.name.startswith(PAGES) else ("apis", self.name)

    @property
    def upstreams(self) -> Iterator[str]:
        """Every upstream that its requests, copies of them, or questions about them go to, as the bundle names them."""
        yield from self.goes_to
        for goes in (self.api, *self.api.routes.values()):
            if goes.mirror is not None:
                yield goes.mirror.upstream
        yield from (placed.policy.upstream for placed in self.decide)

    @property
    def goes_to(self) -> Iterator[str]:
        """Every upstream whose answers its clients may get."""
        if self.upstream is not None:
            yield self.upstream
        if self.api.split is not None:
            yield from (share.upstream for share in self.api.split.to)
        for route in self.api.routes.values():
            if route.upstream is not None:
                yield route.upstream
            if route.split is not None:
                yield from (share.upstream for share in route.split.to)
        for version in (self.api.versions or {}).values():
            if version.upstream is not None:
                yield version.upstream

    @property
    def policies(self) -> Iterator[Placed[Policy]]:
        """All of them."""
        once: tuple[Placed[Policy] | None, ...] = (
            self.websocket,
            self.inflate,
            self.compress,
            self.body_limit,
            self.grpc,
            self.waf,
            *self.plugins,
            self.apps,
            self.scopes,
            self.roles,
            self.cedar,
            *self.decide,
            self.objects,
            self.enumeration,
            self.users,
            self.properties,
            self.minimise,
            self.device,
            self.risk,
            self.step_up,
            self.headers,
        )
        both: tuple[Placed[Policy] | None, ...] = (self.ip_filter, self.cors, *self.authenticate, *once, *self.limits)
        return (placed for placed in both if placed is not None)


def direct_name(api: str) -> str:
    """The upstream of an API that names a server itself; no name in a file can hold the colon."""
    return f"api:{api}"


def effective_apis(document: Document) -> list[EffectiveApi]:
    """All APIs that could be read, in the file's order."""
    return [effective(document, name, api) for name, api in document.apis.items()]


def waivers(document: Document, apis: list[EffectiveApi]) -> Iterator[PlacedWaiver]:
    """Every waiver of the document, each once."""
    for name, listener in document.listeners.items():
        if listener.insecure is not None:
            yield PlacedWaiver(f"listeners.{name}.insecure", listener.insecure, ("listeners", name, "insecure"))
    for name, upstream in document.upstreams.items():
        if upstream.insecure is not None:
            yield PlacedWaiver(f"upstreams.{name}.insecure", upstream.insecure, ("upstreams", name, "insecure"))
    yield from _default_waivers(document)
    for api in apis:
        if api.api.public is not None:
            yield PlacedWaiver(f"apis.{api.name}.public", api.api.public, ("apis", api.name, "public"))
        for index, part in enumerate(api.api.authorize.public if api.api.authorize is not None else ()):
            opened = ("apis", api.name, "authorize", "public", index)
            yield PlacedWaiver(f"apis.{api.name}.authorize.public[{index}]", part, opened)
        yield from _left_alone(api)
        for placed in api.policies:
            path = placed.waiver_path
            if placed.policy.waiver is not None and path is not None and path[0] == "apis":
                yield PlacedWaiver(f"apis.{api.name}.{placed.policy.room}", placed.policy.waiver, path)


def _default_waivers(document: Document) -> Iterator[PlacedWaiver]:
    for room in ROOMS:
        policy: Policy | None = getattr(document.defaults, room)
        if policy is not None and policy.waiver is not None:
            yield PlacedWaiver(f"defaults.{room}", policy.waiver, ("defaults", room, "waiver"))
        if isinstance(policy, Waf):
            yield from _exclusions(policy, "defaults.waf", ("defaults", "waf"))
    for index, limit in enumerate(document.defaults.limits):
        if limit.waiver is not None:
            yield PlacedWaiver(f"defaults.limits.{limit.name}", limit.waiver, ("defaults", "limits", index, "waiver"))


def _left_alone(api: EffectiveApi) -> Iterator[PlacedWaiver]:
    """What the API's own `waf` leaves alone; that of `defaults` is told once."""
    own = api.api.waf
    if own is not None:
        yield from _exclusions(own, f"apis.{api.name}.waf", ("apis", api.name, "waf"))


def _exclusions(waf: Waf, name: str, path: Path) -> Iterator[PlacedWaiver]:
    for index, one in enumerate(waf.exclude):
        yield PlacedWaiver(f"{name}.exclude[{index}]", one.waiver, (*path, "exclude", index))


def region(document: Document, placed: Placed[Policy]) -> Region:
    """Where the policy is said."""
    return document.region(*placed.path)


def effective(document: Document, name: str, api: Api) -> EffectiveApi:
    """The API with what it has of `defaults`."""
    body_limit = _placed(name, "body_limit", document.defaults.body_limit, api.body_limit)
    return EffectiveApi(
        name=name,
        api=api,
        upstream=direct_name(name) if api.upstream is not None and is_server(api.upstream) else api.upstream,
        ip_filter=_placed(name, "ip_filter", document.defaults.ip_filter, api.ip_filter),
        cors=_placed(name, "cors", document.defaults.cors, api.cors),
        authenticate=tuple(_ways(name, api)),
        websocket=_placed(name, "websocket", document.defaults.websocket, api.websocket),
        inflate=_placed(name, "inflate", document.defaults.inflate, api.inflate),
        compress=_placed(name, "compress", document.defaults.compress, api.compress),
        body_limit=body_limit or Placed(BodyLimit(), ("apis", name), inherited=True),
        grpc=_placed(name, "grpc", document.defaults.grpc, api.grpc),
        waf=_placed(name, "waf", document.defaults.waf, api.waf),
        plugins=tuple(_plugins(name, api)),
        apps=_through(document, name, api),
        scopes=_authorized(name, "scopes", api.authorize.scopes if api.authorize is not None else None),
        roles=_authorized(name, "roles", api.authorize.roles if api.authorize is not None else None),
        cedar=_authorized(name, "cedar", api.authorize.cedar if api.authorize is not None else None),
        decide=tuple(_asked(name, api)),
        objects=_authorized(name, "objects", api.authorize.objects if api.authorize is not None else None),
        enumeration=_authorized(name, "enumeration", api.authorize.enumeration if api.authorize is not None else None),
        users=_authorized(name, "users", api.authorize.users if api.authorize is not None else None),
        properties=_authorized(name, "properties", api.authorize.properties if api.authorize is not None else None),
        minimise=_own(name, "minimise", api.minimise),
        device=_placed(name, "device", document.defaults.device, api.device),
        risk=_authorized(name, "risk", api.authorize.risk if api.authorize is not None else None),
        step_up=_placed(name, "step_up", document.defaults.step_up, api.step_up),
        headers=_placed(name, "headers", document.defaults.headers, api.headers),
        limits=limits_of(document.defaults.limits, api.limits, name),
    )


def _placed(api: str, room: Room, default: P | None, own: P | None) -> Placed[P] | None:
    policy = refined(default, own)
    if policy is None:
        return None
    own_path: Path = ("apis", api, room)
    default_path: Path = ("defaults", room)
    path = default_path if own is None else own_path
    waiver: Path | None = None
    if policy.waiver is not None:
        waiver = (*(own_path if own is not None and own.waiver is not None else default_path), "waiver")
    return Placed(policy, path, waiver, inherited=own is None)


def _ways(name: str, api: Api) -> Iterator[Placed[Authentication]]:
    for index, entry in enumerate(api.authenticate or []):
        for number, way in enumerate(entry.ways):
            policy = way.policy
            if policy is not None:
                within = ("all", number) if entry.all is not None else ()
                path: Path = ("apis", name, "authenticate", index, *within, policy.room)
                yield Placed(policy, path, (*path, "waiver") if policy.waiver is not None else None)


def _authorized(name: str, room: str, policy: P | None) -> Placed[P] | None:
    path: Path = ("apis", name, "authorize", room)
    return None if policy is None else Placed(policy, path, (*path, "waiver") if policy.waiver is not None else None)


def _asked(name: str, api: Api) -> Iterator[Placed[Point]]:
    said = api.authorize.decide if api.authorize is not None else None
    for point in said.points if said is not None else ():
        path: Path = ("apis", name, "authorize", "decide", point.key)
        yield Placed(point, path, (*path, "waiver") if point.waiver is not None else None)


def _through(document: Document, name: str, api: Api) -> Placed[Apps] | None:
    if not document.holds_apps or api.authenticate is None:
        return None
    said = _authorized(name, "apps", api.authorize.apps if api.authorize is not None else None)
    return said or Placed(Apps(), ("apis", name), inherited=True)


def _own(name: str, room: str, policy: P | None) -> Placed[P] | None:
    path: Path = ("apis", name, room)
    return None if policy is None else Placed(policy, path, (*path, "waiver") if policy.waiver is not None else None)


def _plugins(name: str, api: Api) -> Iterator[Placed[Plugin]]:
    for index, plugin in enumerate(api.plugins):
        path: Path = ("apis", name, "plugins", index)
        yield Placed(plugin, path, (*path, "waiver") if plugin.waiver is not None else None)
