"""A gate process and nothing else: what `lockgate run` starts, without its supervisor.

Reads one line of JSON on standard input (state folder, pepper, public key, and
files with a bundle and with facts to take in), prints one line when it serves,
answers each `load FILE` with what the gate says of that bundle and each `stats`
with its counters, and ends when its input closes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lockgate import _native

# Facts are handed over in pieces, so that Python never holds a million of them.
FACTS_AT_ONCE = 10_000


def main() -> None:
    """Serves until standard input closes."""
    orders = json.loads(sys.stdin.readline())
    gate = _native.Gate(
        state_dir=orders["state_dir"],
        pepper=bytes.fromhex(orders["pepper"]),
        public_key=bytes.fromhex(orders["public_key"]),
        workers=1,
    )
    loaded = gate.load(Path(orders["bundle"]).read_bytes()) if orders["bundle"] else {}
    if orders["facts"]:
        apply_facts(gate, Path(orders["facts"]))
    gate.contact()
    say({"addresses": gate.addresses(), "loaded": loaded, "version": _native.__version__})
    for line in sys.stdin:
        order, _, file = line.strip().partition(" ")
        say(gate.load(Path(file).read_bytes()) if order == "load" else gate.stats())
    gate.drain(5.0)


def apply_facts(gate: _native.Gate, file: Path) -> None:
    """Applies a file of facts, one a line."""
    facts: list[bytes] = []
    with file.open("rb") as lines:
        for line in lines:
            facts.append(line)
            if len(facts) == FACTS_AT_ONCE:
                gate.apply_facts(facts)
                facts.clear()
    if facts:
        gate.apply_facts(facts)


def say(what: object) -> None:
    """Prints one line of JSON at once."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
