"""`python -m lockgate.health DIR`: whether what was started on this state folder serves.

For the health check of a container: it must be quick, need nothing but the
standard library, and say no only where starting again would help. A refused
configuration is no reason: the one before serves.
"""

import json
import socket
import sys
from pathlib import Path
from typing import Final

SECONDS: Final = 2.0


def unwell(state: Path) -> str | None:
    """What does not serve; nothing where all does."""
    try:
        told = json.loads((state / "supervisor.json").read_text(encoding="utf-8"))
        processes, addresses = dict(told["processes"]), dict(told["addresses"])
    except (OSError, ValueError, KeyError, TypeError):
        return "no supervisor has written down what it runs"
    for name, process in processes.items():
        if process["pid"] is None:
            return f"the {name} process does not run"
        if not addresses.get(name):
            return f"the {name} process does not listen yet"
        for address in addresses[name]:
            if address.startswith("unix:"):
                why = silent_at(address.removeprefix("unix:"))
                if why is not None:
                    return f"the {name} process does not answer on {address}: {why}"
                continue
            host, _, port = address.rpartition(":")
            # What listens everywhere listens here, too.
            host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 -- Not bound.
            try:
                socket.create_connection((host, int(port)), timeout=SECONDS).close()
            except OSError as error:
                return f"the {name} process does not answer on {address}: {error.strerror or error}"
    return None


def silent_at(path: str) -> str | None:
    """Why nobody answers at a Unix socket, in words; nothing where somebody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(SECONDS)
        try:
            asking.connect(path)
        except OSError as error:
            return error.strerror or str(error)
    return None


def main(arguments: list[str]) -> int:
    """0 where all serves, 1 where not."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m lockgate.health DIR\n")
        return 2
    why = unwell(Path(arguments[0]))
    if why is not None:
        sys.stderr.write(f"{why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
