"""Rules that look at more than one value: who may call, what is plain HTTP, what names what."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lockgate.addresses import (
    ANY_CALLER,
    UNIX,
    is_inside,
    is_local,
    is_loopback,
    is_secure,
    is_server,
    is_tcp,
    place_of,
)
from lockgate.config import issuers, passthrough, people, sign_in, upstream_tokens
from lockgate.config.check_bodies import check_bodies
from lockgate.config.check_routing import check_api, check_calls, unknown_upstream
from lockgate.config.check_versions import check_versions
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi, direct_name
from lockgate.config.limits import check_limits, check_names
from lockgate.config.lists import check_filter
from lockgate.config.model_apis import Api
from lockgate.config.model_upstreams import Upstream
from lockgate.config.placed import Placed
from lockgate.config.references import References
from lockgate.config.translate import slip_for
from lockgate.policies import Authentication, IpFilter, Lists, Mtls, Point, Policy, Strict
from lockgate.scalars import NAME, shown

WAIVER: Final = "{owner: NAME, reason: TEXT, until: YYYY-MM-DD}"
PUBLIC_FOLDERS: Final = frozenset({"/tmp", "/var/tmp", "/dev/shm"})  # noqa: S108 -- Warned of, never written to.
NOT_HELD: Final = {"authentication": "does not know", "authorization": "would refuse"}
ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 -- Compared with, never bound.


def check(document: Document, apis: list[EffectiveApi], lists: Lists, references: References) -> None:
    """Run every rule, and note what breaks one."""
    _listeners(document)
    _admin(document)
    _upstreams(document)
    issuers.check(document, apis, references)
    people.check(document, references)
    sign_in.check(document, apis)
    upstream_tokens.check(document, apis)
    for name, upstream in _said_apis(document):
        _opening(document, name)
        _upstream_of(document, name, upstream)
    check_names(document)
    for api in apis:
        check_api(document, ("apis", api.name), api.api)
        check_versions(document, ("apis", api.name), api.api)
        check_calls(document, api)
        passthrough.check_api(document, api)
        for placed in api.policies:
            _policy(document, placed, lists)
            check_bodies(document, placed)
        check_limits(document, api.name, api.limits)
    for name, listener in document.listeners.items():
        for path, entry in passthrough.entries(name, listener.tls) if listener.tls is not None else ():
            check_filter(document, entry.ip_filter, (*path, "ip_filter"), lists)
    _certificates(document, apis)
    _native_calls(document, apis)
    _unused(document, apis)


def _listeners(document: Document) -> None:
    taken: dict[str, str] = {}
    for name, listener in document.listeners.items():
        place = document.value_region("listeners", name, "address")
        path = ("listeners", name, "address")
        port = listener.address.rpartition(":")[2]
        safe = any(document.says("listeners", name, key) for key in ("tls", "redirect_to", "insecure"))
        if not is_inside(listener.address) and not safe:
            document.problems.add(
                place,
                "insecure-listener",
                f"`{listener.address}` takes plain HTTP from other machines, where anyone on the way can read it",
                allowed="`tls`, `redirect_to` a listener that has it, a loopback address, or `insecure` with somebody "
                "who answers for it",
                hint="add `tls: {acme: {email: ADDRESS, terms_agreed: true}}`, or with files of your own "
                "`tls: {certificate: {chain: FILE, key: FILE}}`; behind what ends TLS listen on "
                f"127.0.0.1:{port}, or add `insecure: {WAIVER}`",
                path=path,
            )
        elif is_inside(listener.address) and listener.insecure is not None:
            where = "at a Unix socket" if listener.is_unix() else "on loopback only"
            _needless(document, "listeners", name, f"it listens {where}")
        elif listener.tls is not None and listener.insecure is not None:
            _needless(document, "listeners", name, "it speaks TLS")
        for other, first in taken.items():
            if listener.address == other and listener.is_unix():
                message = f"the listeners {shown(first)} and {shown(name)} are at the same path"
                document.problems.add(place, "address-taken", message, hint="give one another path", path=path)
            elif _collide(listener.address, other):
                message = f"the listeners {shown(first)} and {shown(name)} are on the same address and port"
                document.problems.add(place, "address-taken", message, hint="give one another port", path=path)
            elif listener.address == other:
                # A gate keeps its sockets by what they were asked for, also over an upgrade.
                message = f"the listeners {shown(first)} and {shown(name)} would get the same free port"
                hint = "give one a port of its own, or another address"
                document.problems.add(place, "address-taken", message, hint=hint, path=path)
        taken[listener.address] = name
        if listener.is_unix() and _is_public(listener.address.removeprefix(UNIX).rpartition("/")[0]):
            document.problems.add(
                place,
                "socket-in-public-folder",
                "any user of this machine may put a socket of his own there once the gate stops, and get its requests",
                severity="warning",
                hint="choose a folder that the gate's user alone may write to, such as /run/lockgate",
                path=path,
            )
        if listener.socket is not None and listener.socket.mode & 0o002 and ANY_CALLER in listener.trusted_proxies:
            document.problems.add(
                document.value_region("listeners", name, "socket", "mode"),
                "trusts-everyone",
                "every user of this machine may connect, and is believed when it says whose request it forwards",
                severity="warning",
                hint='write `mode: "0660"`, with the `group` of your proxy',
                path=("listeners", name, "socket", "mode"),
            )
        if {"0.0.0.0/0", "::/0"} & set(listener.trusted_proxies):
            document.problems.add(
                document.region("listeners", name, "trusted_proxies"),
                "trusts-everyone",
                "every client is believed when it says whose request it forwards",
                severity="warning",
                hint="name the networks of your own proxies only",
                path=("listeners", name, "trusted_proxies"),
            )


def _is_public(folder: str) -> bool:
    """Whether any user of this machine may write there, as far as this machine knows."""
    try:
        return folder in PUBLIC_FOLDERS or bool(Path(folder or "/").stat().st_mode & stat.S_IWOTH)
    except (OSError, ValueError):
        return False


def _admin(document: Document) -> None:
    address = document.admin.address
    host, _, port = address.rpartition(":")
    place = document.value_region("admin", "address")
    if not is_loopback(host):
        document.problems.add(
            place,
            "admin-off-loopback",
            "the admin API answers on loopback only",
            hint=f"write `127.0.0.1:{port}`, and reach it through SSH: ssh -L {port}:127.0.0.1:{port} HOST",
            path=("admin", "address"),
        )
    gates = document.gates.address
    if gates is not None and _collide(gates, address):
        message = "the admin API and the port for gates are on the same address and port"
        place_of_gates = document.value_region("gates", "address")
        document.problems.add(
            place_of_gates, "address-taken", message, hint="give one another port", path=("gates", "address")
        )
    for name, listener in document.listeners.items():
        if gates is not None and _collide(listener.address, gates):
            message = f"the port for gates and the listener {shown(name)} are on the same address and port"
            document.problems.add(
                document.value_region("gates", "address"),
                "address-taken",
                message,
                hint="give one another port",
                path=("gates", "address"),
            )
        if _collide(listener.address, address):
            message = f"the admin API and the listener {shown(name)} are on the same address and port"
            document.problems.add(
                place if document.says("admin", "address") else document.value_region("listeners", name, "address"),
                "address-taken",
                message,
                hint="give one another port",
                path=("admin", "address"),
            )


def _upstreams(document: Document) -> None:
    for name, upstream in document.upstreams.items():
        if not upstream.targets:
            document.problems.add(
                document.region("upstreams", name, "targets"),
                "targets-empty",
                f"the upstream {shown(name)} has no target",
                hint="add one: `targets: [http://127.0.0.1:9000]`",
                path=("upstreams", name, "targets"),
            )
        waived = upstream.insecure is not None or document.says("upstreams", name, "insecure")
        urls = [server.url for server in upstream.targets]
        for index, target in enumerate(urls):
            path = ("upstreams", name, "targets", index)
            if not is_local(target) and not is_secure(target) and not is_tcp(target) and not waived:
                _plain_target(document, path, target, f"add `insecure: {WAIVER}` to the upstream {shown(name)}")
            _own_address(document, path, target)
            if target in urls[:index]:
                document.problems.add(
                    document.value_region(*path),
                    "target-repeated",
                    f"{shown(target)} is named twice, and gets twice the requests",
                    severity="warning",
                    hint="name it once, with a `weight`",
                    path=path,
                )
        _over_tls(document, name, upstream, urls)
        if urls and not any(server.weight for server in upstream.targets):
            document.problems.add(
                document.region("upstreams", name, "targets"),
                "weights-empty",
                f"all targets of the upstream {shown(name)} have a weight of 0, so none would get a request",
                hint="give at least one of them a `weight` from 1 to 100",
                path=("upstreams", name, "targets"),
            )
        _useless(document, name, upstream)
        passthrough.check_upstream(document, name, upstream)
        if upstream.insecure is not None and urls and all(map(is_local, urls)):
            _needless(document, "upstreams", name, "its targets are on this machine")


def _useless(document: Document, name: str, upstream: Upstream) -> None:
    """What is said, and does nothing."""
    health = upstream.health
    if health.path is None and not health.connect:
        for key in ("every", "timeout", "expect", "unhealthy_after", "healthy_after", "host"):
            path = ("upstreams", name, "health", key)
            if document.says(*path):
                document.problems.add(
                    document.region(*path),
                    "health-without-path",
                    f"`{key}` does nothing: without `path` no server is asked",
                    severity="warning",
                    hint="add `path: /healthz`, or what the API answers to",
                    path=path,
                )
    one = len(upstream.targets) == 1 and "+srv://" not in upstream.targets[0].url
    if one and document.says("upstreams", name, "balance"):
        document.problems.add(
            document.region("upstreams", name, "balance"),
            "balance-needless",
            f"the upstream {shown(name)} has one target: there is nothing to balance",
            severity="warning",
            hint="name more targets, or take `balance` out",
            path=("upstreams", name, "balance"),
        )


def _said_apis(document: Document) -> Iterator[tuple[str, str | None]]:
    """Every API and its upstream, also of those that another mistake keeps from being read."""
    section = document.sections.get("apis")
    for name, item in section.children.items() if section and isinstance(section.children, dict) else ():
        if name in document.apis:
            yield name, document.apis[name].upstream
        elif isinstance(item.children, dict):
            upstream = item.children.get("upstream")
            text = upstream.data if upstream is not None and upstream.whole else None
            # What cannot be an upstream at all was already told.
            yield name, text if isinstance(text, str) and NAME.fullmatch(text) else None


def _opening(document: Document, name: str) -> None:
    path = ("apis", name)
    public, authenticate = document.says(*path, "public"), document.says(*path, "authenticate")
    if public and authenticate:
        document.problems.add(
            document.region(*path, "public"),
            "open-and-closed",
            f"the API {shown(name)} is `public` and wants authentication",
            hint="take one of the two out",
            path=(*path, "public"),
        )
    elif public and document.says(*path, "authorize"):
        document.problems.add(
            document.region(*path, "authorize"),
            "open-and-closed",
            f"the API {shown(name)} is `public`, so nobody is known whom `authorize` could let in",
            hint="take one of the two out",
            path=(*path, "authorize"),
        )
    elif authenticate and not document.says(*path, "authorize") and not _misspelt(document, name, "authorize"):
        document.problems.add(
            document.region(*path, "authenticate"),
            "authorize-missing",
            f"the API {shown(name)} says who is known, but not what they may do",
            allowed="`authenticated`, or a mapping with `scopes`, `roles`, `cedar`",
            hint="add `authorize: authenticated` to let everyone call whom it knows",
            path=(*path, "authorize"),
        )
    elif not public and not authenticate and not _misspelt(document, name, "authenticate", "public"):
        document.problems.add(
            document.region(*path),
            "api-open",
            f"the API {shown(name)} does not say who may call it",
            allowed=f"`authenticate`, or `public: {WAIVER}`",
            hint="add `authenticate: [api_key]` and `authorize: authenticated`",
            path=path,
        )


def _misspelt(document: Document, name: str, *meant: str) -> bool:
    """Whether the API has a key that was told to be a slip for one of those."""
    item = document.item("apis", name)
    keys = item.children if item is not None and isinstance(item.children, dict) else ()
    return any(key not in Api.model_fields and slip_for(key, list(Api.model_fields)) in meant for key in keys)


def _upstream_of(document: Document, name: str, upstream: str | None) -> None:
    path = ("apis", name, "upstream")
    if upstream is None:
        return
    if is_server(upstream):
        if not is_local(upstream) and not is_secure(upstream) and not is_tcp(upstream):
            hint = f"name it under `upstreams`, with `insecure: {WAIVER}`"
            _plain_target(document, path, upstream, hint)
        _own_address(document, path, upstream)
    elif not document.says("upstreams", upstream):
        unknown_upstream(document, path, upstream)


def _certificates(document: Document, apis: list[EffectiveApi]) -> None:
    """What looks at certificates that no listener asks for."""
    said = document.sections.get("listeners")
    names = said.children if said is not None and isinstance(said.children, dict) else ()
    if any(name not in document.listeners for name in names):
        return  # One that could not be read may ask for them.
    for listener in document.listeners.values():
        tls = listener.tls
        if tls is None:
            continue
        if any([tls.client_certificates, *(host.client_certificates for host in tls.hosts.values())]):
            return
    for api in apis:
        wanting = [placed.path for placed in api.authenticate if isinstance(placed.policy, Mtls)]
        if api.api.client_cert is not None:
            wanting.append(("apis", api.name, "client_cert"))
        for path in wanting:
            document.problems.add(
                document.region(*path),
                "certificates-not-asked-for",
                "no listener asks clients for certificates, so there will be none to look at",
                severity="warning",
                hint="add `client_certificates: {trust: FILE}` to a listener's `tls`",
                path=path,
            )


def _native_calls(document: Document, apis: list[EffectiveApi]) -> None:
    """What takes calls of gRPC where none can arrive: they are spoken over HTTP/2, and that over TLS."""
    said = document.sections.get("listeners")
    names = said.children if said is not None and isinstance(said.children, dict) else ()
    if any(name not in document.listeners for name in names):
        return  # One that could not be read may speak it.
    serving = {name: each for name, each in document.listeners.items() if each.redirect_to is None}
    if any("h2" in listener.spoken() for listener in serving.values()):
        return
    told: set[tuple[str | int, ...]] = set()
    for api in apis:
        placed = api.grpc
        if placed is None or placed.policy.web or placed.policy.mode == "off" or placed.path in told:
            continue
        told.add(placed.path)
        document.problems.add(
            document.region(*placed.path),
            "grpc-without-http2",
            "calls of gRPC come over HTTP/2, which no listener speaks here, so none of them arrives",
            severity="warning",
            hint="add `tls` to a listener, which brings HTTP/2; browsers need only `grpc: {web: true}`",
            path=placed.path,
        )


def _policy(document: Document, placed: Placed[Policy], lists: Lists) -> None:
    policy, path = placed.policy, placed.path
    if isinstance(policy, Strict | Point):
        what = "authentication" if isinstance(policy, Authentication) else "authorization"
        if isinstance(policy, Point) and policy.on_error == "allow" and policy.waiver is None:
            document.problems.add(
                document.value_region(*path, "on_error"),
                "fail-open-authorization",
                f"whoever the decision point would refuse is let in while {shown(policy.upstream)} does not answer",
                allowed="`on_error: deny`, or a waiver",
                hint=f"add `waiver: {WAIVER}` beside it",
                path=(*path, "on_error"),
            )
        if isinstance(policy, Strict) and policy.on_error == "allow":
            document.problems.add(
                document.value_region(*path, "on_error"),
                f"fail-open-{what}",
                f"{what} that fails must deny",
                hint="take `on_error: allow` out",
                path=(*path, "on_error"),
            )
        if policy.mode != "enforce" and policy.waiver is None and not document.says(*path, "waiver"):
            document.problems.add(
                document.value_region(*path, "mode"),
                f"unenforced-{what}",
                f"{what} with `mode: {policy.mode}` lets in whom it {NOT_HELD[what]}",
                allowed="`mode: enforce`, or a waiver",
                hint=f"add `waiver: {WAIVER}` beside it",
                path=(*path, "mode"),
            )
    if isinstance(policy, IpFilter):
        check_filter(document, policy, path, lists)


def _unused(document: Document, apis: list[EffectiveApi]) -> None:
    used = {upstream for api in apis for upstream in api.upstreams}
    used |= {entry.upstream for one in document.listeners.values() if one.tls for entry in one.tls.passthrough}
    item = document.sections.get("apis")
    if item is None or not item.children or len(document.apis) != len(item.children):
        return  # An API that could not be read may be the one that uses it.
    if not all(any(api.upstreams) or api.api.redirect is not None for api in apis):
        return  # One that names none could be meant to use it.
    direct = {direct_name(api.name) for api in apis}
    if not all(upstream in direct or document.says("upstreams", upstream) for upstream in used):
        return  # An API with a slip in its upstream's name, too.
    for name in document.upstreams:
        if name not in used:
            document.problems.add(
                document.region("upstreams", name),
                "upstream-unused",
                f"nothing uses the upstream {shown(name)}"
                if passthrough.is_raw(document.upstreams[name])
                else f"no API uses the upstream {shown(name)}",
                severity="warning",
                path=("upstreams", name),
            )


def _over_tls(document: Document, name: str, upstream: Upstream, urls: list[str]) -> None:
    secure = [is_secure(url) for url in urls]
    kinds = [(is_secure(url), is_tcp(url)) for url in urls]
    if len(set(kinds)) > 1:
        odd = next(number for number, kind in enumerate(kinds) if kind != kinds[0])
        document.problems.add(
            document.value_region("upstreams", name, "targets", odd),
            "mixed-targets",
            "targets over TLS, in the clear and of `tcp://` are not mixed within an upstream",
            hint="make all of them `https://`, or two upstreams of them",
            path=("upstreams", name, "targets", odd),
        )
    discovered = next((place for place, url in enumerate(urls) if url.startswith("https+srv://")), None)
    tls = upstream.tls
    if discovered is not None and not (tls and (tls.server_name or tls.trust or tls.pins)):
        document.problems.add(
            document.value_region("upstreams", name, "targets", discovered),
            "srv-unnamed",
            "DNS alone says which name the server is to prove, and whoever answers in its place names his own",
            hint="add `tls: {server_name: NAME}`, or `trust` or `pins`",
            path=("upstreams", name, "targets", discovered),
        )
    if any(secure) and upstream.insecure is not None:
        _needless(document, "upstreams", name, "its targets are spoken to over TLS")
    if urls and not any(secure) and upstream.tls is not None:
        document.problems.add(
            document.region("upstreams", name, "tls"),
            "tls-without-https",
            "`tls` says how to speak with targets that begin with `https://`, and there are none",
            hint="write `https://` before the targets, or take `tls` out",
            path=("upstreams", name, "tls"),
        )


def _plain_target(document: Document, path: tuple[str | int, ...], target: str, hint: str) -> None:
    document.problems.add(
        document.value_region(*path),
        "insecure-upstream",
        f"{shown(target)} is plain HTTP to another machine, where anyone on the way can read it",
        allowed="a loopback address, or `insecure` with somebody who answers for it",
        hint=hint,
        path=path,
    )


def _own_address(document: Document, path: tuple[str | int, ...], target: str) -> None:
    at = place_of(target)
    listeners = {name: listener.address for name, listener in document.listeners.items()}
    for name, address in (listeners or {"public": "127.0.0.1:8080"}).items():
        if at == address or (is_local(target) and _collide(at.replace("localhost", "127.0.0.1"), address)):
            document.problems.add(
                document.value_region(*path),
                "upstream-is-gate",
                f"{shown(target)} is the gate's own listener {shown(name)}: each request would come back for ever",
                hint="name the address of the API itself",
                path=path,
            )


def _needless(document: Document, section: str, name: str, why: str) -> None:
    document.problems.add(
        document.region(section, name, "insecure"),
        "waiver-needless",
        f"`{section}.{name}` needs no `insecure`: {why}",
        severity="warning",
        hint="take it out",
        path=(section, name, "insecure"),
    )


def _collide(one: str, other: str) -> bool:
    """Whether two listening addresses want the same port of the same address."""
    host, _, port = one.rpartition(":")
    other_host, _, other_port = other.rpartition(":")
    if port != other_port or port == "0" or one.startswith(UNIX) or other.startswith(UNIX):
        return False
    # `[::]` takes IPv4 too, where the system is not told otherwise.
    return (
        host == other_host
        or "[::]" in {host, other_host}
        or (ANY_IPV4 in {host, other_host} and not host.startswith("[") and not other_host.startswith("["))
    )
