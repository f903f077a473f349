"""Tries attacks at one place of a request, with an exclusion and without it, on the engine that the gate runs."""

from __future__ import annotations

import json
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lockgate._native import Engine
from lockgate.config import load
from lockgate.rehearsal.attacks import CLASSES, Attack, attacks
from lockgate.rehearsal.waf.proposal import Exclusion

CONFIG: Final = b"""\
version: 1
apis:
  tried:
    path: /
    upstream: http://127.0.0.1:9
    public: {owner: lockgate, reason: nothing is sent, until: 2999-01-01}
"""
"""An API that nothing guards: whatever is refused, the policy that is tried refused."""

ARRAY_MOST: Final = 20
"""Elements that are put before one that an array's number names; beyond, it is a member of that name."""
FIELDS: Final = {"Host": "shop.example", "User-Agent": "Mozilla/5.0", "Accept": "*/*"}
BOUNDARY: Final = "lockgate-tries-this"
UNSENT: Final = "\r\n\0"
"""What stands in no header field or cookie."""


@dataclass(slots=True)
class Tried:
    """What became of the attacks of one class."""

    kind: str
    all: int = 0
    """How many were tried."""
    stopped: int = 0
    """Without the exclusion."""
    passing: list[str] = field(default_factory=list)
    """With it, of those."""
    by: Counter[str] = field(default_factory=Counter)
    """What stops the others still."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "class": self.kind,
            "tried": self.all,
            "stopped_without": self.stopped,
            "newly_passing": len(self.passing),
            "still_stopped_by": dict(self.by.most_common()),
            "examples": self.passing[:3],
        }


class Prober:
    """An engine with one policy `waf`, and nothing else that could refuse."""

    def __init__(self, bundle: Mapping[str, Any], placed: Mapping[str, Any], more: Sequence[Exclusion] = ()) -> None:
        """`bundle` is where the policy stands, `more` what it leaves alone besides."""
        path = Path("/nowhere/lockgate.yaml")
        tried = load(path, environment={}, native=False, instead={path: CONFIG}).compile(0, 0)
        config = placed["config"]
        forever = {"owner": "lockgate", "reason": "tried", "until_ms": 2**53, "span": placed["span"]}
        exclude = [{"at": None, "request": None, **one.as_json(), "waiver": forever} for one in more]
        tried["apis"][0]["policies"]["waf"] = {
            **placed,
            "mode": "enforce",
            "waiver": None,
            "config": {**config, "exclude": [*config["exclude"], *exclude]},
        }
        tried["sources"] = bundle["sources"]
        tried["rule_sets"] = bundle["rule_sets"]
        self._engine = Engine(json.dumps(tried).encode())

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What becomes of a request."""
        return self._engine.evaluate(dict(request))


def probe(
    bundle: Mapping[str, Any],
    placed: Mapping[str, Any],
    exclusions: Sequence[Exclusion],
    places: Sequence[str],
    request: tuple[str, str],
) -> list[Tried]:
    """Every attack at each of the places, of requests with this method and path."""
    without, with_ = Prober(bundle, placed), Prober(bundle, placed, exclusions)
    found = {kind: Tried(kind) for kind in CLASSES}
    for place in places:
        for attack in attacks():
            for asked in requests(place, attack, *request):
                tried = found[attack.kind]
                tried.all += 1
                if without.ask(asked)["verdict"] == "allow":
                    continue
                tried.stopped += 1
                told = with_.ask(asked)
                if told["verdict"] == "allow":
                    tried.passing.append(attack.text)
                else:
                    tried.by.update(_stopping(told))
    return [one for one in found.values() if one.all]


def _stopping(told: Mapping[str, Any]) -> Iterable[str]:
    """What still stops a request: each rule once; the reason, where none found anything."""
    if told["waf"] is None:
        return [told["reason"]["code"]]
    return {one["rule"] for one in told["waf"]["found"] if one["score"] and one["counts"]} or [told["reason"]["code"]]


def requests(place: str, attack: Attack, method: str, path: str) -> Iterator[dict[str, Any]]:
    """The requests that have the attack at the place; none where nothing of the kind can stand there."""
    part, slash, name = place.partition("/")
    steps = [_plain(step) for step in name.split("/")] if slash else []
    text, escaped = attack.text, urllib.parse.quote(attack.text, safe="")
    shown = steps[0] if steps else "q"
    if part == "query":
        yield _asked(method, f"{path}?{urllib.parse.quote(shown, safe='')}={escaped}")
    elif part in {"path", "target"}:
        yield _asked(method, f"{path.rstrip('/')}/{escaped}")
    elif part == "header" and not set(text) & set(UNSENT) and text.isascii():
        yield _asked(method, path, {shown: text})
    elif part == "cookie":
        yield _asked(method, path, {"Cookie": f"{shown}={escaped}"})
    elif part == "file":
        yield _asked(method, path, *_file(shown, text))
    elif part == "body":
        kind = {"Content-Type": "application/json"}
        if not slash:
            yield _asked(method, path, {"Content-Type": "text/plain"}, text)
            yield _asked(method, path, kind, json.dumps(text))
            return
        yield _asked(method, path, kind, json.dumps(_nested(steps, text), ensure_ascii=False))
        if len(steps) == 1:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            yield _asked(method, path, kind, f"{urllib.parse.quote(shown, safe='')}={escaped}")


def _asked(method: str, target: str, fields: Mapping[str, str] | None = None, body: str = "") -> dict[str, Any]:
    content = body.encode()
    told = {**FIELDS, **(fields or {})}
    if content:
        told["Content-Length"] = str(len(content))
    return {"method": method, "target": target, "headers": list(told.items()), "body": content or None}


def _nested(steps: Sequence[str], text: str) -> Any:
    """A document of JSON in which the text stands at the end of this way."""
    value: Any = text
    for step in reversed(steps):
        number = "0" if step in {"*", "**"} else step
        in_array = number.isdecimal() and int(number) <= ARRAY_MOST
        value = [*([0] * int(number)), value] if in_array else {step: value}
    return value


def _file(name: str, text: str) -> tuple[dict[str, str], str]:
    shown = text.replace("\\", "\\\\").replace('"', '\\"')
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{shown}"\r\n'
        f"Content-Type: text/plain\r\n\r\n{text}\r\n--{BOUNDARY}--\r\n"
    )
    return {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, body


def _plain(step: str) -> str:
    return step.replace("~2", "*").replace("~1", "/").replace("~0", "~")
