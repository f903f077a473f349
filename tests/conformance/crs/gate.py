"""The gate as a subject: its own `waf` with the suite's rules and settings, judged by its events."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from conformance.crs.backend import Backend
from conformance.crs.client import Exchange, exchange
from conformance.crs.ftw import Case
from conformance.crs.judge import Result
from conformance.crs.request import built
from conformance.crs.subjects import AT_ONCE, RULES, exchanges
from gateway.harness import bundles
from gateway.harness.gate import Gate
from lockgate import _native
from lockgate.config.bundle_types import Bundle
from support.waiting import until

ALLOWED = "%-._~!$&'()*+,;=:@/?[]|{}^`\\"
"""What of ASCII beside letters and digits is left as it is in a target's second form."""

WAF: Mapping[str, Any] = {
    "set": 0,
    "native": False,
    "overrule": False,
    "variables": {},
    "threshold": 5,
    "exclude": [],
    "inspect_bytes": 8 << 20,
    "longer": "begin",
    "scan": None,
    "answers": {
        "types": ["text/plain", "text/html", "text/xml", "application/json"],
        "bytes": 512 << 10,
    },
}

MEANINGS: Mapping[str, tuple[tuple[int, ...], str]] = {
    "framing-request-line": ((920100,), "the rule is about request lines that HTTP does not allow"),
    "framing-method": ((920100,), "the rule's pattern wants a method of letters, the wire one that is a token"),
    "framing-not-http": ((920100,), "a first byte that begins no method is a request line that HTTP does not allow"),
    "framing-target-form": ((920100,), "the rule's pattern wants a target of a form that fits the method"),
    "framing-target": ((920610,), "a raw `#` may not stand in a target, which the rule is about"),
    "target-control": ((921190,), "the rule is about ends of lines in a path"),
    "framing-version": ((920430,), "the rule is about versions of HTTP that are not served"),
    "framing-content-length": ((920160,), "the rule wants a Content-Length of digits"),
    "framing-length-conflict": ((920181,), "the rule is about a Content-Length beside Transfer-Encoding"),
    "framing-content-type-repeated": ((920620,), "the rule is about a second Content-Type"),
    "framing-field-value": (
        (920270, 920271, 920272, 920273, 920274, 921140),
        "the rules are about control characters in header fields",
    ),
    "host-missing": ((920280,), "the rule is about a missing Host"),
    "host-invalid": ((920290,), "an empty Host is the rule's case; what else is no host is refused as well"),
    "multipart-header": ((922130, 200003), "the rule is about bytes that may not stand in a part's head"),
    "multipart-charset": ((922110,), "the rule is about the character sets that parts may name"),
    "multipart-encoding": ((922120,), "the rule is about parts that name a transfer encoding"),
    "multipart-strict": ((200003,), "the flag that the rule looks at is set by the same faults"),
}
"""What a refusal by the wire, before any rule is asked, stands for: rules of the same meaning, and why they are."""


def bundle(module: Path, backend: int, settings: str = RULES) -> Bundle:
    """One public API whose requests and answers are looked at; nothing is refused by rules."""
    rules = module / "rules/@owasp_crs"
    files = [{"name": "settings.conf", "text": settings}]
    files.append({"name": "setup.conf", "text": (module / "rules/@crs-setup.conf.example").read_text(encoding="utf-8")})
    files += [{"name": file.name, "text": file.read_text(encoding="utf-8")} for file in sorted(rules.iterdir())]
    entries = ["settings.conf", "setup.conf", *(file.name for file in sorted(rules.glob("*.conf")))]
    keep = dict.fromkeys(("dot_segments", "double_slash", "encoded_slash", "backslash", "path_parameters"), "keep")
    api = cast("dict[str, Any]", bundles.api(normal_form=cast("Mapping[str, str]", {**bundles.NORMAL_FORM, **keep})))
    api["policies"]["waf"] = {
        "mode": "observe",
        "on_error": "deny",
        "waiver": bundles.waiver(),
        "span": bundles.span(40),
        "config": dict(WAF),
    }
    whole = cast("dict[str, Any]", bundles.bundle([cast("Any", api)], [bundles.upstream(backend)]))
    whole["rule_sets"] = [{"name": "core", "files": files, "entries": entries, "span": bundles.span(41)}]
    return cast("Bundle", whole)


def reason(found: Exchange) -> str | None:
    """The reason that a refusal names."""
    try:
        problem = json.loads(found.body)
    except ValueError:
        return None
    return str(problem.get("type", "")).rpartition("/")[2] if isinstance(problem, dict) else None


def result(found: Exchange, event: Mapping[str, Any] | None, again: Mapping[str, Any] | None = None) -> Result:
    """An exchange with its event; `again` is the event of its second form, where it was refused in the first one."""
    ids: set[int] = set()
    lines = []
    refused = reason(found) if found.status is not None and found.status >= 400 else None
    inspected = (event or {}).get("waf") or (again or {}).get("waf") or {}
    for one in inspected.get("found", ()):
        if re.fullmatch(r"\d+", one["rule"]):
            ids.add(int(one["rule"]))
            lines.append(f'[id "{one["rule"]}"] [msg "{one["message"]}"] found within {one["at"]}: {one["masked"]}')
    if refused is not None:
        ids.update(MEANINGS.get(refused, ((), ""))[0])
    return Result(found.status, frozenset(ids), "\n".join(lines), found.error, found.whole, refused)


def encoded(raw: bytes) -> bytes:
    """The same request, with what may not stand in its target percent-encoded, as browsers do."""
    line, end, rest = raw.partition(b"\r\n")
    method, _, more = line.partition(b" ")
    target, _, version = more.rpartition(b" ")
    return b" ".join((method, urllib.parse.quote_from_bytes(target, safe=ALLOWED).encode(), version)) + end + rest


def results(gate: Gate, backend: Backend, cases: Iterable[Case]) -> dict[str, list[Result]]:
    """Runs cases against a gate that serves `bundle`; events are found by the id that each answer bears.

    A target with a byte that may not stand there is refused before rules are asked. It is sent a second time, with
    such bytes percent-encoded: rules look at what is decoded, and have to match as they would have.
    """
    port = gate.port()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda case: (case, exchanges(port, backend, case)), cases))
    second = {
        each.get("x-request-id"): exchange(port, encoded(built(stage.input)))
        for case, found in done
        for stage, each in zip(case.stages, found, strict=True)
        if reason(each) == "framing-target" and b"#" not in built(stage.input).split(b"\r\n")[0]
    }
    answers = [*second.values(), *(each for _, found in done for each in found)]
    wanted = {each.get("x-request-id") for each in answers} - {None}

    def events() -> dict[str, dict[str, Any]] | None:
        held, _ = _native.last_events(gate.events, 2 * len(wanted) + 1000)
        by_id = {str(event["id"]): event for event in held}
        return by_id if wanted <= by_id.keys() else None

    held = until(events, f"the events of {len(wanted)} requests", within=120)

    def event(found: Exchange | None) -> dict[str, Any] | None:
        return held.get(found.get("x-request-id") or "") if found is not None else None

    return {
        case.id: [result(each, event(each), event(second.get(each.get("x-request-id")))) for each in found]
        for case, found in done
    }
