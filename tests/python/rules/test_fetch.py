"""Rules from elsewhere: over TLS from a real server that does what servers, and those between, may do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.rules import RulesError, fetch
from support.certificates import Authority
from support.command import Ended, lockgate
from support.raw_https import Files, answer, redirect, served
from support.rule_sets import release, tarred, zipped

RELEASE = tarred(release())
SUM = hashlib.sha256(RELEASE).hexdigest()
PATH = "/releases/crs.tar.gz"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "tls").mkdir()
    return Authority(tmp_path / "tls")


@pytest.fixture
def there(authority: Authority) -> Iterator[Files]:
    with served(authority.issue("server", "localhost"), {PATH: answer(RELEASE)}) as files:
        yield files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where rules are installed already: those of another version."""
    place = tmp_path / "place"
    place.mkdir()
    older = zipped(release("4.80.0"))
    (place / "older.zip").write_bytes(older)
    ended = lockgate("waf", "install", "older.zip", "--checksum", hashlib.sha256(older).hexdigest(), cwd=place)
    assert ended.code == 0, ended.err
    return place


def install(folder: Path, authority: Authority, url: str, checksum: str = SUM) -> Ended:
    env = {"SSL_CERT_FILE": str(authority.pem), "NO_PROXY": "*", "no_proxy": "*"}
    return lockgate("waf", "install", url, "--checksum", checksum, cwd=folder, env=env)


def state(folder: Path) -> dict[str, bytes]:
    """Every file of the rules' folder, hidden ones too."""
    rules = folder / ".lockgate/rules"
    return {str(path.relative_to(rules)): path.read_bytes() for path in rules.rglob("*") if path.is_file()}


def test_a_release_comes_over_tls(folder: Path, authority: Authority, there: Files) -> None:
    ended = install(folder, authority, there.url(PATH))
    assert (ended.code, ended.err) == (0, "")
    assert "The Core Rule Set 4.90.1 is in" in ended.out
    assert there.asked == [PATH]
    status = lockgate("waf", "status", cwd=folder).out
    assert there.url(PATH) in status
    assert f"sha256:{SUM}" in status


def test_redirects_are_followed_where_they_are_encrypted(folder: Path, authority: Authority, there: Files) -> None:
    there.answers |= {"/latest": redirect("/moved"), "/moved": redirect(there.url(PATH))}
    assert install(folder, authority, there.url("/latest")).code == 0
    assert there.asked == ["/latest", "/moved", PATH]


def test_what_may_be_a_secret_in_a_url_is_kept_nowhere(folder: Path, authority: Authority, there: Files) -> None:
    there.answers[f"{PATH}?token=hush"] = answer(RELEASE)
    url = there.url(f"{PATH}?token=hush", "someone:hush@localhost")
    ended = install(folder, authority, url)
    assert ended.code == 0, ended.err
    assert "hush" not in ended.out
    assert not any(b"hush" in content for content in state(folder).values())
    wrong = install(folder, authority, url, "0" * 64)
    assert (wrong.code, "hush" in wrong.err) == (2, False)


def test_a_plugin_comes_over_tls_too(folder: Path, authority: Authority, there: Files) -> None:
    from support.rule_sets import plugin

    content = zipped(plugin())
    there.answers["/plugin.zip"] = answer(content)
    env = {"SSL_CERT_FILE": str(authority.pem), "NO_PROXY": "*", "no_proxy": "*"}
    words = ("--plugin", there.url("/plugin.zip"), "--checksum", hashlib.sha256(content).hexdigest())
    ended = lockgate("waf", "install", *words, cwd=folder, env=env)
    assert (ended.code, "Plugins: shop." in ended.out) == (0, True), ended.err


FAULTS: dict[str, tuple[bytes, str]] = {
    "another archive": (answer(zipped(release())), "is not what was asked for: its SHA-256 is"),
    "nothing": (answer(b""), "is not what was asked for"),
    "not found": (answer(b"", "404 Not Found"), "the answer is 404 Not Found"),
    "a fault": (answer(RELEASE, "500 Internal Server Error"), "the answer is 500"),
    "only a part": (answer(RELEASE, "206 Partial Content"), "the answer is 206"),
    "cut off, length told": (answer(RELEASE[:-100], length=len(RELEASE)), "cannot be had"),
    "cut off in the head": (b"HTTP/1.1 200 OK\r\nContent-Le", "cannot be had"),
    "cut off, no length": (b"HTTP/1.1 200 OK\r\n\r\n" + RELEASE[:-100], "is not what was asked for"),
    "cut off in a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nabc", "cannot be had"),
    "no HTTP": (b"\x16\x03\x01 nonsense\r\n\r\n", "cannot be had"),
    "more than it may, told": (answer(b"", length=65 << 20), "has more than 64 MiB"),
    "more than it may, not told": (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(65 << 20), "has more than 64 MiB"),
    "to plain HTTP": (redirect("http://localhost/x"), "which is not encrypted"),
    "to a file": (redirect("file:///etc/passwd"), "which is not encrypted"),
    "to nowhere": (redirect("https://localhost:1/x"), "cannot be had"),
    "to no address": (redirect("https://[::"), "cannot be had"),
    "in a circle": (redirect(PATH), "more than 5 redirects"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_goes_wrong_changes_nothing(case: str, folder: Path, authority: Authority, there: Files) -> None:
    before = state(folder)
    there.answers[PATH], words = FAULTS[case]
    ended = install(folder, authority, there.url(PATH))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Nothing was changed: ")
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert state(folder) == before


def test_who_is_not_vouched_for_is_not_believed(folder: Path, authority: Authority, tmp_path: Path) -> None:
    before = state(folder)
    other = tmp_path / "other"
    other.mkdir()
    stranger = Authority(other, "stranger").issue("server", "localhost")
    for issued, words in [
        (stranger, "certificate verify failed"),
        (authority.issue("elsewhere", "rules.example"), "localhost"),
        (authority.issue("over", "localhost", days=-1, begins=-3), "expired"),
    ]:
        with served(issued, {PATH: answer(RELEASE)}) as files:
            ended = install(folder, authority, files.url(PATH))
            assert (ended.code, files.asked) == (2, [])
            assert words in ended.err
    with served(None, {PATH: answer(RELEASE)}) as files:
        ended = install(folder, authority, files.url(PATH))
        assert (ended.code, "cannot be had" in ended.err) == (2, True)
    assert state(folder) == before


def test_what_stops_coming_is_waited_for_only_so_long(
    there: Files, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.pem))
    monkeypatch.setattr(fetch, "SECONDS", 0.3)
    there.answers |= {"/stuck": answer(RELEASE[:100], length=len(RELEASE)), "/silent": b""}
    there.stuck |= {"/stuck", "/silent"}
    for path in ("/stuck", "/silent"):
        with pytest.raises(RulesError, match=r"cannot be had: .*timed out"):
            fetch.fetched(there.url(path), lambda _: None)


def test_what_comes_drop_by_drop_has_an_end(
    there: Files, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.pem))
    monkeypatch.setattr(fetch, "WHOLE_SECONDS", 0.0)
    with pytest.raises(RulesError, match="is not here after"):
        fetch.fetched(there.url(PATH), lambda _: None)
