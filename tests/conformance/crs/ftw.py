"""Reads regression cases in the FTW format (YAML): every field that the format has, and an error for any other.

Scalars keep the letters that stand in the file, so a header's `007` stays one; what has another type is parsed by its
field.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class FormatError(ValueError):
    """A file of cases that cannot be read; it names the file and the place."""


class Loader(yaml.CSafeLoader):
    """Scalars as they are written, and no key twice."""


def scalar(loader: Loader, node: yaml.ScalarNode) -> str | None:
    """The text; nothing where nothing, `~` or `null` is written without quotes."""
    return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)


def mapping(loader: Loader, node: yaml.MappingNode) -> dict[str, Any]:
    """A mapping, each key once."""
    found: dict[str, Any] = {}
    for key, value in node.value:
        name = key.value
        if name in found:
            raise FormatError(f"line {key.start_mark.line + 1}: {name} stands there twice")
        found[name] = loader.construct_object(value, deep=True)
    return found


for tag in ("null", "bool", "int", "float", "timestamp", "str"):
    Loader.add_constructor(f"tag:yaml.org,2002:{tag}", scalar)
Loader.add_constructor("tag:yaml.org,2002:map", mapping)


@dataclass(frozen=True)
class Response:
    """What a stage tells the backend to answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Input:
    """What is sent; `None` is a field that is not there."""

    dest_addr: str | None = None
    port: int | None = None
    protocol: str | None = None
    method: str | None = None
    uri: str | None = None
    uris: tuple[str, ...] = ()
    version: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None
    encoded_request: bytes | None = None
    autocomplete_headers: bool = True
    save_cookie: bool = False
    follow_redirect: bool = False
    virtual_host_mode: bool = False
    response: Response | None = None


@dataclass(frozen=True)
class Output:
    """What is expected; what is empty is not looked at."""

    status: int | None = None
    response_contains: str = ""
    expect_ids: tuple[int, ...] = ()
    no_expect_ids: tuple[int, ...] = ()
    match_regex: str = ""
    no_match_regex: str = ""
    expect_error: bool | None = None
    retry_once: bool = False
    isolated: bool = False


@dataclass(frozen=True)
class Stage:
    """One request and what it is to lead to."""

    input: Input
    output: Output


@dataclass(frozen=True)
class Case:
    """A case of one rule."""

    rule: int
    test: int
    description: str
    stages: tuple[Stage, ...]

    @property
    def id(self) -> str:
        """As overrides and reports name it."""
        return f"{self.rule}-{self.test}"


class Fields:
    """The fields of one mapping, each asked for once; what nobody asked for is an error."""

    def __init__(self, where: str, value: Any) -> None:
        if value is not None and not isinstance(value, dict):
            raise FormatError(f"{where} is no mapping")
        self.where = where
        self.left: dict[str, Any] = dict(value or {})

    def take(self, name: str, parse: Callable[[str, Any], Any], default: Any = None) -> Any:
        """A field's value, parsed; the default where it is missing or empty."""
        value = self.left.pop(name, None)
        return default if value is None else parse(f"{self.where}.{name}", value)

    def end(self) -> None:
        """Refuses what is left."""
        if self.left:
            raise FormatError(f"{self.where} has fields that the format has not: {', '.join(sorted(self.left))}")


def text(where: str, value: Any) -> str:
    """A scalar."""
    if not isinstance(value, str):
        raise FormatError(f"{where} is no text")
    return value


def number(where: str, value: Any) -> int:
    """A whole number."""
    try:
        return int(text(where, value), 10)
    except ValueError:
        raise FormatError(f"{where} is no whole number: {value!r}") from None


def truth(where: str, value: Any) -> bool:
    """A boolean."""
    word = text(where, value).lower()
    if word not in ("true", "false"):
        raise FormatError(f"{where} is neither true nor false: {value!r}")
    return word == "true"


def octets(where: str, value: Any) -> bytes:
    """A text's bytes."""
    return text(where, value).encode()


def unpacked(where: str, value: Any) -> bytes:
    """Base64, in one line or several."""
    try:
        return base64.b64decode("".join(text(where, value).split()), validate=True)
    except ValueError as error:
        raise FormatError(f"{where} is no base64: {error}") from None


def each(parse: Callable[[str, Any], Any]) -> Callable[[str, Any], tuple[Any, ...]]:
    """A list of something."""

    def parse_all(where: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise FormatError(f"{where} is no list")
        return tuple(parse(f"{where}[{number}]", one) for number, one in enumerate(value))

    return parse_all


def fields_of_header(where: str, value: Any) -> dict[str, str]:
    """Names and values."""
    if not isinstance(value, dict):
        raise FormatError(f"{where} is no mapping")
    return {name: text(f"{where}.{name}", content or "") for name, content in value.items()}


def response(where: str, value: Any) -> Response:
    """What the backend is told."""
    fields = Fields(where, value)
    body = fields.take("body", octets, b"")
    encoded = fields.take("encoded_body", unpacked, b"")
    fields.take("log_message", text)
    found = Response(fields.take("status", number, 0), fields.take("headers", fields_of_header, {}), body or encoded)
    fields.end()
    return found


def request(where: str, value: Any) -> Input:
    """A stage's input."""
    fields = Fields(where, value)
    data = fields.take("data", octets)
    encoded = fields.take("encoded_data", unpacked)
    raw = fields.take("encoded_request", unpacked)
    if raw is not None and (data or encoded):
        raise FormatError(f"{where} has both data and a whole request")
    magic = fields.take("stop_magic", truth)
    # The older field says the opposite, and gives way to the newer one.
    completed = fields.take("autocomplete_headers", truth, True if magic is None else not magic)
    found = Input(
        dest_addr=fields.take("dest_addr", text),
        port=fields.take("port", number),
        protocol=fields.take("protocol", text),
        method=fields.take("method", text),
        uri=fields.take("uri", text),
        uris=fields.take("uris", each(text), ()),
        version=fields.take("version", text),
        headers=fields.take("headers", fields_of_header, {}),
        data=encoded if data is None else data,
        encoded_request=raw,
        autocomplete_headers=completed,
        save_cookie=fields.take("save_cookie", truth, False),
        follow_redirect=fields.take("follow_redirect", truth, False),
        virtual_host_mode=fields.take("virtual_host_mode", truth, False),
        response=fields.take("response", response),
    )
    fields.end()
    return found


def expected(where: str, value: Any) -> Output:
    """A stage's output."""
    fields = Fields(where, value)
    log = Fields(f"{where}.log", fields.left.pop("log", None))
    found = Output(
        status=fields.take("status", number),
        response_contains=fields.take("response_contains", text, ""),
        expect_ids=log.take("expect_ids", each(number), ()),
        no_expect_ids=log.take("no_expect_ids", each(number), ()),
        match_regex=log.take("match_regex", text, ""),
        no_match_regex=log.take("no_match_regex", text, ""),
        expect_error=fields.take("expect_error", truth),
        retry_once=fields.take("retry_once", truth, False),
        isolated=fields.take("isolated", truth, False),
    )
    fields.end()
    log.end()
    if found.isolated and len(found.expect_ids) != 1:
        raise FormatError(f"{where}: isolated wants exactly one expected id")
    if found == Output(retry_once=found.retry_once):
        raise FormatError(f"{where} expects nothing: the case could not fail")
    return found


def stage(where: str, value: Any) -> Stage:
    """One stage."""
    fields = Fields(where, value)
    fields.take("description", text)
    found = Stage(request(f"{where}.input", fields.left.pop("input", None)), fields.take("output", expected))
    fields.end()
    return found


def parsed(name: str, document: str) -> list[Case]:
    """The cases of one file; none for a file with nothing but comments."""
    try:
        whole = yaml.load(document, Loader=Loader)  # noqa: S506 -- Made of the safe one; texts, lists and mappings alone.
    except (yaml.YAMLError, FormatError) as error:
        raise FormatError(f"{name}: {error}") from error
    if whole is None:
        return []
    fields = Fields(name, whole)
    meta = Fields(f"{name}.meta", fields.left.pop("meta", None))
    for known in ("author", "enabled", "name", "description", "version", "tags"):
        meta.left.pop(known, None)
    meta.end()
    # A few files have their author one level too high; the suite's own reader does not look at it.
    fields.left.pop("author", None)
    rule = fields.take("rule_id", number)
    found = []
    for position, one in enumerate(fields.left.pop("tests", []), 1):
        test = Fields(f"{name} ({position}.)", one)
        test.take("test_title", text)
        test.take("tags", each(text))
        found.append(
            Case(
                rule=rule,
                test=test.take("test_id", number, position),
                description=test.take("desc", text, ""),
                stages=test.take("stages", each(stage), ()),
            )
        )
        test.end()
    fields.end()
    return found


def cases(folder: Path) -> list[Case]:
    """All cases below a folder, by rule and number; two of one name are an error, and so are none."""
    found = [
        case for file in sorted(folder.rglob("*.y*ml")) for case in parsed(file.name, file.read_text(encoding="utf-8"))
    ]
    found.sort(key=lambda case: (case.rule, case.test))
    names = [case.id for case in found]
    if len(set(names)) != len(names):
        raise FormatError(f"cases stand there twice: {sorted({name for name in names if names.count(name) > 1})}")
    if not found:
        raise FormatError(f"{folder} has no case")
    return found
