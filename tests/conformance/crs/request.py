"""The bytes that a case sends, as go-ftw makes them, and how a tolerant server reads them.

A request line and fields as they are given, sorted by name; then, unless `autocomplete_headers` is off, Content-Type
(only with data), Connection and Content-Length where they are missing. Form data without `%` and `+` is taken for not
yet encoded. The lines of a multipart body end in CR LF.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

from conformance.crs.ftw import Input

FORM = "application/x-www-form-urlencoded"
WITH_LENGTH = re.compile(r"^POST|PUT|PATCH|DELETE$")
"""Methods whose requests get a length without a body too, written as go-ftw has it."""


def form_encoded(data: bytes) -> bytes:
    """Names and values of form data, percent-encoded where nothing is yet."""
    if b"%" in data or b"+" in data:
        return data
    return b"&".join(
        b"=".join(urllib.parse.quote_plus(part).encode() for part in token.split(b"=", 1))
        for token in data.removesuffix(b"&").split(b"&")
    )


def built(case: Input, uri: str | None = None) -> bytes:
    """The whole request of a stage; `uri` stands in for its own."""
    if case.encoded_request is not None:
        return case.encoded_request
    method = "GET" if case.method is None else case.method
    target = uri if uri is not None else "/" if case.uri is None else case.uri
    version = "HTTP/1.1" if case.version is None else case.version
    fields = sorted(case.headers.items(), key=lambda each: each[0].encode())
    named = {name.lower() for name in case.headers}
    data = case.data or b""
    if data and case.autocomplete_headers:
        if "content-type" not in named:
            fields.append(("Content-Type", FORM))
        if any(name.lower() == "content-type" and value.lower() == FORM for name, value in fields):
            data = form_encoded(data)
    if any(name.lower() == "content-type" and "multipart/form-data;" in value.lower() for name, value in fields):
        data = data.replace(b"\n", b"\r\n")
    if case.autocomplete_headers:
        if "connection" not in named:
            fields.append(("Connection", "close"))
        if "content-length" not in named and (data or WITH_LENGTH.search(method)):
            fields.append(("Content-Length", str(len(data))))
    head = f"{method} {target} {version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    return head.encode() + data


@dataclass(frozen=True)
class Parsed:
    """A request as a tolerant server would read it; texts hold one byte per character (Latin-1)."""

    method: str
    target: str
    version: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    trailers: tuple[tuple[str, str], ...] = ()
    rest: bytes = b""
    """What follows the request."""
    missing: int = 0
    """Bytes that its length promises and that do not come."""

    def get(self, name: str) -> str | None:
        """A field's first value."""
        return next((value for known, value in self.fields if known.lower() == name), None)


def field_lines(block: str) -> tuple[tuple[str, str], ...]:
    """Fields of a head, a continued line joined to the one before it."""
    found: list[tuple[str, str]] = []
    for line in re.split("\r?\n", block):
        if line[:1] in (" ", "\t") and found:
            name, value = found[-1]
            found[-1] = (name, f"{value} {line.strip()}")
        elif line:
            name, _, value = line.partition(":")
            found.append((name, value.strip(" \t")))
    return tuple(found)


def unchunked(data: bytes) -> tuple[bytes, tuple[tuple[str, str], ...], bytes, int]:
    """Body, trailers and rest of chunks, and how much is missing."""
    body = b""
    while True:
        line, ended, data = data.partition(b"\n")
        size = re.match(rb"\s*([0-9A-Fa-f]+)", line)
        if size is None:
            return body, (), data, 0 if ended else 1
        length = int(size[1], 16)
        if length == 0:
            head, ended, rest = data.partition(b"\r\n") if data.startswith(b"\r\n") else data.partition(b"\r\n\r\n")
            return body, field_lines(head.decode("latin-1")), rest, 0 if ended else 1
        body += data[:length]
        if len(data) < length:
            return body, (), b"", length - len(data)
        data = re.sub(rb"^\r?\n", b"", data[length:], count=1)


def read(raw: bytes) -> Parsed:
    """Reads a request's bytes without refusing anything: the body is what the chunks or the length say."""
    head = re.search(rb"\r?\n\r?\n", raw)
    start, content = (raw[: head.start()], raw[head.end() :]) if head else (raw, b"")
    line, _, block = start.decode("latin-1").partition("\n")
    words = line.rstrip("\r").split(" ")
    if len(words) >= 3:
        method, target, version = words[0], " ".join(words[1:-1]), words[-1]
    else:
        method, target, version = [*words, "", ""][:3]
    fields = field_lines(block)
    coding = next((value for name, value in fields if name.lower() == "transfer-encoding"), "")
    if "chunked" in coding.lower():
        return Parsed(method, target, version, fields, *unchunked(content))
    told = next((value for name, value in fields if name.lower() == "content-length"), "0")
    length = int(told) if re.fullmatch(r"[0-9]{1,18}", told) else 0
    missing = max(0, length - len(content))
    return Parsed(method, target, version, fields, content[:length], (), content[length:], missing)
