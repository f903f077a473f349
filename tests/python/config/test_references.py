"""`${env:NAME}` and `${file:path}`: resolved after parsing; secrets never."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from lockgate.config import ConfigErrors, load
from lockgate.config.models import Config
from lockgate.config.references import MAX_FILE, SECRETS
from lockgate.scalars import Scalar

from .conftest import API, HEAD, Read, Write

CREDENTIAL = """\
version: 1
upstreams:
  shop:
    targets: ["http://127.0.0.1:9000"]
    credential: {header: X-Gate, value: "${file:secret.txt}"}
"""


def test_a_variable_and_a_file(read: Read) -> None:
    text = HEAD + 'admin: {address: "${env:ADMIN}"}\nevents: {retain: "${file:retain.txt}"}\n' + API
    loaded = read(text, {"ADMIN": "127.0.0.1:7000"}, retain_txt="5MiB\n")
    assert loaded.admin_address == "127.0.0.1:7000"
    assert loaded.compile(0, 0)["events"]["retain_bytes"] == 5 * 2**20


def test_numbers_and_flags_may_come_from_outside(read: Read) -> None:
    text = (
        HEAD + 'events: {access: "${env:ACCESS}"}\nlisteners: {public: {limits: {connections: "${env:COUNT}"}}}\n' + API
    )
    bundle = read(text, {"ACCESS": "false", "COUNT": "77"}).compile(0, 0)
    assert bundle["events"]["access"] is False
    assert bundle["listeners"][0]["limits"]["connections"] == 77


def test_what_is_resolved_is_no_syntax(read: Read, write: Write) -> None:
    main = write(HEAD + 'apis:\n  shop: {upstream: "${env:X}", authenticate: [api_key], authorize: authenticated}\n')
    with pytest.raises(ConfigErrors) as refused:
        load(main, environment={"X": "shop, authenticate: []"})
    assert [error.code for error in refused.value.errors] == ["upstream-malformed"]


def test_a_file_is_relative_to_the_file_that_says_it(read: Read) -> None:
    apis = (
        'apis:\n  shop: {upstream: shop, authenticate: [api_key], authorize: authenticated, path: "${file:path.txt}"}\n'
    )
    loaded = read(HEAD + "include: below/apis.yaml\n", below__apis_yaml=apis, below__path_txt="/orders\n")
    assert loaded.compile(0, 0)["apis"][0]["paths"] == [{"prefix": "/orders"}]
    assert [path.name for path in loaded.files] == ["lockgate.yaml", "apis.yaml", "path.txt"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (MAX_FILE + 1)], ids=["not text", "too large"])
def test_a_file_that_holds_no_value(write: Write, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "value.txt").write_bytes(content)
    with pytest.raises(ConfigErrors) as refused:
        load(write(HEAD + 'events: {retain: "${file:value.txt}"}\n' + API))
    assert [error.code for error in refused.value.errors] == ["reference-unreadable"]


def test_a_secret_is_never_read(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2", encoding="utf-8")
    secret.chmod(0o600)
    opened: list[str] = []
    open_file = io.open

    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        opened.append(os.fspath(path) if not isinstance(path, int) else str(path))
        return open_file(path, *args, **kwargs)

    monkeypatch.setattr(io, "open", watched)
    loaded = load(write(CREDENTIAL + API))
    assert str(tmp_path / "lockgate.yaml") in opened, "the test sees what is opened"
    assert str(secret) not in opened
    credential = loaded.compile(0, 0)["upstreams"][0]["credential"]
    assert credential == {"header": "X-Gate", "secret": f"file:{secret}"}
    assert loaded.warnings == []


def test_a_secret_that_everybody_can_read_is_a_warning(read: Read, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hunter2", encoding="utf-8")
    (tmp_path / "secret.txt").chmod(0o644)
    [warning] = read(CREDENTIAL + API).warnings
    assert warning.code == "secret-readable"
    assert "hunter2" not in str(warning.as_json())


def test_a_secret_that_is_no_file_is_a_warning(read: Read, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").mkdir()
    assert [warning.code for warning in read(CREDENTIAL + API).warnings] == ["secret-missing"]


def test_where_secrets_stand_is_what_the_models_say() -> None:
    assert set(SECRETS) == set(marked(Config, ()))
    assert SECRETS


def marked(model: type[BaseModel], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = []
    for name, field in model.model_fields.items():
        found += within(field.annotation, tuple(field.metadata), (*path, name))
    return found


def within(kind: Any, marks: tuple[Any, ...], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The secrets of a field's kind, however it is wrapped."""
    if any(isinstance(mark, Scalar) and mark.schema.get("secret") for mark in marks):
        return [path]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return marked(kind, path)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return within(parts[0], parts[1:], path)
    if origin in {list, dict}:
        return within(parts[-1], (), (*path, "*"))
    return [secret for part in parts for secret in within(part, (), path)]
