"""`lockgate diff`: against another file, and against what is served."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import lockgate
from support.processes import Processes
from support.running import Running, write_config
from support.waiting import until

CONFIG = """\
version: 1
apis:
  shop: {path: /shop, upstream: "http://127.0.0.1:9000", authenticate: [api_key], authorize: authenticated}
"""


def test_two_files_are_compared_in_words(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(CONFIG)
    (tmp_path / "new.yaml").write_text(
        CONFIG
        + "  more: {path: /more, upstream: http://127.0.0.1:9000, authenticate: [api_key], authorize: authenticated}\n"
    )
    ended = lockgate("diff", "new.yaml", "--against", "old.yaml", cwd=tmp_path)
    assert ended.code == 1, ended.err
    assert "! apis.more: API more is new: /more of any host  new.yaml:4" in ended.out
    assert "2 differences against old.yaml, of which 1 opens something (!)." in ended.out
    assert lockgate("diff", "old.yaml", "--against", "old.yaml", cwd=tmp_path).code == 0
    assert lockgate("diff", "old.yaml", "new.yaml", cwd=tmp_path).out == ended.out
    twice = lockgate("diff", "old.yaml", "new.yaml", "--against", "old.yaml", cwd=tmp_path)
    assert (twice.code, "given twice" in twice.err) == (2, True)


def test_json_and_what_opens_alone(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(CONFIG)
    (tmp_path / "new.yaml").write_text(CONFIG.replace("/shop,", "/store,"))
    ended = lockgate("diff", "new.yaml", "--against", "old.yaml", "--json", cwd=tmp_path)
    told = json.loads(ended.out)
    assert ended.code == 1
    assert [one["effect"] for one in told["differences"]] == ["opens", "closes"]
    ended = lockgate("diff", "new.yaml", "--against", "old.yaml", "--opens", cwd=tmp_path)
    assert "path /store is new" in ended.out
    assert "is gone" not in ended.out


def test_a_refused_file_and_nothing_served_are_2(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    ended = lockgate("diff", cwd=tmp_path)
    assert ended.code == 2
    assert "--against" in ended.err
    (tmp_path / "lockgate.yaml").write_text("version: 1\n")
    assert lockgate("diff", cwd=tmp_path).code == 2


def test_against_what_is_served(tmp_path: Path, processes: Processes) -> None:
    path = write_config(tmp_path, "http://127.0.0.1:9000")
    running = Running(processes, tmp_path).ready()
    running.serving()
    ended = lockgate("diff", cwd=tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert "Nothing changes against bundle 1, which is served." in ended.out
    assert "lockgate diff --previous" in ended.out
    first = lockgate("diff", "--previous", cwd=tmp_path)
    assert (first.code, "is the first that was served" in first.err) == (2, True)
    new = tmp_path / "new.yaml"
    new.write_text(path.read_text() + "events: {access: false}\n")
    ended = lockgate("diff", "new.yaml", cwd=tmp_path)
    assert ended.code == 1
    assert "~ events.access: access is false instead of true" in ended.out
    # A gate takes up the file that it runs on, so that nothing changes against what is served.
    new.replace(path)
    taken = lambda: "bundle 2, which is served" in lockgate("diff", cwd=tmp_path).out  # noqa: E731
    until(taken, "the change to be taken up")
    ended = lockgate("diff", "--previous", cwd=tmp_path)
    assert ended.code == 1, ended.err
    assert "~ events.access: access is false instead of true" in ended.out
    assert "against bundle 1, which was served before" in ended.out
    twice = lockgate("diff", "--previous", "--against", "lockgate.yaml", cwd=tmp_path)
    assert (twice.code, "given twice" in twice.err) == (2, True)
