"""How the files of certificates are told of, good and bad."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lockgate.admin.certificates.rows import Row, called, of_file, of_kept
from lockgate.certificates import Authority as AcmeAuthority
from lockgate.certificates import Kept, Names, Status, Wanted
from lockgate.certificates.schedule import failed
from lockgate.config import ManagedCertificate
from support.certificates import Authority


def test_files_are_told_of_as_they_are_and_as_the_gate_takes_them(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good, other = authority.issue("good", "a.example"), authority.issue("other", "b.example")
    old = authority.issue("old", "a.example", days=-1, begins=-29)
    row = of_file("public", good.chain, good.key)
    assert (row.state, row.last_error) == ("good", None)
    wrong = of_file("public", good.chain, other.key)
    assert wrong.state == "failing"
    assert "certificate and key do not belong together" in (wrong.last_error or "")
    for row in (wrong, of_file("public", old.chain, old.key), of_file("public", tmp_path / "none.pem", good.key)):
        assert row.state != "good"
        assert "a gate that had a good one goes on showing that" in (row.last_error or "")


def test_what_failed_is_told_until_it_is_wanted_in_another_way() -> None:
    names = Names.of(["shop.test"])
    tried = Wanted(names, AcmeAuthority("https://ca.test/dir"))
    other = Wanted(names, AcmeAuthority("https://ca.test/dir", email="ops@shop.test"))
    kept = Kept(names, failed(Status(names=names.all), "a program failed", None, datetime.now(UTC), tried))
    said = ManagedCertificate("shop.test", names.all, ("public",), None)
    row = of_kept(said, kept, tried, None, working=False)
    assert row.last_error == "a program failed"
    assert row.next_attempt_ms is not None
    row = of_kept(said, kept, other, None, working=False)
    assert (row.last_error, row.next_attempt_ms) == (None, None)


def test_a_certificate_is_called_by_its_name_a_host_or_one_under_a_wildcard() -> None:
    wild = Row("*.a1.test", "acme", ["*.a1.test"], [], "good")
    one = Row("x.a1.test+", "acme", ["x.a1.test"], [], "good")
    assert called([wild, one], "x.a1.test") == [one]
    assert called([wild, one], "y.a1.test") == [wild]
    assert called([wild, one], "*.a1.test") == [wild]
    assert called([wild, one], "a1.test") == []
    assert called([wild, one], "no name") == []
