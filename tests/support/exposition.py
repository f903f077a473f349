"""Prometheus' text format, as gates and the control process write it."""

from __future__ import annotations

import re


def labels_told(text: str) -> dict[str, list[str]]:
    """The labels that are told of each metric; every sample has to have them, and no others."""
    told: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            told[line.split()[2]] = []
        elif line.startswith("# LABELS "):
            _, _, name, *labels = line.split()
            told[name] = labels
        elif not line.startswith("#"):
            series = line.rpartition(" ")[0]
            metric = series.partition("{")[0]
            family = metric if metric in told else re.sub(r"_(bucket|sum|count)$", "", metric)
            wanted = [each for each in told[family] if each != "le" or metric.endswith("_bucket")]
            found = re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', series)
            assert found == wanted, f"{series} has other labels than are told of it: {wanted}"
    return told
