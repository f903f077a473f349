"""The list of faults is the judge's own, and the documentation's."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise

from lockgate.tls_audit import judge
from lockgate.tls_audit.faults import FAULTS, GRADES, Fault
from lockgate.tls_audit.judge import Finding, grade


def judged() -> set[str]:
    """The codes that the judge's source gives."""
    codes = {code for _, code, _ in judge._TAKEN}
    for node in ast.walk(ast.parse(inspect.getsource(judge))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"case.finding", "Finding"}:
            first = node.args[0]
            codes |= {first.value} if isinstance(first, ast.Constant) and isinstance(first.value, str) else set()
    return codes


def test_every_fault_is_judged_and_no_other() -> None:
    assert judged() == set(FAULTS)


def test_the_dearest_come_first() -> None:
    assert all(dear.lost >= cheap.lost for dear, cheap in pairwise(FAULTS.values()))
    assert all(better > worse for better, worse in pairwise(GRADES.values()))


def test_what_is_lost_decides_the_grade() -> None:
    def given(*codes: str) -> str:
        faults: list[tuple[str, Fault]] = [(code, FAULTS[code]) for code in codes]
        return grade([Finding(code, fault.lost, fault.what, "") for code, fault in faults])[0]

    assert [given(), given("post-quantum-not-preferred"), given("ends-soon"), given("no-tls-1.3", "cbc")] == [
        "A+",
        "A+",
        "A",
        "B",
    ]
    assert [given("old-versions"), given("not-verified"), given("expired"), given("expired", "ssl3")] == [
        "C",
        "D",
        "F",
        "F",
    ]
