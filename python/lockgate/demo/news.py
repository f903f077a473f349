"""What the log of the demonstration's gate says of a changed configuration, for its terminal."""

import json
from pathlib import Path
from typing import Any

from lockgate.printable import printable


class News:
    """Reads a log from its present end on."""

    def __init__(self, log: Path) -> None:
        """What stands in `log` already is no news."""
        self._log = log
        self._read = log.stat().st_size if log.exists() else 0
        self._part = b""

    def lines(self) -> list[str]:
        """What came of changes since the last look."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        self._read += len(new)
        *whole, self._part = (self._part + new).split(b"\n")
        return [printable(line) for each in whole if (line := _told(each)) is not None]


def _told(line: bytes) -> str | None:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    match said.get("event"):
        case "config-loaded":
            return "The changed configuration is live."
        case "config-refused":
            return "The changed configuration is refused; the one before goes on serving:"
        case "config-error":
            return f"  {said.get('place')}: {said.get('message')}  [{said.get('code')}]"
        case _:
            return None
