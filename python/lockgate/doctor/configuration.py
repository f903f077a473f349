"""The configuration: whether it is good, its secrets, its exceptions."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Final

from lockgate._native import Engine
from lockgate.config import ConfigErrors, load
from lockgate.doctor.result import Patient, Result, error, ok, warning

SECRETS: Final = frozenset({"secret-missing", "secret-readable"})
SOON_DAYS: Final = 14
SHOWN: Final = 5
"""Errors that are shown here; `lockgate check` shows all."""


def validity(patient: Patient) -> Iterator[Result]:
    """Whether it can be served."""
    if patient.loaded is not None:
        others = [each for each in patient.loaded.warnings if each.code not in SECRETS]
        yield ok("configuration", f"{patient.config} is good: {_apis(len(patient.loaded.apis))}")
        for each in others[:SHOWN]:
            yield warning(
                "configuration",
                f"{each.place}: {each.message}",
                means="it is served all the same",
                advice=each.hint or "`lockgate check` shows more",
            )
        return
    if not patient.config.is_file():
        yield error(
            "configuration",
            f"there is no {patient.config}",
            means="there is nothing to serve",
            advice="`lockgate init` writes one; --config names another",
        )
        return
    try:
        load(patient.config)
    except ConfigErrors as refused:
        for each in refused.errors[:SHOWN]:
            yield error(
                "configuration",
                f"{each.place}: {each.message}",
                means="it is refused; what runs goes on with the last good one",
                advice=each.hint or "`lockgate check` shows every error",
            )


def secrets(patient: Patient) -> Iterator[Result]:
    """Whether each secret that is referred to is there, and for nobody else to read."""
    if patient.loaded is None:
        return
    wrong = [each for each in patient.loaded.warnings if each.code in SECRETS]
    for each in wrong:
        yield warning(
            "secret",
            f"{each.place}: {each.message}",
            means="as this environment has it; a service may be given another",
            advice=each.hint or "write it there",
        )
    if not wrong:
        yield ok("secret", "every secret that the configuration refers to is there")


def waivers(patient: Patient) -> Iterator[Result]:
    """Exceptions that have ended or soon will."""
    if patient.loaded is None:
        return
    now = dt.datetime.now(dt.UTC)
    rows = [row for row in patient.loaded.findings(now) if row.kind == "waiver" and row.until is not None]
    near = [row for row in rows if row.until is not None and (row.until - now.date()).days <= SOON_DAYS]
    for row in near:
        over = row.until is not None and row.until <= now.date()
        yield warning(
            "waiver",
            f"the waiver of `{row.object}` {'ended' if over else 'ends'} on {row.until}; {row.owner} answers for it",
            means="what it allowed is refused" if over else "what it allows is refused from then on",
            advice="make it needless, or renew it with its owner",
        )
    if not near:
        yield ok("waiver", f"{len(rows)} waivers, and none ends within {SOON_DAYS} days")


def guards(patient: Patient) -> Iterator[Result]:
    """Whether each `waf` that is enforced refuses attacks that it must refuse: the engine is asked."""
    if patient.loaded is None or all(api.waf is None for api in patient.loaded.apis):
        return
    found = Engine(json.dumps(patient.loaded.compile(0, 0)).encode()).guards()
    enforced = [each for each in found if each["enforced"]]
    for guard in enforced:
        for passed in guard["passed"]:
            told = warning if passed["meant"] else error
            name = guard["api"] if guard["route"] is None else f"{guard['api']}, route {guard['route']}"
            yield told(
                "waf",
                f"the `waf` of {name} lets {passed['canary']} in the {passed['place']} through: {passed['why']}",
                means="such an attack reaches the API",
                advice="`lockgate waf status` shows which rules it has",
            )
    if not any(guard["passed"] for guard in enforced):
        yield ok("waf", f"{len(enforced)} guards that are enforced refuse every attack that they were tried with")


def _apis(number: int) -> str:
    return f"{number} API{'s' * (number != 1)}"
