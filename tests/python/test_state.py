"""The state folder: private, made once, refused where it is not ours or in use."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lockgate.state import StateError, StateFolder, StateInUseError, read_secret, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_in_it_is_for_its_owner_only(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / "state")
    seen = [state.root, *state.root.rglob("*")]
    assert {path for path in seen if path.is_dir() and mode(path) != 0o700} == set()
    assert {path for path in seen if path.is_file() and mode(path) != 0o600} == set()
    assert len([path for path in seen if path.is_file()]) == 4


def test_secrets_are_made_once_and_differ_between_folders(tmp_path: Path) -> None:
    first, again = StateFolder.open(tmp_path / "a"), StateFolder.open(tmp_path / "a")
    other = StateFolder.open(tmp_path / "b")
    assert first.pepper() == again.pepper() != other.pepper()
    assert first.admin_token() == again.admin_token() != other.admin_token()
    assert first.signing_key() == again.signing_key() != other.signing_key()
    assert first.public_key() == again.public_key() != other.public_key()


def test_a_gate_process_is_known_while_it_lives(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / "state")
    assert state.gate_processes() == set()
    code = (
        "import sys\nfrom lockgate.state import StateFolder\n"
        "with StateFolder.existing(sys.argv[1]).gate_process():\n    print('there', flush=True)\n    sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(state.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"there\n"
        with state.gate_process():
            assert state.gate_processes() == {other.pid, os.getpid()}
        assert state.gate_processes() == {other.pid}
        other.kill()  # It cleans nothing up.
        other.wait()
        assert state.gate_processes() == set()
        assert [place.name for place in state.gate_places.iterdir()] == [str(other.pid)]
    with state.gate_process():
        assert [place.name for place in state.gate_places.iterdir()] == [str(os.getpid())]


def test_what_lies_among_the_gate_processes_hinders_nobody(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / "state")
    with state.gate_process():
        os.mkfifo(state.gate_places / "424242")
        (state.gate_places / "424243").mkdir()
        (state.gate_places / "424244").symlink_to("/dev/zero")
        assert state.gate_processes() == {os.getpid()}
    with state.gate_process():
        assert state.gate_processes() == {os.getpid()}


def test_two_that_start_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    tokens: list[str] = []
    start = threading.Barrier(8)

    def open_it() -> None:
        start.wait()
        tokens.append(StateFolder.open(tmp_path / "s").admin_token())

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 8
    assert len(set(tokens)) == 1
    assert not list((tmp_path / "s").rglob(".*.*")), "no temporary file is left"


def test_a_folder_open_to_others_is_closed(tmp_path: Path) -> None:
    root = tmp_path / "s"
    root.mkdir(mode=0o755)
    assert mode(StateFolder.open(root).root) == 0o700


def test_a_secret_open_to_others_is_refused_with_what_to_do(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / "s")
    state.pepper_file.chmod(0o640)
    with pytest.raises(StateError, match=r"chmod 600 .*key-pepper"):
        state.pepper()


def test_a_link_in_place_of_a_secret_is_refused(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / "s")
    elsewhere = tmp_path / "elsewhere"
    write_private(elsewhere, "11" * 32)
    state.pepper_file.unlink()
    state.pepper_file.symlink_to(elsewhere)
    with pytest.raises(StateError, match="cannot be read"):
        state.pepper()


@pytest.mark.parametrize("text", ["", "zz" * 32, "11" * 31])
def test_a_damaged_secret_is_refused(tmp_path: Path, text: str) -> None:
    state = StateFolder.open(tmp_path / "s")
    write_private(state.pepper_file, text)
    with pytest.raises(StateError, match="64 hex digits"):
        state.pepper()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(StateError, match="choose --state"):
        StateFolder.open(tmp_path / "s")


def test_existing_refuses_where_nothing_was_started(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="lockgate run"):
        StateFolder.existing(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_part_is_held_by_one_and_free_again_afterwards(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / "s")
    with state.lock("control"):
        with (
            pytest.raises(StateInUseError, match=r"process \d+ \(a control process, or a command"),
            state.lock("control"),
        ):
            pytest.fail("held twice")
        with state.lock("gate"):
            pass
        assert state.is_held("control")
        assert not state.is_held("gate")
    assert not state.is_held("control")
    assert not state.is_held("never")
    with state.lock("control"):
        pass


def test_write_private_replaces_at_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, "one")
    write_private(path, "two")
    assert read_secret(path) == "two"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_lost_pepper_is_not_replaced_where_keys_depend_on_it(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / "s")
    state.database.write_bytes(b"")
    state.pepper_file.unlink()
    with pytest.raises(StateError, match="backup"):
        StateFolder.open(tmp_path / "s")
    assert not state.pepper_file.exists()
