"""Makes the keys of a row: facts for the gate, and the keys that requests will carry."""

from __future__ import annotations

import json
import secrets
import sys
import time
from pathlib import Path

from lockgate import _native


def main() -> None:
    """Writes `count` facts; the first `in_use` of them are of real keys, spread over all."""
    pepper, count, in_use = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    now_ms = int(time.time() * 1000)
    every = max(1, count // in_use)
    with Path(sys.argv[4]).open("w") as facts, Path(sys.argv[5]).open("w") as keys:
        for number in range(count):
            if number % every == 0:
                key, digest = _native.mint_key(pepper)
                keys.write(key + "\n")
            else:
                # A key that nobody will ever send needs only a digest of the right length.
                digest = secrets.token_hex(32)
            fact = {
                "seq": number + 1,
                "at_ms": now_ms,
                "kind": "key.put",
                "key": {
                    "id": f"key_{number:012}",
                    "digest": digest,
                    "name": f"Bench {number}",
                    "owner": f"owner-{number % 1000}",
                    "environment": "live",
                    "apis": None,
                    "expires_ms": None,
                },
            }
            facts.write(json.dumps(fact) + "\n")


if __name__ == "__main__":
    main()
