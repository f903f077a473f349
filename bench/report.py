"""Writes docs/performance.md and the chart from a result.

Example:
    python -m bench.report bench/results/2027-01-01-full.json
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from bench import chart
from bench.machine import ROOT
from bench.results import CpuRow, Results, latest, read
from bench.rows import BASE, FLAT
from bench.syscalls import WHY

RESULTS = ROOT / "bench/results"
PAGE = ROOT / "docs/performance.md"
NOISY_PERCENT = 5.0
NOT_MEASURED = "Not measured in this run."
ATTACKS = "waf"
"""The name of runs of the rows that look for attacks: they are long, and have a section of their own."""


def main() -> None:
    """Writes the page from the result that is named, or from the newest."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("result", nargs="?", type=Path, help="a result; the newest if none is named")
    file = parser.parse_args().result or latest(RESULTS, "full")
    if file is None:
        parser.error(f"there is no result in {RESULTS}; make one with `python -m bench --publish`")
    print(publish(file))


def publish(file: Path) -> Path:
    """Writes the chart beside a result, and the page."""
    results = read(file)
    file.with_suffix(".svg").write_text(chart.svg(results))
    if file.stem.endswith(f"-{ATTACKS}"):
        file = latest(RESULTS, "full") or file
    PAGE.write_text(page(read(file), file.stem, latest(RESULTS, ATTACKS)))
    return PAGE


def page(results: Results, stem: str, attacks: Path | None = None) -> str:
    """The whole page; `attacks` is the result of the rows that look for such."""
    sections = [
        HEAD.format(stem=stem),
        f"![CPU per request](../bench/results/{stem}.svg)",
        "## CPU per request\n\n" + cpu(results),
        "## Flat in routes and keys\n\n" + flat(results),
        "## Latency at a fixed rate\n\n" + latency(results),
        "## Memory and start\n\n" + memory(results),
        "## Reload\n\n" + reload(results),
        "## System calls per request\n\n" + syscalls(results),
        "## Strict framing\n\n" + framing(results),
        "## Where and with what\n\n" + where(results),
        *([] if attacks is None else ["## Looking for attacks\n\n" + looking(attacks)]),
        HOW,
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def looking(file: Path) -> str:
    """The rows that look for attacks, of a run of their own."""
    results = read(file)
    picture = f"![CPU per request, looking for attacks](../bench/results/{file.stem}.svg)"
    return "\n\n".join([LOOKING.format(stem=file.stem), picture, cpu(results), where(results)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table; all columns but the first are numbers or short words, set to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cpu(results: Results) -> str:
    """Each row's cost, its ratio to nginx and how far that varied."""
    if not results.compared:
        return NOT_MEASURED
    head = ["row", "µs per request", "÷ nginx", "lowest to highest", "budget", "requests/s", "what"]
    return table(head, (cpu_line(row) for row in results.compared)) + "\n\n" + quiet(results)


def cpu_line(row: CpuRow) -> list[str]:
    """One row of the CPU table."""
    ratios = row.ratios()
    budget = ""
    if row.budget is not None:
        budget = held(row, row.budget)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return [
        row.id,
        f"{row.us:.2f}",
        f"{median(ratios):.2f}",
        spread,
        budget,
        f"{row.requests_per_second:,.0f}",
        row.what,
    ]


def held(row: CpuRow, budget: float) -> str:
    """Whether a row's budget is met, in words."""
    ratios = row.ratios(row.base)
    verdict = ("met" if median(ratios) <= budget else "missed") if ratios else "not measured"
    if row.base == BASE:
        return f"≤ {budget:.2f}: {verdict}"
    ratio = f", {median(ratios):.2f}" if ratios else ""
    return f"≤ {budget:.2f} of {row.base}: {verdict}{ratio}"


def quiet(results: Results) -> str:
    """What others did on the proxy's core meanwhile."""
    rounds = [each for row in results.cpu for each in row.rounds]
    foreign = median(each.foreign_percent for each in rounds)
    stolen = median(each.stolen_percent for each in rounds)
    words = f"Others used {foreign:.1f} % of the proxy's core (median over all rounds), the hypervisor {stolen:.1f} %."
    if foreign > NOISY_PERCENT or stolen > NOISY_PERCENT:
        words += " **The machine was not quiet: read these numbers as a trial of the harness.**"
    dropped = sum(each.events_dropped for each in rounds)
    if dropped:
        words += f" **{dropped:,} events were dropped, their cost with them.**"
    return words


def flat(results: Results) -> str:
    """Rows that must cost the same as another."""
    lines = []
    for row in results.cpu:
        ratios = row.ratios(row.flat_against) if row.flat_against else []
        if ratios:
            ratio = median(ratios)
            verdict = "met" if ratio <= FLAT else "missed"
            lines.append([f"{row.id} ÷ {row.flat_against}", f"{ratio:.2f}", f"≤ {FLAT:.2f}: {verdict}"])
    return table(["rows", "ratio", "budget"], lines) if lines else NOT_MEASURED


def latency(results: Results) -> str:
    """Percentiles of the open-loop runs."""
    if not results.latency:
        return NOT_MEASURED
    lines = []
    for row in results.latency:
        each = row.latency
        values = (each.p50, each.p90, each.p99, each.p999, row.late_p99)
        lines.append([row.id, *(f"{value:,.0f}" for value in values), f"{row.us_per_request:.1f}"])
    head = ["row", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "generator late, p99 µs", "CPU µs per request"]
    return LATENCY.format(rate=results.latency[0].rate) + "\n\n" + table(head, lines)


def memory(results: Results) -> str:
    """Memory of each subject's processes together."""
    if not results.memory:
        return NOT_MEASURED
    lines = []
    for row in results.memory:
        per = f"{row.pss_bytes_per_connection:,.0f}" if row.pss_bytes_per_connection is not None else ""
        mib = [row.idle.rss, row.idle.pss, row.loaded.rss, row.loaded.pss]
        lines.append([row.id, f"{row.start_seconds:.2f}", *(f"{kib / 1024:.1f}" for kib in mib), per])
    head = ["row", "start s", "idle RSS MiB", "idle PSS", "loaded RSS", "loaded PSS", "bytes per idle connection"]
    found = {row.id: row for row in results.memory}
    few, many = found.get("lockgate/key"), found.get("lockgate/keys-1000000")
    words = MEMORY
    if few and many:
        each = (many.idle - few.idle).pss * 1024 / 1_000_000
        verdict = "met" if each <= 200 else "missed"
        words += f" One key costs {each:.0f} bytes (budget: 200, {verdict})."
    held = found.get("lockgate/tls")
    if held and held.pss_bytes_per_connection is not None:
        each = held.pss_bytes_per_connection
        verdict = "met" if each <= 20_000 else "missed"
        words += f" One of {held.idle_connections:,} idle connections over TLS takes {each:,.0f} bytes"
        words += f" (budget: 20,000, {verdict})."
    return words + "\n\n" + table(head, lines)


def reload(results: Results) -> str:
    """Times of new bundles."""
    if not results.reload_ms:
        return NOT_MEASURED
    lines = [[row_id, f"{median(times):.1f}", f"{max(times):.1f}"] for row_id, times in results.reload_ms.items()]
    words = "Milliseconds from the hand-over of a signed bundle until it serves, five times over."
    return words + "\n\n" + table(["row", "median ms", "highest ms"], lines)


def syscalls(results: Results) -> str:
    """Counts per request, side by side, and why Lockgate makes each."""
    if not results.syscalls:
        return NOT_MEASURED
    lines = []
    for row in results.syscalls:
        by_count = sorted(row.per_request.items(), key=lambda item: -item[1])
        which = ", ".join(f"{name} {count:.2f}" for name, count in by_count)
        lines.append([row.id, str(row.connections), f"{sum(row.per_request.values()):.2f}", which])
    ours = {name for row in results.syscalls if row.id.startswith("lockgate/") for name in row.per_request}
    why = [f"- `{name}`: {WHY.get(name, '**not yet justified.**')}" for name in sorted(ours)]
    head = ["row", "connections", "a request", "which"]
    return "\n\n".join([table(head, lines), *(["What Lockgate makes each for:\n\n" + "\n".join(why)] if why else [])])


def framing(results: Results) -> str:
    """What the checker's own measurement printed."""
    if results.framing is None:
        return NOT_MEASURED
    return FRAMING + "\n\n```\n" + results.framing + "\n```"


def where(results: Results) -> str:
    """Machine, versions, settings, and what is missing."""
    machine = results.machine
    kind = "virtual machine" if machine.virtual else "machine"
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    lines = [
        (
            f"- {machine.cpu}, {machine.cores} cores, {machine.memory_mib:,} MiB, a {kind}; "
            f"{machine.system}, kernel {machine.kernel}, Python {machine.python}."
        ),
        f"- {versions}.",
        f"- Revision {results.revision}, {results.started}, configuration {results.config_hash}.",
        "- Settings: " + ", ".join(f"{name} {value}" for name, value in results.settings.items()) + ".",
        *(f"- Absent: {name}. {reason}" for name, reason in results.absent.items()),
        *(f"- Failed: {what}. {reason.splitlines()[0]}" for what, reason in results.failed.items()),
    ]
    return "\n".join(lines)


HEAD = """\
# Performance

Written by `python -m bench.report` from `bench/results/{stem}.json`; do not edit.

One origin answers a 300-byte JSON; 64 keep-alive connections ask for it through one proxy at a time.
The proxy has one worker and a core to itself; generator and origin are one program on another core, which
polls without sleeping while a run lasts, so that no proxy pays for waking it. A row's cost is
the CPU time of all the proxy's processes (user and system, from the kernel's process clocks) divided by
the requests they served. Every row is measured in turns with nginx, half a second each on the same core, and so
are two rows of which one must cost what the other does: what happens to the machine for longer than that happens
to both. A ratio is the median over rounds. Absolute numbers are this machine's; read the ratios."""

LOOKING = """\
From `bench/results/{stem}.json`. Rows `crs-*` run the Core Rule Set at its first level, each subject the same rules;
`native-*` Lockgate's detectors, which need no rules; `both-*` both. In `post` the same body comes again and again, and
Lockgate knows its values; in `post-fresh` no text was there before. The truth of an API lies between them."""

LATENCY = """\
{rate:,.0f} requests a second for every subject, below what the slowest can carry. Requests are due at fixed
times whatever the answers do, and are timed from when they were due, so that a stall is charged for every
request it would have delayed. The generator's own lateness is in all percentiles. A gate with little to do
sleeps and wakes for each request, so CPU per request is higher here than when it is saturated."""

MEMORY = """\
All processes of a subject together; PSS counts pages shared with others in part. Idle connections have done
one request each and are kept alive; the kernel's socket buffers are not in the number."""

FRAMING = """\
Every head and chunk line passes Lockgate's own checker before the parser sees it. Its cost alone, without
sockets, as `cargo run --release -p lockgate-wire --example framing_cost` prints it:"""

HOW = f"""\
## Measure it yourself

`make bench-quick` takes under two minutes (Lockgate and nginx), `make bench` about a quarter of an hour. A
result goes to `bench/results/local/`; `python -m bench --publish` puts it beside this page's and writes the
page anew. `python -m bench --help` lists the options, `python -m bench --list` the rows. The peers'
configurations are in `bench/peers/`; every ratio is against `{BASE}`. `bench/profile.sh` shows where the gate
spends its time. The rows that look for attacks are measured by
`python -m bench --name waf --sections cpu --rows 'nginx/plain,*/crs-*,lockgate/native-*,lockgate/both-*'`."""


if __name__ == "__main__":
    main()
