"""`lockgate tls`: how listeners and upstreams speak TLS, as a stranger meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lockgate.cli._report import ConfigFile, Json, count, leave, load_or_exit, output
from lockgate.cli._state import StateDir, state_path
from lockgate.tls_audit.faults import GRADES, grades_said

if TYPE_CHECKING:
    from lockgate.cli._admin import Admin
    from lockgate.tls_audit.audit import Graded

app = typer.Typer(
    help="Grade how listeners and upstreams speak TLS.\n\nExample: lockgate tls audit", no_args_is_help=True
)

SECONDS_MAX: Final = 60.0


@app.command()
def audit(
    file: ConfigFile = Path("lockgate.yaml"),
    at_least: Annotated[
        str, typer.Option("--at-least", metavar="GRADE", help=f"The grade that all must have: {grades_said()}.")
    ] = "A",
    only: Annotated[
        str | None, typer.Option("--only", metavar="KIND", help="Look at `listeners` or at `upstreams` alone.")
    ] = None,
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            "--trust",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="An authority that clients of listeners believe, PEM, in the place of this machine's.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=SECONDS_MAX, help="For one connection.")
    ] = 5.0,
    state: StateDir = None,
    as_json: Json = False,
) -> None:
    """Grade each listener and each upstream, with what every lost point is for and what to do.

    Connects as a stranger does, and asks for each version, for weak ciphers alone, and for the post-quantum key
    exchange. Looks at the chain, its dates, names, keys and signatures, and at Strict-Transport-Security. Upstreams
    are looked at without a gate; listeners need one that runs. What was found is kept with the other findings.

    Exits with 0 if all have the grade, 1 if one has not or could not be reached, 2 if the configuration is
    refused or `--trust` names no authority.

    Example: lockgate tls audit

    Example: lockgate tls audit --only upstreams --at-least B --json
    """
    from lockgate.tls_audit.audit import audit as look
    from lockgate.tls_audit.judge import at_least as reaches
    from lockgate.tls_audit.subjects import Wanted, subjects

    if at_least not in GRADES:
        leave(f"There is no grade {at_least!r}: they are {', '.join(GRADES)}.")
    if only not in {None, "listeners", "upstreams"}:
        leave("--only takes `listeners` or `upstreams`.")
    for believed in trust or ():
        _authority(believed)
    loaded = load_or_exit(file)
    folder = state_path(state, config=file)
    admin = _admin(folder)
    wanted = Wanted(_addresses(admin), tuple(str(each) for each in trust or ()))
    if only is not None:
        wanted.kinds = frozenset({"listener"} if only == "listeners" else {"upstream"})
    results = []
    for each in look(subjects(loaded, wanted), seconds=timeout):
        results.append(each)
        if not as_json:
            _print(each)
    failing = [each for each in results if (each.unknown or (each.grade and not reaches(each.grade, at_least)))]
    kept = _keep(folder, admin, results, only)
    if as_json:
        told = {"ok": not failing, "at_least": at_least, "kept": kept, "subjects": [each.as_json() for each in results]}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        failed = f"{len(failing)} below {at_least} or not known" if failing else f"all have {at_least} or better"
        looked = [each for each in results if each.subject.ungraded is None]
        typer.echo(f"{len(looked)} looked at; {failed}." if looked else "There is nothing to look at.")
        if kept is not None:
            typer.echo(f"In the findings: {count(kept['open'], 'fault')}, {kept['fresh'] or 'none'} of them new.")
    raise typer.Exit(1 if failing else 0)


def _authority(file: Path) -> None:
    """End here where the file cannot be believed: every listener would seem to be at fault for it."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        leave(f"--trust: {file} holds no certificate in PEM.")
    except OSError as error:
        leave(f"--trust: {file} cannot be read: {error.strerror or error}.")


def _admin(folder: Path) -> Admin | None:
    """The control process, where one runs."""
    from lockgate.cli._admin import Admin, NotRunningError
    from lockgate.state import StateError, StateFolder

    try:
        return Admin.of(StateFolder.existing(folder))
    except (NotRunningError, StateError):
        return None


def _addresses(admin: Admin | None) -> dict[str, str]:
    """Where the listeners of a running gate really are: port 0 is any."""
    from lockgate.cli._admin import NotRunningError, RefusedError

    if admin is None:
        return {}
    try:
        found: dict[str, str] = admin.get("/v1/status")["gate"]["addresses"]
    except (NotRunningError, RefusedError):
        return {}
    return found


def _keep(folder: Path, admin: Admin | None, results: list[Graded], only: str | None) -> dict[str, Any] | None:
    """Put what was found into the table of findings, through the control process or without one."""
    from lockgate.cli._admin import NotRunningError, RefusedError

    kinds = [only] if only is not None else ["listeners", "upstreams"]
    items = [item for each in results for item in _rows(each)]
    unknown = [each.subject.object for each in results if each.unknown]
    try:
        if admin is not None:
            return admin.post("/v1/tls-audits", {"items": items, "kinds": kinds, "unknown": unknown})
        return _keep_offline(folder, items, kinds, unknown)
    except (NotRunningError, RefusedError) as error:
        typer.echo(f"The findings were not kept: {error}.", err=True)
        return None


def _keep_offline(
    folder: Path, items: list[dict[str, Any]], kinds: list[str], unknown: list[str]
) -> dict[str, Any] | None:
    """Without a control process, into its database; where it was never started, nothing is kept."""
    from lockgate.admin.api.tls import Outcome, seen
    from lockgate.admin.findings import Findings
    from lockgate.admin.store import Store
    from lockgate.admin.tls_audit import Audit
    from lockgate.state import StateError, StateFolder

    try:
        state = StateFolder.existing(folder)
        if not state.database.exists():
            return None
        outcome = Outcome.model_validate({"items": items, "kinds": kinds, "unknown": unknown})
        with state.lock("control"):
            store = Store.open(state.database)
            try:
                rows = seen(outcome)
                fresh = Audit(rows, outcome.kinds, outcome.unknown).keep(Findings(store))
            finally:
                store.close()
    except StateError:
        return None
    return {"open": len(rows), "fresh": len(fresh)}


def _rows(graded: Graded) -> list[dict[str, Any]]:
    """One for each fault: what a certificate of several names lacks under each of them is one."""
    found: dict[str, dict[str, Any]] = {}
    for each in graded.findings:
        found.setdefault(
            each.code,
            {
                "object": graded.subject.object,
                "code": each.code,
                "message": f"{each.message}; {each.advice}",
                "severity": each.severity,
                "file": each.place.file if each.place is not None else None,
                "line": each.place.line if each.place is not None else None,
            },
        )
    return list(found.values())


def _print(graded: Graded) -> None:
    renderer = output()
    subject = graded.subject
    letter = graded.grade or "-"
    good = graded.grade in {"A+", "A"} or graded.grade is None
    shown = f"{letter:<3}" if good and not graded.unknown else renderer.paint(f"{letter:<3}", "warning")
    typer.echo(f"{shown} {subject.kind} {subject.name}  {subject.address}")
    facts = graded.facts
    if facts:
        agreed = ", ".join(each for each in (facts["cipher"], facts["group"]) if each)
        typer.echo(f"      {', '.join(facts['versions']) or 'no TLS'}{'; ' * bool(agreed)}{agreed}")
        for each in facts["certificates"]:
            whose = each["asked_for"] or "no name"
            typer.echo(f"      {whose}: {each['key']}, of {each['issuer'] or 'nobody'}, until {each['ends'][:10]}")
    if graded.note is not None:
        typer.echo(f"      {graded.note}")
    for finding in graded.findings:
        lost = f"-{finding.lost}" if finding.lost else "0"
        typer.echo(f"  {lost:>4} {finding.message}  [{finding.code}]")
        place = f"  {finding.place.file}:{finding.place.line}" if finding.place is not None else ""
        typer.echo(f"       do: {finding.advice}{place}")
