"""The repository's own files, for tests about the repository."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git keeps, relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    files = tuple(Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file())
    if len(files) < 50:
        raise AssertionError(f"git lists only {len(files)} files: these tests need a clone of the repository")
    return files


def matching(pattern: str) -> list[Path]:
    """Tracked files whose path matches the regular expression from its beginning."""
    return [path for path in tracked() if re.match(pattern, path.as_posix())]


def text(path: Path) -> str:
    """A tracked file's text; empty for one that is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading of a Markdown page, without its head."""
    below = (ROOT / page).read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[1]
    lines = below.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def quoted(cell: str) -> list[str]:
    """The words between backticks."""
    return re.findall(r"`([^`]+)`", cell)
