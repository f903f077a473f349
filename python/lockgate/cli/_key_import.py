"""Lines of a file of keys, from another Lockgate or another gateway."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any, Final

from lockgate.cli._rows import Cells, is_time, number, unknown
from lockgate.cli._two_ways import Row
from lockgate.environments import ENVIRONMENT, ENVIRONMENT_RULE

FORM: Final = '{"sha256": "64 hex digits, or Base64", "name": "nightly export", "owner": "sales"}'

HASHES: Final = ("digest", "sha256", "key")
LISTS: Final = ("apis", "scopes", "methods", "networks")
MEMBERS: Final = (*HASHES, "name", "owner", "environment", "expires_ms", *LISTS)

WORDS_FORM: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
HEX: Final = re.compile(r"[0-9a-f]{64}")


def read(row: object, owner: str | None = None) -> Row | str:
    """A line as the admin API takes it, or what is wrong with it; that is not repeated, since it may be a key.

    A key that stands there itself is hashed here, and goes no further.
    """
    if not isinstance(row, dict):
        return "is not a JSON object"
    row = _of_cells(row) if isinstance(row, Cells) else {name: each for name, each in row.items() if each is not None}
    if wrong := unknown(row, MEMBERS):
        return wrong
    hashed = _hash(row)
    if isinstance(hashed, str):
        return hashed
    said = {name: value for name, value in row.items() if name not in HASHES}
    said.setdefault("owner", owner)
    return _wrong(said) or {**hashed, **said}


def _of_cells(row: Cells) -> dict[str, Any]:
    """The same, with what CSV can only say as text: a number, and lists with spaces between."""
    lists = {name: cell.replace(",", " ").split() for name, cell in row.items() if name in LISTS}
    ends = {name: number(cell) for name, cell in row.items() if name == "expires_ms"}
    return {**row, **lists, **ends}


def _hash(row: dict[str, Any]) -> dict[str, str] | str:
    from lockgate._native import key_form

    given = [name for name in HASHES if name in row]
    if len(given) != 1 or not isinstance(row[given[0]], str):
        return "has not one of digest, sha256 and key"
    text = row[given[0]]
    if given == ["key"]:
        if key_form(text) is None:
            return "has a key that cannot be one: 16 to 512 visible ASCII characters, and not Lockgate's own mistyped"
        if key_form(text):
            return "has a key of Lockgate's own: import its digest, as another Lockgate with the same pepper has it"
        return {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    if given == ["digest"]:
        return {"digest": text} if HEX.fullmatch(text) else "has no digest of 64 hex digits in lower case"
    if HEX.fullmatch(text.lower()):
        return {"sha256": text.lower()}
    try:
        # As others write it, with or without its padding, and with either alphabet.
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/").rstrip("=") + "=", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    return {"sha256": raw.hex()} if len(raw) == hashlib.sha256().digest_size else "has no sha256 in hex or Base64"


def _wrong(row: dict[str, Any]) -> str | None:
    for field in ("name", "owner"):
        there = row.get(field)
        if field == "owner" and there is None:
            continue
        if not isinstance(there, str) or not WORDS_FORM.fullmatch(there):
            return f"has no {field} of 1 to 200 characters"
    if not ENVIRONMENT.fullmatch(str(row.get("environment", "live"))):
        return f"has another environment than can be: {ENVIRONMENT_RULE}"
    for field in LISTS:
        there = row.get(field)
        if there is not None and not (
            isinstance(there, list) and there and all(isinstance(each, str) for each in there)
        ):
            return f"has {field} that are not a list of words; left out, the key is not bound by them"
    if row.get("expires_ms") is not None and not is_time(row["expires_ms"]):
        return "has an expires_ms that is not a number of milliseconds since 1970"
    return None
