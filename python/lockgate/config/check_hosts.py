"""Hosts of APIs that nobody could reach, since no certificate is good for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lockgate.addresses import is_address
from lockgate.config.document import Document
from lockgate.config.managed import Managed, covered
from lockgate.config.model_tls import Tls
from lockgate.scalars import shown

NAMED_MOST: Final = 5
"""Names of certificates that a hint tells of."""


def check_hosts(document: Document, managed: Managed) -> None:
    """Note each host of an API that no listener could show a certificate for: its clients fail in the handshake."""
    if any(problem.path.startswith("listeners") for problem in document.problems.errors):
        return  # What could not be read may have been good for them.
    serving: dict[str, Tls] = {}
    for name, listener in document.listeners.items():
        if listener.redirect_to is not None:
            continue
        tls = listener.tls
        if tls is None or (tls.acme is not None and tls.acme.names is None):
            return  # Without TLS any host is served; and which hosts no certificate can be had for is told already.
        if not tls.ends_nothing():
            serving[name] = tls
    carried = {host for listener in document.listeners.values() if listener.tls for host in _carried(listener.tls)}
    named = {host for name in serving for host in managed.ended.get(name, ())}
    if not carried and not named:
        return
    for api, said in document.apis.items():
        for number, host in enumerate(said.hosts):
            if host == "*" or reached(host, named) or reached(host, carried):
                continue
            path = ("apis", api, "hosts", number)
            listeners = ", ".join(map(shown, serving))
            which = f"no certificate of the listener{'s' * (len(serving) > 1)} {listeners} is"
            hint = f"add a certificate that names it, or write a host that there is one for: {_several(named)}"
            if not named:
                which = "no listener has a certificate that is"
                hint = f"add a `certificate` or `acme` to the `tls` of {', '.join(map(shown, document.listeners))}"
            document.problems.add(
                document.value_region(*path),
                "api-without-certificate",
                f"{which} good for {shown(host)}, so its "
                "clients are turned away in the handshake (`unrecognized_name`)",
                severity="warning",
                hint=hint,
                path=path,
            )


def _carried(tls: Tls) -> Iterable[str]:
    return (host for entry in tls.passthrough for host in entry.hosts)


def reached(host: str, named: Iterable[str]) -> bool:
    """Whether one of the names is for the host; of a wildcard, for one of those that it stands for.

    Who asks for an address names nothing in the handshake (RFC 6066 section 3), and is shown the first certificate.
    """
    if is_address(host.strip("[]")):
        return True
    if host.startswith("*."):
        return covered(host, named) or any(name.removeprefix("*").endswith(host[1:]) for name in named)
    return covered(host, named)


def _several(named: Iterable[str]) -> str:
    names = sorted(named)
    more = f" and {len(names) - NAMED_MOST} more" if len(names) > NAMED_MOST else ""
    return ", ".join(f"`{name}`" for name in names[:NAMED_MOST]) + more
