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
    detectors_table,
    grading,
    metrics_page,
    pipeline_page,
    policy_pages,
    reasons_page,
    seclang_page,
    shop,
    tests_page,
    vectors_page,
)
from reference.markdown import replace_region

ROOT = Path(__file__).resolve().parent.parent
MAKERS = (
    admin_page,
    bundle_types,
    cli_page,
    config_page,
    metrics_page,
    pipeline_page,
    policy_pages,
    reasons_page,
    seclang_page,
    shop,
    tests_page,
    vectors_page,
)
PARTS = (attacks_table, detectors_table, grading)
"""Each makes a part of a page, of which another may make another part."""


def generated() -> dict[str, str]:
    """Every generated file's path and text."""
    files: dict[str, str] = {}
    for maker in MAKERS:
        made = maker.files(ROOT)
        if twice := files.keys() & made.keys():
            raise ValueError(f"what one maker writes, the next would undo: {', '.join(sorted(twice))}")
        files |= made
    for maker in PARTS:
        text = files.get(maker.PAGE) or (ROOT / maker.PAGE).read_text(encoding="utf-8")
        files[maker.PAGE] = replace_region(text, maker.PART, maker.part(ROOT))
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
