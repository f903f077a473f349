"""`lockgate init`: a first configuration that is safe as it stands, and the first key."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import re
import stat
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from lockgate import _native
from lockgate.addresses import is_loopback, parse_target
from lockgate.cli._first_config import Answers, Waived, first_config
from lockgate.cli._main import names
from lockgate.cli._state import StateDir
from lockgate.config import load
from support.command import at_terminal, lockgate
from support.processes import Processes
from support.running import Running, write_config

KEY = re.compile(r"lg_live_[0-9A-Za-z]{38}")
UPSTREAM = ("--upstream", "http://127.0.0.1:9000")
EXCEPTION = ("--owner", 'the "shop" team', "--reason", "catalogue: #1, it's open", "--until", "2999-01-01")


def test_keys_are_asked_for_and_the_first_is_made(tmp_path: Path) -> None:
    ended = lockgate("init", *UPSTREAM, "--yes", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    [key] = set(KEY.findall(ended.out))
    loaded = load(tmp_path / "lockgate.yaml")
    assert loaded.warnings == []
    [api] = loaded.compile(0, 0)["apis"]
    assert (api["authorize"], api["public"], len(api["policies"]["authenticate"])) == ("authenticated", None, 1)
    assert f"curl -H 'X-API-Key: {key}' http://127.0.0.1:8080/" in ended.out
    assert "\n  lockgate run\n" in ended.out
    pepper = bytes.fromhex((tmp_path / ".lockgate/secrets/key-pepper").read_text())
    digest = _native.key_digest(key, pepper)
    stored = [
        path.read_bytes() for path in (tmp_path / ".lockgate").rglob("*") if path.is_file() and path.stat().st_size
    ]
    assert any(digest.encode() in content or bytes.fromhex(digest) in content for content in stored)
    assert not any(key.encode() in content for content in stored), "a key is kept nowhere"


def test_the_state_folder_stays_private_and_out_of_version_control(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("dist/", encoding="utf-8")
    lockgate("init", *UPSTREAM, "--yes", cwd=tmp_path)
    assert stat.S_IMODE((tmp_path / ".lockgate").stat().st_mode) == 0o700
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8") == "dist/\n.lockgate/\n"
    lockgate("init", *UPSTREAM, "--yes", "--force", cwd=tmp_path)
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8") == "dist/\n.lockgate/\n"


def test_public_wants_somebody_who_answers_for_it(tmp_path: Path) -> None:
    ended = lockgate("init", *UPSTREAM, "--public", "--owner", "me", "--yes", cwd=tmp_path)
    assert ended.code == 2
    assert "add --reason, --until." in ended.err
    assert list(tmp_path.iterdir()) == []


def test_public(tmp_path: Path) -> None:
    ended = lockgate("init", *UPSTREAM, "--public", *EXCEPTION, "--yes", cwd=tmp_path)
    assert ended.code == 0
    assert KEY.search(ended.out) is None
    assert "Anyone may call until 2999-01-01" in ended.out
    [api] = load(tmp_path / "lockgate.yaml").compile(0, 0)["apis"]
    waiver = api["public"]
    assert (waiver["owner"], waiver["reason"]) == ('the "shop" team', "catalogue: #1, it's open")
    assert not (tmp_path / ".lockgate").exists(), "nothing secret is needed yet"


def test_another_machine_wants_somebody_who_answers_for_it(tmp_path: Path) -> None:
    far = ("--upstream", "http://10.0.0.5:9000")
    refused = lockgate("init", *far, "--yes", cwd=tmp_path)
    assert refused.code == 2
    assert "--insecure --owner NAME --reason TEXT --until" in refused.err
    assert lockgate("init", *far, "--insecure", *EXCEPTION, "--yes", cwd=tmp_path).code == 0
    [upstream] = load(tmp_path / "lockgate.yaml").compile(0, 0)["upstreams"]
    assert upstream["insecure"]["owner"] == 'the "shop" team'


def test_another_machine_over_tls_wants_no_exception(tmp_path: Path) -> None:
    assert lockgate("init", "--upstream", "https://api.example.com", "--yes", cwd=tmp_path).code == 0
    [upstream] = load(tmp_path / "lockgate.yaml").compile(0, 0)["upstreams"]
    assert ([target["url"] for target in upstream["targets"]], upstream["insecure"]) == (
        ["https://api.example.com:443"],
        None,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Say where your API is: lockgate init --upstream"),
        (["--upstream", "http://127.0.0.1:9000"], "add --yes"),
        (["--upstream", "127.0.0.1:9000", "--yes"], "write `http://127.0.0.1:9000`"),
        ([*UPSTREAM, "--public", *EXCEPTION[:-1], "soon", "--yes"], "`soon` is not a date"),
        ([*UPSTREAM, "--public", *EXCEPTION[:-1], "2020-01-01", "--yes"], "is not in the future"),
        ([*UPSTREAM, "--public", *EXCEPTION[2:], "--owner", " ", "--yes"], "must not be empty"),
        ([*UPSTREAM, "--public", *EXCEPTION[:2], *EXCEPTION[4:], "--reason", "${env:X}", "--yes"], "`${`"),
    ],
)
def test_what_is_missing_or_wrong(tmp_path: Path, words: list[str], said: str) -> None:
    ended = lockgate("init", *words, cwd=tmp_path)
    assert ended.code == 2
    assert said in ended.err
    assert list(tmp_path.iterdir()) == [], "nothing is half done"


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text("mine", encoding="utf-8")
    ended = lockgate("init", *UPSTREAM, "--yes", cwd=tmp_path)
    assert (ended.code, (tmp_path / "lockgate.yaml").read_text(encoding="utf-8")) == (2, "mine")
    assert "--force" in ended.err
    assert lockgate("init", *UPSTREAM, "--yes", "--force", cwd=tmp_path).code == 0
    assert load(tmp_path / "lockgate.yaml").apis


def test_another_folder_and_json(tmp_path: Path) -> None:
    ended = lockgate("init", *UPSTREAM, "--yes", "--dir", "my gate", "--json", cwd=tmp_path)
    said = json.loads(ended.out)
    assert KEY.fullmatch(said["key"])
    assert said["key_id"].startswith("key_")
    assert (tmp_path / said["config"]).is_file()
    assert (tmp_path / said["state"]).is_dir()
    other = lockgate("init", *UPSTREAM, "--yes", "--dir", "your gate", cwd=tmp_path)
    assert "\n  cd 'your gate' && lockgate run\n" in other.out


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ended = lockgate("init", *UPSTREAM, "--yes", "--dir", "file/below", cwd=tmp_path)
    assert ended.code == 2
    assert "cannot be written" in ended.err


def test_it_asks_where_a_person_sits_at_it(tmp_path: Path) -> None:
    ended = at_terminal("init", cwd=tmp_path, answers=["localhost:9000", "http://localhost:9000", ""])
    assert ended.code == 0, ended.out
    assert "Where is your API?" in ended.out
    assert "write `http://localhost:9000`" in ended.out, "a wrong answer is explained, and asked for again"
    assert "Shall callers need a key?" in ended.out
    assert KEY.search(ended.out)
    [upstream] = load(tmp_path / "lockgate.yaml").compile(0, 0)["upstreams"]
    assert [server["url"] for server in upstream["targets"]] == ["http://localhost:9000"]


def test_a_refused_address_is_offered_as_it_should_be(tmp_path: Path) -> None:
    ended = at_terminal("init", cwd=tmp_path, answers=["127.0.0.1:9001", "", ""])
    assert ended.code == 0, ended.out
    [upstream] = load(tmp_path / "lockgate.yaml").compile(0, 0)["upstreams"]
    assert [server["url"] for server in upstream["targets"]] == ["http://127.0.0.1:9001"]


def test_a_day_in_the_past_is_asked_for_again(tmp_path: Path) -> None:
    answers = ["http://10.0.0.5:9000", "y", "y", "me", "a mesh", "2020-01-01", "2999-01-01"]
    ended = at_terminal("init", cwd=tmp_path, answers=answers)
    assert ended.code == 0, ended.out
    assert "is not in the future" in ended.out
    assert "2999-01-01" in (tmp_path / "lockgate.yaml").read_text()


def test_it_asks_for_an_exception_in_full(tmp_path: Path) -> None:
    answers = ["http://10.0.0.5:9000", "n", "y", "me", "a mesh", "2999-01-01"]
    ended = at_terminal("init", cwd=tmp_path, answers=answers)
    assert ended.code == 0, ended.out
    bundle = load(tmp_path / "lockgate.yaml").compile(0, 0)
    assert bundle["apis"][0]["public"]["owner"] == "me"
    assert bundle["upstreams"][0]["insecure"]["reason"] == "a mesh"


PRINTABLE = st.one_of(st.characters(exclude_categories=["C", "Z"]), st.just(" "))
TEXTS = st.text(PRINTABLE, min_size=1, max_size=60).filter(lambda text: text.strip() and "${" not in text)
UPSTREAMS = st.one_of(
    st.ip_addresses(v=4, network="127.0.0.0/8").map(str),
    st.just("[::1]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
)


@given(host=UPSTREAMS, port=st.integers(1, 65535), owner=TEXTS, reason=TEXTS, public=st.booleans())
def test_what_is_written_passes_and_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    host: str,
    port: int,
    owner: str,
    reason: str,
    public: bool,
) -> None:
    try:
        target = parse_target(f"http://{host}:{port}")
    except PydanticCustomError:
        assume(False)
        raise
    local = is_loopback(target.removeprefix("http://").rpartition(":")[0])
    assume(target != "http://127.0.0.1:8080")
    waived = Waived(owner, reason, dt.date(2999, 1, 1))
    answers = Answers(target, waived if public else None, None if local else waived)
    file = tmp_path_factory.mktemp("init") / "lockgate.yaml"
    file.write_text(first_config(answers), encoding="utf-8")
    loaded = load(file)  # As `lockgate check` does.
    assert loaded.warnings == []
    upstream = loaded.document.upstreams["api"]
    assert [server.url for server in upstream.targets] == [target]
    api = loaded.document.apis["api"]
    for waiver, wanted in ((api.public, public), (upstream.insecure, not local)):
        assert (waiver is not None) == wanted
        if waiver is not None:
            assert (waiver.owner, waiver.reason, waiver.until) == (owner, reason, dt.date(2999, 1, 1))


def test_force_keeps_the_keys_that_there_are(tmp_path: Path) -> None:
    [key] = set(KEY.findall(lockgate("init", *UPSTREAM, "--yes", cwd=tmp_path).out))
    again = lockgate("init", *UPSTREAM, "--yes", "--force", cwd=tmp_path)
    assert again.code == 0
    assert KEY.search(again.out) is None
    assert "No new key: 1 key made before still opens it." in again.out
    told = json.loads(lockgate("init", *UPSTREAM, "--yes", "--force", "--json", cwd=tmp_path).out)
    assert told["keys_kept"] == 1
    [row] = json.loads(lockgate("keys", "list", "--json", cwd=tmp_path).out)
    assert lockgate("explain", "GET", "/", "--key", key, cwd=tmp_path).code == 0
    lockgate("keys", "revoke", row["id"], cwd=tmp_path)
    assert KEY.search(lockgate("init", *UPSTREAM, "--yes", "--force", cwd=tmp_path).out), "none is left that opens it"


def test_force_beside_a_running_gate_makes_no_second_key_either(
    processes: Processes, tmp_path: Path, shop_port: int
) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    running = Running(processes, tmp_path).ready()
    running.make_key(apis=["shop"])
    again = lockgate("init", *UPSTREAM, "--yes", "--force", cwd=tmp_path)
    assert again.code == 0, again.err
    assert KEY.search(again.out), "a key of another API does not open this one"


def test_the_environment_may_name_the_state(tmp_path: Path) -> None:
    elsewhere = {"LOCKGATE_STATE": str(tmp_path / "elsewhere")}
    ended = lockgate("init", *UPSTREAM, "--yes", cwd=tmp_path, env=elsewhere)
    assert not (tmp_path / ".lockgate").exists()
    assert f"lockgate run --config lockgate.yaml --state {tmp_path}/elsewhere" in ended.out
    for words in (["keys", "list", "--json"], ["logs", "--json"]):
        assert lockgate(*words, cwd=tmp_path, env=elsewhere).out.strip() not in {"", "[]"}, words


def test_every_command_finds_the_state_in_the_same_way() -> None:
    """Each option `--state` is the one declaration, with LOCKGATE_STATE."""
    found = {}
    for name in names():
        module = importlib.import_module(f"lockgate.cli.{name}")
        below = getattr(module, "app", None)
        commands = [one.callback for one in below.registered_commands] if below else [getattr(module, name)]
        for command in commands:
            hints = get_type_hints(command, include_extras=True)
            if "state" in hints:
                found[command.__name__] = hints["state"] == StateDir
    assert len(found) >= 10
    assert all(found.values()), found


def test_an_ipv6_upstream(tmp_path: Path) -> None:
    assert lockgate("init", "--upstream", "http://[::1]:9000", "--yes", cwd=tmp_path).code == 0
    assert 'targets: ["http://[::1]:9000"]' in (tmp_path / "lockgate.yaml").read_text(encoding="utf-8")
    assert lockgate("check", cwd=tmp_path).code == 0
