"""`waf.scan` within an application: nobody is asked, and files go as they do where no scanner answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockgate.config import load
from lockgate.inprocess.engine import Engine
from policies.conftest import written
from support.clamd import Fake, says
from support.middleware import Ask, Asked, Got, engine, through_asgi, through_wsgi

FILE = "application/octet-stream"


@pytest.mark.parametrize("through", [through_asgi, through_wsgi])
def test_files_are_refused_or_pass_and_nobody_is_asked(through: Callable[[Engine], Ask], tmp_path: Path) -> None:
    with Fake(says(b"stream: OK\0")) as fake:

        def asked(kind: str, body: bytes, **more: Any) -> Got:
            config = {"waf": {"scan": {"clamd": fake.address, "bytes": "1KiB", **more}}}
            made = engine(load(written(tmp_path, config)).compile(1, 1))
            headers = [("Host", "a.example"), ("Content-Type", kind), ("Content-Length", str(len(body)))]
            return through(made)(Asked("POST", "/inbox", headers, pieces=[body]))

        refused = asked(FILE, b"a file")
        assert (refused.status, refused.reason, refused.seen) == (503, "waf-scan-unavailable", None)
        assert asked(FILE, b"a file", on_error="pass").status == 200
        assert asked(FILE, b"x" * 2000, on_error="pass").reason == "waf-file-too-long"
        assert asked("application/json", b"{}").status == 200
        assert fake.begun == 0
