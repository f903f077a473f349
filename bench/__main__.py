"""`python -m bench`: sets the stage, measures, writes the result."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import resource
import sys
import tempfile
from pathlib import Path

from bench import cpu, footprint, framing, install, latency, native, report, syscalls
from bench.gate import Gate
from bench.load import HERE, build, started
from bench.machine import git_revision, machine
from bench.process import BenchError
from bench.results import Results
from bench.rows import ROWS, Row, chosen
from bench.settings import Settings, parse
from bench.stage import Stage
from bench.subjects import Subject, peers
from bench.waf import guarded

# Beside the idle connections.
SPARE_DESCRIPTORS = 4_096
LATENCY_ROUNDS = 3
MEMORY_SECONDS = 2.0


def main() -> int:
    """Exit code 0 if every row was measured, 1 if some failed, 2 if nothing could be."""
    settings = parse()
    try:
        with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
            return run(settings, Path(folder))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


def run(settings: Settings, folder: Path) -> int:
    """One whole run."""
    prepare(settings)
    rows = chosen(settings.subjects, settings.rows)
    subjects, versions, absent = find(settings, folder, {row.subject for row in rows})
    rows = [row for row in rows if row.subject in subjects]
    if settings.list:
        return show(versions, absent)
    results = Results(
        name=settings.name,
        started=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        machine=machine(),
        revision=git_revision(),
        versions=versions,
        absent=absent,
        settings={
            "rounds": settings.rounds,
            "seconds": settings.seconds,
            "connections": settings.connections,
            "generator": settings.generator,
        },
        config_hash=config_hash(),
    )
    program = build()
    log = folder / "load.log"
    with started(program, settings.load_core, log, settings.connections, settings.generator) as load:
        measure(Stage(subjects, load, settings.proxy_core), rows, settings, results)
    return finish(settings, results)


def prepare(settings: Settings) -> None:
    """Refuses a machine that cannot tell anything, and raises the limit of open files."""
    if sys.platform != "linux":
        raise BenchError("the benchmark reads Linux's process clocks; run it on Linux")
    cores = os.sched_getaffinity(0)
    if not {settings.proxy_core, settings.load_core} <= cores or len(cores) < 2:
        raise BenchError(
            f"the proxy and the load want a core each, and there are {sorted(cores)}; "
            "choose with --proxy-core and --load-core"
        )
    raise_descriptors(settings.idle_connections + SPARE_DESCRIPTORS)


def raise_descriptors(wanted: int) -> None:
    """Lets every child open so many files, or says why idle connections cannot be measured."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except (OSError, ValueError) as error:
        raise BenchError(
            f"{wanted} open files are wanted and {hard} allowed: raise the limit (ulimit -n), run as root, "
            "or ask for fewer with --idle-connections"
        ) from error


def find(
    settings: Settings, folder: Path, wanted: set[str]
) -> tuple[dict[str, Subject], dict[str, str], dict[str, str]]:
    """The subjects that are there, their versions, and why the others are absent."""
    found: dict[str, Subject] = {}
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    if wanted & {"envoy", "traefik", "caddy"}:
        try:
            install.peers()
        except BenchError as error:
            print(f"bench: {error}", file=sys.stderr)
    if "spike" in wanted:
        build("spike")
    candidates: list[Subject] = [peer for peer in [*peers(), *guarded()] if peer.name in wanted]
    if "lockgate" in wanted:
        candidates.insert(0, Gate(folder, package(settings)))
    for subject in candidates:
        try:
            versions[subject.name] = subject.version()
            found[subject.name] = subject
        except BenchError as error:
            absent[subject.name] = str(error)
            print(f"{subject.name} is absent: {error}", flush=True)
    return found, versions, absent


def package(settings: Settings) -> Path | None:
    """Where the gate to be measured is imported from; none for the one that is installed."""
    if settings.gate == "installed" or settings.list:
        return None
    if settings.gate == "built":
        return native.built()
    print("building the gate as a release wheel …", flush=True)
    return native.build()


def measure(stage: Stage, rows: list[Row], settings: Settings, results: Results) -> None:
    """The sections that were asked for, one after the other."""
    failed = results.failed
    few = [row for row in rows if row.variant == "plain" or row.id in ("lockgate/events", "lockgate/key")]
    if "cpu" in settings.sections:
        results.cpu = cpu.rounds(stage, rows, settings.rounds, settings.seconds, failed)
    if "latency" in settings.sections:
        results.latency = latency.rounds(
            stage, few, min(LATENCY_ROUNDS, settings.rounds), 2 * settings.seconds, settings.rate, failed
        )
    if "memory" in settings.sections:
        big = [row for row in rows if row.variant in ("routes-10000", "keys-1000000", "prefixes-1000000")]
        secured = [row for row in rows if row.variant == "tls"]
        results.memory = footprint.rows(
            stage, [*few, *secured, *big], MEMORY_SECONDS, settings.idle_connections, failed
        )
        for row in big:
            if row.variant == "routes-10000":
                results.reload_ms[row.id] = footprint.reloads(stage, row, failed)
    if "syscalls" in settings.sections:
        results.syscalls = syscalls.rows(stage, few, failed)
    if "framing" in settings.sections and "lockgate" in settings.subjects:
        try:
            results.framing = framing.measure(settings.proxy_core)
        except BenchError as error:
            failed["framing"] = str(error)


def finish(settings: Settings, results: Results) -> int:
    """Writes the result and says what it is."""
    file = results.write(settings.out)
    for section in (report.cpu, report.flat, report.latency, report.memory, report.reload, report.syscalls):
        text = section(results)
        if text != report.NOT_MEASURED:
            print(f"\n{text}")
    print(f"\nresult: {file}")
    if settings.publish:
        print(f"page: {report.publish(file)}")
    for what, reason in results.failed.items():
        print(f"failed: {what}: {reason}", file=sys.stderr)
    return 1 if results.failed else 0


def show(versions: dict[str, str], absent: dict[str, str]) -> int:
    """Lists what there is to measure."""
    for row in ROWS:
        print(f"{row.id:24} {row.what}")
    for name, version in versions.items():
        print(f"{name}: {version}")
    for name, reason in absent.items():
        print(f"{name}: absent. {reason}")
    return 0


def config_hash() -> str:
    """What tells two results' configurations apart: the peers' files and this package's."""
    digest = hashlib.sha256()
    files = [*HERE.glob("*.py"), *HERE.glob("peers/*/*"), *HERE.glob("load/src/*.rs")]
    for file in sorted(files):
        digest.update(file.relative_to(HERE).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
