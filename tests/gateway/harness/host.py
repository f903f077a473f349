"""A gate's process in tests: `_native.Gate` and nothing else, told what to do line by line.

The first line on standard input is the settings; each further line is an order,
answered by one line. It ends when its input does.
"""

from __future__ import annotations

import base64
import json
import resource
import sys
from typing import Any

from lockgate import _native
from lockgate.plugin.launch import COMMAND


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    if settings["descriptors"]:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (settings["descriptors"], hard))
    try:
        gate = _native.Gate(
            state_dir=settings["state_dir"],
            pepper=bytes.fromhex(settings["pepper"]),
            public_key=bytes.fromhex(settings["public_key"]),
            workers=settings["workers"],
            plugin_command=list(COMMAND),
        )
    except _native.LockgateError as error:
        say({"refused": error.code, "why": str(error)})
        return
    say({"done": None})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            say({"done": obey(gate, order)})
        except _native.LockgateError as error:
            say({"refused": error.code, "why": str(error), "path": error.path})


def obey(gate: _native.Gate, order: dict[str, Any]) -> object:
    """Does one order."""
    match order["do"]:
        case "load":
            return gate.load(base64.b64decode(order["signed"]))
        case "facts":
            return gate.apply_facts([base64.b64decode(fact) for fact in order["facts"]])
        case "drain":
            return gate.drain(order["within"])
        case "refetched":
            gate.refetched(order["issuer"])
            return None
        case "answered":
            return gate.answered(order["question"], order["standing"], order["again_ms"], order["holds_ms"])
        case "questions":
            return [(number, rules, len(chain)) for number, rules, chain in gate.questions()]
        case "introspected":
            question, outcome, answer = order["question"], order["outcome"], order["answer"]
            return gate.introspected(question, order["issuer"], outcome, answer=answer)
        case "certificates":
            gate.put_certificates(order["text"].encode())
            return None
        case "renew_secrets":
            return gate.renew_secrets()
        case "descriptors":
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (order["most"], hard))
            return None
        case (
            "contact"
            | "addresses"
            | "stats"
            | "metrics"
            | "alive"
            | "facts_seq"
            | "bundle_info"
            | "wishes"
            | "introspections"
        ):
            return getattr(gate, order["do"])()
        case other:
            raise ValueError(f"the host knows no order {other!r}")


def say(what: object) -> None:
    """Prints one line at once."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
