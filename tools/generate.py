#!/usr/bin/env python3
"""Write the pages and files that are made from the code, or check that they are fresh.

make docs                               write them
.venv/bin/python tools/generate.py --check   say which are stale, exit 1
"""

from __future__ import annotations

import sys
from pathlib import Path

from reference import (
    admin_page,
    attacks_table,
    bundle_types,
    cli_page,
    config_page,
    grading,
    metrics_page,
    pipeline_page,
    policy_pages,
    reasons_page,
    shop,
    tests_page,
)

ROOT = Path(__file__).resolve().parent.parent
MAKERS = (
    admin_page,
    attacks_table,
    bundle_types,
    cli_page,
    config_page,
    grading,
    metrics_page,
    pipeline_page,
    policy_pages,
    reasons_page,
    shop,
    tests_page,
)


def generated() -> dict[str, str]:
    """Every generated file's path and text."""
    files: dict[str, str] = {}
    for maker in MAKERS:
        files |= maker.files(ROOT)
    return files


def main() -> int:
    """Write, or with `--check` compare."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, text in generated().items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'stale' if check else 'wrote'} {name}")
    if check and stale:
        print("Run `make docs` and commit what it writes.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
