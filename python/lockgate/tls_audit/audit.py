"""Looking at all of them, side by side, within bounds."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lockgate.addresses import is_address
from lockgate.printable import printable
from lockgate.tls_audit import hello, names
from lockgate.tls_audit.judge import WORST, Finding, grade, judge, key_of, plain
from lockgate.tls_audit.meet import HEAD_BYTES, Clock, Met, UnreachableError, Way, connect, meet
from lockgate.tls_audit.names import NamelessError
from lockgate.tls_audit.subjects import SUBJECTS_MAX, Subject

AT_ONCE: Final = 16
CONNECTION_SECONDS: Final = 5.0
SERVERS_MOST: Final = 32
"""Of one service."""
SUBJECT_TIMES: Final = 12
"""How many connections' time there is for one listener or server: each takes about fifteen, most of them an instant."""


@dataclass(frozen=True, slots=True)
class Graded:
    """How one of them is."""

    subject: Subject
    grade: str | None
    """Nothing where nothing was to be graded, or could be."""
    points: int | None = None
    findings: list[Finding] = field(default_factory=list)
    note: str | None = None
    """What should be known beside it."""
    unknown: bool = False
    """Whether it should have been looked at and could not be."""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kind": self.subject.kind,
            "name": self.subject.name,
            "address": self.subject.address,
            "grade": self.grade,
            "points": self.points,
            "note": self.note,
            "unknown": self.unknown,
            "file": self.subject.place.file,
            "line": self.subject.place.line,
            "seen": self.facts,
            "findings": [
                {
                    "code": each.code,
                    "severity": each.severity,
                    "lost": each.lost,
                    "message": each.message,
                    "advice": each.advice,
                    "file": each.place.file if each.place else None,
                    "line": each.place.line if each.place else None,
                }
                for each in self.findings
            ],
        }


def audit(subjects: list[Subject], *, seconds: float = CONNECTION_SECONDS) -> Iterator[Graded]:
    """Each of them, in order, as soon as it is known; `seconds` is what one connection may take."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tls-audit") as pool:
        for several in pool.map(lambda each: list(_guarded(each, seconds)), subjects[:SUBJECTS_MAX]):
            yield from several
    for each in subjects[SUBJECTS_MAX:]:
        yield Graded(each, None, note=f"not looked at: there are more than {SUBJECTS_MAX}", unknown=True)


def _guarded(subject: Subject, seconds: float) -> Iterator[Graded]:
    try:
        named = _named(subject)
    except NamelessError as error:
        yield Graded(subject, None, note=_unreached(subject, str(error)), unknown=True)
        return
    for each in named:
        try:
            yield _one(each, seconds)
        except Exception as failed:  # noqa: BLE001 -- One that cannot be looked at must not hide the others.
            words = printable(str(failed))[:200]
            note = f"the audit itself failed: {type(failed).__name__}: {words}; please report it as an issue"
            yield Graded(each, None, note=note, unknown=True)


def _named(subject: Subject) -> list[Subject]:
    """It, with the address that its name stands for; of a service, one for each of its servers."""
    if subject.kind == "listener" or not subject.ways:
        return [subject]
    way = subject.ways[0]
    if subject.service is None:
        host = names.addresses(way.host, subject.name_servers)[0]
        return [replace(subject, ways=(replace(way, host=host, expected=way.expected or way.host),))]
    found = names.services(subject.service, subject.name_servers)
    if not found:
        raise NamelessError(f"DNS has no servers for {subject.service}")
    several = []
    for target, port in found[:SERVERS_MOST]:
        host = names.addresses(target, subject.name_servers)[0]
        asked = way.name or (None if is_address(target) else target)
        one = replace(way, host=host, port=port, name=asked, expected=way.expected or target)
        words = printable(f"{subject.address} {target}:{port}")
        several.append(replace(subject, address=words, ways=(one,), passed_over=max(0, len(found) - SERVERS_MOST)))
    return several


def _one(subject: Subject, seconds: float) -> Graded:
    if subject.skipped is not None:
        return Graded(subject, None, note=subject.skipped, unknown=True)
    if subject.ungraded is not None:
        return Graded(subject, None, note=subject.ungraded)
    if not subject.secure:
        return _plain(subject, seconds)
    seen: list[tuple[Way, Met]] = []
    for number, way in enumerate(subject.ways):
        try:
            seen.append((way, meet(way, Clock(seconds, SUBJECT_TIMES * seconds), whole=number == 0)))
        except UnreachableError as error:
            return Graded(subject, None, note=_unreached(subject, str(error)), unknown=True)
    findings = judge(subject, seen, dt.datetime.now(dt.UTC))
    letter, points = grade(findings)
    note, facts = _note(subject, seen), _facts(seen)
    if any(met.unseen for _, met in seen) and letter != WORST:
        # What it did not show may be its worst.
        return Graded(subject, None, None, findings, note, unknown=True, facts=facts)
    return Graded(subject, letter, points, findings, note, facts=facts)


def _plain(subject: Subject, seconds: float) -> Graded:
    if subject.redirects:
        try:
            sent = _redirects(subject.ways[0], seconds)
        except OSError as error:
            return Graded(subject, None, note=_unreached(subject, error.strerror or str(error)), unknown=True)
        if sent:
            return Graded(subject, None, note="plain HTTP that only sends to HTTPS")
    elif subject.local:
        return Graded(subject, None, note="plain HTTP that stays on this machine")
    finding = plain(subject)
    letter, points = grade([finding])
    return Graded(subject, letter, points, [finding])


def _redirects(way: Way, seconds: float) -> bool:
    """Whether a request is sent on to HTTPS."""
    until = time.monotonic() + seconds
    came = b""
    with connect(way, seconds) as sock:
        host = way.name or "localhost"
        sock.sendall(way.preamble + f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
        while b"\r\n\r\n" not in came and len(came) < HEAD_BYTES:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("it does not answer in time")
            sock.settimeout(left)
            more = sock.recv(16_384)
            if not more:
                break
            came += more
    first, *lines = came.decode("latin-1").lower().split("\r\n")
    return first[9:12] in {"301", "307", "308"} and any(
        line.startswith("location:") and line[9:].strip().startswith("https://") for line in lines
    )


def _unreached(subject: Subject, why: str) -> str:
    if subject.kind == "listener":
        return f"nothing listens there ({why}): `lockgate run` starts the gate"
    return f"it cannot be reached from here: {why}"


def _note(subject: Subject, seen: list[tuple[Way, Met]]) -> str | None:
    said = []
    silent = [each for _, met in seen for each in met.silent]
    if silent:
        said.append(f"no answer to: {', '.join(dict.fromkeys(silent))}")
    if subject.kind == "listener" and not subject.local and not all(met.hsts_seen for _, met in seen if met.chain):
        said.append("whether it says Strict-Transport-Security could not be seen: it asks for a client's certificate")
    if subject.passed_over:
        what = "names were not asked for" if subject.kind == "listener" else "servers were not looked at"
        said.append(f"{subject.passed_over} more of its {what}")
    return "; ".join(said) or None


def _facts(seen: list[tuple[Way, Met]]) -> dict[str, Any]:
    met = seen[0][1]
    return {
        "versions": [hello.VERSIONS.get(each, hex(each)) for each in sorted(met.versions, reverse=True)],
        "cipher": met.cipher,
        "group": hello.GROUPS.get(met.group, hex(met.group)) if met.group is not None else None,
        "post_quantum": met.post_quantum,
        "protocol": printable(met.protocol)[:40] if met.protocol is not None else None,
        "weak_ciphers": [each for each in met.taken if each != "dhe"],
        "hsts": printable(met.hsts)[:200] if met.hsts is not None else None,
        "certificates": [_certificate(way, each) for way, each in seen if each.chain],
    }


def _certificate(way: Way, met: Met) -> dict[str, Any]:
    leaf = met.chain[0]
    return {
        "asked_for": way.name,
        "subject": printable(leaf.subject.rfc4514_string())[:200],
        "issuer": printable(leaf.issuer.rfc4514_string())[:200],
        "key": key_of(leaf)[0],
        "begins": leaf.not_valid_before_utc.isoformat(),
        "ends": leaf.not_valid_after_utc.isoformat(),
        "chain_length": len(met.chain),
        "believed": met.believed,
    }
