"""`listeners.*.tls.passthrough`: names that are carried on unread, and what they must not take from others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from lockgate.addresses import is_address, is_tcp
from lockgate.config import bundle_types as types
from lockgate.config.check_routing import unknown_upstream
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi, direct_name
from lockgate.config.managed import Managed
from lockgate.config.model_tls import Passthrough, Tls
from lockgate.config.model_upstreams import Upstream
from lockgate.config.placed import Path
from lockgate.policies import Lists
from lockgate.scalars import shown


def entries(listener: str, tls: Tls) -> Iterator[tuple[Path, Passthrough]]:
    """The entries, and where each is said: one may stand there without a list."""
    base: Path = ("listeners", listener, "tls", "passthrough")
    for number, entry in enumerate(tls.passthrough):
        yield (*base, number), entry


def bundled(document: Document, listener: str, tls: Tls, managed: Managed, lists: Lists) -> list[types.Passthrough]:
    """The entries, with the names below their wildcards that the listener ends itself."""
    own = {name for name, _ in _ended(document, listener, tls, managed)}
    return [
        {
            "hosts": entry.hosts,
            "ended": sorted(name for name in own if any(below(name, host) for host in entry.hosts)),
            "upstream": entry.upstream,
            "idle_ms": entry.idle_timeout,
            "ip_filter": cast("types.IpFilterConfig", entry.ip_filter.own(lists)),
        }
        for entry in tls.passthrough
    ]


def unjudged(document: Document) -> Iterator[tuple[Path, str]]:
    """Where names are carried on past every policy, and what that means: known to who wrote it, and told to others."""
    for listener, said in document.listeners.items():
        path: Path = ("listeners", listener, "tls", "passthrough")
        for number, entry in enumerate(said.tls.passthrough if said.tls is not None else ()):
            where = f"no policy sees what is carried on to {shown(entry.upstream)}"
            what = "who calls, how much and with what is for the server there to judge"
            yield (*path, number), f"{where}: {what}"


def below(name: str, pattern: str) -> bool:
    """Whether a name, or all that a wildcard stands for, is below another wildcard."""
    return pattern.startswith("*.") and name != pattern and name.removeprefix("*").endswith(pattern[1:])


def check(document: Document, listener: str, tls: Tls, managed: Managed) -> None:
    """Note what is carried on and ended as well, and what goes nowhere."""
    ended = dict(_ended(document, listener, tls, managed))
    taken: dict[str, int] = {}
    for number, (path, entry) in enumerate(entries(listener, tls)):
        _goes_to(document, (*path, "upstream"), entry)
        for place, host in enumerate(entry.hosts):
            where = (*path, "hosts", place)
            _host(document, where, host, ended.get(host))
            if taken.setdefault(host, number) != number or host in entry.hosts[:place]:
                _add(document, where, "passthrough-twice", f"{shown(host)} is carried on already", hint="name it once")


def _ended(document: Document, listener: str, tls: Tls, managed: Managed) -> Iterator[tuple[str, str]]:
    """Each name that the listener ends, and what says so."""
    for name in managed.ended.get(listener, ()):
        yield name, "a certificate of the listener is for it"
    for name in tls.hosts:
        yield name, "`tls.hosts` has rules for it"
    # Where another listener serves requests, an API may have its host there.
    served = [each for each, other in document.listeners.items() if other.redirect_to is None]
    for api, said in document.apis.items():
        for name in said.hosts:
            if name != "*" and (served == [listener] or name.startswith("*.")):
                yield name, f"the API {shown(api)} answers to it"


def _host(document: Document, path: Path, host: str, why: str | None) -> None:
    if host == "*":
        message = "every name would be carried on, also those that nobody has thought of"
        hint = "name them; `*.example.com` stands for all names below one"
        _add(document, path, "passthrough-all", message, hint=hint)
    elif is_address(host.strip("[]")):
        message = f"{shown(host)} is an address, and clients ask for none by its address (RFC 6066)"
        _add(document, path, "passthrough-address", message, hint="name the host")
    elif why is not None:
        message = f"{shown(host)} cannot be carried on and be ended here as well: {why}"
        _add(document, path, "passthrough-ended-here", message, hint="take it out of one of the two")


def _goes_to(document: Document, path: Path, entry: Passthrough) -> None:
    if not document.says("upstreams", entry.upstream):
        unknown_upstream(document, path, entry.upstream)
        return
    upstream = document.upstreams.get(entry.upstream)
    if upstream is not None and upstream.targets and not is_raw(upstream):
        _add(
            document,
            path,
            "passthrough-not-tcp",
            f"requests go to the upstream {shown(entry.upstream)}, and what is carried on unread is none",
            hint="make an upstream of it whose targets begin with `tcp://`",
        )


def _add(document: Document, path: Path, code: str, message: str, *, hint: str) -> None:
    document.problems.add(document.value_region(*path), code, message, hint=hint, path=path)


NO_REQUESTS: Final = ("credential", "retry", "protocol", "tls", "head_bytes", "insecure")
"""What an upstream of `tcp://` has no use for."""
NO_TIMES: Final = ("first_byte", "idle", "keep_alive")
NO_QUESTIONS: Final = ("path", "host", "expect")


def is_raw(upstream: Upstream) -> bool:
    """Whether connections are carried there unread, and no requests."""
    return any(is_tcp(server.url) for server in upstream.targets)


def check_upstream(document: Document, name: str, upstream: Upstream) -> None:
    """Note what is said of requests where there are none."""
    base: Path = ("upstreams", name)
    if not is_raw(upstream):
        if upstream.health.connect:
            path = (*base, "health", "connect")
            message = "`connect` is for targets that begin with `tcp://`: of these it can be asked how they are"
            _add(document, path, "connect-alone", message, hint="name a `path`, such as `/healthz`")
        return
    said: list[Path] = [(*base, key) for key in NO_REQUESTS]
    said += [(*base, "timeouts", key) for key in NO_TIMES]
    said += [(*base, "health", key) for key in NO_QUESTIONS]
    said += [(*base, "health", "passive", "statuses")]
    balance = upstream.balance
    if balance.sticky is not None or (balance.hash is not None and balance.hash.by != "client"):
        said.append((*base, "balance"))
    for path in said:
        if document.says(*path):
            document.problems.add(
                document.region(*path),
                "rule-without-requests",
                f"`{path[-1]}` is of no use here: connections are carried to `tcp://` unread",
                hint="take it out",
                path=path,
            )


def check_api(document: Document, api: EffectiveApi) -> None:
    """Note an API whose requests would go where none are taken."""
    direct = direct_name(api.name)
    for name in api.upstreams:
        upstream = document.upstreams.get(name)
        if is_tcp(str(api.api.upstream)) if name == direct else upstream is not None and is_raw(upstream):
            path: Path = ("apis", api.name, "upstream")
            path = path if api.upstream == name and document.says(*path) else path[:-1]
            called = "what begins with `tcp://`" if name == direct else f"the upstream {shown(name)}"
            message = f"{called} takes connections that are carried on unread, and no requests"
            hint = "name one whose targets begin with `https://` or `http://`"
            _add(document, path, "upstream-takes-no-requests", message, hint=hint)
