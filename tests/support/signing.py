"""Cases of signed requests and webhooks: what is sent, with signatures made for the time of the test."""

from __future__ import annotations

import base64
import hmac
import re
from pathlib import Path
from typing import Any

from support.vectors import Case, document

SIGNATURE = document("signature")
WEBHOOK = document("webhook")
NOW = re.compile(r"\{now([+-]\d+)?\}")
Fields = list[tuple[str, str]]


def filled(text: str, now: int) -> str:
    """The text with `{now}`, `{now-400}` and the like filled in."""
    return NOW.sub(lambda found: str(now + int(found[1] or 0)), text)


def signature_config(case: Case, secrets: Path) -> dict[str, Any]:
    """The case's entry, as the bundle has it, with its secret in a file."""
    config = {**SIGNATURE["config"], **case.get("config", {})}
    (secrets / "shared").write_text(str(SIGNATURE["secret"]), encoding="ascii")
    return {**config, "keys": [_located(key, secrets) for key in config["keys"]]}


def _located(key: dict[str, Any], secrets: Path) -> dict[str, Any]:
    shared = key["key"].get("secret")
    if shared is None:
        return key
    there = secrets / ("shared" if shared["reference"] == "env:LOCKGATE_SIGNING_SECRET" else "missing")
    return {**key, "key": {"secret": {**shared, "reference": f"file:{there}"}}}


def signature_fields(case: Case, now: int) -> Fields:
    """What the case sends, signed."""
    fields = [("Host", str(case.get("host", "a.example")))]
    fields += [(str(name), filled(str(value), now)) for name, value in case.get("headers", [])]
    if "input" not in case:
        return fields
    sent = filled(str(case.get("sent", case["input"])), now)
    lines = [filled(str(line), now) for line in case["base"]]
    base = "\n".join([*lines, f'"@signature-params": {sent}'])
    tag = hmac.digest(base64.b64decode(SIGNATURE["secret"]), base.encode(), "sha256")
    fields.append(("Signature-Input", f"sig1={filled(str(case['input']), now)}"))
    fields.append(("Signature", f"sig1=:{base64.b64encode(tag).decode()}:"))
    return fields


def webhook_config(case: Case, secrets: Path) -> dict[str, Any]:
    """The case's entry, as the bundle has it, with its secrets in files."""
    config = {**WEBHOOK["config"], **case.get("config", {}), "form": WEBHOOK["forms"][case.get("form", "standard")]}
    for name, shared in WEBHOOK["secrets"].items():
        (secrets / name).write_text(str(shared["text"]), encoding="ascii")
    return {**config, "secrets": [f"file:{secrets / name}" for name in config["secrets"]]}


def webhook_fields(case: Case, now: int) -> Fields:
    """What the case sends, signed."""
    signed = filled(str(case.get("signed", "")), now).encode()
    fields = [("Host", "a.example")]
    for name, value in case["headers"]:
        text = filled(str(value), now)
        for key, shared in WEBHOOK["secrets"].items():
            tag = hmac.digest(base64.b64decode(shared["key"]), signed, "sha256")
            text = text.replace(f"{{{key}:base64}}", base64.b64encode(tag).decode())
            text = text.replace(f"{{{key}:hex}}", tag.hex())
        fields.append((str(name), text))
    return fields


def body_of(case: Case) -> bytes | None:
    """The case's body, where it has one."""
    body = case.get("body")
    return None if body is None else str(body).encode()
