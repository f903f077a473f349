"""`waf.answers` within an application: nobody looks at answers there, and clients get them as they ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.config import load
from lockgate.inprocess.engine import Engine
from policies.conftest import written
from support.middleware import Ask, Asked, engine, through_asgi, through_wsgi

RULE = 'SecRule RESPONSE_BODY "@contains secret" "id:10,phase:4,deny,status:502"\n'


@pytest.mark.parametrize("through", [through_asgi, through_wsgi])
def test_nothing_is_asked_of_the_application(through: Callable[[Engine], Ask], tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(RULE)
    config = {"waf": {"files": ["own.conf"], "answers": {"types": ["text/plain"]}}}
    made = engine(load(written(tmp_path, config)).compile(1, 1))
    wants = [("range", "bytes=0-9"), ("accept-encoding", "gzip")]
    got = through(made)(Asked("GET", "/", [("host", "a.example"), *wants]))
    assert got.status == 200
    assert got.seen is not None
    assert set(wants) <= {(name.lower(), value) for name, value in got.seen.headers}
