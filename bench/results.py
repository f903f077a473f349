"""What a run found, as it is written to JSON, and the sums that are made of it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.load import Latency
from bench.machine import Machine
from bench.process import Memory
from bench.rows import BASE

FORMAT = 2


@dataclass(frozen=True)
class Round:
    """One measurement of one row."""

    us_per_request: float
    requests: int
    seconds: float
    busy_percent: float
    foreign_percent: float
    stolen_percent: float
    events_dropped: int = 0
    beside: dict[str, float] = field(default_factory=dict)
    """Microseconds per request of the rows it was measured in turns with."""


@dataclass
class CpuRow:
    """CPU per request of one row, round by round."""

    id: str
    what: str
    budget: float | None
    flat_against: str | None
    rounds: list[Round] = field(default_factory=list)
    base: str = BASE
    """The row that the budget is a ratio to."""

    @property
    def us(self) -> float:
        """The median of its rounds."""
        return median(each.us_per_request for each in self.rounds)

    @property
    def requests_per_second(self) -> float:
        """The median of its rounds; bounded by the generator's core as well."""
        return median(each.requests / each.seconds for each in self.rounds)

    def ratios(self, against: str = BASE) -> list[float]:
        """This row against another, round by round; none where they were not measured in turns."""
        if against == self.id:
            return [1.0] * len(self.rounds)
        return [each.us_per_request / each.beside[against] for each in self.rounds if against in each.beside]


@dataclass(frozen=True)
class LatencyRow:
    """At one fixed rate: medians over rounds, in microseconds."""

    id: str
    rate: float
    latency: Latency
    late_p99: float
    us_per_request: float


@dataclass(frozen=True)
class MemoryRow:
    """Memory of one row, and what start and idle connections cost."""

    id: str
    start_seconds: float
    idle: Memory
    loaded: Memory
    idle_connections: int
    pss_bytes_per_connection: float | None


@dataclass(frozen=True)
class SyscallRow:
    """System calls per request, by name, with many connections and with one."""

    id: str
    connections: int
    per_request: dict[str, float]


@dataclass
class Results:
    """One run."""

    name: str
    started: str
    machine: Machine
    revision: str
    versions: dict[str, str]
    absent: dict[str, str]
    settings: dict[str, Any]
    config_hash: str
    cpu: list[CpuRow] = field(default_factory=list)
    latency: list[LatencyRow] = field(default_factory=list)
    memory: list[MemoryRow] = field(default_factory=list)
    syscalls: list[SyscallRow] = field(default_factory=list)
    reload_ms: dict[str, list[float]] = field(default_factory=dict)
    framing: str | None = None
    failed: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def compared(self) -> list[CpuRow]:
        """The rows that were measured in turns with the base, and the base."""
        return [row for row in self.cpu if row.ratios()]

    def write(self, folder: Path) -> Path:
        """Writes `<date>-<name>.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.started[:10]}-{self.name}.json"
        file.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")
        return file


def read(file: Path) -> Results:
    """Reads what `Results.write` wrote."""
    raw = json.loads(file.read_text())
    if raw["format"] != FORMAT:
        raise ValueError(f"{file} has format {raw['format']}, this reads {FORMAT}")
    raw["machine"] = Machine(**raw["machine"])
    raw["cpu"] = [CpuRow(**{**row, "rounds": [Round(**each) for each in row["rounds"]]}) for row in raw["cpu"]]
    raw["latency"] = [LatencyRow(**{**row, "latency": Latency(**row["latency"])}) for row in raw["latency"]]
    raw["memory"] = [
        MemoryRow(**{**row, "idle": Memory(**row["idle"]), "loaded": Memory(**row["loaded"])}) for row in raw["memory"]
    ]
    raw["syscalls"] = [SyscallRow(**row) for row in raw["syscalls"]]
    return Results(**raw)


def latest(folder: Path, name: str = "*") -> Path | None:
    """The newest result in a folder, by its date and then its name; of one name, where one is given."""
    return max(folder.glob(f"*-{name}.json"), default=None)
