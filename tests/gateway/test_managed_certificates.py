"""Certificates that the control process hands over, and what authorities are answered meanwhile."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from gateway.harness import bundles
from gateway.harness.bundles import Signer
from gateway.harness.gate import Gate, Refused
from gateway.harness.secure import connect, context, secure
from gateway.harness.upstream import AutoUpstream
from lockgate.config.bundle_types import Bundle
from support.certificates import Authority, Issued

GET = b"GET %s HTTP/1.1\r\nHost: shop.example\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path)


def wanting(upstream: AutoUpstream) -> Bundle:
    """A listener whose certificate is looked after, and one that sends its clients there."""
    tls = bundles.tls()
    tls["certificates"] = [{"managed": "public"}]
    plain = bundles.listener("plain", "0.0.0.0:0")
    plain["redirect_port"] = 443
    listeners = [bundles.listener(tls=tls), plain]
    return bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=listeners)


def named(name: str, issued: Issued) -> dict[str, str]:
    """As it is handed over."""
    return {"name": name, "chain": issued.chain.read_text(), "key": issued.key.read_text()}


def shown(gate: Gate, how: ssl.SSLContext) -> x509.Certificate:
    """What a client is shown."""
    with connect(gate.port(), how) as sock:
        told = sock.getpeercert(binary_form=True)
    assert told is not None
    return x509.load_der_x509_certificate(told)


def test_a_certificate_comes_later_and_is_renewed(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(wanting(auto))
    how = context(authority.pem)
    with pytest.raises(ssl.SSLError, match=r"(?i)internal"):
        connect(gate.port(), how)
    gate.refused("tls-no-certificate")
    assert "has not been issued yet" in gate.tell("stats")["unfit"][0]
    first = authority.issue("first", "shop.example")
    gate.put_certificates(named("public", first))
    assert gate.tell("stats")["unfit"] == []
    with secure(gate.port(), how) as wire:
        wire.send(GET % b"/")
        assert wire.message().status == 200
        second = authority.issue("second", "shop.example")
        gate.put_certificates(named("public", second))
        assert shown(gate, how) == second.certificate
        wire.send(GET % b"/")
        assert wire.message().status == 200, "who was connected stays so"


def test_it_is_kept_for_a_gate_that_starts_alone(
    tmp_path: Path, signer: Signer, auto: AutoUpstream, authority: Authority
) -> None:
    issued = authority.issue("kept", "shop.example")
    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load(wanting(auto))
        gate.put_certificates(named("public", issued))
    kept = tmp_path / "state" / "gate" / "certificates.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    with Gate(tmp_path / "state", signer=signer) as again:
        assert shown(again, context(authority.pem)) == issued.certificate


def test_an_authority_is_answered_before_anything_else(gate: Gate, auto: AutoUpstream) -> None:
    gate.load(wanting(auto))
    gate.put_certificates(challenges=[{"http": {"token": "abc", "answer": "abc.thumb"}}])
    with gate.client("plain") as wire:
        wire.send(GET % b"/.well-known/acme-challenge/abc")
        answer = wire.message()
        assert (answer.status, answer.body) == (200, b"abc.thumb")
        wire.send(GET % b"/.well-known/acme-challenge/other")
        assert wire.message().status == 308
    gate.put_certificates()
    with gate.client("plain") as wire:
        wire.send(GET % b"/.well-known/acme-challenge/abc")
        assert wire.message().status == 308
    assert not auto.requests


def test_an_authority_is_shown_the_challenges_certificate(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(wanting(auto))
    real, proof = authority.issue("real", "shop.example"), authority.issue("proof", "shop.example")
    gate.put_certificates(named("public", real), challenges=[{"tls_alpn": named("shop.example", proof)}])
    assert shown(gate, context(authority.pem, protocols=("acme-tls/1",))) == proof.certificate
    assert shown(gate, context(authority.pem, protocols=("http/1.1",))) == real.certificate
    assert shown(gate, context(authority.pem, protocols=("acme-tls/1", "http/1.1"))) == real.certificate


def test_nonsense_is_refused_and_not_quoted(gate: Gate, auto: AutoUpstream, authority: Authority) -> None:
    gate.load(wanting(auto))
    issued = authority.issue("real", "shop.example")
    gate.put_certificates(named("public", issued))
    for wrong in ({"name": "public"}, {**named("public", issued), "key": "-----secret-----"}):
        with pytest.raises(Refused) as refused:
            gate.put_certificates(wrong)
        assert refused.value.code == "certificates-malformed"
        assert "secret" not in str(refused.value)
    assert shown(gate, context(authority.pem)) == issued.certificate
