"""Taking over a changed configuration: all of it or nothing, and loud where nothing.

The order is what makes it safe. The files are read and checked to the last
error before anything is signed; a bundle is signed before it is sent; and it
counts as taken over only when the gate says that it serves it. Up to that
moment the old one is what is served and what a restart would serve.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from lockgate.admin.bundles import Bundles, SignedBundle
from lockgate.admin.clock import now_ms
from lockgate.admin.findings import Findings, Seen
from lockgate.admin.journal import Journal
from lockgate.admin.link import LinkServer
from lockgate.admin.listen import elsewhere
from lockgate.config import ConfigErrors, Finding, Loaded, Problem, load

Result = Literal["applied", "unchanged", "refused", "signed"]
"""`signed`: good and kept, but there is no gate to serve it yet."""

AGAIN: Final = "again"
"""The cause of a reload that nobody asked for: something that is not watched may have been mended."""

log = structlog.get_logger("lockgate.control")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one reload."""

    result: Result
    cause: str
    """Who asked: `start`, `file`, `signal` or `api`; `again` where nobody did."""
    at_ms: int
    took_ms: int
    sequence: int | None = None
    hash: str | None = None
    gate_took_ms: float | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


class Reloader:
    """Loads the configuration again when asked; one reload at a time."""

    def __init__(self, path: Path, bundles: Bundles, findings: Findings, journal: Journal, link: LinkServer) -> None:
        """`path` is the main file."""
        self.path = path
        self._bundles = bundles
        self._findings = findings
        self._journal = journal
        self._link = link
        self._one = asyncio.Lock()
        link.on_refused = self._note_refusal
        self.changed = asyncio.Event()
        """Set by each reload that took something over."""
        self.on_good: Callable[[Loaded], None] | None = None
        """Hears of each configuration that is taken over."""
        self.refusal: ConfigErrors | None = None
        """Why the configuration was refused, if it was."""
        self.loaded: Loaded | None = None
        self.last: Outcome | None = None
        self.taken: Outcome | None = None
        """How what is served now came to be; of this process's life."""
        self.on_loaded: Callable[[Loaded], Awaitable[None]] | None = None
        """Hears of each configuration that is taken over."""
        self.counts: dict[Result, int] = {"applied": 0, "unchanged": 0, "refused": 0, "signed": 0}
        self.read_ns: int | None = None
        """When the files were last begun to be read."""
        self.admin_address: str | None = None
        """Where the admin API really listens; a change wants a restart."""

    async def reload(self, cause: str) -> Outcome:
        """Read, check, compile, sign, hand over; never raises for what a configuration can hold."""
        async with self._one:
            began = time.perf_counter()
            try:
                loaded, bundle, new = await asyncio.to_thread(self._prepare)
            except ConfigErrors as refused:
                told = _as_json(refused.errors)
                if cause == AGAIN and self.last is not None and self.last.errors == told:
                    return self.last  # It has been told of, and nothing is new.
                outcome = await self._refuse(cause, began, refused)
            else:
                self.refusal = None
                outcome = await self._apply(cause, began, loaded, bundle, new=new)
            self.last = outcome
            if outcome.result in {"applied", "signed"} or (outcome.result == "unchanged" and self.taken is None):
                self.taken = outcome
            self.counts[outcome.result] += 1
            return outcome

    async def look_at_waivers(self) -> None:
        """Renew the findings of the configuration that serves: waivers expire without a reload."""
        async with self._one:
            if self.loaded is not None:
                await asyncio.to_thread(self._sync_findings, self.loaded)

    def needs_restart(self) -> list[str]:
        """What the configuration says and only a start can do, in words; its sockets are this process's own."""
        if self.loaded is None or self.admin_address is None:
            return []
        wanted, real = self.loaded.admin_address, self.admin_address
        if not elsewhere(wanted, real):
            return []
        return [f"admin.address changed: needs a restart (it listens on {real}, and {wanted} is wanted)"]

    def watched(self) -> list[Path]:
        """Files whose change may change the configuration."""
        named = [path for found in self._read() for path in (*found.files, *found.looked_at)]
        return list(dict.fromkeys([self.path, *named]))

    def patterns(self) -> list[str]:
        """Patterns of includes, absolute."""
        return list(dict.fromkeys(pattern for found in self._read() for pattern in found.patterns))

    def _read(self) -> list[Loaded | ConfigErrors]:
        """What was read last: what serves, and what was refused since."""
        return [found for found in (self.loaded, self.refusal) if found is not None]

    async def try_again(self) -> None:
        """Reload where the files were refused: what was wrong with them may lie outside them."""
        if self.refusal is not None:
            await self.reload(AGAIN)

    def _prepare(self) -> tuple[Loaded, SignedBundle, bool]:
        self.read_ns = time.time_ns()
        loaded = load(self.path)
        address = self.admin_address or loaded.admin_address
        bundle, new = self._bundles.publish(loaded.compile(0, 0), admin_address=address, duties=loaded.duties)
        return loaded, bundle, new

    async def _apply(self, cause: str, began: float, loaded: Loaded, bundle: SignedBundle, *, new: bool) -> Outcome:
        warnings = [problem.as_json() for problem in loaded.warnings]
        answer = await self._link.push(bundle)
        if answer is not None and answer.error is not None:
            await self._note_refusal(bundle, answer.error)
            error = {"severity": "error", **answer.error}
            return Outcome("refused", cause, now_ms(), _since(began), errors=[error], warnings=warnings)
        moved = self.loaded is None or self.loaded.admin_address != loaded.admin_address
        self.loaded = loaded
        self.changed.set()
        if moved:
            for words in self.needs_restart():
                log.warning("needs-restart", message=words)
        if self.on_good is not None:
            await asyncio.to_thread(self.on_good, loaded)
        await asyncio.to_thread(self._sync_findings, loaded)
        await asyncio.to_thread(self._findings.sync, "reload", [])
        if self.on_loaded is not None:
            await self.on_loaded(loaded)
        result: Result = "unchanged" if not new else "applied" if answer is not None else "signed"
        outcome = Outcome(
            result=result,
            cause=cause,
            at_ms=now_ms(),
            took_ms=_since(began),
            sequence=bundle.sequence,
            hash=bundle.hash,
            gate_took_ms=None if answer is None or answer.applied is None else answer.applied.get("took_us", 0) / 1000,
            warnings=warnings,
        )
        log.info("config-loaded", result=result, cause=cause, sequence=bundle.sequence, took_ms=outcome.took_ms)
        if new:
            detail = {"sequence": bundle.sequence, "hash": bundle.hash, "cause": cause, "took_ms": outcome.took_ms}
            if answer is not None:
                self._journal.system("config-applied", f"Bundle {bundle.sequence} is live.", detail)
            else:
                words = f"Bundle {bundle.sequence} is signed; a gate that connects takes it."
                self._journal.system("config-signed", words, detail)
        return outcome

    async def _refuse(self, cause: str, began: float, refused: ConfigErrors) -> Outcome:
        self.refusal = refused
        errors = _as_json(refused.errors)
        before = self._link.serving or await asyncio.to_thread(self._bundles.latest) is not None
        seen = _refusal(self.path, refused.errors, before=before)
        await asyncio.to_thread(self._findings.sync, "reload", [seen])
        self._journal.system("config-refused", seen.message, {"cause": cause, "errors": len(errors)})
        if before or cause != "start":
            log.error("config-refused", cause=cause, hint=f"{_instead(before=before)}; `lockgate check` shows more")
            for problem in refused.errors:
                log.error("config-error", place=problem.place, code=problem.code, message=problem.message)
        # Else the process ends, and the errors are its last words.
        warnings = [problem.as_json() for problem in refused.warnings]
        return Outcome("refused", cause, now_ms(), _since(began), errors=errors, warnings=warnings)

    async def _note_refusal(self, bundle: SignedBundle, error: dict[str, Any]) -> None:
        """The gate will not serve the bundle: it is not the last good one, and somebody must know."""
        why, code = str(error.get("message")), error.get("code")
        before = self._link.serving
        await asyncio.to_thread(self._bundles.refuse, bundle.sequence, why)
        message = f"the gate refused the configuration, {_instead(before=before)}: {why}"
        seen = Seen("finding", "bundle-refused", str(self.path), message, "error", file=str(self.path))
        await asyncio.to_thread(self._findings.sync, "reload", [seen])
        self._journal.system("bundle-refused", message, {"sequence": bundle.sequence, **error})
        if before:
            log.error("bundle-refused", sequence=bundle.sequence, code=code, why=why, hint=_instead(before=True))
        else:  # The gate's own supervisor says why.
            log.error("bundle-refused", sequence=bundle.sequence, code=code, hint=_instead(before=False))

    def _sync_findings(self, loaded: Loaded) -> None:
        fresh = self._findings.sync("config", [_seen(row) for row in loaded.findings(datetime.now(UTC))])
        for item in fresh:
            if item.kind == "finding":
                detail = {"object": item.object, "owner": item.owner, "file": item.file, "line": item.line}
                self._journal.system(item.code, item.message, detail)
                log.warning("finding", code=item.code, object=item.object, message=item.message)


def _seen(row: Finding) -> Seen:
    until = None
    if row.until is not None:
        until = int(datetime(row.until.year, row.until.month, row.until.day, tzinfo=UTC).timestamp() * 1000)
    return Seen(
        kind=row.kind,
        code=row.code,
        object=row.object,
        message=row.message,
        severity=row.severity,
        owner=row.owner,
        reason=row.reason,
        until_ms=until,
        file=str(row.source.path),
        line=row.region.line,
    )


def _instead(*, before: bool) -> str:
    """What serves in the place of what was refused."""
    return "the one before serves" if before else "nothing serves yet"


def _refusal(path: Path, errors: Sequence[Problem], *, before: bool) -> Seen:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Seen(
        kind="finding",
        code="config-refused",
        object=str(path),
        message=f"the configuration is refused, {_instead(before=before)}: {first.place}: {first.message}{more}",
        severity="error",
        file=str(first.source.path),
        line=first.region.line,
    )


def _as_json(errors: Sequence[Problem]) -> list[dict[str, Any]]:
    return [problem.as_json() for problem in errors]


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
