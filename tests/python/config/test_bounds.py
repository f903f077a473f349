"""What bounds a configuration, and that the slow parser says the same as the fast one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import lockgate.config.lists
import lockgate.config.model_versions
import lockgate.config.read
from lockgate.config import ConfigErrors, Source, load
from lockgate.config.compose import compose
from lockgate.config.problems import Problems
from lockgate.config.references import References
from lockgate.config.tree import Reading

from .conftest import API, HEAD, Write

GOLDEN = Path(__file__).parent / "golden"


def codes(main: Path) -> list[str]:
    with pytest.raises(ConfigErrors) as refused:
        load(main, environment={})
    return [error.code for error in refused.value.errors]


def test_a_large_file_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    main = write(HEAD + API + "# " + "x" * 1000)
    load(main)
    monkeypatch.setattr(lockgate.config.read, "MAX_FILE", 1000)
    assert "file-too-large" in codes(main)


def test_many_files_together_are_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    main = write(HEAD + "include: [a.yaml]\n" + API, a_yaml="# " + "x" * 500)
    load(main)
    monkeypatch.setattr(lockgate.config.read, "MAX_TOTAL", 500)
    assert "file-too-large" in codes(main)


def test_too_many_files_are_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    main = write(HEAD + "include: [a/*.yaml]\n" + API, **{f"a__{i}_yaml": "# nothing\n" for i in range(5)})
    load(main)
    monkeypatch.setattr(lockgate.config.read, "MAX_FILES", 3)
    assert codes(main) == ["too-many-files"]


def test_a_large_list_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    main = write(HEAD + "defaults: {ip_filter: {deny: [{file: bad.txt}]}}\n" + API, bad_txt="10.0.0.1\n" * 100)
    load(main)
    monkeypatch.setattr(lockgate.config.lists, "MAX_FILE", 100)
    assert codes(main) == ["file-too-large"]


def test_too_many_brownouts_are_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    brownout = '{start: "2026-10-01T09:00:00Z", end: "2026-10-01T10:00:00Z"}'
    versions = f"{{v1: {{brownouts: [{brownout}, {brownout}]}}}}"
    who = "authenticate: [api_key], authorize: authenticated"
    main = write(HEAD + f"apis: {{shop: {{upstream: shop, {who}, versions: {versions}}}}}\n")
    load(main)
    monkeypatch.setattr(lockgate.config.model_versions, "MAX_BROWNOUTS", 1)
    assert codes(main) == ["brownouts-malformed"]


def test_a_pipe_is_not_waited_for(tmp_path: Path, write: Write) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert codes(tmp_path / "pipe") == ["file-unreadable"]
    assert codes(write(HEAD + "include: pipe\n" + API)) == ["file-unreadable"]
    assert codes(write(HEAD + "defaults: {ip_filter: {deny: [{file: pipe}]}}\n" + API)) == ["file-unreadable"]


def test_a_folder_or_nothing_is_no_configuration(tmp_path: Path) -> None:
    assert codes(tmp_path) == ["file-unreadable"]
    assert codes(tmp_path / "none.yaml") == ["file-missing"]


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    main = write(HEAD + API)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigErrors) as refused:
        load(main)
    assert "Permission denied" in refused.value.errors[0].message


def test_names_that_no_file_can_have(write: Write) -> None:
    assert codes(write(HEAD + 'include: "a\\0b"\n' + API)) == ["file-unreadable"]
    main = write(HEAD + 'include: "*\\0"\n' + API)
    assert [warning.code for warning in load(main).warnings] == ["include-empty"]


def test_many_aliases_are_taken_while_they_are_few(write: Write) -> None:
    said = "  {name}: {{path: /{name}, upstream: shop, authenticate: {ways}, authorize: authenticated}}\n"
    apis = "".join(said.format(name=f"a{i}", ways="*ways" if i else "&ways [api_key]") for i in range(201))
    text = HEAD + "apis:\n" + apis
    assert len(load(write(text)).apis) == 201


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    main = tmp_path / "lockgate.yaml"
    main.write_bytes(b"\xef\xbb\xbf" + (HEAD + API).encode())
    assert [api.name for api in load(main).apis] == ["shop"]


def test_line_ends_of_other_systems(tmp_path: Path) -> None:
    main = tmp_path / "lockgate.yaml"
    main.write_bytes(
        (HEAD + "apis:\n  shop: {upstream: shpo, authenticate: [api_key], authorize: authenticated}\n")
        .replace("\n", "\r\n")
        .encode()
    )
    with pytest.raises(ConfigErrors) as refused:
        load(main)
    assert refused.value.errors[0].place == "lockgate.yaml:5:20"


@pytest.mark.parametrize("case", sorted(GOLDEN.glob("*.yaml")), ids=lambda case: case.stem)
def test_both_parsers_build_the_same(case: Path) -> None:
    """Where PyYAML was built without libyaml, Python's parser takes its place."""
    built = []
    for native in (True, False):
        source = Source(case, case.name, case.read_text(encoding="utf-8"))
        problems = Problems(sources=[source])
        root, nodes = compose(source, 0, problems, native=native)
        data = None
        if root is not None:
            data = Reading(0, nodes, problems, References(problems, {})).item(None, root, ()).data
        # The two word the same mistake differently; that it is one, and where the tree's are, is the same.
        refused = [problem.code for problem in problems.errors if not problem.code.startswith("yaml")]
        built.append((root is None, data, refused))
    assert built[0] == built[1]


def test_links_that_lead_back_up_are_not_walked_for_ever(write: Write, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(".")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "b.yml").write_text("broken")
    (tmp_path / "apis" / "deep").mkdir(parents=True)
    (tmp_path / "apis" / "deep" / "a.yml").write_text(API)
    loaded = load(write('include: "**/*.yml"\n' + HEAD))
    assert [source.name for source in loaded.sources] == ["lockgate.yaml", "apis/deep/a.yml"]
