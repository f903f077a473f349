"""Noticing that a file has changed, whatever way it was saved."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockgate.admin import watch
from lockgate.admin.watch import changes


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "lockgate.yaml"
    path.write_text("version: 1\n")
    return path


def rewrite(path: Path) -> None:
    path.write_text("version: 1\n# changed\n")


def rename_over(path: Path) -> None:
    new = path.with_suffix(".new")
    new.write_text("version: 1\n")
    new.rename(path)


def remove(path: Path) -> None:
    path.unlink()


def swap_link(path: Path) -> None:
    """As a mounted ConfigMap changes: the file is a link through a link that is replaced."""
    folder = path.parent
    (folder / "..2").mkdir()
    (folder / "..2" / path.name).write_text("version: 1\n")
    (folder / "..tmp").symlink_to("..2")
    (folder / "..tmp").rename(folder / "..data")


async def noticed(files: watch.Files, change: Callable[[], None], *, times: int = 1) -> int:
    """How often something is yielded; the change is made once the first look was taken."""
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()
    look = watch.prints

    def looking(*of: Any) -> watch.Prints:
        found = look(*of)
        loop.call_soon_threadsafe(looked.set)
        return found

    async def wait() -> int:
        seen = 0
        async for _ in changes(files):
            seen += 1
            if seen == times:
                break
            # The reload has read the files already; this is saved in the midst of it.
            await asyncio.to_thread(change)
        return seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "prints", looking)
        waiting = asyncio.create_task(wait())
        await looked.wait()
        await asyncio.to_thread(change)
        async with asyncio.timeout(20):
            return await waiting


def allow(path: Path) -> None:
    path.chmod(0o755)


@pytest.mark.parametrize("change", [rewrite, rename_over, remove, allow])
def test_every_way_of_saving_is_noticed(main: Path, change: Callable[[Path], None]) -> None:
    assert asyncio.run(noticed(lambda: ([main], []), lambda: change(main)))


def test_a_swapped_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "..1").mkdir()
    (tmp_path / "..1" / "lockgate.yaml").write_text("version: 1\n")
    (tmp_path / "..data").symlink_to("..1")
    main = tmp_path / "lockgate.yaml"
    main.symlink_to("..data/lockgate.yaml")
    assert asyncio.run(noticed(lambda: ([main], []), lambda: swap_link(main)))


def test_a_new_file_that_an_include_matches_is_noticed(main: Path, tmp_path: Path) -> None:
    (tmp_path / "apis").mkdir()
    files = ([main], [str(tmp_path / "apis" / "*.yaml")])
    assert asyncio.run(noticed(lambda: files, lambda: rewrite(tmp_path / "apis" / "new.yaml")))


def test_what_reports_nothing_is_looked_at(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)
    # The folder that is watched is another one, as where a file system reports nothing.
    monkeypatch.setattr(watch, "_folders", lambda *_: [main.parent.parent / "elsewhere"])
    (main.parent.parent / "elsewhere").mkdir()
    assert asyncio.run(noticed(lambda: ([main], []), lambda: rewrite(main)))


def test_a_folder_that_goes_away_ends_nothing(main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(watch, "_folders", lambda *_: [tmp_path / "gone"])
    assert asyncio.run(noticed(lambda: ([main], []), lambda: rewrite(main)))


def test_other_files_beside_it_mean_nothing(main: Path, tmp_path: Path) -> None:
    before = watch.prints([main], [])
    (tmp_path / "notes.txt").write_text("x")
    assert watch.prints([main], []) == before


def test_a_file_that_changes_while_it_is_read_is_looked_at_again(main: Path) -> None:
    def grow() -> None:
        main.write_text(main.read_text() + "# more\n")

    assert asyncio.run(noticed(lambda: ([main], []), grow, times=2)) == 2


def test_the_print_of_a_file_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert watch.prints([tmp_path / "none"], []) == {os.fspath(tmp_path / "none"): None}


@pytest.mark.parametrize("change", [rewrite, rename_over, remove])
def test_what_changed_before_the_watch_began_is_noticed(main: Path, change: Callable[[Path], None]) -> None:
    """Between reading the files and watching them there is time enough for somebody to save one."""
    read = main.stat().st_mtime_ns
    change(main)

    async def first() -> None:
        watching = changes(lambda: ([main], []), read)
        async with asyncio.timeout(10):
            await anext(watching)

    asyncio.run(first())


def test_what_is_as_it_was_read_is_not_taken_for_changed(main: Path) -> None:
    assert not watch._newer([str(main)], main.stat().st_ctime_ns + watch.CLOCK_NS)
