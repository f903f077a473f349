"""Waivers and findings, as rows of the one table that later features write to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from lockgate.config import passthrough
from lockgate.config.bundle_types import Span
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi, PlacedWaiver, waivers
from lockgate.config.problems import Region, Source

SOON: Final = dt.timedelta(days=14)
"""Two weeks: long enough to renew within one sprint and one absence."""
FAR: Final = dt.timedelta(days=366)
"""A waiver of more than a year is a rule that nobody will look at again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: a waiver as it stands, or something that somebody should look at."""

    kind: Literal["waiver", "finding"]
    code: str
    severity: Literal["info", "warning"]
    object: str
    message: str
    source: Source
    region: Region
    owner: str | None = None
    reason: str | None = None
    until: dt.date | None = None
    hint: str | None = None

    @property
    def span(self) -> Span:
        """Where the configuration says it, as the bundle writes it."""
        return self.region.span

    def as_json(self) -> dict[str, Any]:
        """The finding for programs."""
        return {
            "kind": self.kind,
            "code": self.code,
            "severity": self.severity,
            "object": self.object,
            "message": self.message,
            "file": str(self.source.path),
            "line": self.region.line,
            "column": self.region.column,
            "owner": self.owner,
            "reason": self.reason,
            "until": self.until.isoformat() if self.until else None,
            "hint": self.hint,
        }


def findings(document: Document, apis: list[EffectiveApi], now: dt.datetime) -> list[Finding]:
    """All rows that this configuration gives rise to, at `now`."""
    rows: list[Finding] = []
    for placed in waivers(document, apis):
        rows.extend(_waiver(document, placed, now.astimezone(dt.UTC)))
    rows.extend(
        Finding(
            kind="finding",
            code=problem.code,
            severity="warning",
            object=problem.path,
            message=problem.message,
            source=problem.source,
            region=problem.region,
            hint=problem.hint,
        )
        for problem in document.problems.warnings
    )
    for path, message in passthrough.unjudged(document):
        region = document.region(*path)
        rows.append(
            Finding(
                kind="finding",
                code="passthrough-unjudged",
                severity="info",
                object=".".join(map(str, document.standing(path))),
                message=message,
                source=document.problems.sources[region.file],
                region=region,
            )
        )
    return rows


def _waiver(document: Document, placed: PlacedWaiver, now: dt.datetime) -> Iterator[Finding]:
    region = document.region(*placed.path)

    def row(
        kind: Literal["waiver", "finding"],
        code: str,
        severity: Literal["info", "warning"],
        message: str,
        hint: str | None,
    ) -> Finding:
        return Finding(
            kind=kind,
            code=code,
            severity=severity,
            object=placed.object,
            message=message,
            source=document.problems.sources[region.file],
            region=region,
            owner=placed.waiver.owner,
            reason=placed.waiver.reason,
            until=placed.waiver.until,
            hint=hint,
        )

    until = placed.waiver.until
    end = dt.datetime.combine(until, dt.time(), tzinfo=dt.UTC)
    message = f"`{placed.object}` is waived by {placed.waiver.owner} until {until}: {placed.waiver.reason}"
    yield row("waiver", "waiver", "info", message, None)
    if end <= now:
        message = f"the waiver of `{placed.object}` ended on {until}: closed since"
        hint = "take the exception out, or have its owner give a new reason and day"
        yield row("finding", "waiver-expired", "warning", message, hint)
    elif end - now <= SOON:
        days = -(-(end - now) // dt.timedelta(days=1))
        message = f"the waiver of `{placed.object}` ends on {until}, in {days} day{'s' * (days != 1)}; then it closes"
        yield row("finding", "waiver-ends-soon", "warning", message, "renew it, or take the exception out")
    elif end - now > FAR:
        message = f"the waiver of `{placed.object}` runs until {until}, for more than a year"
        yield row("finding", "waiver-far", "warning", message, "choose a day on which it should be looked at again")
