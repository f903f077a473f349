"""What runs on the state folder: whether it is well, and of one version."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, Final

from lockgate.doctor.result import Patient, Result, error, ok, warning
from lockgate.state import StateError, read_secret

SECONDS: Final = 10.0
STARTING_SECONDS: Final = 3.0
"""How long a gate that is not connected is looked for: it may be starting."""


def processes(patient: Patient) -> Iterator[Result]:
    """The gate and the control process, as they say themselves."""
    state = patient.state
    if not state.root.is_dir() or not (state.is_held("control") or state.is_held("gate")):
        yield ok("processes", f"nothing runs on {state.root}")
        return
    if not state.is_held("control"):
        yield ok("processes", "a gate runs on this folder, and its control process elsewhere or not at all")
        return
    status = _status(patient)
    if status is None:
        yield error(
            "processes",
            "a control process holds the folder and does not answer",
            means="nothing can be changed; a gate that serves goes on",
            advice="look into its log; it may be starting",
        )
        return
    until = time.monotonic() + STARTING_SECONDS
    while not status["gate"]["up"] and time.monotonic() < until:
        time.sleep(0.1)
        status = _status(patient) or status
    yield from _gate(status)
    yield from _versions(status)
    yield from _issuers(patient)


def _issuers(patient: Patient) -> Iterator[Result]:
    """Whoever says who calls, and cannot be had."""
    found = _asked(patient, "/v1/findings?limit=1000") or {}
    for each in found.get("items", []):
        told = {"error": error, "warning": warning}.get(each["severity"])
        if told is not None and each["kind"] == "finding" and str(each["object"]).startswith("issuers."):
            yield told(
                "issuers",
                each["message"],
                means="whoever has to be looked up there is not let in",
                advice="mend what it says; it is tried again by itself",
            )


def _gate(status: dict[str, Any]) -> Iterator[Result]:
    gate, control = status["gate"], status["control"]
    if not gate["up"]:
        yield error(
            "gate",
            "no gate is connected",
            means="changes reach nobody, and perhaps nothing is served",
            advice="look into its log: the supervisor starts it again and says why it ended",
        )
    elif gate["facts_behind"]:
        yield warning(
            "gate",
            "the gate does not know the latest keys and revocations",
            means="a key that was revoked may still open",
            advice="ask again in a moment; where it stays so, look into the logs of both",
        )
    else:
        yield ok("gate", f"process {gate['pid']} serves bundle {(gate['bundle'] or {}).get('sequence')}")
    # Of certificates that are not there yet, the check of certificates tells.
    absent = {f"the certificate `{each['name']}` has not been issued yet" for each in status["certificates"]}
    for words in dict.fromkeys((gate["stats"] or {}).get("unfit", [])):
        if words in absent:
            continue
        yield warning(
            "secret",
            words,
            means="the gate has read what is there now",
            advice="put a good one there: the gate takes it up within a second, without a reload",
        )
    yield from _others(status["gates"])
    last = control["last_reload"]
    if last is not None and last["result"] == "refused":
        yield warning(
            "reload",
            "the last reload was refused",
            means="what serves is the configuration before",
            advice="`lockgate check` shows why",
        )
    for name, process in status["supervisor"].get("processes", {}).items():
        if process["restarts"]:
            yield warning(
                "restarts",
                f"the {name} process was started again {process['restarts']} times",
                means="it died; requests under way were lost where it was the gate",
                advice="`lockgate logs --class system` and the supervisor's log say why",
            )


def _others(gates: list[dict[str, Any]]) -> Iterator[Result]:
    """Gates on other machines."""
    if len(gates) == 1 and gates[0]["enrolled_ms"] is None:
        return
    away = [gate["name"] for gate in gates if gate["status"] == "away"]
    if away:
        yield warning(
            "gates",
            f"not connected: {', '.join(away)}",
            means="where they still serve, they do so by what they knew last: a key revoked since may open",
            advice="look into the log there, or `lockgate gates revoke NAME` where one is no more",
        )
    connected = sum(gate["status"] == "connected" for gate in gates)
    if connected and not away:
        yield ok("gates", f"all are connected ({connected})")


def _versions(status: dict[str, Any]) -> Iterator[Result]:
    import lockgate

    running = {
        "control": status["control"]["version"],
        "gate": status["gate"]["version"],
        "supervisor": status["supervisor"].get("version"),
        **{f"gate {gate['name']}": gate["version"] for gate in status["gates"] if gate["enrolled_ms"] is not None},
    }
    others = {name: version for name, version in running.items() if version not in {None, lockgate.__version__}}
    if not others:
        yield ok("versions", f"all that runs is version {lockgate.__version__}, as installed")
        return
    said = ", ".join(f"the {name} {version}" for name, version in others.items())
    advice = "`lockgate upgrade` puts the installed version to work"
    if set(others) == {"supervisor"}:
        advice = "restart `lockgate run` when it suits you; it only watches over the others"
    yield warning(
        "versions",
        f"installed is {lockgate.__version__}, and there runs {said}",
        means="what was mended since is not at work",
        advice=advice,
    )


def _status(patient: Patient) -> dict[str, Any] | None:
    value = _asked(patient, "/v1/status")
    return value if value is not None and "gate" in value else None


def _asked(patient: Patient, path: str) -> dict[str, Any] | None:
    try:
        address, token = read_secret(patient.state.admin_address_file), patient.state.admin_token()
        connection = http.client.HTTPConnection(address, timeout=SECONDS)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            value = json.loads(connection.getresponse().read())
        finally:
            connection.close()
    except (OSError, StateError, http.client.HTTPException, ValueError):
        return None
    return value if isinstance(value, dict) else None
