"""Answers of responders, true and forged, and whom a certificate says to ask."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

import lockgate.certificates.ocsp
from lockgate.certificates.ocsp import (
    Answer,
    HiddenError,
    Link,
    OcspError,
    authorities,
    read,
    responder_of,
    shown,
    shown_pem,
    way,
)
from support.certificates import Authority
from support.responder import GOOD, REVOKED, UNKNOWN, ForResponders, Signer, answer, delegate, names, signer

IsAuthority = (x509.BasicConstraints(ca=True, path_length=None), True)
HOUR = 3600.0
VERSION_3 = bytes.fromhex("a003020102")
NOT_THEIRS = "signed neither by who issued the certificate nor by a responder of theirs"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def client(authority: Authority) -> x509.Certificate:
    return authority.issue("client", "client.example").certificate


def said(client: x509.Certificate, authority: Authority, body: bytes, max_age: float = HOUR) -> Answer:
    """What is made of an answer."""
    asked = ocsp.OCSPRequestBuilder().add_certificate(client, authority.certificate, hashes.SHA1()).build()  # noqa: S303
    link = Link(client, authority.certificate)
    return read(body, asked, link, max_age=max_age, now=dt.datetime.now(dt.UTC))


def refused(client: x509.Certificate, authority: Authority, body: bytes, why: str) -> None:
    with pytest.raises(OcspError, match=why):
        said(client, authority, body)


def test_what_an_issuer_says(authority: Authority, client: x509.Certificate) -> None:
    for status, state in ((GOOD, "good"), (REVOKED, "revoked"), (UNKNOWN, "unknown")):
        found = said(client, authority, answer(client, authority.certificate, signer(authority), status))
        assert found.state == state
    # It need not say until when: then it is from when it was signed.
    now = dt.datetime.now(dt.UTC)
    found = said(client, authority, answer(client, authority.certificate, signer(authority), this=600, until=None))
    assert found.state == "good"
    assert abs((found.until - now).total_seconds() - (HOUR - 600)) < 60


def test_whom_an_issuer_has_made_its_responder(authority: Authority, client: x509.Certificate) -> None:
    issuer = authority.certificate

    def by(who: Signer, *more: x509.Certificate) -> bytes:
        return answer(client, issuer, who, shown=[*more, who.certificate])

    good = authority.issue("responder", extensions=[ForResponders])
    assert said(client, authority, by(delegate(good))).state == "good"
    assert said(client, authority, by(delegate(good), issuer)).state == "good"
    # For nothing, for servers, or for everything: only who was made one by name is one.
    anything = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)
    servers = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    for number, extensions in enumerate(([], [anything], [servers])):
        refused(client, authority, by(delegate(authority.issue(f"none-{number}", extensions=extensions))), NOT_THEIRS)
    # A client of theirs, whose key signs as well as any other.
    mine = authority.issue("mine", "client.example")
    refused(client, authority, by(delegate(mine)), NOT_THEIRS)
    # Its time is over, or has not come.
    for file, times in (("over", (-2, None)), ("early", (30, 2))):
        late = authority.issue(file, extensions=[ForResponders], days=times[0], begins=times[1])
        refused(client, authority, by(delegate(late)), NOT_THEIRS)
    # It may not sign.
    never = (issuer.extensions.get_extension_for_class(x509.KeyUsage).value, True)
    refused(client, authority, by(delegate(authority.issue("never", extensions=[ForResponders, never]))), NOT_THEIRS)
    # Another authority's responder, and one of an authority below, which is not who issued it.
    other = Authority(authority.folder, "other")
    refused(client, authority, by(delegate(other.issue("theirs", extensions=[ForResponders]))), NOT_THEIRS)
    below = authority.below("below", IsAuthority)
    deeper = delegate(below.issue("deeper", extensions=[ForResponders]))
    refused(client, authority, by(deeper, below.certificate), NOT_THEIRS)
    # Its certificate does not come along, or behind more than are looked at.
    refused(client, authority, answer(client, issuer, delegate(good)), NOT_THEIRS)
    refused(client, authority, by(delegate(good), *[issuer] * 8), NOT_THEIRS)


def test_forged_answers(authority: Authority, client: x509.Certificate, tmp_path: Path) -> None:
    issuer = authority.certificate
    double = tmp_path / "double"
    double.mkdir()
    other = Authority(double)
    assert other.certificate.subject == issuer.subject
    refused(client, authority, answer(client, issuer, signer(other)), NOT_THEIRS)
    refused(client, authority, answer(client, issuer, signer(other), shown=[other.certificate]), NOT_THEIRS)
    # A true answer about somebody else, or about the same number of another issuer's.
    somebody = authority.issue("somebody", "somebody.example").certificate
    refused(client, authority, answer(somebody, issuer, signer(authority)), "another certificate")
    refused(client, authority, answer(client, other.certificate, signer(authority)), "another certificate")
    # Named by another hash than was asked with.
    other_name = answer(client, issuer, signer(authority), algorithm=hashes.SHA256())
    refused(client, authority, other_name, "another certificate")
    for body in (b"", b"\x30\x00", b"<html>", b"\x30\x82\xff\xff", b"\x00" * 70_000):
        refused(client, authority, body, "not one of OCSP")
    for status in (ocsp.OCSPResponseStatus.UNAUTHORIZED, ocsp.OCSPResponseStatus.TRY_LATER):
        unsigned = ocsp.OCSPResponseBuilder.build_unsuccessful(status)
        refused(client, authority, unsigned.public_bytes(Encoding.DER), status.name.lower())


def test_no_byte_of_an_answer_can_be_changed(authority: Authority, client: x509.Certificate) -> None:
    responder = delegate(authority.issue("responder", extensions=[ForResponders]))
    body = answer(client, authority.certificate, responder, REVOKED, shown=[responder.certificate])
    tried = 0
    for place in range(len(body)):
        for flip in (0x01, 0x80):
            changed = bytearray(body)
            changed[place] ^= flip
            tried += 1
            try:
                found = said(client, authority, bytes(changed))
            except OcspError:
                continue
            assert found.state == "revoked", f"byte {place}"
    assert tried == 2 * len(body)


def test_answers_have_their_time(authority: Authority, client: x509.Certificate) -> None:
    def at(this: float, until: float | None) -> bytes:
        return answer(client, authority.certificate, signer(authority), this=this, until=until)

    refused(client, authority, at(7200, -3600), "ran out at")
    refused(client, authority, at(-600, 3600), "a time to come")
    refused(client, authority, at(2 * HOUR, None), "older than `max_age`")
    # Clocks differ.
    assert said(client, authority, at(7200, -20)).state == "good"
    assert said(client, authority, at(-20, 3600)).state == "good"
    assert said(client, authority, at(HOUR - 60, None)).state == "good"
    # Long ago, and it still holds by its own word.
    assert said(client, authority, at(50 * HOUR, 50 * HOUR)).state == "good"


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "weak"])
def test_other_keys(kind: str, authority: Authority, client: x509.Certificate) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "weak": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 -- That it is refused is the test.
    }
    made = makers[kind]()
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(client.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(made.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(*ForResponders)
        .sign(authority.key, hashes.SHA256())
    )
    hashed = None if kind == "ed25519" else hashes.SHA256()
    body = answer(client, authority.certificate, Signer(certificate, made), shown=[certificate], hashed=hashed)
    if kind == "weak":
        refused(client, authority, body, NOT_THEIRS)
    else:
        assert said(client, authority, body).state == "good"


def test_the_way_to_an_authority(authority: Authority, tmp_path: Path) -> None:
    root = authority.certificate
    between = authority.below("between", IsAuthority)
    client = between.issue("client", "client.example").certificate
    links = way([client, between.certificate], [root])
    assert [(link.certificate, link.issuer) for link in links] == [
        (client, between.certificate),
        (between.certificate, root),
    ]
    # The shortest: what is trusted itself is asked of nobody.
    assert len(way([client, between.certificate], [root, between.certificate])) == 1
    assert len(way([client], [between.certificate])) == 1
    for chain in ([client], [client, root], []):
        with pytest.raises(OcspError, match="no authority of `trust` vouches"):
            way(chain, [root])
    # A client of an authority is none itself.
    plain = authority.below("plain")
    below = plain.issue("below", "a.example").certificate
    with pytest.raises(OcspError, match="vouches"):
        way([below, plain.certificate], [root])
    # Names alone prove nothing.
    double = tmp_path / "double"
    double.mkdir()
    posing = Authority(double).issue("posing", "a.example").certificate
    with pytest.raises(OcspError, match="vouches"):
        way([posing], [root])


def test_the_way_is_found_behind_whatever_is_shown(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who was revoked would show so much that nobody could be asked."""
    root = authority.certificate
    between = authority.below("between", IsAuthority)
    client = between.issue("client", "client.example").certificate
    folder = authority.folder / "elsewhere"
    folder.mkdir()
    # Of the authority's name, by nobody's key; and of its name and key, issued by nobody.
    nobody = Authority(folder, "nobody")
    namesakes = [nobody.below("between", IsAuthority).certificate for _ in range(70)]
    double = forged(between, nobody)
    # Each bears the name of each, so that each could have issued each.
    same = [nobody.below("nobody", IsAuthority).certificate for _ in range(8)]
    compared: list[tuple[x509.Certificate, x509.Certificate]] = []
    issued = lockgate.certificates.ocsp._issued

    def counted(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        compared.append((certificate, issuer))
        return issued(certificate, issuer)

    monkeypatch.setattr(lockgate.certificates.ocsp, "_issued", counted)
    for others in (namesakes, [double], [double, *same], [double, *same, *namesakes, *same]):
        compared.clear()
        links = way([client, *others, between.certificate, *others], [root] * 1000)
        assert [link.issuer for link in links] == [between.certificate, root]
        assert len(compared) == len(set(compared)), "no two are compared twice"
    compared.clear()
    with pytest.raises(HiddenError, match="vouches"):
        way([client, double, *same[:7]], [root] * 1000)
    assert len(compared) == len(set(compared)) <= 9 * 9


def forged(of: Authority, by: Authority) -> x509.Certificate:
    """An authority's name and key, vouched for by another."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(of.certificate.subject)
        .issuer_name(by.certificate.subject)
        .public_key(of.certificate.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(*IsAuthority)
        .sign(by.key, hashes.SHA256())
    )


def test_the_way_goes_where_tls_goes(authority: Authority) -> None:
    root = authority.certificate
    # What has run out could stand for what was revoked.
    late = authority.below("late", IsAuthority, days=-2)
    client = late.issue("client", "client.example").certificate
    with pytest.raises(HiddenError, match="vouches"):
        way([client, late.certificate], [root])
    # Six between, and no more.
    steps = [authority]
    for number in range(7):
        steps.append(steps[-1].below(f"step-{number}", IsAuthority))
    for deep in (6, 7):
        last = steps[deep].issue(f"deep-{deep}", "client.example").certificate
        chain = [last, *(step.certificate for step in steps[1 : deep + 1])]
        if deep == 6:
            assert len(way(chain, [root])) == 7
        else:
            with pytest.raises(HiddenError, match="vouches"):
                way(chain, [root])


def test_what_cannot_be_read_is_left_out_unless_it_is_the_clients_own(authority: Authority) -> None:
    client = authority.issue("client", "client.example").certificate
    der = client.public_bytes(Encoding.DER)
    assert der.count(VERSION_3) == 1
    version_5 = der.replace(VERSION_3, VERSION_3[:-1] + b"\x04")
    for odd in (version_5, b"", b"\x30\x00", b"\xff" * 900, der[:-1], der + b"\x00"):
        assert shown([der, odd]) == [client]
        assert shown([der, odd, der]) == [client, client]
        with pytest.raises(HiddenError, match="cannot be read"):
            shown([odd, der])
        assert shown_pem(client.public_bytes(Encoding.PEM) + pem(odd)) == [client]
        with pytest.raises(HiddenError, match="cannot be read"):
            shown_pem(pem(odd) + client.public_bytes(Encoding.PEM))
    with pytest.raises(HiddenError, match="cannot be read"):
        authorities(pem(version_5))


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def test_whom_a_certificate_says_to_ask(authority: Authority) -> None:
    def asks(*extensions: tuple[x509.ExtensionType, bool]) -> str:
        return responder_of(authority.issue("asking", extensions=extensions).certificate)

    assert asks(names("http://ocsp.example.com/a")) == "http://ocsp.example.com/a"
    for extensions in (
        [],
        [names("ldap://ocsp.example.com")],
        [names("http://")],
        [names("http://a b")],
        [names("http://a.example/" + "x" * 3000)],
        [names("file:///etc/passwd")],
    ):
        with pytest.raises(OcspError, match="names no responder"):
            asks(*extensions)
