"""Instructions for each request: what is read of callgrind, and rows that it cannot count."""

from __future__ import annotations

import pytest
from bench.process import BenchError

from bench import instructions

COUNTED = "events: Ir\nfn=(1) f\n+3 10\ntotals: 4000\n\npart: 2\ntotals: 2000\n"
ANNOTATED = """
Ir
--------------------------------------------------------------------------------
6,000 (100.0%)  PROGRAM TOTALS

--------------------------------------------------------------------------------
Ir              file:function
--------------------------------------------------------------------------------
4,500 (75.00%)  ???:lockgate_wire::host::split [/a/_native.abi3.so]
1,500 (25.00%)  ./string/memmove.S:__memcpy_avx [/usr/lib/libc.so.6]
"""


def test_all_parts_are_added_up_and_told_for_each_request() -> None:
    total, most = instructions.read(COUNTED, ANNOTATED, 10)
    assert total == 600
    assert most == [(450, "lockgate_wire::host::split"), (150, "./string/memmove.S:__memcpy_avx")]


def test_nothing_counted_is_no_number() -> None:
    with pytest.raises(BenchError, match="counted nothing"):
        instructions.read("", ANNOTATED, 10)


@pytest.mark.parametrize("row", ["nginx/plain", "lockgate/h2", "lockgate/none"])
def test_a_row_that_cannot_be_counted(
    row: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["instructions", row])
    assert instructions.main() == 2
    assert "wants rows of lockgate" in capsys.readouterr().err
