"""`geo`: which databases a configuration may name, and when they are looked through."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lockgate.config.geo
from lockgate import _native
from lockgate.config import ConfigErrors, Loaded, load
from support import places

HEAD = "version: 1\n"
API = "apis: {shop: {upstream: http://127.0.0.1:9000, authenticate: [api_key], authorize: authenticated}}\n"
PLACES = {"192.0.2.0/24": {"country": "DE", "network": 64500}}
Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(geo: str) -> Path:
        main = tmp_path / "lockgate.yaml"
        main.write_text(f"{HEAD}geo: {geo}\n{API}", encoding="utf-8")
        return main

    places.countries(tmp_path / "countries.mmdb", PLACES)
    places.networks(tmp_path / "networks.mmdb", PLACES)
    return write


def refused(main: Path) -> list[tuple[str, str]]:
    with pytest.raises(ConfigErrors) as errors:
        load(main)
    return [(error.code, error.message) for error in errors.value.errors]


def codes_of(main: Path) -> set[str]:
    """What is wrong, if anything is."""
    try:
        load(main)
    except ConfigErrors as errors:
        return {error.code for error in errors.errors}
    return set()


def told(loaded: Loaded) -> Any:
    return loaded.compile(1, 1).get("geo")


def test_a_gate_is_told_where_they_lie(written: Written, tmp_path: Path) -> None:
    loaded = load(written("{countries: countries.mmdb, networks: networks.mmdb}"))
    files = [tmp_path / "countries.mmdb", tmp_path / "networks.mmdb"]
    assert told(loaded) == {"countries": str(files[0]), "networks": str(files[1])}
    assert set(files) <= set(loaded.files), "they are watched"
    assert told(load(written("{networks: networks.mmdb}"))) == {"countries": None, "networks": str(files[1])}
    assert told(load(written("{}"))) is None


def test_they_are_relative_to_the_file_that_names_them(written: Written, tmp_path: Path) -> None:
    main = tmp_path / "lockgate.yaml"
    main.write_text(f"{HEAD}include: [more/geo.yaml]\n{API}", encoding="utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "geo.yaml").write_text("geo: {countries: ../countries.mmdb}\n", encoding="utf-8")
    assert told(load(main))["countries"] == str(tmp_path / "countries.mmdb")


def test_one_in_the_others_place_is_refused(written: Written) -> None:
    both = refused(written("{countries: networks.mmdb, networks: countries.mmdb}"))
    assert [code for code, _ in both] == ["geo-unfit", "geo-unfit"]
    assert "`Test-ASN`, and tells no countries" in both[0][1]
    assert "`Test-Country`, and tells no networks" in both[1][1]


def test_a_large_one_is_refused(written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = written("{countries: countries.mmdb}")
    load(main)
    monkeypatch.setattr(lockgate.config.geo, "MAX_FILE", 100)
    assert [code for code, _ in refused(main)] == ["file-too-large"]


def test_a_pipe_is_not_waited_for(written: Written, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert [code for code, _ in refused(written("{countries: pipe}"))] == ["file-unreadable"]


def test_what_did_not_change_is_looked_through_once(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = _native.check_geo

    def counted(content: bytes, kind: str) -> None:
        looked.append(kind)
        real(content, kind)

    monkeypatch.setattr(_native, "check_geo", counted)
    main = written("{countries: countries.mmdb}")
    load(main)
    load(main)
    assert looked == ["countries"]
    places.countries(tmp_path / "countries.mmdb", PLACES)
    load(main)
    assert looked == ["countries", "countries"]


def test_cut_short_and_turned_around_it_is_refused_or_read(written: Written, tmp_path: Path) -> None:
    """None of them may end the process, or be looked through for ever."""
    main, file = written("{countries: countries.mmdb}"), tmp_path / "countries.mmdb"
    whole = file.read_bytes()
    codes = set()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        codes |= {code for code, _ in refused(main)}
    assert codes == {"geo-unfit"}
    for at in range(0, len(whole), 5):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert all(code == "geo-unfit" for code in codes_of(main))
