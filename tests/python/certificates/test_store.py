"""What the store keeps, takes in and gives out; what it makes of damage and of others who come at once."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from lockgate.certificates import Account, Kept, Names, Status, Store
from lockgate.certificates.chain import key_pem, read_chain, read_key
from lockgate.certificates.store import issued
from lockgate.state import StateError, StateFolder, StateInUseError
from support.acme import TestAuthority
from support.processes import Processes

NOW = datetime.now(UTC)
NAMES = Names.of(["shop.test"])
ROOT = TestAuthority("Root")
AUTHORITY = TestAuthority("Intermediate", ROOT)


def made(store: Store, name: str = "shop.test") -> Kept:
    certificate, key = AUTHORITY.issue(name)
    kept = issued(Names.of([name]), read_chain(certificate + AUTHORITY.pem), key, "https://ca.test/dir", None, NOW)
    store.put(kept)
    return kept


def folder(store: Store) -> Path:
    return store.root / NAMES.folder


def test_what_is_put_is_loaded(store: Store) -> None:
    kept = made(store)
    assert store.load(NAMES) == kept
    other = made(store, "other.test")
    assert store.all() == [other, kept]
    assert store.load(Names.of(["none.test"])) == Kept(Names.of(["none.test"]), Status(names=("none.test",)))
    store.remove(NAMES)
    assert store.all() == [other]


def test_a_write_that_is_torn_leaves_the_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = made(store)

    def torn(*_: object) -> None:
        raise OSError("no space left on device")

    for what in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, what, torn)
            with pytest.raises(OSError, match="no space"):
                made(store)
        assert store.load(NAMES) == kept


def test_what_a_killed_writer_left_is_swept_away(store: Store) -> None:
    kept = made(store)
    (folder(store) / ".certificate.pem.abc").write_text("half")
    (store.root / "accounts/.x.json.abc").write_text("half")
    assert store.sweep() == 2
    assert store.sweep() == 0
    assert store.load(NAMES) == kept


def test_a_new_certificate_whose_status_was_not_written(store: Store) -> None:
    before = made(store)
    certificate, key = AUTHORITY.issue("shop.test")
    (folder(store) / "certificate.pem").write_text(key + certificate)
    found = store.load(NAMES)
    assert found.chain is not None
    assert before.chain is not None
    assert found.status.fingerprint == found.chain.fingerprint != before.chain.fingerprint
    assert found.status.next_check is None


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_damaged_certificate_is_none_and_a_damaged_status_is_begun_anew(content: bytes, store: Store) -> None:
    made(store)
    (folder(store) / "certificate.pem").write_bytes(content)
    found = store.load(NAMES)
    assert found.chain is None
    assert "certificate.pem is damaged" in (found.status.last_error or "")
    kept = made(store)
    (folder(store) / "status.json").write_bytes(content)
    found = store.load(NAMES)
    assert found.chain == kept.chain
    assert "status.json was damaged" in (found.status.last_error or "")
    with pytest.raises(StateError, match="damaged"):
        store.all()


def test_a_key_that_is_anothers_is_damage(store: Store) -> None:
    made(store)
    path = folder(store) / "certificate.pem"
    path.write_text(AUTHORITY.issue("shop.test")[1] + AUTHORITY.issue("shop.test")[0])
    assert "the key is not the one" in (store.load(NAMES).status.last_error or "")


@pytest.mark.parametrize("file", ["certificate.pem", "status.json"])
def test_what_others_can_read_is_refused(file: str, store: Store) -> None:
    made(store)
    (folder(store) / file).chmod(0o640)
    with pytest.raises(StateError, match="can be read by other users"):
        store.load(NAMES)


def test_folders_that_others_can_read_are_closed(tmp_path: Path) -> None:
    root = tmp_path / "state/certificates"
    root.mkdir(parents=True, mode=0o755)
    Store.open(StateFolder(tmp_path / "state"))
    assert root.stat().st_mode & 0o777 == 0o700


def test_an_account_is_kept_and_its_key_is_not_told(store: Store) -> None:
    account = Account(directory="https://ca.test/dir", key_pem=AUTHORITY.issue("x.test")[1])
    store.put_account("abc", account)
    assert store.account("abc") == account
    assert store.account("abd") is None
    assert "PRIVATE" not in repr(account)
    path = store.root / "accounts/abc.json"
    path.write_text(json.dumps({"key_pem": account.key_pem}))
    with pytest.raises(StateError, match="damaged") as refused:
        store.account("abc")
    assert "PRIVATE" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_certificate_is_taken_in(store: Store) -> None:
    certificate, key = AUTHORITY.issue("shop.test", "127.0.0.1")
    kept = store.take_in(certificate + AUTHORITY.pem + ROOT.pem, key, NOW)
    assert kept.names == Names.of(["shop.test", "127.0.0.1"])
    assert kept.status.source == "imported"
    assert kept.chain is not None
    assert kept.chain.issuer == "Intermediate"
    assert store.load(kept.names) == kept


def test_a_request_is_answered_by_a_certificate_for_its_key(store: Store) -> None:
    pem = store.request(NAMES)
    assert "PRIVATE" not in pem
    request = x509.load_pem_x509_csr(pem.encode())
    assert x509.load_pem_x509_csr(store.request(NAMES).encode()).public_key() == request.public_key()
    wanted = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert wanted.get_values_for_type(x509.DNSName) == ["shop.test"]
    with pytest.raises(ValueError, match="the key is not the one"):
        store.take_in(AUTHORITY.issue("shop.test")[0], None, NOW)
    path = folder(store) / "request.key"
    key = read_key(path.read_text())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    kept = store.take_in(AUTHORITY.issue("shop.test", key=key)[0], None, NOW)
    assert kept.key_pem == key_pem(key)
    assert not path.exists()


def test_what_is_not_taken_in(store: Store) -> None:
    certificate, key = AUTHORITY.issue("shop.test")
    other_key = AUTHORITY.issue("shop.test")[1]
    old = AUTHORITY.issue("shop.test", begins=NOW - timedelta(days=90), ends=NOW - timedelta(days=1))
    client = AUTHORITY.issue("shop.test", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    nameless = AUTHORITY.issue()
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 -- To be refused.
    locked = read_key(key).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hush"),
    )
    cases: list[tuple[str, str | bytes | None, str]] = [
        (certificate, other_key, "not the one of the certificate for shop.test"),
        (old[0], old[1], "expired on"),
        (client[0], client[1], "not for servers"),
        (nameless[0], nameless[1], "no Subject Alternative Name"),
        (AUTHORITY.pem + certificate, key, "certificate 1 of the chain was not issued by certificate 2"),
        (certificate + ROOT.pem + AUTHORITY.pem, key, "certificate 1 of the chain"),
        (certificate + AUTHORITY.pem * 11, key, "at most 10"),
        ("", key, "no certificate in PEM"),
        ("x" * 300_000, key, "bytes"),
        (certificate, "hush", "no private key in PEM"),
        (certificate, locked, "has a password: `openssl pkey"),
        (certificate, weak.private_bytes(*_PEM), "1024 bits is too weak"),
        (certificate, ec.generate_private_key(ec.SECP256K1()).private_bytes(*_PEM), "of a kind that TLS servers"),
        (certificate, None, "no request was made here"),
    ]
    for chain, private, word in cases:
        with pytest.raises(ValueError, match=re.escape(word)) as refused:
            store.take_in(chain, private, NOW)
        assert "hush" not in str(refused.value)
    assert store.all() == []


_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

HOLDER = """
import asyncio, sys
from lockgate.certificates import Names, Store
from lockgate.state import StateFolder

async def hold():
    async with Store.open(StateFolder.without_secrets(sys.argv[1])).held(Names.of(["shop.test"])):
        print("holds", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


def test_names_are_held_by_one_process_until_it_ends(store: Store, processes: Processes) -> None:
    other = processes.start([sys.executable, "-c", HOLDER, str(store.root.parent)], env={"PYTHONPATH": "python"})
    assert store.holder(NAMES) is None
    other.wait_for_output("holds")
    assert store.holder(NAMES) == other.pid

    store.lock_file(Names.of(["other.test"])).write_text("99999999999999999999")

    async def number() -> int | None:
        async with store.held(Names.of(["other.test"])):
            return store.holder(Names.of(["other.test"]))

    assert asyncio.run(number()) == os.getpid()

    async def hold(within: float) -> bool:
        async with store.held(NAMES, within) as waited:
            assert store.holder(NAMES) == os.getpid()
            return waited

    with pytest.raises(StateInUseError, match=f"shop.test is being worked on by process {other.pid}"):
        asyncio.run(hold(0.2))
    with pytest.raises(StateInUseError):
        store.request(NAMES)
    with pytest.raises(StateInUseError):
        store.take_in(*AUTHORITY.issue("shop.test"), NOW)

    async def wait_for_its_end() -> bool:
        waiting = asyncio.ensure_future(hold(60))
        await asyncio.sleep(0)  # Its first look is before the other ends.
        other.signal(signal.SIGKILL)
        return await waiting

    assert asyncio.run(wait_for_its_end())
    assert not asyncio.run(hold(0.2))


def test_a_renewal_identifier_is_the_rfcs() -> None:
    """RFC 9773 section 4.1's example: the serial's first bit is set, so that a zero byte comes before."""
    certificate = read_chain(AUTHORITY.issue("shop.test")[0])
    identifier = certificate.renewal_id
    assert identifier is not None
    issuer, _, serial = identifier.partition(".")
    der = certificate.leaf.serial_number.to_bytes(certificate.leaf.serial_number.bit_length() // 8 + 1, "big")
    assert base64.urlsafe_b64decode(serial + "=" * (-len(serial) % 4)) == der
    assert base64.urlsafe_b64decode(issuer + "=" * (-len(issuer) % 4)) == (
        x509.SubjectKeyIdentifier.from_public_key(AUTHORITY.key.public_key()).digest
    )
