"""From rounds to the page: ratios, verdicts, the chart, and that the committed page is the newest result's."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from bench.load import Latency
from bench.machine import Machine
from bench.process import BenchError, Memory
from bench.results import CpuRow, LatencyRow, MemoryRow, Results, Round, SyscallRow, latest, read
from bench.rows import BASE, ROWS, chosen
from bench.settings import SUBJECTS, parse

from bench import chart, report


def row(
    row_id: str, costs: list[float], budget: float | None = None, flat: str | None = None, **beside: list[float]
) -> CpuRow:
    rounds = [
        Round(
            cost,
            int(1e6 / cost),
            1.0,
            99.0,
            0.5,
            0.0,
            beside={name.replace("_", "/"): values[number] for name, values in beside.items()},
        )
        for number, cost in enumerate(costs)
    ]
    return CpuRow(row_id, "what it shows", budget, flat, rounds)


@pytest.fixture
def results() -> Results:
    latency = LatencyRow("lockgate/plain", 3000, Latency(100, 150, 200, 300, 400), 50, 30)
    return Results(
        name="full",
        started="2026-11-22T10:00:00+00:00",
        machine=Machine("A <cpu>", 2, 1024, "6.1", "Debian", virtual=True, python="3.11"),
        revision="abc",
        versions={"nginx": "1.22.1"},
        absent={"caddy": "not installed"},
        settings={"rounds": 3},
        config_hash="f00",
        cpu=[
            row(BASE, [10.0, 20.0, 10.0]),
            row("lockgate/plain", [9.0, 20.0, 11.0], budget=1.0, nginx_plain=[10.0, 20.0, 10.0]),
            row(
                "lockgate/events",
                [11.0, 22.0, 11.0],
                budget=1.05,
                flat="lockgate/plain",
                nginx_plain=[10.0, 20.0, 10.0],
                lockgate_plain=[10.0, 20.0, 10.0],
            ),
        ],
        latency=[latency],
        memory=[MemoryRow("nginx/plain", 0.1, Memory(2048, 1024), Memory(4096, 3072), 10_000, 466.0)],
        syscalls=[SyscallRow("lockgate/plain", 64, {"recvfrom": 2.0, "frobnicate": 1.0})],
        reload_ms={"lockgate/routes-10000": [40.0, 50.0, 45.0]},
        framing="small 300 ns",
        failed={"envoy/plain": "it ended\nat start"},
    )


def test_a_ratio_is_made_within_each_round(results: Results) -> None:
    _, plain, _ = results.cpu
    # The second round was slow for both, which says nothing about either.
    assert plain.ratios() == [0.9, 1.0, 1.1]
    assert report.cpu_line(plain)[1:5] == ["11.00", "1.00", "0.90 to 1.10", "≤ 1.00: met"]


def test_a_missed_budget_is_said(results: Results) -> None:
    assert "≤ 1.05: missed" in report.cpu(results)
    assert "| lockgate/events ÷ lockgate/plain | 1.10 | ≤ 1.05: missed |" in report.flat(results)


def test_a_machine_that_was_not_quiet_is_said(results: Results) -> None:
    assert "not quiet" not in report.cpu(results)
    results.cpu.append(CpuRow("x/y", "", None, None, [Round(9, 1, 1, 50, 60, 0)] * 99))
    assert "not quiet" in report.cpu(results)


def test_dropped_events_are_said(results: Results) -> None:
    assert "dropped" not in report.cpu(results)
    results.cpu.append(CpuRow("x/y", "", None, None, [Round(9, 1, 1, 50, 0, 0, events_dropped=1234)]))
    assert "1,234 events were dropped" in report.cpu(results)


def test_a_system_call_that_nobody_justified_is_said(results: Results) -> None:
    assert "`frobnicate`: **not yet justified.**" in report.syscalls(results)


def test_a_result_survives_writing_and_reading(results: Results, tmp_path: Path) -> None:
    file = results.write(tmp_path)
    assert file.name == "2026-11-22-full.json"
    assert latest(tmp_path) == file
    assert read(file) == results


def test_the_page_names_what_is_absent_and_what_failed(results: Results) -> None:
    page = report.page(results, "stem")
    assert "- Absent: caddy. not installed" in page
    assert "- Failed: envoy/plain. it ended\n" in page
    assert "small 300 ns" in page
    assert "| lockgate/routes-10000 | 45.0 | 50.0 |" in page


def test_the_chart_is_well_formed_and_has_a_bar_for_each_row(results: Results) -> None:
    root = ET.fromstring(chart.svg(results))  # noqa: S314 - we wrote it ourselves.
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text in {row.id for row in results.cpu}] == [
        BASE,
        "lockgate/plain",
        "lockgate/events",
    ]
    assert "1.00 \N{MULTIPLICATION SIGN} nginx, 11.0 µs" in texts


def test_the_base_is_measured_whatever_is_asked_for() -> None:
    assert [each.id for each in chosen(SUBJECTS, ["lockgate/key"])] == [BASE, "lockgate/key"]
    assert {each.subject for each in chosen(["haproxy"], ["*"])} == {"nginx", "haproxy"}
    with pytest.raises(BenchError, match="no row matches"):
        chosen(SUBJECTS, ["lockgate/nonsense"])
    with pytest.raises(BenchError, match="no subject ngnix"):
        chosen(["ngnix"], ["*"])


def test_every_row_that_must_be_flat_names_a_row() -> None:
    ids = {each.id for each in ROWS}
    flat = {each.flat_against for each in ROWS if each.flat_against}
    assert flat
    assert flat <= ids


def test_quick_means_lockgate_and_nginx_and_cpu_alone() -> None:
    quick = parse(["--quick"])
    assert quick.sections == ("cpu",)
    assert {each.subject for each in chosen(quick.subjects, quick.rows)} == {"nginx", "lockgate"}
    rows = chosen(quick.subjects, quick.rows)
    # A start, a warm-up and a round each; what is left of two minutes is for a million keys.
    assert len(rows) * quick.rounds * (quick.seconds + 1.0) < 100


def test_the_committed_page_is_made_from_the_newest_result() -> None:
    newest = latest(report.RESULTS, "full")
    if newest is None:
        pytest.skip("no result is published yet")
    assert report.PAGE.read_text() == report.page(read(newest), newest.stem, latest(report.RESULTS, report.ATTACKS))
    assert newest.with_suffix(".svg").read_text() == chart.svg(read(newest))
