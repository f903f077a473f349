"""Certificates that an authority is asked for: whether they are there, and are renewed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from lockgate.doctor.result import Patient, Result, error, ok, warning

if TYPE_CHECKING:
    from lockgate.certificates import Kept

LATE_PART: Final = 9 / 10
"""Of a certificate's life: by then it should have been renewed."""


def certificates(patient: Patient) -> Iterator[Result]:
    """What the state folder holds of those that the configuration wants."""
    wanted = [] if patient.loaded is None else list(patient.loaded.managed.certificates.values())
    if not wanted:
        return
    # Here: it is large, and many configurations want none.
    from lockgate.certificates import Names, Store

    if not patient.state.certificates.is_dir():
        yield warning(
            "certificates",
            f"none of the {len(wanted)} that the configuration wants is there yet",
            means="who asks for their hosts is turned away in the handshake",
            advice="they are had once `lockgate run` runs; import those that are under `imported`",
        )
        return
    store, now, wrong = Store(patient.state.certificates), dt.datetime.now(dt.UTC), 0
    every = store.all()
    for said in wanted:
        names = Names.of(said.hosts)
        good = [kept for kept in every if kept.chain is not None and not names.missing_from(kept.chain.names)]
        kept = store.load(names) if said.order is not None else next(iter(good), store.load(names))
        result = _one(said.name, kept, now, imported=said.order is None)
        if result is not None:
            wrong += 1
            yield result
    if not wrong:
        yield ok("certificates", f"all that the configuration wants are there ({len(wanted)})")


def _one(name: str, kept: Kept, now: dt.datetime, *, imported: bool) -> Result | None:
    said = kept.status.last_error
    again = kept.status.next_attempt
    advice = "mend what the authority says, then `lockgate certs renew NAME`"
    if imported:
        advice = "have a new one issued, and bring it in: `lockgate certs import FILE --key FILE`"
    elif again is not None:
        advice += f"; it is tried again at {again:%Y-%m-%d %H:%M} UTC"
    if kept.chain is None:
        if imported and said is None:
            said = "none was imported yet"
        return error(
            "certificates",
            f"there is none for {name}" + (f": {said}" if said else ""),
            means="who asks for its hosts is turned away in the handshake",
            advice=advice if said or imported else "`lockgate run` has it made",
        )
    if now >= kept.chain.not_after:
        return error(
            "certificates",
            f"that for {name} expired on {kept.chain.not_after:%Y-%m-%d}" + (f": {said}" if said else ""),
            means="clients take it for an attack",
            advice=advice,
        )
    late = now > kept.chain.not_before + (kept.chain.not_after - kept.chain.not_before) * LATE_PART
    if said is not None or late:
        return warning(
            "certificates",
            f"that for {name} soon ends, and no other was imported"
            if imported
            else f"that for {name} could not be renewed" + (f": {said}" if said else ", and soon ends"),
            means=f"it is good until {kept.chain.not_after:%Y-%m-%d %H:%M} UTC",
            advice=advice,
        )
    return None
