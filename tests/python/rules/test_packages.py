"""`lockgate waf install package`: the rules of this machine's distribution."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lockgate.rules import RulesError, sources
from lockgate.rules.install import prepared
from lockgate.rules.store import RuleStore
from support.command import lockgate
from support.rule_sets import release

OWN = 'SecRule ARGS:own "@streq {word}" "id:{number},phase:2,deny,status:403"\n'


def packaged(root: Path, files: dict[str, bytes]) -> tuple[tuple[Path, Path], ...]:
    """The files where Debian's package has them: rules in one place, what may be set of them in another."""
    rules, settings = root / "usr/share/modsecurity-crs", root / "etc/modsecurity/crs"
    for name, content in files.items():
        below = name.partition("/")[2]
        target = rules / below if below.startswith("rules/") else settings / below.removesuffix(".example")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return ((rules, settings),)


def test_a_package_is_installed_with_its_settings_and_ones_own_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = packaged(tmp_path, release())
    settings = places[0][1]
    setup = settings / "crs-setup.conf"
    setup.write_text(setup.read_text() + "# the operator's\n")
    before, after = "REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf", "RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf"
    (settings / before).write_text(OWN.format(word="before", number=1))
    (settings / after).write_text(OWN.format(word="after", number=2))
    monkeypatch.setattr(sources, "PACKAGES", places)
    folder, had = sources.core("package", None, lambda _: None)
    store = RuleStore(tmp_path / "lockgate.yaml")
    with store.alone(), prepared(store, tmp_path / "lockgate.yaml", folder, had) as ready:
        assert sorted(ready.rules.rules) == [1, 2, 942998, 942999]
        ready.into(store)
    found = store.installed()
    assert found is not None
    assert found.files["crs-setup.conf"].endswith(b"# the operator's\n")
    assert {f"rules/{before}", f"rules/{after}"} <= set(found.files)
    status = lockgate("waf", "status", cwd=tmp_path).out
    assert "4.90.1" in status
    assert f"From       {places[0][0]}" in status


def test_rules_that_are_too_old_are_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PACKAGES", packaged(tmp_path, release("3.3.4")))
    with pytest.raises(RulesError, match=r"is the Core Rule Set 3\.3\.4, and Lockgate runs version 4 and later"):
        sources.core("package", None, lambda _: None)


def test_no_package_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PACKAGES", ((tmp_path / "rules", tmp_path / "settings"),))
    with pytest.raises(RulesError, match="no package of the Core Rule Set is installed here"):
        sources.core("package", None, lambda _: None)


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Debian's own package of today has in it."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("this is no Debian, so its package cannot be had")
    folder = tmp_path_factory.mktemp("debian")
    had = subprocess.run(
        ["apt-get", "download", "modsecurity-crs"], cwd=folder, capture_output=True, check=False, timeout=120
    )
    archives = list(folder.glob("*.deb"))
    if had.returncode != 0 or not archives:
        pytest.skip("no mirror of Debian's packages answers")
    subprocess.run(["dpkg-deb", "-x", archives[0], folder / "root"], check=True, timeout=60)
    return folder / "root"


def test_debians_own_package_is_run_or_refused_with_one_line(debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places,) = ((debian / "usr/share/modsecurity-crs", debian / "etc/modsecurity/crs"),)
    monkeypatch.setattr(sources, "PACKAGES", (places,))
    setup = (places[1] / "crs-setup.conf").read_text(encoding="utf-8")
    if "Core Rule Set ver.3." in setup:
        with pytest.raises(RulesError, match="is the Core Rule Set 3") as told:
            sources.core("package", None, lambda _: None)
        assert "\n" not in str(told.value)
        return
    folder, _ = sources.core("package", None, lambda _: None)
    assert len(folder.files) > 40
    assert {"crs-setup.conf", "rules/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf"} <= set(folder.files)
