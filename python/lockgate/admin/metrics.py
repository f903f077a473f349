"""Numbers for Prometheus, in its text format 0.0.4: the gate's own text, and ours."""

import os
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lockgate import __version__
from lockgate.admin.clock import now_ms
from lockgate.admin.control import Control

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """What a number is; the reference page is made from it, and from what gates say of theirs in the same way."""

    kind: str
    words: str
    labels: tuple[str, ...] = ()


METRICS: Mapping[str, Metric] = {
    "lockgate_gate_up": Metric("gauge", "1 where the gate answers the control process."),
    "lockgate_control_info": Metric("gauge", "The control process, always 1.", ("version", "pid")),
    "lockgate_control_uptime_seconds": Metric("gauge", "Since the control process started."),
    "lockgate_gate_connections_total": Metric("counter", "Times a gate has connected to this control process."),
    "lockgate_reloads_total": Metric("counter", "Reloads of the configuration, by what became of them.", ("result",)),
    "lockgate_config_good": Metric("gauge", "0 where the configuration's files are refused and an older one serves."),
    "lockgate_admin_requests_total": Metric(
        "counter", "Requests that the admin API has answered.", ("method", "status")
    ),
    "lockgate_admin_refusals_total": Metric(
        "counter",
        "Requests to the admin API refused for their Host, Origin, credential or size, and connections cut for their "
        "slowness or number.",
        ("code",),
    ),
    "lockgate_history_bytes": Metric("gauge", "Bytes of the history's Parquet files."),
    "lockgate_history_events": Metric("gauge", "Events in the history's Parquet files."),
    "lockgate_history_dropped_events_total": Metric(
        "counter", "Events that were deleted from the history, the oldest first, for want of room."
    ),
    "lockgate_history_gaps_total": Metric(
        "counter", "Times the event log had deleted events before they were taken into the history."
    ),
    "lockgate_history_rounds_total": Metric(
        "counter", "Rounds of taking events into the history, by what became of them.", ("result",)
    ),
    "lockgate_issuer_keys": Metric("gauge", "Keys of an issuer that gates use.", ("issuer",)),
    "lockgate_issuer_keys_age_seconds": Metric("gauge", "Since an issuer last confirmed its keys.", ("issuer",)),
    "lockgate_issuer_keys_stale": Metric(
        "gauge", "1 where gates refuse an issuer's tokens for the age of its keys.", ("issuer",)
    ),
    "lockgate_issuer_fetches_total": Metric(
        "counter", "Fetches of an issuer's keys, by what became of them.", ("issuer", "result")
    ),
    "lockgate_ocsp_answers_total": Metric(
        "counter",
        "Times that a responder was asked about a client's certificate, by what it said; `failed` where it gave no "
        "answer that holds.",
        ("result",),
    ),
    "lockgate_sign_in_outcomes_total": Metric(
        "counter",
        "What came of the identity pages: `signed-in`, `signed-out`, `ended` (by the provider), `stepped-up`, "
        "`factor-added`, `factor-removed`, or a reason of theirs.",
        ("sign_in", "outcome"),
    ),
    "lockgate_login_attempts_total": Metric(
        "counter",
        "Passwords that were to be looked at, by issuer, way (`form`, `basic`, `change`) and outcome: `ok`, or the "
        "reason that the event `login-refused` gives.",
        ("issuer", "way", "outcome"),
    ),
    "lockgate_introspection_calls_total": Metric(
        "counter",
        "Questions about tokens that gates have put, by issuer and what became of them; those under way are put once.",
        ("issuer", "outcome"),
    ),
    "lockgate_process_restarts_total": Metric(
        "counter", "Times the supervisor had to start a process again.", ("process",)
    ),
}

Samples = dict[tuple[str, ...], float]
"""Values of a metric, by its labels' values."""


async def exposition(control: Control) -> str:
    """Everything. Where the gate does not answer, its numbers are missing and it is said to be down."""
    gate = control.link.gate
    answer = None if gate is None else await gate.ask("metrics")
    text = "" if answer is None else str(answer.get("text", ""))
    if text and not text.endswith("\n"):
        text += "\n"
    return text + "".join(_lines(_own(control, gate_up=answer is not None)))


def _own(control: Control, *, gate_up: bool) -> dict[str, Samples]:
    last = control.reloader.last
    processes = control.supervisor().get("processes", {})
    issuers = control.key_sets.states
    return {
        "lockgate_gate_up": {(): int(gate_up)},
        "lockgate_control_info": {(__version__, str(os.getpid())): 1},
        "lockgate_control_uptime_seconds": {(): round(time.time() - control.started)},
        "lockgate_gate_connections_total": {(): control.link.connections},
        "lockgate_reloads_total": {(result,): count for result, count in control.reloader.counts.items()},
        "lockgate_config_good": {} if last is None else {(): int(last.result != "refused")},
        "lockgate_admin_requests_total": {
            (method, str(status)): count for (method, status), count in sorted(control.counters.requests.items())
        },
        "lockgate_admin_refusals_total": {
            (code,): count for code, count in sorted(control.counters.refused_requests.items())
        },
        **_history(control),
        "lockgate_issuer_keys": {(state.origin.name,): len(state.kids) for state in issuers},
        "lockgate_issuer_keys_age_seconds": {
            (state.origin.name,): max(0, now_ms() - state.confirmed_ms) // 1000
            for state in issuers
            if state.confirmed_ms is not None
        },
        "lockgate_issuer_keys_stale": {(state.origin.name,): int(state.stale) for state in issuers},
        "lockgate_issuer_fetches_total": {
            (state.origin.name, result): count
            for state in issuers
            for result, count in (("failed", state.failures), ("fetched", state.fetches - state.failures))
        },
        "lockgate_ocsp_answers_total": {
            (result,): count for result, count in control.revocations.responders.counts.items()
        },
        "lockgate_sign_in_outcomes_total": {key: float(count) for key, count in control.sign_ins.outcomes.items()},
        "lockgate_login_attempts_total": {key: float(count) for key, count in control.people.log.counts.items()},
        "lockgate_introspection_calls_total": {
            (state.asked.name, outcome): count
            for state in control.introspections.states
            for outcome, count in state.counts.items()
        },
        "lockgate_process_restarts_total": {
            (name,): int(process["restarts"]) for name, process in sorted(processes.items())
        },
    }


def _history(control: Control) -> dict[str, Samples]:
    history = control.history
    told = history.told(None)
    return {
        "lockgate_history_bytes": {(): told["bytes"]},
        "lockgate_history_events": {(): told["events"]},
        "lockgate_history_dropped_events_total": {(): told["dropped_events"]},
        "lockgate_history_gaps_total": {(): told["gaps"]},
        "lockgate_history_rounds_total": {(result,): count for result, count in history.rounds.items()},
    }


def _lines(own: Mapping[str, Samples]) -> Iterator[str]:
    for name, metric in METRICS.items():
        yield f"# HELP {name} {metric.words}\n# TYPE {name} {metric.kind}\n"
        if metric.labels:
            yield f"# LABELS {name} {' '.join(metric.labels)}\n"
        for values, value in own[name].items():
            labels = zip(metric.labels, values, strict=True)
            said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
            yield f"{name}{{{said}}} {value:.17g}\n" if said else f"{name} {value:.17g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
