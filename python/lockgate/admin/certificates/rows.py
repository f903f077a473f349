"""How each certificate is, for the admin API, the command line and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from lockgate.admin.findings import Seen, Severity
from lockgate.certificates import Kept, Names, Store, Wanted, renew_at
from lockgate.certificates.chain import Chain, read_chain
from lockgate.certificates.schedule import LATEST_PART, changed, not_before
from lockgate.config import Loaded, ManagedCertificate
from lockgate.printable import printable
from lockgate.state import StateError

SOON: Final = timedelta(days=14)
"""What somebody has to renew by hand is told of that long before its end."""
FILE_BYTES: Final = 2 * 2**20
BEFORE: Final = "a gate that had a good one goes on showing that"
"""What becomes of files that are replaced by others that cannot be used."""

Source = Literal["acme", "imported", "files"]
State = Literal["good", "failing", "soon", "expired", "missing"]
"""`failing`: it is good, and the last attempt to renew it was not. `soon`: it ends, and nothing has renewed it."""


@dataclass(frozen=True, slots=True)
class Row:
    """How a certificate is. All times are milliseconds since the epoch."""

    name: str
    source: Source
    hosts: list[str]
    listeners: list[str]
    state: State
    issuer: str | None = None
    directory: str | None = None
    challenge: str | None = None
    profile: str | None = None
    begins_ms: int | None = None
    ends_ms: int | None = None
    renews_ms: int | None = None
    renews_why: str | None = None
    issued_ms: int | None = None
    fingerprint: str | None = None
    last_error: str | None = None
    last_error_ms: int | None = None
    next_attempt_ms: int | None = None
    working: bool = False
    """Whether it is being had at this moment."""
    chain: str | None = field(default=None, repr=False)
    """The chain, PEM."""


def of_kept(said: ManagedCertificate, kept: Kept, wanted: Wanted | None, why: str | None, *, working: bool) -> Row:
    """A certificate that is looked after here. `why` is what keeps it from being ordered at all."""
    status, now = kept.status, datetime.now(UTC)
    error, at = (why, None) if why is not None else (status.last_error, status.last_error_at)
    again = status.next_attempt
    if wanted is not None:
        again = not_before(status, wanted)
        if why is None and changed(status, wanted):
            error, at = None, None  # It is of a way that nobody wants any more.
    when = renew_at(kept, wanted, now) if wanted is not None and kept.chain is not None else None
    return Row(
        name=said.name,
        source="imported" if said.order is None else "acme",
        hosts=list(kept.chain.names if kept.chain is not None else said.hosts),
        listeners=list(said.listeners),
        state=_state(kept.chain, now, by_hand=said.order is None, failing=error is not None),
        directory=status.directory if said.order is None else said.order.directory,
        challenge=None if said.order is None else said.order.challenge,
        profile=None if said.order is None else said.order.profile,
        renews_ms=None if when is None else _ms(when.when),
        renews_why=None if when is None else when.why,
        issued_ms=_ms(status.issued),
        last_error=error,
        last_error_ms=_ms(at),
        next_attempt_ms=_ms(again),
        working=working,
        **_of_chain(kept.chain),
    )


def called(every: Sequence[Row], name: str) -> list[Row]:
    """Those of a name or, where there is none, of a host that they are good for: by itself, else under a wildcard."""
    return (
        [row for row in every if row.name == name]
        or [row for row in every if name in row.hosts]
        or [row for row in every if row.hosts and Names.of(row.hosts).holds(name)]
    )


def of_store(kept: Kept) -> Row:
    """A certificate of the store, where nobody knows which listeners want it."""
    name = kept.names.all[0]
    row = of_kept(ManagedCertificate(name, kept.names.all, (), None), kept, None, None, working=False)
    return replace(row, source="acme") if kept.status.source == "acme" else row


def of_file(listener: str, path: Path, key: Path) -> Row:
    """A certificate of the operator's own files."""
    # Here: other commands that look at the store do without the core.
    from lockgate._native import LockgateError, read_certificate

    now = datetime.now(UTC)
    try:
        content = _content(path)
        chain = read_chain(content)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return Row(str(path), "files", [], [listener], "missing", last_error=f"it cannot be read: {why}; {BEFORE}")
    why = None
    try:
        read_certificate(content, _content(key), False)
    except (OSError, LockgateError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        why = f"it cannot be used with its key {key}: {said}; {BEFORE}"
    state = _state(chain, now, by_hand=True, failing=why is not None)
    if state == "expired" and why is None:
        why = f"that is what the file holds; {BEFORE}"
    return Row(str(path), "files", list(chain.names), [listener], state, last_error=why, **_of_chain(chain))


def _content(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(FILE_BYTES)


def of_files(loaded: Loaded) -> list[Row]:
    """The listeners' own files, each once."""
    rows: dict[Path, Row] = {}
    for listener, path, key in loaded.certificate_pairs:
        before = rows.get(path)
        if before is None:
            rows[path] = of_file(listener, path, key)
        elif listener not in before.listeners:
            before.listeners.append(listener)
    return list(rows.values())


def of_served(document: Mapping[str, Any], store: Store | None) -> list[Row]:
    """The certificates that a bundle names, where the configuration itself is refused: what serves shows them."""
    rows: dict[str, Row] = {}
    every = [] if store is None else [kept for kept in store.all() if kept.chain is not None]
    for listener in document["listeners"]:
        name = listener["name"]
        for said in (listener["tls"] or {}).get("certificates", ()):
            key = said["managed"] if "managed" in said else said["files"]["chain"]
            if key in rows:
                if name not in rows[key].listeners:
                    rows[key].listeners.append(name)
            elif "managed" not in said:
                rows[key] = of_file(name, Path(key), Path(said["files"]["key"]))
            else:
                found = next((kept for kept in every if key in kept.names.all), None)
                row = Row(key, "acme", [key], [], "missing") if found is None else of_store(found)
                rows[key] = replace(row, name=key, listeners=[name])
    return list(rows.values())


def unused(store: Store, used: set[tuple[str, ...]]) -> list[Row]:
    """Certificates that were imported and that no listener names."""
    return [of_store(kept) for kept in imported(store) if kept.names.all not in used]


def imported(store: Store) -> list[Kept]:
    """The imported certificates of the store, those that end last first."""
    try:
        every = store.all()
    except StateError:
        return []  # The one that is damaged is told of where it is wanted.
    found = [kept for kept in every if kept.status.source == "imported" and kept.key_pem is not None and kept.chain]
    return sorted(found, key=_end, reverse=True)


def _end(kept: Kept) -> float:
    return kept.chain.not_after.timestamp() if kept.chain is not None else 0.0


def findings(rows: list[Row]) -> list[Seen]:
    """What somebody should look at."""
    return [_finding(row) for row in rows if row.state != "good" and row.listeners]


def _finding(row: Row) -> Seen:
    for_whom = ", ".join(row.hosts[:3]) or row.name
    ends = None if row.ends_ms is None else datetime.fromtimestamp(row.ends_ms / 1000, UTC)
    until = "" if ends is None else f"{ends:%Y-%m-%d %H:%M} UTC"
    why = "" if row.last_error is None else f": {row.last_error}"
    words, severity = {
        "failing": (f"the certificate for {for_whom} is good until {until}, and could not be renewed{why}", "warning"),
        "soon": (f"the certificate for {for_whom} ends on {until}, and nothing has renewed it{why}", "error"),
        "expired": (f"the certificate for {for_whom} expired on {until}{why}", "error"),
        "missing": (f"there is no certificate for {for_whom}{why}", "error"),
    }[row.state]
    level: Severity = "warning" if severity == "warning" else "error"
    return Seen("finding", f"certificate-{row.state}", row.name, printable(words), level)


def _state(chain: Chain | None, now: datetime, *, by_hand: bool, failing: bool) -> State:
    if chain is None:
        return "missing"
    if now >= chain.not_after:
        return "expired"
    life = chain.not_after - chain.not_before
    if by_hand and chain.not_after - now < min(SOON, life / 3):
        return "soon"
    if not by_hand and now > chain.not_before + life * LATEST_PART:
        return "soon"
    return "failing" if failing else "good"


def _of_chain(chain: Chain | None) -> dict[str, Any]:
    if chain is None:
        return {}
    return {
        "issuer": printable(chain.issuer),
        "begins_ms": _ms(chain.not_before),
        "ends_ms": _ms(chain.not_after),
        "fingerprint": chain.fingerprint,
        "chain": chain.pem,
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)
