"""Tries every attack with its limits and without them, and judges: `python -m attacks.table` (see `make attacks`)."""

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from attacks.attackers import Got
from attacks.bystander import Noticed
from attacks.known import ATTACKS, BOUND, RATIO, USUAL, Attack, Hurts
from attacks.sink import Sink
from gateway.harness import bundles
from gateway.harness.gate import Gate
from support.certificates import Authority
from support.ports import free_port, listens
from support.waiting import until

LARGE_BYTES = 64 << 20
TEXT_BYTES = 16 << 20
RATE = 100.0
SETTLING = 1.0
PATIENT = 120.0
TIMES = 2
"""A bystander's p99 in an attack, over that in quiet, that the rule allows."""


@dataclass(frozen=True)
class Met:
    """What came of one run."""

    attack: str
    limits: tuple[str, ...]
    hurts: str
    """What it does without them, as the tests show it in counts."""
    on: bool
    got: Got
    quiet: Noticed
    during: Noticed
    memory_mib: float
    """What the gate's memory grew by at most."""
    turned_away: int
    """Connections and requests that the gate turned away."""

    @property
    def closes(self) -> bool:
        """Whether the attacker's connections are being closed."""
        return bool(self.got.closed or self.turned_away)

    @property
    def prompt(self) -> bool:
        """Whether somebody else is answered about as soon as in quiet."""
        return self.during.p99 <= TIMES * self.quiet.p99

    @property
    def small(self) -> bool:
        """Whether the gate's memory is bounded."""
        return self.memory_mib * (1 << 20) < BOUND

    @property
    def holds(self) -> bool:
        """Whether the rule is kept: others are answered, soon or while the attacker is shown out, in bounded memory."""
        return not self.during.failed and (self.prompt or self.closes) and self.small

    @property
    def answered(self) -> int:
        """Requests of somebody else that were answered."""
        return self.during.asked - self.during.failed

    @property
    def broken(self) -> list[str]:
        """What of the rule is not kept."""
        told = {
            f"{self.during.failed} of {self.during.asked} others failed": self.during.failed,
            "others wait, and the attacker stays": self.answered and not (self.prompt or self.closes),
            f"memory grows by {BOUND >> 20} MiB or more": not self.small,
        }
        return [words for words, so in told.items() if so]

    @property
    def verdict(self) -> str:
        """Whether the rule is kept and by what; without the limits, what the attack does."""
        if not self.on:
            return f"hurts: {'; '.join([self.hurts, *self.broken])}"
        if not self.holds:
            return f"NO: {'; '.join(self.broken) or 'nobody else was answered'}"
        told = {"others as prompt as in quiet": self.prompt, "attacker closed": self.closes}
        return f"yes: {', '.join(words for words, so in told.items() if so)}"


def main(words: Sequence[str] | None = None) -> int:
    """Runs every attack twice; 1 if one got further than the rule allows, its limits on."""
    parser = argparse.ArgumentParser(prog="python -m attacks.table", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run (10)")
    parser.add_argument("--only", help="the attacks whose name has this in it")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    given = parser.parse_args(words)
    chosen = [attack for attack in ATTACKS if not given.only or given.only in attack.name]
    if not chosen:
        names = "\n".join(f"  {attack.name}" for attack in ATTACKS)
        parser.error(f"no attack has {given.only!r} in its name; there are:\n{names}")
    found: list[Met] = []
    print(LEGEND, HEAD, sep="\n\n")
    for attack in chosen:
        for on in (True,) if attack.hurts is Hurts.RETRY else (True, False):
            with tempfile.TemporaryDirectory(prefix="lockgate-attacks-") as folder:
                met = run(attack, on=on, seconds=given.seconds, folder=Path(folder))
            found.append(met)
            print(row(met), flush=True)
    if given.json:
        given.json.write_text(json.dumps([asdict(met) for met in found], indent=1) + "\n", encoding="utf-8")
    beyond = [met.attack for met in found if met.on and not met.holds]
    if beyond:
        print(f"The rule is not kept: {', '.join(beyond)}.", file=sys.stderr)
    return 1 if beyond else 0


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
        turned_away = gate.count("lockgate_connections_turned_away_total")
    return Met(attack.name, attack.limits, attack.hurts.value, on, got, quiet, during, memory, turned_away)


LEGEND = f"""\
Each attack runs twice, its limits on and off. Beside it somebody else asks {RATE:.0f} times a second, before and during
it. On, the rule is to be kept: nobody else fails, they are answered within {TIMES} times the p99 of quiet or the
attacker is closed, and the gate's memory grows by less than {BOUND >> 20} MiB. One NO, and this ends with 1. Off, the
last column says what the attack does."""

HEAD = """\
| Attack | Its limits | Are | The attacker | Somebody else, p99 | Memory | Is the rule kept? |
| --- | --- | --- | --- | --- | --- | --- |"""


def row(met: Met) -> str:
    """A line of the table."""
    during = f"{met.during.p99:.1f} ms" if met.answered else "no answer"
    memory = max(met.memory_mib, 0.0)
    back = f", {met.got.back >> 10} KiB back" if met.got.back else ""
    return (
        f"| {met.attack} | {', '.join(f'`{limit}`' for limit in met.limits)} | {'on' if met.on else 'off'} "
        f"| {met.got.opened} opened, {met.got.closed} closed, {met.got.held} held, {met.got.sent >> 10} KiB sent{back} "
        f"| {met.quiet.p99:.1f} ms → {during}, {met.during.failed} of {met.during.asked} failed "
        f"| {memory:.1f} MiB | {met.verdict} |"
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
