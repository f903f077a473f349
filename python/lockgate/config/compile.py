"""From a checked document to the bundle: plain JSON, exactly as `bundle.rs` declares it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from lockgate.addresses import is_server
from lockgate.config import bundle_types as types
from lockgate.config import geo, tls
from lockgate.config.apps import registry
from lockgate.config.authorize import Names, opens, roles
from lockgate.config.cedar import CedarFiles, claims, operations
from lockgate.config.check_risk import knowable
from lockgate.config.compile_upstreams import spread
from lockgate.config.document import Document
from lockgate.config.effective import PAGES, EffectiveApi, direct_name, region
from lockgate.config.issuers import asking, rules
from lockgate.config.limits import scope
from lockgate.config.managed import Managed
from lockgate.config.model_listeners import Listener, UnixSocket
from lockgate.config.model_routing import Goes
from lockgate.config.model_upstreams import Credential, Timeouts, Upstream
from lockgate.config.model_versions import Version, VersionBy, day_ms
from lockgate.config.openapi.documents import Attaching, Documents
from lockgate.config.placed import Path, Placed
from lockgate.config.plugins import LoadedPlugins
from lockgate.config.references import References, secret_reference
from lockgate.config.relations import RelationFiles
from lockgate.config.rule_sets import RuleSets
from lockgate.config.sign_in import UPSTREAM, pages
from lockgate.config.signers import resolved
from lockgate.config.upstream_tokens import bundled
from lockgate.paths import PathMatch
from lockgate.policies import (
    Authentication,
    Basic,
    Device,
    Introspection,
    Limit,
    Lists,
    Minimise,
    Plugin,
    Policy,
    Properties,
    Risk,
    Roles,
    Scopes,
    Session,
    Signature,
    StepUp,
    Waf,
    Waiver,
    Webhook,
)

BUNDLE_VERSION: Final = 1


class Compiler:
    """Makes the bundle's parts. What it is given has no errors."""

    def __init__(
        self,
        document: Document,
        apis: list[EffectiveApi],
        lists: Lists,
        documents: Documents,
        references: References,
        plugins: LoadedPlugins | None = None,
        managed: Managed | None = None,
        rule_sets: RuleSets | None = None,
        cedar: CedarFiles | None = None,
        relations: RelationFiles | None = None,
    ) -> None:
        self.document = document
        self.apis = apis
        self.lists = lists
        self.attaching = Attaching(documents)
        self.references = references
        self.plugins = plugins
        self.managed = managed or Managed()
        self.rule_sets = rule_sets
        self.cedar = cedar
        self.relations = relations

    def bundle(self, sequence: int, created_ms: int) -> types.Bundle:
        """The whole bundle."""
        document = self.document
        own = list(pages(document, self.apis))
        apis = [one for api in [*self.apis, *own] for one in self._routes(api)]
        return {
            "bundle_version": BUNDLE_VERSION,
            "sequence": sequence,
            "created_ms": created_ms,
            "sources": [source.name for source in document.problems.sources],
            "listeners": [
                self._listener(name, listener)
                for name, listener in (document.listeners or {"public": Listener()}).items()
            ],
            "upstreams": [*self._upstreams(), *([self._pages()] if own else [])],
            "issuers": [
                {
                    "name": name,
                    "rules": rules(self.document, name, issuer, self.references),
                    "span": self._span("issuers", name),
                }
                for name, issuer in self.document.issuers.items()
            ],
            "roles": roles(document),
            "relations": self.relations.bundled() if self.relations is not None else [],
            "apps": registry(document),
            "apis": apis,
            "assertions": {"issuer": document.assertions.issuer, "rotation": document.assertions.rotation},
            "documents": self.attaching.made,
            "rule_sets": self.rule_sets.made if self.rule_sets is not None else [],
            "facts": {"max_age_ms": document.facts.max_age, "then": document.facts.then},
            "events": {
                "access": document.events.access,
                "retain_bytes": document.events.retain,
                "header_order": document.events.header_order,
            },
            "geo": geo.bundled(document, self.references),
            "plugins": self.plugins.set if self.plugins is not None else None,
            "problem_base": document.answers.base,
        }

    def _listener(self, name: str, listener: Listener) -> types.Listener:
        limits = listener.limits
        return {
            "name": name,
            "address": listener.address,
            "socket": self._socket(listener),
            "protocols": listener.spoken(),
            "tls": self._tls(name, listener),
            "proxy_protocol": listener.proxy_protocol,
            "redirect_port": self._redirect_port(listener),
            "public_port": listener.public_port or 0,
            "trusted_proxies": listener.trusted_proxies,
            "limits": {
                "head_bytes": limits.head_bytes,
                "headers": limits.headers,
                "handshake_timeout_ms": limits.handshake_timeout,
                "head_timeout_ms": limits.head_timeout,
                "idle_timeout_ms": limits.idle_timeout,
                "body_rate_min": limits.body_rate_min,
                "write_timeout_ms": limits.write_timeout,
                "connections": limits.connections,
                "connections_per_ip": limits.connections_per_ip,
                "new_connections_per_ip": listener.new_connections_per_ip(),
                "streams": limits.streams,
                "control_frames": limits.control_frames,
                "compress_memory": limits.compress_memory,
                "inflate_memory": limits.inflate_memory,
                "inspect_memory": limits.inspect_memory,
            },
            "insecure": self._waiver(listener.insecure, ("listeners", name, "insecure")),
            "span": self._span("listeners", name),
        }

    def _socket(self, listener: Listener) -> types.UnixSocket:
        said = listener.socket or UnixSocket()
        return {"mode": said.mode, "owner": said.owner, "group": said.group}

    def _redirect_port(self, listener: Listener) -> int:
        target = self.document.listeners.get(listener.redirect_to or "")
        return (target.reached_at() or 0) if target is not None else 0

    def _tls(self, name: str, listener: Listener) -> types.Tls | None:
        return tls.inbound(tls.Files(self.document, self.references), name, listener, self.managed, self.lists)

    def _upstreams(self) -> list[types.Upstream]:
        """The named ones, then those that APIs name directly."""
        named = [self._upstream(name, one, ("upstreams", name)) for name, one in self.document.upstreams.items()]
        direct = [
            self._upstream(direct_name(api.name), _of_one(api.api.upstream), ("apis", api.name, "upstream"))
            for api in self.apis
            if api.api.upstream is not None and is_server(api.api.upstream)
        ]
        return named + direct

    def _upstream(self, name: str, upstream: Upstream, path: Path) -> types.Upstream:
        made = {
            "name": name,
            **spread(upstream),
            "timeouts": _timeouts(upstream.timeouts),
            "assertion": cast("types.Assertion | None", upstream.assertion.bundled()) if upstream.assertion else None,
            "credential": self._credential(upstream.credential, (*path, "credential", "value")),
            "protocol": upstream.protocol,
            "proxy_protocol": upstream.proxy_protocol,
            "tls": self._upstream_tls(upstream, (*path, "tls")),
            "head_bytes": upstream.head_bytes,
            "insecure": self._waiver(upstream.insecure, (*path, "insecure")),
            "span": self._span(*path),
        }
        if upstream.token is not None:  # Most have none, and there may be thousands.
            made["token"] = bundled(name, upstream.token)
        return cast("types.Upstream", made)

    def _pages(self) -> types.Upstream:
        """The identity pages, which the control process serves on a socket of its own."""
        made = self._upstream(PAGES, _of_one("unix:/identity.sock"), ("sign_in",))
        # A provider is given ten seconds; a person waits no longer.
        timeouts: types.Timeouts = {**made["timeouts"], "first_byte_ms": 15_000}
        return {**made, "timeouts": timeouts, "targets": [{**target, "url": UPSTREAM} for target in made["targets"]]}

    def _upstream_tls(self, upstream: Upstream, path: Path) -> types.UpstreamTls | None:
        if upstream.tls is None:
            return None
        waiver = self._waiver(upstream.tls.skip_verify, (*path, "skip_verify"))
        return tls.outbound(tls.Files(self.document, self.references), path, upstream.tls, waiver)

    def _credential(self, credential: Credential | None, path: Path) -> types.Credential | None:
        if credential is None:
            return None
        return {
            "header": credential.header,
            "secret": secret_reference(credential.value, self.document.item(*path), self.references),
        }

    def _routes(self, api: EffectiveApi) -> Iterator[types.Api]:
        """The API itself, and then each of its routes, with the API's policies."""
        whole = self._api(api)
        yield whole
        for name, route in api.api.routes.items():
            own = route.upstream is not None or route.split is not None or route.redirect is not None
            paths = route.path if route.path is not None else api.api.path
            path: Path = ("apis", api.name, "routes", name)
            yield {
                **whole,
                "conditions": route.match.conditions() if route.match is not None else [],
                "strip_path": route.strip_path,
                "route": name,
                "paths": _paths(paths),
                "methods": route.methods,
                "upstream": route.upstream if own else whole["upstream"],
                "mirror": route.mirror.bundled() if route.mirror is not None else whole["mirror"],
                "split": (route.split.bundled() if route.split is not None else None) if own else whole["split"],
                "openapi": self._openapi(api, stripped(route, paths)),
                "versions": self._versions(api, route, paths, own=own),
                "policies": {**whole["policies"], **self._changes(route, path)},
                "span": self._span(*path),
            }

    def _changes(self, goes: Goes, path: Path) -> Any:
        changes: list[tuple[str, Policy | None]] = [("redirect", goes.redirect), ("rewrite", goes.rewrite)]
        return {
            room: self._placed(Placed(policy, (*path, room), (*path, room, "waiver"))) if policy is not None else None
            for room, policy in changes
        }

    def _api(self, api: EffectiveApi) -> types.Api:
        path: Path = api.said
        said = "public" if api.api.public is not None else "authorize" if api.api.authorize else "authenticate"
        made: types.Api = {
            "name": api.name,
            "hosts": api.api.hosts,
            "route": None,
            "paths": _paths(api.api.path),
            "methods": api.api.methods,
            "upstream": api.upstream,
            "mirror": api.api.mirror.bundled() if api.api.mirror is not None else None,
            "split": api.api.split.bundled() if api.api.split is not None else None,
            "conditions": api.api.match.conditions() if api.api.match is not None else [],
            "strip_path": api.api.strip_path,
            "client_cert": api.api.client_cert or "off",
            "normal_form": cast("types.NormalForm", api.api.normal_form.model_dump()),
            "openapi": self._openapi(api, stripped(api.api, api.api.path)),
            "versions": self._versions(api, api.api, api.api.path),
            "public": self._waiver(api.api.public, (*path, "public")),
            "authorize": _entitled(api),
            "policies": self._policies(api),
            "span": self._span(*path),
            "authorize_span": self._span(*path, said),
        }  # type: ignore[typeddict-item] # What is the same for nearly all is left out: there may be ten thousand.
        if api.api.authorize is not None and api.api.authorize.public:
            names, parts = self._names(api), enumerate(api.api.authorize.public)
            opened = [
                {"only": only, "waiver": self._waiver(part, (*path, "authorize", "public", index))}
                for index, part in parts
                for only in names.only(part.what)
            ]
            made = {**made, "open": opened}  # type: ignore[typeddict-item] # A waiver that is there.
        if api.api.authorize is not None and (suggest := api.api.authorize.suggest) is not None:
            noted: types.Suggest = {"percent": suggest.share, "answer_bytes": suggest.answer}
            made = {**made, "suggest": noted}
        return {**made, "own": True} if api.name.startswith(PAGES) else made

    def _names(self, api: EffectiveApi) -> Names:
        return Names.of(api, self.attaching.documents)

    def _authorized(self, api: EffectiveApi, placed: Placed[Scopes] | Placed[Roles] | None, key: str) -> object:
        """A policy that names parts of the API."""
        if placed is None:
            return None
        made = cast("dict[str, Any]", self._placed(placed))
        return {**made, "config": {**made["config"], "opens": opens(self._names(api), placed.policy.opens, key)}}

    def _openapi(self, api: EffectiveApi, before: frozenset[str]) -> types.Attached | None:
        path, openapi = ("apis", api.name, "openapi"), api.api.openapi
        return None if openapi is None else self.attaching.attach(path, openapi, before, self._span(*path))

    def _versions(
        self, api: EffectiveApi, goes: Goes, paths: list[PathMatch], *, own: bool = False
    ) -> types.Versions | None:
        """The versions as the API has them, or a route of it that may go somewhere of its own."""
        said, path = api.api, ("apis", api.name, "versions")
        if said.versions is None:
            return None
        by = version_by(said.version_by)
        return {
            "by": by,
            "default": said.default_version,
            "list": [
                self._version(
                    (*path, name),
                    version,
                    stripped(goes, paths, name if "path" in by else None),
                    None if own else version.upstream,
                )
                for name, version in said.versions.items()
            ],
            "span": self._span(*path),
        }

    def _version(
        self, path: tuple[str, ...], version: Version, before: frozenset[str], upstream: str | None
    ) -> types.Version:
        place, openapi = (*path, "openapi"), version.openapi
        return {
            "name": path[-1],
            "upstream": upstream,
            "openapi": None if openapi is None else self.attaching.attach(place, openapi, before, self._span(*place)),
            "deprecated_ms": day_ms(version.deprecated),
            "sunset_ms": day_ms(version.sunset),
            "brownouts": [{"start_ms": one.start, "end_ms": one.end} for one in version.brownouts],
            "successor": version.successor,
            "notice": version.notice,
            "span": self._span(*path),
        }

    def _policies(self, api: EffectiveApi) -> types.Policies:
        # What `own` returns is as Rust declares it: a test feeds documents to both sides.
        made: types.Policies = {
            "redirect": self._changes(api.api, ("apis", api.name))["redirect"],
            "rewrite": self._changes(api.api, ("apis", api.name))["rewrite"],
            "ip_filter": cast("types.PlacedIpFilter | None", self._placed(api.ip_filter)),
            "cors": cast("types.PlacedCors | None", self._placed(api.cors)),
            "authenticate": [
                cast("types.Authenticator", {placed.policy.room: self._way(placed)}) for placed in api.authenticate
            ],
            "websocket": cast("types.PlacedWebsocket | None", self._placed(api.websocket)),
            "inflate": cast("types.PlacedInflate | None", self._placed(api.inflate)),
            "compress": cast("types.PlacedCompress | None", self._placed(api.compress)),
            "body_limit": cast("types.PlacedBodyLimit", self._placed(api.body_limit)),
            "grpc": cast("types.PlacedGrpc | None", self._placed(api.grpc)),
            "waf": cast("types.PlacedWaf | None", self._waf(api.waf)),
            "plugins": [cast("types.PlacedPlugins", self._plugin(placed)) for placed in api.plugins],
            "headers": cast("types.PlacedHeaders | None", self._placed(api.headers)),
            "limits": [cast("types.PlacedLimits", self._limit(placed)) for placed in api.limits],
        }  # type: ignore[typeddict-item] # As above: most APIs have none.
        asking = {
            "device": self._asking(api, api.device),
            "risk": self._risk(api),
            "step_up": self._asking(api, api.step_up),
        }
        entitling = {
            "apps": self._through(api),
            "scopes": self._authorized(api, api.scopes, "scope"),
            "roles": self._authorized(api, api.roles, "role"),
            "cedar": self._cedar(api),
            "decide": [self._placed(placed) for placed in api.decide],
            "objects": self._objects(api),
            "enumeration": self._enumeration(api),
            "users": self._users(api),
            "properties": self._fields(api, api.properties, "rules"),
            "minimise": self._fields(api, api.minimise, "fields"),
        }
        more = {**asking, **entitling, "together": [{"first": first, "count": count} for first, count in api.together]}
        return cast("types.Policies", {**made, **{name: said for name, said in more.items() if said}})

    def _cedar(self, api: EffectiveApi) -> object:
        if api.cedar is None or self.cedar is None:
            return None
        made = cast("dict[str, Any]", self._placed(api.cedar))
        about = {
            "sources": self.cedar.of.get(api.name, []),
            "operations": operations(self.cedar.shapes.get(api.name, []), self._names(api)),
            "claims": claims(self.document, api),
        }
        return {**made, "config": {**made["config"], **about}}

    def _through(self, api: EffectiveApi) -> object:
        if api.apps is None:
            return None
        made = cast("dict[str, Any]", self._placed(api.apps))
        bulk = self._names(api).only(api.apps.policy.bulk)
        return {**made, "config": {**made["config"], "bulk": bulk}}

    def _objects(self, api: EffectiveApi) -> object:
        if api.objects is None:
            return None
        made, names = cast("dict[str, Any]", self._placed(api.objects)), self._names(api)
        rules = [
            {**rule.said(), "what": names.only(rule.operations), "span": self._span(*api.objects.path, "rules", index)}
            for index, rule in enumerate(api.objects.policy.rules)
        ]
        return {**made, "config": {**made["config"], "rules": rules}}

    def _risk(self, api: EffectiveApi) -> object:
        made = cast("dict[str, Any] | None", self._asking(api, api.risk))
        if made is None or api.risk is None:
            return None
        weights = api.risk.policy.weights(knowable(self.document, api))
        said = [{"signal": signal, "points": points} for signal, points in weights.items()]
        return {**made, "config": {**made["config"], "weights": said}}

    def _enumeration(self, api: EffectiveApi) -> object:
        if api.enumeration is None:
            return None
        made, what = cast("dict[str, Any]", self._placed(api.enumeration)), api.enumeration.policy.operations
        return {**made, "config": {**made["config"], "what": self._names(api).only(what)}}

    def _users(self, api: EffectiveApi) -> object:
        if api.users is None:
            return None
        made = cast("dict[str, Any]", self._placed(api.users))
        caps = [
            {**own, "span": self._span(*api.users.path, "caps", index)}
            for index, own in enumerate(made["config"]["caps"])
        ]
        return {**made, "config": {**made["config"], "caps": caps}}

    def _fields(self, api: EffectiveApi, placed: Placed[Properties] | Placed[Minimise] | None, key: str) -> object:
        if placed is None:
            return None
        made, names = cast("dict[str, Any]", self._placed(placed)), self._names(api)
        rules = [
            {**own, "what": names.only(rule.operations), "span": self._span(*placed.path, key, index)}
            for index, (own, rule) in enumerate(zip(made["config"]["rules"], getattr(placed.policy, key), strict=True))
        ]
        return {**made, "config": {**made["config"], "rules": rules}}

    def _limit(self, placed: Placed[Limit]) -> object:
        made = cast("dict[str, object]", self._placed(placed))
        return {**made, "config": {**placed.policy.own(self.lists), "scope": scope(placed)}}

    def _placed(self, placed: Placed[Policy] | None) -> object:
        if placed is None:
            return None
        policy = placed.policy
        config = policy.own(self.lists)
        if isinstance(policy, Session):
            signing = self.document.sign_in[policy.sign_in]
            config |= {"issuers": signing.issuers, "grace_ms": signing.grace}
        return {
            "mode": policy.mode,
            "on_error": policy.on_error,
            "waiver": self._waiver(policy.waiver, placed.waiver_path or placed.path),
            "span": region(self.document, placed).span,
            "config": config,
        }

    def _asking(self, api: EffectiveApi, placed: Placed[Device] | Placed[Risk] | Placed[StepUp] | None) -> object:
        """A policy that asks people for more of a proof: it is told at which sign-in."""
        made = cast("dict[str, Any] | None", self._placed(placed))
        ways = (placed.policy for placed in api.authenticate)
        sign_in = next((way.sign_in for way in ways if isinstance(way, Session)), None)
        return made and {**made, "config": {**made["config"], "sign_in": sign_in}}

    def _way(self, placed: Placed[Authentication]) -> object:
        made = self._placed(placed)
        if isinstance(placed.policy, Signature | Webhook):
            said = cast("dict[str, Any]", made)
            return {**said, "config": resolved(self.document, placed, said["config"], self.references)}
        if not isinstance(placed.policy, Introspection | Basic):
            return made
        said = cast("dict[str, Any]", made)
        return {**said, "config": {**said["config"], **asking(self.document, placed.policy)}}

    def _waf(self, placed: Placed[Waf] | None) -> object:
        if placed is None:
            return None
        made = cast("dict[str, Any]", self._placed(placed))
        exclude = [
            {
                "rule": one.rule,
                "at": one.at,
                "request": one.request,
                "waiver": self._waiver(one.waiver, (*placed.path, "exclude", index)),
            }
            for index, one in enumerate(placed.policy.exclude)
        ]
        number = self.rule_sets.of(placed) if self.rule_sets is not None else None
        return {**made, "config": {**made["config"], "set": number, "exclude": exclude}}

    def _plugin(self, placed: Placed[Plugin]) -> object:
        made = cast("dict[str, Any]", self._placed(placed))
        more = self.plugins.config(placed.policy) if self.plugins is not None else {}
        return {**made, "config": {**made["config"], **more}}

    def _waiver(self, waiver: Waiver | None, path: Path) -> types.Waiver | None:
        if waiver is None:
            return None
        return {
            "owner": waiver.owner,
            "reason": waiver.reason,
            "until_ms": waiver.until_ms,
            "span": self._span(*path),
        }

    def _span(self, *path: str | int) -> types.Span:
        return self.document.region(*path).span


def _entitled(api: EffectiveApi) -> types.Authorize:
    if api.api.public is not None:
        return "public"
    said = api.api.authorize
    return "authenticated" if said is None or said.allow is not None else "ruled"


def _paths(matches: list[PathMatch]) -> list[types.PathMatch]:
    return [cast("types.PathMatch", {match.kind: match.path}) for match in matches]


def stripped(goes: Goes, paths: list[PathMatch], version: str | None = None) -> frozenset[str]:
    """What `strip_path` takes off before a document's paths, with the version where the path says it."""
    if not goes.strip_path:
        return frozenset()
    prefixes = {match.path.rstrip("/") for match in paths if match.kind == "prefix"}
    return frozenset(prefix if version is None else f"{prefix}/{version}" for prefix in prefixes)


def version_by(by: VersionBy) -> types.VersionBy:
    """What says the version, as the bundle writes it."""
    if by.header is not None:
        return {"header": by.header}
    if by.media_type is not None:
        return {"media_type": by.media_type}
    if by.query is not None:
        return {"query": by.query}
    return {"path": {}}


def _of_one(target: str) -> Upstream:
    return Upstream.model_validate({"targets": [target]})


def _timeouts(timeouts: Timeouts) -> types.Timeouts:
    return {
        "connect_ms": timeouts.connect,
        "first_byte_ms": timeouts.first_byte,
        "idle_ms": timeouts.idle,
        "keep_alive_ms": timeouts.keep_alive,
    }
