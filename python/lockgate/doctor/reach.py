"""What the gate must reach: upstreams, and scanners of viruses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from lockgate.addresses import is_server
from lockgate.clamd import ClamdError, version
from lockgate.doctor.result import Patient, Result, ok, warning
from lockgate.health import silent_at

SECONDS: Final = 2.0
AT_ONCE: Final = 32
MOST: Final = 500
"""Targets that are asked; of ten thousand it is plain soon enough what is wrong."""


def upstreams(patient: Patient) -> Iterator[Result]:
    """Whether something listens where requests go."""
    if patient.loaded is None or not patient.asks:
        return
    places = _targets(patient)
    asked = dict.fromkeys(list(places)[:MOST])
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor") as pool:
        failures = dict(zip(asked, pool.map(_fails, asked), strict=True))
    for target, failure in failures.items():
        if failure is not None:
            yield warning(
                "upstream",
                f"{target} ({places[target]}) cannot be reached from here: {failure}",
                means="its requests are answered 502 until it can be",
                advice="start it, correct its address, or open the way to it",
            )
    if places and not any(failures.values()):
        yield ok("upstream", f"{len(failures)} upstream targets answer the door")


def scanners(patient: Patient) -> Iterator[Result]:
    """Whether the virus scanners that files are shown to answer."""
    if patient.loaded is None or not patient.asks:
        return
    used: dict[str, set[str]] = {}
    for api in patient.loaded.apis:
        if api.waf is not None and api.waf.policy.mode != "off" and (scan := api.waf.policy.scan) is not None:
            used.setdefault(scan.clamd, set()).add(scan.on_error)
    for clamd, on_error in used.items():
        try:
            yield ok("scanner", f"clamd at {clamd} answers: {version(clamd)}")
        except ClamdError as failed:
            yield warning(
                "scanner",
                f"clamd at {clamd} does not answer: {failed}",
                means="files pass unscanned until it does"
                if on_error == {"pass"}
                else "requests with files are refused with 503 until it does",
                advice="start it, correct `waf.scan.clamd`, or let this user into its socket (often the group clamav)",
            )


def _targets(patient: Patient) -> dict[str, str]:
    """Each target's URL, and who goes there."""
    if patient.loaded is None:
        return {}
    found: dict[str, str] = {}
    for name, upstream in patient.loaded.document.upstreams.items():
        for target in upstream.targets:
            found.setdefault(target.url, f"upstream {name}")
    for name, api in patient.loaded.document.apis.items():
        if is_server(str(api.upstream)):
            found.setdefault(str(api.upstream), f"API {name}")
    return found


def _fails(target: str) -> str | None:
    """Why no connection can be opened; nothing where one can, or where a record of the DNS says who it is."""
    parts = urlsplit(target)
    if parts.scheme == "unix":
        return silent_at(parts.path)
    if parts.scheme not in {"http", "https", "tcp"} or parts.hostname is None:
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname, port), timeout=SECONDS):
            return None
    except OSError as failed:
        return failed.strerror or str(failed) or type(failed).__name__
