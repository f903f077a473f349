"""`lockgate certs` in a state folder on which nothing runs; a running one is in tests/gateway/test_certificates.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate.state import StateFolder
from support.acme import TestAuthority
from support.command import Ended, lockgate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    StateFolder.open(tmp_path / ".lockgate")
    return tmp_path


def certs(folder: Path, *words: str, code: int = 0) -> Ended:
    ended = lockgate("certs", *words, cwd=folder)
    assert ended.code == code, ended.out + ended.err
    assert "PRIVATE" not in ended.out + ended.err
    return ended


def written(folder: Path, name: str, *hosts: str, ends: datetime | None = None) -> tuple[str, str]:
    chain, key = TestAuthority("Corporate").issue(*hosts, ends=ends)
    (folder / f"{name}.pem").write_text(chain)
    (folder / f"{name}.key").write_text(key)
    return chain, key


def test_nothing_is_there_yet(folder: Path, tmp_path: Path) -> None:
    assert "There are no certificates" in certs(folder, "list").out
    assert json.loads(certs(folder, "list", "--json").out) == []
    assert "holds no certificate" in certs(folder, "show", "a.example.com", code=2).err
    (tmp_path / "elsewhere").mkdir()
    certs(tmp_path / "elsewhere", "list", code=2)


def test_one_is_imported_listed_and_shown(folder: Path) -> None:
    chain, _ = written(folder, "api", "api.example.com", "www.example.com")
    said = certs(folder, "import", "api.pem", "--key", "api.key").out
    assert "Imported: api.example.com, www.example.com, of Corporate" in said
    assert "No listener shows it yet" in said
    listed = certs(folder, "list").out
    assert "api.example.com" in listed
    assert "Corporate" in listed
    [row] = json.loads(certs(folder, "list", "--json").out)
    assert (row["source"], row["state"], row["hosts"]) == ("imported", "good", ["api.example.com", "www.example.com"])
    assert certs(folder, "show", "www.example.com").out == chain
    assert "lockgate run" in certs(folder, "renew", "api.example.com", code=2).err


def test_a_host_under_a_wildcard_names_its_certificate(folder: Path) -> None:
    chain, _ = written(folder, "wild", "*.a1.example.com")
    certs(folder, "import", "wild.pem", "--key", "wild.key")
    assert certs(folder, "show", "x.a1.example.com").out == chain
    assert "lockgate run" in certs(folder, "renew", "x.a1.example.com", code=2).err
    assert "holds no certificate" in certs(folder, "show", "y.x.a1.example.com", code=2).err


def test_what_cannot_be_used_is_refused(folder: Path) -> None:
    written(folder, "api", "api.example.com")
    written(folder, "other", "other.example.com")
    written(folder, "old", "old.example.com", ends=datetime.now(UTC) - timedelta(hours=1))
    assert "not the one of the certificate" in certs(folder, "import", "api.pem", "--key", "other.key", code=2).err
    assert "no request was made here" in certs(folder, "import", "api.pem", code=2).err
    assert "expired" in certs(folder, "import", "old.pem", "--key", "old.key", code=2).err
    (folder / "der.pem").write_bytes(b"\x30\x82\xff\xfe")
    assert "openssl x509 -inform DER" in certs(folder, "import", "der.pem", code=2).err
    assert "no DNS name" in certs(folder, "csr", "not a host", code=2).err


def test_a_request_is_made_and_answered(folder: Path) -> None:
    made = certs(folder, "csr", "api.example.com", "www.example.com")
    key = x509.load_pem_x509_csr(made.out.encode()).public_key()
    assert certs(folder, "csr", "www.example.com", "api.example.com").out.startswith("-----BEGIN CERTIFICATE REQUEST")
    assert isinstance(key, ec.EllipticCurvePublicKey)
    (folder / "issued.pem").write_text(TestAuthority().issue_for(key, "api.example.com", "www.example.com"))
    certs(folder, "import", "issued.pem")
    audit = lockgate("logs", "--class", "audit", "--json", cwd=folder).out
    assert audit.count("certificate.request") == 2
    assert audit.count("certificate.import") == 1
