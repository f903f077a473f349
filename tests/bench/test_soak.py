"""The soak: its line through readings, and a run of some seconds."""

import json

import pytest
from bench.soak import main, slope


def test_a_line_is_laid_through_readings_whatever_a_few_of_them_say() -> None:
    points = [(float(second), 100.0 + second / 10) for second in range(50)]
    points[20] = (20.0, 9_000.0)
    assert slope(points) == pytest.approx(0.1)


def test_rest_has_no_slope() -> None:
    assert slope([(float(second), 7.0) for second in range(10)]) == 0


def test_a_row_that_is_not_lockgates_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--row", "nginx/plain"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_gate_under_load_and_reloads_neither_grows_nor_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gate", "installed", "--minutes", "10", "--rate", "500"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["requests"] == 300_000
    assert found["reloads"] > 300
    assert abs(found["descriptors_per_hour"]) < 1
    assert found["pss_last_kib"] - found["pss_first_kib"] < 2_048
