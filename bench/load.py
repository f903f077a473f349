"""Drives the origin and the load generator (bench/load, a small Rust program)."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.process import BenchError, Pinned

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
BODY_BYTES = 300
PATIENCE = 30.0


@dataclass(frozen=True)
class Latency:
    """Percentiles, in microseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True)
class LoadResult:
    """What a generator saw. It fails on the first wrong answer, so every request counted was answered well."""

    requests: int
    seconds: float
    latency: Latency
    late: Latency | None


@dataclass(frozen=True)
class Load:
    """The generator, bound to a core."""

    program: Path
    core: int
    connections: int
    generator: str = "own"
    prefix: tuple[str, ...] = ()

    def closed(self, target: str, requests: Path, seconds: float, count: int | None = None) -> LoadResult:
        """Every connection sends its next request when it has its answer."""
        if self.generator == "wrk" and count is None:
            return self._wrk(target, requests, seconds)
        extra = [] if count is None else ["--count", str(count)]
        return self._run("closed", target, requests, seconds, extra)

    def open(self, target: str, requests: Path, seconds: float, rate: float) -> LoadResult:
        """Requests are due at a fixed rate, and timed from when they were due."""
        return self._run("open", target, requests, seconds, ["--rate", str(rate)])

    @contextmanager
    def idle(self, target: str, requests: Path, connections: int, log: Path) -> Iterator[None]:
        """Holds connections that have done one request each; fails if the subject lets any of them go."""
        options = ["--connections", str(connections), "--body-bytes", str(BODY_BYTES)]
        command = [str(self.program), "idle", "--target", target, "--requests", str(requests), *options]
        holder = Pinned(command, self.core, log, pipes=True)
        try:
            holder.line()
            yield
            holder.close_input()
            closed = json.loads(holder.line())["closed_by_peer"]
            if closed:
                raise BenchError(f"{closed} of {connections} idle connections were closed by the subject")
        finally:
            holder.stop()

    def _run(self, mode: str, target: str, requests: Path, seconds: float, extra: list[str]) -> LoadResult:
        options = ["--connections", str(self.connections), "--body-bytes", str(BODY_BYTES)]
        command = [str(self.program), mode, "--target", target, "--requests", str(requests)]
        command += ["--seconds", str(seconds), *options, *extra]
        found = json.loads(self._output(command, seconds))
        late = found["generator_late_us"]
        return LoadResult(
            requests=found["requests"],
            seconds=found["seconds"],
            latency=Latency(**found["latency_us"]),
            late=Latency(**late) if late else None,
        )

    def _wrk(self, target: str, requests: Path, seconds: float) -> LoadResult:
        """The same closed loop by wrk, as a check of our own generator; it knows whole seconds and one request."""
        first = requests.read_bytes().partition(b"\r\n\r\n")[0].decode().split("\r\n")
        path = first[0].split()[1]
        headers = [word for line in first[1:] for word in ("-H", line)]
        whole = max(1, round(seconds))
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{whole}s", *headers, f"http://{target}{path}"]
        text = self._output(command, whole)
        counted = re.search(r"(\d+) requests in ([\d.]+)s", text)
        if counted is None or "Non-2xx" in text or "Socket errors" in text:
            raise BenchError(f"wrk met errors:\n{text}")
        nothing = Latency(0, 0, 0, 0, 0)
        return LoadResult(int(counted[1]), float(counted[2]), nothing, None)

    def _output(self, command: list[str], seconds: float) -> str:
        pinned = [*self.prefix, "taskset", "-c", str(self.core), *command]
        done = subprocess.run(pinned, capture_output=True, text=True, timeout=seconds + PATIENCE, check=False)
        if done.returncode != 0:
            raise BenchError(f"the load run failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def build(crate: str = "load") -> Path:
    """Builds the generator (or the spike), or finds it built, and gives its path."""
    target = CACHE / crate
    manifest = str(HERE / crate / "Cargo.toml")
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest]
    try:
        subprocess.run([*command, "--target-dir", str(target)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"bench/{crate} does not build ({error}); it needs cargo and crates.io") from error
    return target / "release" / f"lockgate-{crate}"


@contextmanager
def origin(program: Path, core: int, log: Path) -> Iterator[str]:
    """Runs the origin and gives its address."""
    process = Pinned([str(program), "origin", "--body-bytes", str(BODY_BYTES)], core, log, pipes=True)
    try:
        yield process.line()
    finally:
        process.stop()


def write_requests(file: Path, requests: Iterable[tuple[str, dict[str, str]]]) -> Path:
    """Writes the requests that a run sends in turn: paths and extra headers."""
    with file.open("wb") as out:
        for path, headers in requests:
            lines = [f"GET {path} HTTP/1.1", "Host: shop.example.com", "User-Agent: lockgate-load"]
            lines += ["Accept: application/json", *(f"{name}: {value}" for name, value in headers.items())]
            out.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    return file
