"""`lockgate waf install`: what is put in place, and what never is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.rules.checksums import VERSION, h1, sha256
from lockgate.rules.fetch import MODULE
from support.command import Ended, lockgate
from support.rule_sets import RULES, laid, plugin, release, tarred, zipped

Install = Callable[..., Ended]


def core(folder: Path) -> Path:
    """Where it belongs."""
    return folder / ".lockgate/rules/core"


def manifest(folder: Path) -> dict[str, object]:
    """What the manifest says."""
    said: dict[str, object] = json.loads((core(folder) / "lockgate.json").read_text())
    return said


def archive(folder: Path, content: bytes, name: str = "release.tar.gz") -> tuple[str, str, str]:
    """The words that install it."""
    path = folder / name
    path.write_bytes(content)
    return str(path), "--checksum", hashlib.sha256(content).hexdigest()


def install(folder: Path, *words: str, env: dict[str, str] | None = None) -> Ended:
    """The command."""
    return lockgate("waf", "install", *words, cwd=folder, env=env)


@pytest.mark.parametrize("packed", [zipped, tarred])
def test_a_release_in_an_archive(tmp_path: Path, packed: Callable[[dict[str, bytes]], bytes]) -> None:
    words = archive(tmp_path, packed(release()))
    ended = install(tmp_path, *words)
    assert (ended.code, ended.err) == (0, "")
    assert "The Core Rule Set 4.90.1 is in" in ended.out
    assert "2 rules" in ended.out
    there = {str(path.relative_to(core(tmp_path))) for path in core(tmp_path).rglob("*") if path.is_file()}
    assert there == {"LICENSE", "crs-setup.conf", "lockgate.json", "rules/REQUEST-942-X.conf", "rules/words.data"}
    said = manifest(tmp_path)
    assert (said["version"], said["source"], said["checksum"]) == ("4.90.1", words[0], f"sha256:{words[2]}")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / ".lockgate").rglob("*")}
    assert modes == {0o600, 0o700}
    assert not list(core(tmp_path).parent.glob(".core-*"))


def test_a_folder_needs_no_checksum(tmp_path: Path) -> None:
    there = laid(release(), tmp_path / "there")
    assert install(tmp_path, str(there)).code == 0
    assert manifest(tmp_path)["checksum"] is None


def test_a_folder_with_a_pipe_in_it_is_refused(tmp_path: Path) -> None:
    there = laid(release(), tmp_path / "there")
    os.mkfifo(there / "rules/REQUEST-2.conf")
    ended = install(tmp_path, str(there))
    assert (ended.code, "REQUEST-2.conf is not a regular file" in ended.err) == (2, True)
    assert not core(tmp_path).exists()


def test_an_archive_is_refused_without_a_checksum_and_with_another(tmp_path: Path) -> None:
    path, _, found = archive(tmp_path, tarred(release()))
    ended = install(tmp_path, path)
    assert ended.code == 2
    assert f"its SHA-256 is {found}" in ended.err
    ended = install(tmp_path, path, "--checksum", "0" * 64)
    assert ended.code == 2
    assert "is not what was asked for" in ended.err
    ended = install(tmp_path, path, "--checksum", "nonsense")
    assert "is no checksum" in ended.err
    assert not core(tmp_path).exists()


def bomb() -> bytes:
    """A few kilobytes that unpack to more than may be."""
    return zipped({"r/rules/a.conf": b"#" * (200 << 20)})


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "no archive": (lambda: b"not an archive", "is neither a .zip nor a .tar.gz"),
    "an empty file": (lambda: b"", "is neither a .zip nor a .tar.gz"),
    "a zip cut off": (lambda: zipped(release())[:-40], "damaged or cut off"),
    "a tar cut off": (lambda: tarred(release())[:-40], "damaged or cut off"),
    "a zip bomb": (bomb, "unpacks to more than"),
    "a tar bomb": (lambda: tarred({"r/rules/a.conf": b"#" * (200 << 20)}), "unpacks to more than"),
    "a way out, zip": (lambda: zipped({**release(), "r/../../rules/a.conf": b""}), "outside of its folder"),
    "a way out, tar": (lambda: tarred({**release(), "../rules/a.conf": b""}), "outside of its folder"),
    "an absolute name": (lambda: tarred({**release(), "/etc/rules/a.conf": b""}), "outside of its folder"),
    "a backslash": (lambda: zipped({**release(), "r\\..\\rules.conf": b""}), "outside of its folder"),
    "too many entries": (lambda: zipped({f"r/{n}": b"" for n in range(20_002)}), "more than 20,000 entries"),
    "no rules": (lambda: zipped({"r/README.md": b"x", "r/rules/README": b"x"}), "has no rules in it"),
    "rules that do not load": (
        lambda: zipped(release(rules=RULES + 'SecRule ARGS "@contians x" "id:1,phase:2,deny"\n')),
        "Lockgate cannot run these rules",
    ),
    "a list that is missing": (
        lambda: zipped({name: text for name, text in release().items() if not name.endswith(".data")}),
        "words.data",
    ),
    "no text": (lambda: zipped({**release(), "coreruleset-4.90.1/rules/b.conf": b"\xff\xfe"}), "not text in UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_bad_changes_nothing(case: str, tmp_path: Path) -> None:
    assert install(tmp_path, *archive(tmp_path, zipped(release()), "good.zip")).code == 0
    before = {path: path.read_bytes() for path in core(tmp_path).rglob("*") if path.is_file()}
    make, words = BAD[case]
    ended = install(tmp_path, *archive(tmp_path, make()))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Nothing was changed: ")
    assert words in ended.err
    assert {path: path.read_bytes() for path in core(tmp_path).rglob("*") if path.is_file()} == before
    assert not list(core(tmp_path).parent.glob(".core-*"))


def test_a_link_in_the_place_of_rules_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.conf"
    secret.write_text("SecMarker SECRET\n")
    top = "coreruleset-4.90.1"
    made = tarred(release(), links={f"{top}/rules/link.conf": str(secret)})
    assert install(tmp_path, *archive(tmp_path, made)).code == 0
    assert not (core(tmp_path) / "rules/link.conf").exists()


def test_the_rules_before_are_kept_and_can_be_gone_back_to(tmp_path: Path) -> None:
    assert "there is no previous rule set" in install(tmp_path, "--previous").err
    for version in ("4.90.1", "4.91.0"):
        assert install(tmp_path, *archive(tmp_path, zipped(release(version)))).code == 0
    assert manifest(tmp_path)["version"] == "4.91.0"
    ended = install(tmp_path, "--previous", "--json")
    assert ended.code == 0
    assert (json.loads(ended.out)["done"], json.loads(ended.out)["version"]) == ("gone-back", "4.90.1")
    assert manifest(tmp_path)["version"] == "4.90.1"
    assert install(tmp_path, "--previous").code == 0
    assert manifest(tmp_path)["version"] == "4.91.0"


def test_plugins_go_along_and_can_be_taken_away(tmp_path: Path) -> None:
    parts = archive(tmp_path, zipped(plugin()), "plugin.zip")
    assert "`lockgate waf install` first" in install(tmp_path, "--plugin", *parts).err
    install(tmp_path, *archive(tmp_path, zipped(release())))
    ended = install(tmp_path, "--plugin", *parts)
    assert (ended.code, ended.err) == (0, "")
    assert "3 rules" in ended.out
    assert "Plugins: shop." in ended.out
    install(tmp_path, *archive(tmp_path, zipped(release("4.91.0"))))
    said = json.loads(lockgate("waf", "status", "--json", cwd=tmp_path).out)["core"]
    assert (said["version"], said["plugins"], said["rules"], said["changed"]) == ("4.91.0", ["shop"], 3, [])
    assert "there is no plugin `other`; there is shop" in install(tmp_path, "--without-plugin", "other").err
    assert install(tmp_path, "--without-plugin", "shop").code == 0
    assert not (core(tmp_path) / "plugins").exists()
    bad = archive(tmp_path, zipped(plugin(text="SecNonsense\n")), "bad.zip")
    assert "SecNonsense" in install(tmp_path, "--plugin", *bad).err
    none = archive(tmp_path, zipped({"x/README.md": b""}), "none.zip")
    assert "is no plugin" in install(tmp_path, "--plugin", *none).err


def test_a_setup_that_was_changed_stays_and_changed_rules_are_told_of(tmp_path: Path) -> None:
    install(tmp_path, *archive(tmp_path, zipped(release())))
    setup, rules = core(tmp_path) / "crs-setup.conf", core(tmp_path) / "rules/REQUEST-942-X.conf"
    setup.write_text(setup.read_text() + "# ours\n")
    rules.write_text(rules.read_text() + "# ours\n")
    status = lockgate("waf", "status", cwd=tmp_path)
    assert status.code == 1
    assert "rules/REQUEST-942-X.conf is not as it was installed" in status.out
    told = []
    for version in ("4.91.0", "4.92.0"):
        told.append(install(tmp_path, *archive(tmp_path, zipped(release(version)))).out)
        assert setup.read_text().endswith("# ours\n")
    assert "# ours" not in rules.read_text()
    assert "Changed by hand" not in told[-1], "the second time there is nothing of that"


OWN_SETUP = (
    'SecAction "id:900000,phase:1,nolog,pass,t:none,setvar:tx.blocking_paranoia_level=2"\n'
    'SecAction "id:900110,phase:1,nolog,pass,t:none,setvar:tx.inbound_anomaly_score_threshold=10"\n'
)
READS = 'SecRule TX:BLOCKING_PARANOIA_LEVEL "@lt 2" "id:901,phase:1,nolog,pass"\n' + RULES


def test_a_setup_of_ones_own_comes_with_its_folder_and_stays(tmp_path: Path) -> None:
    first = laid(release("4.90.1", rules=READS), tmp_path / "first")
    (first / "crs-setup.conf").write_text(OWN_SETUP)
    installed = install(tmp_path, str(first))
    assert installed.code == 0, installed.err
    status = lockgate("waf", "status", cwd=tmp_path)
    assert (status.code, "crs-setup.conf is your own: it goes along" in status.out) == (0, True), status.out
    second = laid(release("4.90.2", rules=READS), tmp_path / "second")
    updated = install(tmp_path, str(second))
    assert "Your own crs-setup.conf goes along." in updated.out
    assert (core(tmp_path) / "crs-setup.conf").read_text() == OWN_SETUP
    third = laid(release("4.90.3", rules=READS), tmp_path / "third")
    (third / "crs-setup.conf").write_text(OWN_SETUP.replace("level=2", "level=3"))
    replaced = install(tmp_path, str(third))
    assert "Changed by hand before, and not any more: crs-setup.conf" in replaced.out
    assert "level=3" in (core(tmp_path) / "crs-setup.conf").read_text()


def test_what_a_setup_says_is_wanted_of_the_policy_too(tmp_path: Path) -> None:
    first = laid(release(rules=READS), tmp_path / "first")
    (first / "crs-setup.conf").write_text(OWN_SETUP.splitlines(keepends=True)[0])
    assert install(tmp_path, str(first)).code == 0
    api = "{upstream: 'http://127.0.0.1:9', authenticate: [api_key], authorize: authenticated, waf: {rules: core}}"
    (tmp_path / "lockgate.yaml").write_text(f"version: 1\napis:\n  a: {api}\n")
    checked = lockgate("check", cwd=tmp_path)
    assert checked.code == 2
    assert "crs-setup.conf:1 sets `blocking_paranoia_level` to 2" in checked.err + checked.out
    assert "take that line out, and write `paranoia: 2` here" in " ".join((checked.err + checked.out).split())


def test_a_configuration_that_would_be_refused_is_told_before(tmp_path: Path) -> None:
    waiver = "owner: me, reason: a test, until: 2099-01-01"
    (tmp_path / "lockgate.yaml").write_text(
        f"version: 1\napis:\n  a:\n    path: /\n    upstream: http://127.0.0.1:9\n    public: {{{waiver}}}\n"
        f'    waf: {{rules: core, exclude: [{{rule: "942998", {waiver}}}]}}\n'
    )
    install(tmp_path, *archive(tmp_path, zipped(release())))
    assert lockgate("check", cwd=tmp_path).code == 0
    fewer = zipped(release("4.91.0", rules=RULES.partition('SecRule ARGS "@pmFromFile')[0]))
    ended = install(tmp_path, *archive(tmp_path, fewer))
    assert ended.code == 2
    assert "lockgate.yaml would be refused with 4.91.0" in ended.err
    assert "942998" in ended.err
    assert manifest(tmp_path)["version"] == "4.90.1"


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    words = [archive(tmp_path, zipped(release(f"4.9{n}.0")), f"{n}.zip") for n in range(4)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "lockgate", "waf", "install", *each], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        for each in words
    ]
    ended = [(each.communicate()[1], each.returncode) for each in running]
    assert any(code == 0 for _, code in ended)
    assert all(code == 0 or "another command is changing" in err for err, code in ended)
    version = str(manifest(tmp_path)["version"])
    assert version in (core(tmp_path) / "rules/REQUEST-942-X.conf").read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root; the test below stands for it")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    words = archive(tmp_path, zipped(release()))
    tmp_path.chmod(0o500)
    try:
        assert "cannot be" in install(tmp_path, *words).err
    finally:
        tmp_path.chmod(0o700)


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    words = archive(tmp_path, zipped(release()))
    (tmp_path / ".lockgate").write_text("a file")
    ended = install(tmp_path, *words)
    assert ended.code == 2
    assert "cannot be made" in ended.err


def test_what_a_killed_command_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / ".lockgate/rules/.core-left"
    left.mkdir(parents=True)
    assert install(tmp_path, *archive(tmp_path, zipped(release()))).code == 0
    assert not left.exists()


def go_module(version: str, folder: Path) -> tuple[Path, str]:
    """A module proxy's folder with a release in it as Go packs it, and its checksum."""
    prefix = f"{MODULE}@v{version}"
    renamed = {"rules": "rules/@owasp_crs", "crs-setup.conf.example": "rules/@crs-setup.conf.example"}
    files = {}
    for name, content in release(version).items():
        below = name.partition("/")[2]
        head, _, rest = below.partition("/")
        files[f"{prefix}/{renamed.get(head, head)}{'/' + rest if rest else ''}"] = content
    place = folder / MODULE / "@v" / f"v{version}.zip"
    place.parent.mkdir(parents=True)
    place.write_bytes(zipped(files))
    return place, h1((name, sha256(content)) for name, content in files.items())


def test_a_version_from_a_module_proxy(tmp_path: Path) -> None:
    place, total = go_module("4.90.1", tmp_path / "proxy")
    env = {"GOPROXY": (tmp_path / "proxy").as_uri(), "GOMODCACHE": str(tmp_path / "none")}
    told = install(tmp_path, "4.90.1", env=env)
    assert (told.code, "no checksum is known here for 4.90.1, only for 4.22.0 and 4.25.0" in told.err) == (2, True)
    # What does it, to be copied.
    assert "  lockgate waf install 4.90.1 --checksum h1:…" in told.err
    assert f"  go mod download {MODULE}@v4.90.1\n" in told.err
    assert "  lockgate waf install SOURCE --checksum SUM" in told.err
    ended = install(tmp_path, "4.90.1", "--checksum", total, env=env)
    assert (ended.code, ended.err) == (0, "")
    assert manifest(tmp_path)["checksum"] == total
    # What is pinned is not what lies there.
    place.rename(place.with_name(f"v{VERSION}.zip"))
    ended = install(tmp_path, env=env)
    assert ended.code == 2
    assert "is not what was asked for" in ended.err
    ended = install(tmp_path, env={**env, "GOPROXY": "off"})
    assert "no module proxy is named" in ended.err


def test_a_version_from_the_cache_of_go(tmp_path: Path) -> None:
    _, total = go_module("4.90.1", tmp_path / "cache/download")
    env = {"GOPROXY": "off", "GOMODCACHE": str(tmp_path)}
    shutil.move(tmp_path / "cache/download" / MODULE, tmp_path / "moved")
    assert install(tmp_path, "4.90.1", "--checksum", total, env=env).code == 2
    shutil.move(tmp_path / "moved", tmp_path / "cache/download" / MODULE)
    assert install(tmp_path, "4.90.1", "--checksum", total, env=env).code == 0


def test_a_version_that_go_has_vouched_for(tmp_path: Path) -> None:
    """As `go mod download` leaves it: the module, and its checksum beside it."""
    place, total = go_module("4.90.1", tmp_path / "cache/download")
    env = {"GOPROXY": "off", "GOMODCACHE": str(tmp_path)}
    assert "no checksum is known" in install(tmp_path, "4.90.1", env=env).err
    kept = place.with_suffix(".ziphash")
    for wrong, words in (("nonsense", "no checksum is known"), (h1([]), "is not what was asked for")):
        kept.write_text(wrong)
        ended = install(tmp_path, "4.90.1", env=env)
        assert (ended.code, words in ended.err) == (2, True), ended.err
    kept.write_text(total)
    ended = install(tmp_path, "4.90.1", env=env)
    assert (ended.code, ended.err) == (0, "")
    assert (manifest(tmp_path)["version"], manifest(tmp_path)["checksum"]) == ("4.90.1", total)


def test_a_version_with_the_sum_of_an_archive(tmp_path: Path) -> None:
    place, _ = go_module("4.90.1", tmp_path / "proxy")
    env = {"GOPROXY": (tmp_path / "proxy").as_uri(), "GOMODCACHE": str(tmp_path / "none")}
    other = hashlib.sha256(tarred(release())).hexdigest()
    ended = install(tmp_path, "4.90.1", "--checksum", other, env=env)
    assert (ended.code, "name the archive in place of 4.90.1" in ended.err) == (2, True)
    assert not core(tmp_path).exists()
    own = sha256(place.read_bytes())
    ended = install(tmp_path, "4.90.1", "--checksum", own, env=env)
    assert (ended.code, ended.err) == (0, "")
    assert manifest(tmp_path)["checksum"] == f"sha256:{own}"


def test_what_cannot_be_named(tmp_path: Path) -> None:
    assert "there is no nowhere.zip" in install(tmp_path, "nowhere.zip").err
    assert "nothing tells what is in it" in install(tmp_path, "https://127.0.0.1:1/x.zip").err
    assert "is not encrypted" in install(tmp_path, "http://127.0.0.1:1/x.zip", "--checksum", "0" * 64).err
    assert "One at a time" in install(tmp_path, "--previous", "--plugin", "x").err


def test_an_archive_of_a_kind_that_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "locked.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("r/rules/a.conf", b"SecMarker A\n")
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1  # Said to be encrypted.
    ended = install(tmp_path, *archive(tmp_path, bytes(content)))
    assert ended.code == 2
    assert "Nothing was changed" in ended.err
