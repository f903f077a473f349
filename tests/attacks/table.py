"""The attacks, their limits, and a table of what became of both: `python -m attacks.table` (see `make attacks`)."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from attacks.attackers import ATTACKERS, Got
from attacks.bystander import Noticed
from attacks.sink import Sink
from gateway.harness import bundles
from gateway.harness.gate import Gate
from support.certificates import Authority
from support.ports import free_port, listens
from support.waiting import until

HOUR_MS = 3_600_000
RATIO = 100
"""`inflate.ratio` by default."""
NO_BYTES = 1 << 50
"""A bound on memory that bounds nothing."""
LARGE_BYTES = 64 << 20
TEXT_BYTES = 16 << 20
RATE = 100.0
SETTLING = 1.0
PATIENT = 120.0


class Hurts(Enum):
    """What an attack does to a gate without the limit, in counts that no machine's speed changes."""

    HOLDS = "it holds every place of the listener"
    COMES = "it comes in as often as it likes"
    FILLS = "it fills the gate's memory"
    FRAMES = "one connection sends without an end"
    LASTS = "its connection goes on as long as it likes"
    RETRY = "it cannot be shown: a Retry is always asked for"
    LIBRARY = "it cannot be shown: the HTTP/2 library has a bound of its own, which stays"


@dataclass(frozen=True)
class Attack:
    """One attack, and what it meets."""

    name: str
    limits: tuple[str, ...]
    """Its limits, in the words of the configuration."""
    on: Mapping[str, int]
    """The limit as the table has it; what is not said is as it is by default."""
    off: Mapping[str, int]
    """The limit out of the way."""
    hurts: Hurts = Hurts.FRAMES
    """What it does to a gate without the limit."""
    secure: bool = True
    """Over TLS."""
    bodies: bool = False
    """On an API that packs and unpacks, before an upstream that takes all that comes."""
    http3: bool = False
    """Over QUIC."""
    ratio: int = RATIO
    """`inflate.ratio` with the limit out of the way; it is no limit of the listener's."""


USUAL = {"connections": 1_000, "connections_per_ip": 100, "new_connections_per_ip": 200, "streams": 100}
"""As by default, for a tenth of the crowd: an address may have a tenth of all."""
ADDRESS = {"connections_per_ip": 1_000, "new_connections_per_ip": 0}
"""What one address may have, out of the way."""
NEVER = {"head_timeout_ms": HOUR_MS, "idle_timeout_ms": HOUR_MS, "write_timeout_ms": HOUR_MS, "body_rate_min": 0}
# Times by default are longer than a run: what they do shows with shorter ones.
SLOW = "limits.connections_per_ip", "limits.head_timeout"
FRAMES = "limits.control_frames", "limits.new_connections_per_ip"
MANY_FRAMES = {"control_frames": 100_000, **ADDRESS}

OWN_BOUND = {"flood of resets", "flood of empty data", "flood of continuations", "flood of a large block"}

ATTACKS = (
    Attack("slow heads", SLOW, {"head_timeout_ms": 2_000}, {**NEVER, **ADDRESS}, Hurts.HOLDS, secure=False),
    Attack("slow bodies", (SLOW[0], "limits.body_rate_min"), {}, {**NEVER, **ADDRESS}, Hurts.HOLDS, secure=False),
    Attack(
        "slow readers",
        (SLOW[0], "limits.write_timeout"),
        {"write_timeout_ms": 2_000},
        {**NEVER, **ADDRESS},
        Hurts.HOLDS,
        secure=False,
    ),
    Attack("idle", (SLOW[0],), {}, {**NEVER, **ADDRESS}, Hurts.HOLDS, secure=False),
    Attack("connections", ("limits.new_connections_per_ip",), {}, ADDRESS, Hurts.COMES, secure=False),
    Attack("handshakes", ("limits.new_connections_per_ip",), {}, ADDRESS, Hurts.COMES),
    Attack(
        "windows",
        (SLOW[0], "limits.write_timeout"),
        {"write_timeout_ms": 2_000},
        {**NEVER, **ADDRESS, "connections": 1_000_000, "connections_per_ip": 1_000_000},
        Hurts.FILLS,
    ),
    Attack("header bombs", ("limits.head_bytes",), {}, {"head_bytes": 64 << 20, **ADDRESS}, Hurts.FILLS),
    Attack(
        "packed answers",
        ("limits.compress_memory",),
        {**NEVER, **ADDRESS, "compress_memory": 16 << 20},
        {**NEVER, **ADDRESS, "compress_memory": NO_BYTES},
        Hurts.FILLS,
        secure=False,
        bodies=True,
    ),
    Attack(
        "held windows",
        ("limits.inflate_memory",),
        {**NEVER, **ADDRESS, "inflate_memory": 32 << 20},
        {**NEVER, **ADDRESS, "inflate_memory": NO_BYTES},
        Hurts.FILLS,
        secure=False,
        bodies=True,
    ),
    *(
        Attack(name, ("inflate.ratio",), ADDRESS, ADDRESS, secure=False, bodies=True, ratio=2**32 - 1)
        for name in ATTACKERS
        if name.startswith("bombs of ")
    ),
    Attack("initials", ("Retry",), {}, {}, Hurts.RETRY, http3=True),
    Attack(
        "quic handshakes",
        ("limits.new_connections_per_ip", SLOW[0]),
        {"new_connections_per_ip": 10},
        {**ADDRESS, "connections": 1_000_000, "connections_per_ip": 1_000_000},
        Hurts.COMES,
        http3=True,
    ),
    *(
        Attack(name, FRAMES, {}, MANY_FRAMES, Hurts.LASTS, http3=True)
        for name in ATTACKERS
        if name.startswith("http3 ")
    ),
    *(
        Attack(name, FRAMES, {}, MANY_FRAMES, Hurts.LIBRARY if name in OWN_BOUND else Hurts.FRAMES)
        for name in ATTACKERS
        if name.startswith("flood of ")
    ),
)


@dataclass(frozen=True)
class Met:
    """What came of one run."""

    attack: str
    limits: tuple[str, ...]
    on: bool
    got: Got
    quiet: Noticed
    during: Noticed
    memory_mib: float
    """What the gate's memory grew by at most."""


def main(words: Sequence[str] | None = None) -> int:
    """Runs every attack twice."""
    parser = argparse.ArgumentParser(prog="python -m attacks.table", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run (10)")
    parser.add_argument("--only", help="the attacks whose name has this in it")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    given = parser.parse_args(words)
    found: list[Met] = []
    for attack in ATTACKS:
        if given.only and given.only not in attack.name:
            continue
        for on in (True,) if attack.hurts is Hurts.RETRY else (True, False):
            with tempfile.TemporaryDirectory(prefix="lockgate-attacks-") as folder:
                met = run(attack, on=on, seconds=given.seconds, folder=Path(folder))
            found.append(met)
            print(row(met), flush=True)
    if given.json:
        given.json.write_text(json.dumps([asdict(met) for met in found], indent=1) + "\n", encoding="utf-8")
    return 0


@dataclass(frozen=True)
class Guarded:
    """A gate that can be attacked."""

    gate: Gate
    port: int
    trust: Path


@contextmanager
def guarded(attack: Attack, *, on: bool, folder: Path) -> Iterator[Guarded]:
    """A gate with the attack's limit, or without it."""
    authority = Authority(folder)
    with upstream(folder) as port, Sink() as sink, Gate(folder / "state") as gate:
        bounds = bundles.limits(**{**USUAL, **(attack.on if on else attack.off)})
        tls = bundles.tls(authority.issue("shop", "shop.example")) if attack.secure else None
        listener = bundles.listener(bounds=bounds, tls=tls, http3=attack.http3)
        apis, upstreams = [bundles.api()], [bundles.upstream(port)]
        if attack.bodies:
            unpacks = bundles.unpacks(RATIO if on else attack.ratio)
            apis = [bundles.api(packs=bundles.packs()), bundles.api("sink", "/sink", to="sink", unpacks=unpacks)]
            upstreams.append(bundles.upstream(sink.port, name="sink"))
        gate.load(bundles.bundle(apis, upstreams, listeners=[listener]))
        yield Guarded(gate, gate.port(), authority.pem)


def run(attack: Attack, *, on: bool, seconds: float, folder: Path) -> Met:
    """One attack on a gate of its own: on one core the gate, on the other everybody else."""
    with guarded(attack, on=on, folder=folder) as target:
        gate, trust = target.gate, str(target.trust)
        os.sched_setaffinity(gate.pid, {0})
        shown = trust if attack.secure else ""
        quiet = Noticed(**json.loads(said(bystander(target.port, shown, 3.0))))
        before = gate.memory()
        gate.forget_peak()
        attacking = attacker(attack.name, target.port, trust, seconds)
        time.sleep(SETTLING)  # sleep: the attack needs time to bite
        during = Noticed(**json.loads(said(bystander(target.port, shown, seconds - 2 * SETTLING))))
        got = Got(**json.loads(said(attacking)))
        memory = (gate.memory("VmHWM") - before) / (1 << 20)
    return Met(attack.name, attack.limits, on, got, quiet, during, memory)


def row(met: Met) -> str:
    """A line of the table."""
    back = f", {met.got.back >> 10} KiB back" if met.got.back else ""
    return (
        f"| {met.attack} | {', '.join(f'`{limit}`' for limit in met.limits)} | {'on' if met.on else 'off'} "
        f"| {met.got.opened} opened, {met.got.closed} closed, {met.got.held} held, {met.got.sent >> 10} KiB sent{back} "
        f"| {met.quiet.p99:.1f} → {met.during.p99:.1f} ms, {met.during.failed} of {met.during.asked} failed "
        f"| {met.memory_mib:.1f} MiB |"
    )


def attacker(name: str, port: int, trust: str, seconds: float) -> subprocess.Popen[str]:
    """Somebody who attacks."""
    return _beside("attacks.attackers", name, str(port), trust, str(seconds))


def bystander(port: int, trust: str, seconds: float) -> subprocess.Popen[str]:
    """Somebody who does not."""
    return _beside("attacks.bystander", str(port), trust, str(RATE), str(seconds))


def _beside(*words: str) -> subprocess.Popen[str]:
    """A process on the core that the gate does not have."""
    cores = os.cpu_count() or 1
    other = str(1 % cores)
    return subprocess.Popen(
        ["taskset", "-c", other, sys.executable, "-m", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def said(process: subprocess.Popen[str]) -> str:
    """What a process said at its end."""
    out, _ = process.communicate(timeout=PATIENT)
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}")
    return out


@contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """An nginx with something short and something large."""
    port = free_port()
    (folder / "large").write_bytes(bytes(LARGE_BYTES))
    (folder / "text").write_bytes(hashlib.shake_128(b"text").hexdigest(TEXT_BYTES // 2).encode())
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; user {pwd.getpwuid(os.getuid()).pw_name};
        pid {folder}/nginx.pid; error_log {folder}/nginx.log;
        events {{ worker_connections 20000; }}
        http {{
            access_log off; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
            uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
            server {{
                listen 127.0.0.1:{port} backlog=4096;
                location / {{ return 200 "ok"; }}
                location /large {{ alias {folder}/large; }}
                location /text {{ alias {folder}/text; default_type text/plain; }}
            }}
        }}""",
        encoding="utf-8",
    )
    folder.chmod(0o755)
    nginx = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), "nginx")
        yield port
    finally:
        nginx.terminate()
        nginx.wait()


if __name__ == "__main__":
    raise SystemExit(main())
