"""Lockgate as a subject: its gate process with one worker, as `lockgate run` would start it."""

from __future__ import annotations

import functools
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import certificates, signed, tokens, waf
from bench.bundles import Shape, Signer, bundle, path
from bench.entitled import ENTITLED
from bench.load import write_requests
from bench.machine import ROOT
from bench.process import BenchError, Pinned
from bench.rows import GUARDED
from bench.subjects import Running, Site, started

SHAPES = {
    "plain": Shape(events=False),
    **{name: Shape(events=False, tls=True) for name in ("tls", "tls-handshakes", "tls-resumptions", "h2")},
    "h3": Shape(events=False, tls=True, quic=True),
    "grpc": Shape(events=False, tls=True, calls=True),
    "websocket": Shape(events=False, messages=True),
    "events": Shape(events=True),
    "key": Shape(events=True, keys=True),
    "jwt": Shape(events=True, tokens=True),
    "jwt-limits": Shape(events=True, tokens=True, limits=True),
    "jwt-assertion": Shape(events=True, tokens=True, assertion=True),
    "jwt-and-key": Shape(events=True, keys=True, tokens=True),
    **{row: Shape(events=True, tokens=True, limits=True, entitled=row) for row in ENTITLED},
    "session": Shape(events=True, session=True),
    "revoked-1000000": Shape(events=True, tokens=True, revoked=1_000_000),
    **{row: Shape(events=True, signed=row) for row in ("signature-hmac", "signature-ed25519", "webhook")},
    "routes-10": Shape(events=True, apis=10),
    "routes-10000": Shape(events=True, apis=10_000),
    "operations-10": Shape(events=True, operations=10),
    "operations-10000": Shape(events=True, operations=10_000),
    "keys-1000000": Shape(events=True, keys=True),
    **{
        f"{looks}-{sent}": Shape(events=False, guarded=f"{looks}-{sent}")
        for looks in waf.LOOKS
        for sent, _, _ in GUARDED
    },
    "prefixes-10": Shape(events=True, prefixes=10),
    "prefixes-1000000": Shape(events=True, prefixes=1_000_000),
}
KEYS = {
    "key": 10,
    **dict.fromkeys(("jwt", "jwt-limits", "jwt-assertion", "jwt-and-key", "revoked-1000000", *ENTITLED), 10),
    "keys-1000000": 1_000_000,
}
KEYS_IN_USE = 10_000
ROUTES_IN_USE = 1_000
EVENTS_SECONDS = 5.0


@dataclass
class Gate:
    """Lockgate; `package` is where it is imported from, none for the one that is installed; `under` is what runs it."""

    folder: Path
    package: Path | None = None
    name: str = "lockgate"
    under: Sequence[str] = ()
    _signer: Signer = field(default_factory=Signer)
    _pepper: str = field(default_factory=lambda: secrets.token_hex(32))

    def version(self) -> str:
        """Asks the native module."""
        version = self._python("-c", "from lockgate import _native; print(_native.__version__)")
        return version.strip() + ("" if self.package else " (as installed: perhaps no release build)")

    def start(self, variant: str, site: Site) -> Running:
        """Starts a host with the row's bundle and keys."""
        shape = SHAPES[variant]
        requests = site.folder / "requests"
        if shape.guarded:
            requests.write_bytes(waf.requests(shape.guarded))
        elif shape.signed:
            requests.write_bytes(signed.requests(shape.signed))
        else:
            write_requests(requests, self._requests(variant))
        sealed = site.folder / "bundle.json"
        trust = certificates.write(site.folder) if shape.tls else None
        sealed.write_bytes(self._signer.sign(bundle(shape, site.origin, folder=site.folder)))
        if KEYS.get(variant, 0) > KEYS_IN_USE:
            # So many keys are given to a first gate, and the measured one finds them, and the
            # bundle, on disk as after a restart: its memory holds no trace of their arrival.
            running = self._serve(site, self._filled_state(variant, site, sealed, requests), requests)
        else:
            known = shape.keys or shape.tokens
            facts = self._keys(variant)[0] if known else None
            running = self._serve(site, site.folder / "state", requests, sealed, facts, trust)
        if shape.events:
            running.dropped_events = functools.partial(self.dropped_events, running.process)
        return running

    def reload_ms(self, running: Running, variant: str, site: Site, sequence: int) -> float:
        """What a running gate says that a new bundle took, from hand-over until live."""
        sealed = site.folder / "next.json"
        sealed.write_bytes(self._signer.sign(bundle(SHAPES[variant], site.origin, sequence)))
        running.process.say(f"load {sealed}")
        return float(json.loads(running.process.line())["took_us"]) / 1000

    def dropped_events(self, process: Pinned, requests: int) -> int:
        """How many events were dropped, once all are accounted for; an error if some never come.

        Without this a gate that quietly wrote none would look cheap.
        """
        end = time.monotonic() + EVENTS_SECONDS
        while True:
            process.say("stats")
            stats = json.loads(process.line())
            if stats["events_written"] + stats["events_dropped"] >= requests:
                return int(stats["events_dropped"])
            if time.monotonic() > end:
                raise BenchError(f"{requests} requests were served, and the gate knows of fewer events: {stats}")
            time.sleep(0.02)

    def _requests(self, variant: str) -> Iterable[tuple[str, dict[str, str]]]:
        """The requests of a row: spread over its routes, or over its keys."""
        shape = SHAPES[variant]
        if shape.session:
            made = self._python("-m", "bench.sessions", self._pepper, "10").split()
            return (("/orders/1017", {"Cookie": f"theme=dark; __Host-lockgate-staff={one}"}) for one in made)
        if shape.keys and shape.tokens:
            pairs = zip(*(self._keys(name)[1].read_text().split() for name in ("key", variant)), strict=True)
            return (("/orders/1017", {"X-API-Key": key, "Authorization": f"Bearer {one}"}) for key, one in pairs)
        if shape.keys:
            keys = self._keys(variant)[1].read_text().split()
            return (("/orders/1017", {"X-API-Key": key}) for key in keys)
        if shape.tokens:
            sent = self._keys(variant)[1].read_text().split()
            return (("/orders/1017", {"Authorization": f"Bearer {token}"}) for token in sent)
        if shape.operations:
            spread = range(0, shape.operations, max(1, shape.operations // ROUTES_IN_USE))
            return ((f"/orders-{number:05}/1017", {}) for number in spread)
        if shape.apis > 1:
            spread = range(0, shape.apis, max(1, shape.apis // ROUTES_IN_USE))
            return ((path(number, shape) + "/orders/1017", {}) for number in spread)
        return [("/orders/1017", {})]

    def _serve(
        self,
        site: Site,
        state: Path,
        requests: Path,
        signed: Path | None = None,
        facts: Path | None = None,
        trust: Path | None = None,
    ) -> Running:
        state.mkdir(mode=0o700, exist_ok=True)
        orders = {
            "state_dir": str(state),
            "pepper": self._pepper,
            "public_key": self._signer.public.hex(),
            "bundle": str(signed) if signed else "",
            "facts": str(facts) if facts else "",
        }

        def spawn() -> tuple[Pinned, str]:
            command = [*self.under, sys.executable, "-m", "bench.gate_host"]
            log = site.folder / "log"
            host = Pinned(command, site.core, log, env=self._env(), pipes=True, cwd=ROOT)
            host.say(json.dumps(orders))
            return host, json.loads(host.line())["addresses"]["public"]

        return started(spawn, requests, trust)

    def _filled_state(self, variant: str, site: Site, signed: Path, requests: Path) -> Path:
        state = self.folder / f"state-{variant}"
        if not state.exists():
            self._serve(site, state, requests, signed, self._keys(variant)[0]).process.stop()
        return state

    def _keys(self, variant: str) -> tuple[Path, Path]:
        """Files with the facts of a row's keys and with the keys or tokens that are sent; made once a run."""
        facts, keys = self.folder / f"facts-{variant}", self.folder / f"keys-{variant}"
        if not keys.exists():
            count = KEYS[variant]
            if SHAPES[variant].tokens:
                tokens.write(count, facts, keys, revoked=SHAPES[variant].revoked)
                if SHAPES[variant].keys:
                    tokens.follow(facts, self._keys("key")[0])
                return facts, keys
            in_use = min(count, KEYS_IN_USE)
            words = [self._pepper, str(count), str(in_use), str(facts), str(keys)]
            self._python("-m", "bench.gate_keys", *words)
        return facts, keys

    def _env(self) -> dict[str, str]:
        places = [str(self.package)] if self.package else []
        return {"PYTHONPATH": os.pathsep.join([*places, str(ROOT)])}

    def _python(self, *words: str) -> str:
        command = [sys.executable, *words]
        env = {**os.environ, **self._env()}
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"lockgate._native cannot be used; `make build` makes it:\n{done.stderr[-800:]}")
        return done.stdout
