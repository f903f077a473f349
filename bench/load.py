"""Drives the origin and the load generator (bench/load, a small Rust program)."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import certificates
from bench.process import BenchError, Pinned

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
BODY_BYTES = 300
PATIENCE = 30.0
H2_CONNECTIONS = 4
H2_STREAMS = 100
H3_STREAMS = 25
"""With 100 Envoy loses datagrams, and waits for their like."""
MESSAGE_BYTES = 64
"""Of what a call of gRPC sends, without its head."""
SLOWEST = 500.0
"""Requests a second below which a subject is given up."""


@dataclass(frozen=True)
class Latency:
    """Percentiles, in microseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


NOTHING = Latency(0, 0, 0, 0, 0)


@dataclass(frozen=True)
class LoadResult:
    """What a generator saw. It fails on the first wrong answer, so every request counted was answered well."""

    requests: int
    seconds: float
    latency: Latency
    late: Latency | None


@dataclass(frozen=True)
class Target:
    """What is loaded: where it listens, with what, and who vouches for its certificate where it has one."""

    address: str
    requests: Path
    trust: Path | None = None


@dataclass(frozen=True)
class Load:
    """A running generator with its origin, on a core of their own."""

    process: Pinned
    origin: str
    core: int
    connections: int
    generator: str = "own"

    def closed(self, target: Target, seconds: float, count: int | None = None) -> LoadResult:
        """Every connection sends its next request when it has its answer."""
        if self.generator == "wrk" and count is None:
            return self._wrk(target, seconds)
        extra = {} if count is None else {"count": count}
        return self._run("closed", target, seconds, extra)

    def open(self, target: Target, seconds: float, rate: float) -> LoadResult:
        """Requests are due at a fixed rate, and timed from when they were due."""
        return self._run("open", target, seconds, {"rate": rate})

    def handshakes(self, target: Target, seconds: float, *, resume: bool) -> LoadResult:
        """New connections, one after the other, each with one request; timed with their handshake."""
        return self._run("handshakes", target, seconds, {"resume": "yes" if resume else "no"})

    def messages(self, target: Target, seconds: float) -> LoadResult:
        """Every connection is a WebSocket, and sends its next message when the one before has come back."""
        return self._run("messages", target, seconds, {})

    def counted(self, way: str) -> Callable[[Target, int], LoadResult] | None:
        """What makes so many requests, for the ways that are told how many instead of how long."""
        return {"streams": self.streams, "calls": self.calls, "quic": self.quic}.get(way)

    def streams(self, target: Target, count: int) -> LoadResult:
        """So many requests by h2load over HTTP/2, on few connections with many under way; timed as a whole."""
        return self._h2load(target, count, [])

    def calls(self, target: Target, count: int) -> LoadResult:
        """The same with unary calls of gRPC."""
        message = target.requests.with_name("message")
        message.write_bytes(bytes([0]) + MESSAGE_BYTES.to_bytes(4, "big") + bytes(MESSAGE_BYTES))
        return self._h2load(
            target, count, ["-d", str(message), "-H", "content-type: application/grpc", "-H", "te: trailers"]
        )

    def quic(self, target: Target, count: int) -> LoadResult:
        """The same requests over HTTP/3, by a client of our own (bench/h3load)."""
        path, _ = _first(target)
        shape = [H2_CONNECTIONS, H3_STREAMS, count, BODY_BYTES]
        command = ["taskset", "-c", str(self.core), str(build("h3load")), target.address, str(target.trust)]
        done = _run([*command, certificates.HOST, path, *map(str, shape)], PATIENCE + count / SLOWEST)
        if not done.startswith("{"):
            raise BenchError(f"h3load met errors:\n{done}")
        found = json.loads(done)
        return LoadResult(found["requests"], found["seconds"], NOTHING, None)

    def _h2load(self, target: Target, count: int, words: Sequence[str]) -> LoadResult:
        path, headers = _first(target, without="Host")  # It is `:authority`, and nginx refuses both.
        command = ["taskset", "-c", str(self.core), "h2load", "-t1", f"-c{H2_CONNECTIONS}", f"-m{H2_STREAMS}"]
        command += [
            f"-n{count}",
            "--connect-to",
            target.address,
            *headers,
            *words,
            f"https://{certificates.HOST}{path}",
        ]
        done = _run(command, PATIENCE + count / SLOWEST)
        spent = re.search(r"finished in ([\d.]+)(us|ms|s|m)\b", done)
        if spent is None or f" {count} 2xx" not in done or f"total, {count} started, {count} done" not in done:
            raise BenchError(f"h2load met errors:\n{done}")
        seconds = float(spent[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}[spent[2]]
        return LoadResult(count, seconds, NOTHING, None)

    @contextmanager
    def idle(self, target: Target, connections: int) -> Iterator[None]:
        """Holds connections that have done one request each; fails if the subject lets any of them go."""
        self._order("idle", {**_named(target), "connections": connections})
        try:
            yield
        finally:
            self.process.say("release")
            held = self._answer()
        if held["closed_by_peer"]:
            raise BenchError(f"{held['closed_by_peer']} of {connections} idle connections were closed by the subject")

    def _run(self, mode: str, target: Target, seconds: float, extra: Mapping[str, object]) -> LoadResult:
        options = {**_named(target), "connections": self.connections, "seconds": seconds}
        found = self._order(mode, {**options, **extra})
        late = found["generator_late_us"]
        return LoadResult(
            requests=found["requests"],
            seconds=found["seconds"],
            latency=Latency(**found["latency_us"]),
            late=Latency(**late) if late else None,
        )

    def _order(self, mode: str, options: Mapping[str, object]) -> dict[str, Any]:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.process.say("\t".join([mode, *words]))
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.process.line())
        if "error" in found:
            raise BenchError(f"the load run failed: {found['error']}")
        return found

    def _wrk(self, target: Target, seconds: float) -> LoadResult:
        """The same closed loop by wrk, as a check of our own generator; it knows whole seconds and one request."""
        path, headers = _first(target)
        whole = max(1, round(seconds))
        command = ["taskset", "-c", str(self.core), "wrk", "-t1", f"-c{self.connections}", f"-d{whole}s"]
        scheme = "https" if target.trust else "http"
        command += [*headers, f"{scheme}://{target.address}{path}"]
        done = _run(command, whole + PATIENCE)
        counted = re.search(r"(\d+) requests in ([\d.]+)s", done)
        if counted is None or "Non-2xx" in done or "Socket errors" in done:
            raise BenchError(f"wrk met errors:\n{done}")
        return LoadResult(int(counted[1]), float(counted[2]), NOTHING, None)


def _first(target: Target, without: str | None = None) -> tuple[str, list[str]]:
    """The path of a file's first request, and its headers as curl and the like want them."""
    first = target.requests.read_bytes().partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = [line for line in first[1:] if line.partition(":")[0] != without]
    return first[0].split()[1], [word for line in headers for word in ("-H", line)]


def _run(command: Sequence[str], seconds: float) -> str:
    """What a load generator of others says."""
    program = command[3]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{program} does not run: {error}; scripts/system-packages.sh installs it") from error
    return done.stdout + done.stderr


def _named(target: Target) -> dict[str, object]:
    trust = {"trust": target.trust} if target.trust else {}
    return {"target": target.address, "requests": target.requests, **trust}


@contextmanager
def started(program: Path, core: int, log: Path, connections: int, generator: str = "own") -> Iterator[Load]:
    """Runs the generator with its origin."""
    process = Pinned([str(program), "--body-bytes", str(BODY_BYTES)], core, log, pipes=True)
    try:
        yield Load(process, process.line(), core, connections, generator)
    finally:
        process.stop()


@functools.cache
def build(crate: str = "load") -> Path:
    """Builds the generator (or the spike), or finds it built, and gives its path."""
    # One folder for all: they share most of what they are made of.
    target = CACHE / "crates"
    manifest = str(HERE / crate / "Cargo.toml")
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest]
    try:
        subprocess.run([*command, "--target-dir", str(target)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"bench/{crate} does not build ({error}); it needs cargo and crates.io") from error
    return target / "release" / f"lockgate-{crate}"


def write_requests(file: Path, requests: Iterable[tuple[str, dict[str, str]]]) -> Path:
    """Writes the requests that a run sends in turn: paths and extra headers."""
    with file.open("wb") as out:
        for path, headers in requests:
            lines = [f"GET {path} HTTP/1.1", "Host: shop.example.com", "User-Agent: lockgate-load"]
            lines += ["Accept: application/json", *(f"{name}: {value}" for name, value in headers.items())]
            out.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    return file
