"""Configurations written for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.config import Loaded, load

HEAD = """\
version: 1
upstreams:
  shop: {targets: ["http://127.0.0.1:9000"]}
"""
API = """\
apis:
  shop: {upstream: shop, authenticate: [api_key], authorize: authenticated}
"""

Write = Callable[..., Path]
Read = Callable[..., Loaded]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a main file, and others beside it by name; the main file's path."""

    def write(text: str, **others: str) -> Path:
        for name, content in others.items():
            path = tmp_path / name.replace("__", "/").replace("_yaml", ".yaml").replace("_txt", ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        main = tmp_path / "lockgate.yaml"
        main.write_text(text, encoding="utf-8")
        return main

    return write


@pytest.fixture
def read(write: Write) -> Read:
    """Write as above, and load with no environment but the one given."""

    def read(text: str, environment: dict[str, str] | None = None, **others: str) -> Loaded:
        return load(write(text, **others), environment=environment or {})

    return read
