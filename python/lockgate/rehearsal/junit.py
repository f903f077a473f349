"""The results as JUnit's XML, which every CI system reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from lockgate.rehearsal.run import Result

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def report(results: Sequence[Result], words: Callable[[Result], str]) -> bytes:
    """One suite for each table; `words` tells of a failure as the terminal does."""
    root = ET.Element("testsuites", _counted(results))
    for name in dict.fromkeys(result.read.source.name for result in results):
        of_table = [result for result in results if result.read.source.name == name]
        suite = ET.SubElement(root, "testsuite", {"name": _clean(name), **_counted(of_table)})
        for result in of_table:
            _case(suite, result, words)
    ET.indent(root)
    made: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def _case(suite: ET.Element, result: Result, words: Callable[[Result], str]) -> None:
    read = result.read
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "name": _clean(read.case.name),
            "classname": _clean(read.source.name),
            "file": _clean(read.source.name),
            "line": str(read.region.line),
            "time": f"{result.seconds:.6f}",
        },
    )
    if result.passed:
        return
    kind = "error" if result.broken is not None else "failure"
    message = result.broken or "; ".join(miss.words for miss in result.misses)
    ET.SubElement(case, kind, {"message": _clean(message)}).text = _clean(words(result))


def _counted(results: Sequence[Result]) -> dict[str, str]:
    broken = sum(result.broken is not None for result in results)
    failed = sum(not result.passed for result in results) - broken
    seconds = sum(result.seconds for result in results)
    return {"tests": str(len(results)), "failures": str(failed), "errors": str(broken), "time": f"{seconds:.6f}"}


def _clean(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
