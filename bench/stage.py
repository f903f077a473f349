"""One subject started in a folder of its own, measured, and stopped again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import Load
from bench.rows import Row
from bench.subjects import Running, Site, Subject


@dataclass(frozen=True)
class Stage:
    """What every measurement needs: the subjects, the generator with its origin, and the proxy's core."""

    subjects: Mapping[str, Subject]
    load: Load
    core: int

    @contextmanager
    def running(self, row: Row) -> Iterator[tuple[Running, Site]]:
        """Starts a row's subject in a fresh folder."""
        with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
            # Workers of a peer that drops root's rights must reach their files.
            Path(folder).chmod(0o755)
            site = Site(self.core, Path(folder), self.load.origin)
            running = self.subjects[row.subject].start(row.variant, site)
            try:
                yield running, site
            finally:
                running.process.stop()
