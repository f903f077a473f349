"""The options of a run, and what `--quick` makes of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import RESULTS

SECTIONS = ("cpu", "latency", "memory", "syscalls", "framing")
SUBJECTS = ("lockgate", "nginx", "haproxy", "envoy", "traefik", "caddy", "modsecurity", "coraza")
QUICK_ROWS = (
    "nginx/plain",
    *(f"lockgate/{each}" for each in ("plain", "events", "key", "jwt", "jwt-limits", "routes-*")),
)
"""All but those with a million of something: filling a gate with them takes longer than the run."""


@dataclass(frozen=True)
class Settings:
    """One run's options."""

    name: str
    subjects: tuple[str, ...]
    rows: tuple[str, ...]
    sections: tuple[str, ...]
    rounds: int
    seconds: float
    connections: int
    rate: float
    idle_connections: int
    generator: str
    gate: str
    proxy_core: int
    load_core: int
    out: Path
    publish: bool
    list: bool


def parse(words: Sequence[str] | None = None) -> Settings:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures Lockgate beside other proxies: CPU per request, latency, memory, system calls.",
        epilog="Example: python -m bench --sections cpu --rows 'lockgate/*' --rounds 3 --seconds 1",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="Lockgate and nginx, CPU only, under two minutes once built")
    add("--list", action="store_true", help="list rows and subjects with their versions, and measure nothing")
    add("--name", help="goes into the result's file name (full, or quick)")
    add("--subjects", type=names, default=SUBJECTS, help="of " + ",".join(SUBJECTS) + ",spike")
    add("--rows", type=names, help="patterns of rows, as lockgate/*; nginx/plain is always measured")
    add("--sections", type=names, help="of " + ",".join(SECTIONS))
    add("--rounds", type=int, help="rounds of every row (7; quick 5)")
    add("--seconds", type=float, help="of load in each round (3; quick 1)")
    add("--connections", type=int, default=64, help="of the load (64)")
    add("--rate", type=float, default=3000.0, help="requests a second of the latency runs (3000)")
    add("--idle-connections", type=int, default=10_000, help="of the memory rows (10000)")
    add("--generator", choices=["own", "wrk"], default="own", help="for CPU; wrk is a check of our own")
    add(
        "--gate",
        choices=["release", "built", "installed"],
        default="release",
        help="build a release wheel and measure it, measure the one built last, or lockgate as it is installed here",
    )
    add("--proxy-core", type=int, default=0, help="the subject's (0)")
    add("--load-core", type=int, default=1, help="the generator's and the origin's (1)")
    add("--out", type=Path, default=RESULTS / "local", help="folder for the result")
    add("--publish", action="store_true", help="write to bench/results and renew docs/performance.md")
    given = parser.parse_args(words)
    quick = given.quick
    settings = Settings(
        name=given.name or ("quick" if quick else "full"),
        subjects=given.subjects,
        rows=given.rows or (QUICK_ROWS if quick else ("*",)),
        sections=given.sections or (("cpu",) if quick else SECTIONS),
        rounds=given.rounds or (5 if quick else 7),
        seconds=given.seconds or (1.0 if quick else 3.0),
        connections=given.connections,
        rate=given.rate,
        idle_connections=given.idle_connections,
        generator=given.generator,
        gate=given.gate,
        proxy_core=given.proxy_core,
        load_core=given.load_core,
        out=RESULTS if given.publish else given.out,
        publish=given.publish,
        list=given.list,
    )
    unknown = [name for name in settings.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if not (1 <= settings.rounds <= 100 and 0 < settings.seconds <= 60):
        parser.error("--rounds is between 1 and 100, --seconds between 0 and 60")
    return settings


def names(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(word for word in text.split(",") if word)
