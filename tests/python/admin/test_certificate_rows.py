"""How the files of certificates are told of, good and bad."""

from __future__ import annotations

from pathlib import Path

from lockgate.admin.certificates.rows import of_file
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
