"""Numbers for Prometheus, in its text format 0.0.4: the gate's own text, and ours."""

import os
import time
from collections.abc import Iterator, Mapping

from lockgate import __version__
from lockgate.admin.control import Control

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def exposition(control: Control) -> str:
    """Everything. Where the gate does not answer, its numbers are missing and it is said to be down."""
    gate = control.link.gate
    answer = None if gate is None else await gate.ask("metrics")
    text = "" if answer is None else str(answer.get("text", ""))
    if text and not text.endswith("\n"):
        text += "\n"
    return text + "\n".join(_own(control, gate_up=answer is not None)) + "\n"


def _own(control: Control, *, gate_up: bool) -> Iterator[str]:
    yield from _metric("lockgate_gate_up", "gauge", "1 where the gate answers the control process.", int(gate_up))
    info = {"version": __version__, "pid": str(os.getpid())}
    yield from _metric("lockgate_control_info", "gauge", "The control process.", [(info, 1)])
    uptime = round(time.time() - control.started)
    yield from _metric("lockgate_control_uptime_seconds", "gauge", "Since the control process started.", uptime)
    yield from _metric(
        "lockgate_gate_connections_total",
        "counter",
        "Times a gate has connected to this control process.",
        control.link.connections,
    )
    yield from _metric(
        "lockgate_reloads_total",
        "counter",
        "Reloads of the configuration, by what became of them.",
        [({"result": result}, count) for result, count in control.reloader.counts.items()],
    )
    last = control.reloader.last
    if last is not None:
        good = int(last.result != "refused")
        yield from _metric("lockgate_config_good", "gauge", "0 where the configuration's files are refused.", good)
    yield from _metric(
        "lockgate_admin_requests_total",
        "counter",
        "Requests that the admin API has answered.",
        [
            ({"method": method, "status": str(status)}, count)
            for (method, status), count in sorted(control.counters.requests.items())
        ],
    )
    yield from _metric(
        "lockgate_admin_refusals_total",
        "counter",
        "Requests refused for their Host, Origin, credential or size.",
        [({"code": code}, count) for code, count in sorted(control.counters.refused_requests.items())],
    )
    processes = control.supervisor().get("processes", {})
    yield from _metric(
        "lockgate_process_restarts_total",
        "counter",
        "Times the supervisor had to start a process again.",
        [({"process": name}, int(process["restarts"])) for name, process in sorted(processes.items())],
    )


def _metric(name: str, kind: str, words: str, values: float | list[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values if isinstance(values, list) else [({}, values)]:
        said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{said}}} {value:g}" if said else f"{name} {value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
