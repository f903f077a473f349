"""Makes the cookies of a row: sessions of people who have signed in, good for as long as a run."""

from __future__ import annotations

import json
import sys
import time

from lockgate import _native


def main() -> None:
    """Prints a number of them, one a line."""
    pepper, count = bytes.fromhex(sys.argv[1]), int(sys.argv[2])
    now = int(time.time())
    for number in range(count):
        claims = {
            "iss": "https://login.example.com/realms/main",
            "sub": f"5f2c7d1e-0000-4000-8000-{number:012}",
            "jti": f"{number:032x}",
            "sid": f"9b1deb4d-0000-4000-8000-{number:012}",
            "iat": now,
            "email": f"person-{number}@example.com",
            "groups": ["customers", "staff"],
        }
        session = {"issuer": "company", "until_ms": (now + 86_400) * 1000, "claims": claims}
        print(_native.seal_session(pepper, "staff", json.dumps(session).encode()))


if __name__ == "__main__":
    main()
