"""What the backend answers to a request: what `/reflect` is told to, and otherwise an empty 200.

It does what albedo does, the backend that the cases are written for; its types of content are those that Go's
`net/http` finds when a handler names none, because rules look only at answers of some types.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from conformance.crs.ftw import Response

SNIFFED = 512
"""Bytes of a body that its type is told from (WHATWG MIME Sniffing, section 5.2: 1,445; Go looks at 512)."""
TAGS = "!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE|B|BODY|BR|P|!--"
MARKUP = re.compile(rf"[\t\n\x0c\r ]*<(?:{TAGS})[ >]".encode(), re.IGNORECASE)
SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"BM", "image/bmp"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07", "application/x-rar-compressed"),
    (b"\x00asm", "application/wasm"),
)
BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
BODYLESS = (204, 304)
CAPABILITIES = json.dumps({"endpoints": [{"path": path} for path in ("/*", "/capabilities", "/reflect")]}).encode()


@dataclass(frozen=True)
class Answer:
    """An answer of the backend."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes


def sniffed(body: bytes) -> str:
    """A body's type by its first bytes."""
    first = body[:SNIFFED]
    if MARKUP.match(first):
        return "text/html; charset=utf-8"
    if first.lstrip(b"\t\n\x0c\r ").startswith(b"<?xml"):
        return "text/xml; charset=utf-8"
    for signature, name in SIGNATURES:
        if first.startswith(signature):
            return name
    return "application/octet-stream" if BINARY.search(first) else "text/plain; charset=utf-8"


def finished(status: int, fields: dict[str, str], body: bytes) -> Answer:
    """With the type and length that belong to it."""
    named = {name.lower() for name in fields}
    found = [(name, value) for name, value in fields.items() if name.lower() != "content-length"]
    if status < 200 or status in BODYLESS:
        return Answer(status, tuple(found), b"")
    if body and not named & {"content-type", "content-encoding"}:
        found.append(("Content-Type", sniffed(body)))
    return Answer(status, (*found, ("Content-Length", str(len(body)))), body)


def told(value: Any, kind: type[int | str | dict[str, Any]], default: Any) -> Any:
    """A field of the specification; one of another type makes it invalid, as it does for Go."""
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError("the specification has a field of another type")
    return value


def reflected(body: bytes) -> Answer:
    """What a specification in JSON asks for."""
    try:
        specified = json.loads(body.decode("utf-8", "replace"))
        known = {name.lower(): value for name, value in told(specified, dict, {}).items()}
        status = told(known.get("status"), int, 0)
        fields = {name: told(value, str, "") for name, value in told(known.get("headers"), dict, {}).items()}
        content = told(known.get("body"), str, "").encode("utf-8", "replace")
        encoded = told(known.get("encodedbody"), str, "")
    except (ValueError, TypeError):
        return finished(400, {}, b"Invalid JSON in request body")
    if 0 < status < 100 or status >= 600 or status < 0:
        return finished(400, fields, f"Invalid status code: {status}".encode())
    try:
        content = content or base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        content = b"invalid base64 encoding of response body"
    # A backend that sends what is no field would be refused as a broken one: such fields are left out.
    sound = {name: value for name, value in fields.items() if is_field(name, value)}
    return finished(status or 200, sound, content)


def is_field(name: str, value: str) -> bool:
    """Whether it may stand in a head (RFC 9110, section 5)."""
    return bool(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)) and not re.search(r"[\x00\r\n]", value)


def answer(method: str, target: str, body: bytes, configured: Response | None = None) -> Answer:
    """The answer to a request.

    Args:
        method: Its method.
        target: Its target; only the path counts.
        body: Its content, chunks taken away.
        configured: What the case itself says that the backend answers.
    """
    if configured is not None:
        return finished(configured.status or 200, configured.headers, configured.body)
    path = re.split(r"[?#]", re.sub(r"^https?://[^/?#]*", "", target), maxsplit=1)[0]
    if method == "POST" and (path == "/reflect" or path.startswith("/reflect/")):
        return reflected(body)
    if path == "/capabilities" or path.startswith("/capabilities/"):
        return finished(200, {"Content-Type": "application/json"}, CAPABILITIES)
    return finished(200, {}, b"")
