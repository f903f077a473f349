"""From a checked document to the bundle: plain JSON, exactly as `bundle.rs` declares it."""

from __future__ import annotations

from typing import Any, Final, cast

from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi, Path, Placed, region
from lockgate.config.model_listeners import Listener
from lockgate.config.model_upstreams import Credential, Timeouts, Upstream
from lockgate.config.plugins import LoadedPlugins
from lockgate.config.references import REFERENCE, References
from lockgate.policies import Lists, Plugin, Policy, Waiver

BUNDLE_VERSION: Final = 1


class Compiler:
    """Makes the bundle's parts. What it is given has no errors."""

    def __init__(
        self,
        document: Document,
        apis: list[EffectiveApi],
        lists: Lists,
        references: References,
        plugins: LoadedPlugins | None = None,
    ) -> None:
        self.document = document
        self.apis = apis
        self.lists = lists
        self.references = references
        self.plugins = plugins

    def bundle(self, sequence: int, created_ms: int) -> types.Bundle:
        """The whole bundle."""
        document = self.document
        return {
            "bundle_version": BUNDLE_VERSION,
            "sequence": sequence,
            "created_ms": created_ms,
            "sources": [source.name for source in document.problems.sources],
            "listeners": [
                self._listener(name, listener)
                for name, listener in (document.listeners or {"public": Listener()}).items()
            ],
            "upstreams": self._upstreams(),
            "apis": [self._api(api) for api in self.apis],
            "facts": {"max_age_ms": document.facts.max_age, "then": document.facts.then},
            "events": {"access": document.events.access, "retain_bytes": document.events.retain},
            "plugins": self.plugins.set if self.plugins is not None else None,
            "problem_base": document.answers.base,
        }

    def _listener(self, name: str, listener: Listener) -> types.Listener:
        limits = listener.limits
        return {
            "name": name,
            "address": listener.address,
            "trusted_proxies": listener.trusted_proxies,
            "limits": {
                "head_bytes": limits.head_bytes,
                "headers": limits.headers,
                "head_timeout_ms": limits.head_timeout,
                "idle_timeout_ms": limits.idle_timeout,
                "body_rate_min": limits.body_rate_min,
                "write_timeout_ms": limits.write_timeout,
                "connections": limits.connections,
                "connections_per_ip": limits.connections_per_ip,
            },
            "insecure": self._waiver(listener.insecure, ("listeners", name, "insecure")),
            "span": self._span("listeners", name),
        }

    def _upstreams(self) -> list[types.Upstream]:
        """The named ones, then those that APIs name directly."""
        named = [self._upstream(name, one, ("upstreams", name)) for name, one in self.document.upstreams.items()]
        direct = [
            self._upstream(api.upstream, Upstream(targets=[api.api.upstream]), ("apis", api.name, "upstream"))
            for api in self.apis
            if "://" in api.api.upstream
        ]
        return named + direct

    def _upstream(self, name: str, upstream: Upstream, path: Path) -> types.Upstream:
        return {
            "name": name,
            "targets": upstream.targets,
            "timeouts": _timeouts(upstream.timeouts),
            "credential": self._credential(upstream.credential, (*path, "credential", "value")),
            "head_bytes": upstream.head_bytes,
            "insecure": self._waiver(upstream.insecure, (*path, "insecure")),
            "span": self._span(*path),
        }

    def _credential(self, credential: Credential | None, path: Path) -> types.Credential | None:
        if credential is None:
            return None
        item = self.document.item(*path)
        return {
            "header": credential.header,
            "secret": secret_reference(credential.value, item.file if item else 0, self.references),
        }

    def _api(self, api: EffectiveApi) -> types.Api:
        path = ("apis", api.name)
        said = "public" if api.api.public is not None else "authorize" if api.api.authorize else "authenticate"
        return {
            "name": api.name,
            "hosts": api.api.hosts,
            "paths": [cast("types.PathMatch", {match.kind: match.path}) for match in api.api.path],
            "methods": api.api.methods,
            "upstream": api.upstream,
            "strip_path": api.api.strip_path,
            "public": self._waiver(api.api.public, (*path, "public")),
            "authorize": "public" if api.api.public is not None else "authenticated",
            "policies": self._policies(api),
            "span": self._span(*path),
            "authorize_span": self._span(*path, said),
        }

    def _policies(self, api: EffectiveApi) -> types.Policies:
        # What `own` returns is as Rust declares it: a test feeds documents to both sides.
        return {
            "ip_filter": cast("types.PlacedIpFilter | None", self._placed(api.ip_filter)),
            "cors": cast("types.PlacedCors | None", self._placed(api.cors)),
            "authenticate": [
                {"api_key": cast("types.PlacedApiKey", self._placed(placed))} for placed in api.authenticate
            ],
            "body_limit": cast("types.PlacedBodyLimit", self._placed(api.body_limit)),
            "plugins": [cast("types.PlacedPlugins", self._plugin(placed)) for placed in api.plugins],
            "headers": cast("types.PlacedHeaders | None", self._placed(api.headers)),
        }

    def _placed(self, placed: Placed[Policy] | None) -> object:
        if placed is None:
            return None
        policy = placed.policy
        return {
            "mode": policy.mode,
            "on_error": policy.on_error,
            "waiver": self._waiver(policy.waiver, placed.waiver_path or placed.path),
            "span": region(self.document, placed).span,
            "config": policy.own(self.lists),
        }

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


def secret_reference(value: str, file: int, references: References) -> str:
    """A secret's reference as the gate reads it: `env:NAME` or `file:/absolute/path`."""
    found = REFERENCE.fullmatch(value)
    if found is None:
        message = "a secret that is no reference passed the checks"
        raise ValueError(message)
    return f"env:{found[2]}" if found[1] == "env" else f"file:{references.absolute(found[2], file)}"


def _timeouts(timeouts: Timeouts) -> types.Timeouts:
    return {
        "connect_ms": timeouts.connect,
        "first_byte_ms": timeouts.first_byte,
        "idle_ms": timeouts.idle,
        "keep_alive_ms": timeouts.keep_alive,
    }
