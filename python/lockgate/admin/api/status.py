"""How everything is, in one answer."""

import os
import time
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lockgate import __version__
from lockgate.admin.api.certificates import Certificate, every_certificate
from lockgate.admin.api.context import WithControl
from lockgate.admin.api.gates import Gate, every_gate
from lockgate.admin.api.issuers import IssuerKeys

router = APIRouter(prefix="/v1/status", tags=["status"])


class ControlStatus(BaseModel):
    """The control process."""

    version: str
    pid: int
    uptime_s: int
    config: str = Field(description="The main configuration file.")
    last_reload: dict[str, Any] | None = Field(description="What became of the last reload.")
    needs_restart: list[str] = Field(description="What has changed and is not taken over before a restart, in words.")


class GateStatus(BaseModel):
    """The gate beside the control process, or else the first of the others, as far as it can be asked."""

    up: bool
    pid: int | None = None
    version: str | None = None
    addresses: dict[str, str] = Field(default={}, description="Where its listeners really listen.")
    tls: list[str] = Field(default=[], description="Those of its listeners whose clients speak TLS.")
    bundle: dict[str, Any] | None = Field(default=None, description="Sequence and hash of what it serves.")
    facts_seq: int | None = None
    facts_behind: bool | None = Field(default=None, description="Whether it lacks facts that are written down.")
    stats: dict[str, Any] | None = None


class Status(BaseModel):
    """All of it."""

    control: ControlStatus
    gate: GateStatus
    gates: list[Gate] = Field(description="Every gate, also those on other machines.")
    history: dict[str, Any] = Field(
        description="What is kept of events for longer: how many, since when, and what had to go."
    )
    issuers: list[IssuerKeys] = Field(description="Whose tokens are believed, and how their keys are.")
    certificates: list[Certificate] = Field(description="Those of all listeners, and how each is.")
    supervisor: dict[str, Any] = Field(description="Its processes, and how often each was restarted.")


@router.get("")
async def status(control: WithControl) -> Status:
    """Show how the gate, the control process and the supervisor are."""
    last, loaded = control.reloader.last, control.reloader.loaded
    return Status(
        control=ControlStatus(
            version=__version__,
            pid=os.getpid(),
            uptime_s=int(time.time() - control.started),
            config=str(control.reloader.path),
            last_reload=None
            if last is None
            else {
                "result": last.result,
                "cause": last.cause,
                "at_ms": last.at_ms,
                "took_ms": last.took_ms,
                "sequence": last.sequence,
                "hash": last.hash,
                "errors": last.errors,
            },
            needs_restart=control.reloader.needs_restart(),
        ),
        gate=await _gate(control),
        gates=await every_gate(control),
        history=control.history.told(loaded.document.events.history if loaded is not None else None),
        issuers=[IssuerKeys(**state.described()) for state in control.key_sets.states],
        certificates=await every_certificate(control),
        supervisor=control.supervisor(),
    )


async def _gate(control: WithControl) -> GateStatus:
    gate = control.link.gate
    if gate is None:
        return GateStatus(up=False)
    answer = await gate.ask("stats")
    loaded = control.reloader.loaded
    listeners = {} if loaded is None else loaded.document.listeners
    return GateStatus(
        up=True,
        pid=gate.pid,
        version=gate.version,
        addresses=gate.addresses,
        tls=[name for name, listener in listeners.items() if listener.tls is not None],
        bundle={"sequence": gate.bundle_sequence, "hash": gate.bundle_hash} if gate.bundle_hash else None,
        facts_seq=gate.facts_seq,
        facts_behind=await control.link.behind(gate),
        stats=None if answer is None else answer.get("stats"),
    )
