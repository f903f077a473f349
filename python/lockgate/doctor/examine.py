"""All checks, in the order of what rests on what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lockgate.config import ConfigErrors, load
from lockgate.doctor import certificates, configuration, folder, machine, ports, reach, running
from lockgate.doctor.result import Patient, Result, error

if TYPE_CHECKING:
    from lockgate.state import StateFolder

Check = Callable[[Patient], Iterator[Result]]

CHECKS: Final[tuple[Check, ...]] = (
    machine.python,
    machine.kernel,
    machine.descriptors,
    machine.clock,
    folder.modes,
    folder.space,
    folder.sockets,
    configuration.validity,
    configuration.secrets,
    configuration.waivers,
    configuration.guards,
    certificates.certificates,
    ports.ports,
    reach.upstreams,
    reach.scanners,
    running.processes,
)


def examine(config: Path, state: StateFolder, *, asks: bool = True) -> Iterator[Result]:
    """Look at everything; `asks` also at what is on other machines."""
    try:
        loaded = load(config)
    except ConfigErrors:
        loaded = None
    patient = Patient(config, state, loaded, asks)
    for check in CHECKS:
        try:
            yield from check(patient)
        except Exception as failed:  # noqa: BLE001 -- One check that fails must not hide the others.
            yield error(
                check.__name__,
                f"this check itself failed: {type(failed).__name__}: {failed}",
                means="what it looks at is not known",
                advice="please report it as an issue",
            )
