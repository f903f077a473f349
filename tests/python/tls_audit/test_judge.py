"""What was seen, judged: a case by hand for each fault that there is, and for what is just good enough."""

from __future__ import annotations

import ast
import datetime as dt
import hashlib
import inspect
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lockgate.tls_audit import hello
from lockgate.tls_audit import judge as judging
from lockgate.tls_audit.faults import HSTS_LEAST, PRIME_BITS, SOON
from lockgate.tls_audit.judge import Finding, grade, judge, plain
from lockgate.tls_audit.meet import Met, Way
from lockgate.tls_audit.subjects import Place, Subject
from support.weak import Made, made

PLACE = Place("lockgate.yaml", 7)
LISTENER = Subject("listener", "public", "192.0.2.1:443", PLACE, secure=True, local=False)
UPSTREAM = Subject("upstream", "orders", "https://orders.example", PLACE, secure=True, local=False)
WAY = Way("192.0.2.1", 443, "shop.example", asks_hsts=True)
ROOT = made("Root", authority=True, ends=1000)
MODERN = {hello.TLS1_2, hello.TLS1_3}
NOW = dt.datetime.now(dt.UTC)
SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505 -- It is to be found.
USUAL = rsa.generate_private_key(65537, 2048)

SHA256_RSA = bytes.fromhex("2a864886f70d01010b")
"""The algorithm of a signature, as DER has it. Nobody here signs with what is broken: the name alone is put in."""
SHA1_RSA, MD5_RSA, NOBODYS = (SHA256_RSA[:-1] + bytes([last]) for last in (0x05, 0x04, 0x7F))


def leaf(**more: Any) -> Made:
    """A certificate of the authority, for the name that is asked for."""
    return made("Leaf", **{"issuer": ROOT, "names": ("shop.example",), **more})


def signed_by(algorithm: bytes) -> x509.Certificate:
    """A certificate that says that it was signed so."""
    authority = made("Authority", authority=True, key=USUAL)
    der = leaf(issuer=authority).certificate.public_bytes(Encoding.DER)
    assert der.count(SHA256_RSA) == 2
    return x509.load_der_x509_certificate(der.replace(SHA256_RSA, algorithm))


GOOD = leaf().certificate
PIN = hashlib.sha256(GOOD.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
MET = Met(
    versions=MODERN,
    post_quantum="preferred",
    chain=[GOOD, ROOT.certificate],
    believed=True,
    hsts=f"max-age={HSTS_LEAST}",
    hsts_seen=True,
)


def chain(*certificates: Made) -> list[x509.Certificate]:
    return [each.certificate for each in certificates]


def taking(what: str, **more: Any) -> dict[str, hello.Answer]:
    return {what: hello.Answer(hello.TLS1_2, 0, **more)}


@dataclass(frozen=True)
class Case:
    """How a server differs from one without a fault, and all that is found."""

    name: str
    seen: dict[str, Any]
    found: dict[str, int] = field(default_factory=dict)
    """Codes, and the points that each costs."""
    subject: Subject = LISTENER
    way: Way = WAY


LOCAL = replace(LISTENER, local=True)
CASES = [
    Case("no fault", {}),
    Case("no fault of an upstream", {"hsts": None}, subject=UPSTREAM),
    # Versions.
    Case("SSL 3 beside others", {"versions": {hello.SSL3, *MODERN}}, {"ssl3": 60}),
    Case("TLS 1.0", {"versions": {hello.TLS1_0, *MODERN}}, {"old-versions": 35}),
    Case("TLS 1.0 and 1.1 are one fault", {"versions": {hello.TLS1_0, hello.TLS1_1, *MODERN}}, {"old-versions": 35}),
    Case("TLS 1.1 alone", {"versions": {hello.TLS1_1}}, {"old-versions": 35, "no-modern-version": 100}),
    Case("SSL 3 alone", {"versions": {hello.SSL3}}, {"ssl3": 60, "no-modern-version": 100}),
    Case("TLS 1.2 alone", {"versions": {hello.TLS1_2}}, {"no-tls-1.3": 15}),
    Case("TLS 1.3 alone", {"versions": {hello.TLS1_3}}),
    Case("no version was seen", {"versions": set()}),
    # What it would take from others.
    Case("ciphers without encryption", {"taken": taking("nothing")}, {"null-ciphers": 100}),
    Case("RC4", {"taken": taking("rc4")}, {"rc4": 60}),
    Case("3DES", {"taken": taking("small-blocks")}, {"small-blocks": 35}),
    Case("the certificate's key for the secret", {"taken": taking("static")}, {"no-forward-secrecy": 20}),
    Case("CBC", {"taken": taking("cbc")}, {"cbc": 5}),
    Case("a small group", {"taken": taking("dhe", dh_bits=PRIME_BITS - 1)}, {"weak-dh": 35}),
    Case("a group that is large enough", {"taken": taking("dhe", dh_bits=PRIME_BITS)}),
    Case("a group of an unknown size", {"taken": taking("dhe")}),
    Case("old renegotiation", {"renegotiates_safely": False}, {"unsafe-renegotiation": 35}),
    # Post-quantum.
    Case("no post-quantum group", {"post_quantum": "refused"}, {"no-post-quantum": 5}),
    Case("a post-quantum group last", {"post_quantum": "taken"}, {"post-quantum-not-preferred": 0}),
    Case("nobody knows", {"post_quantum": "unknown"}),
    # The handshake and the chain.
    Case("no handshake", {"chain": [], "shaken": "it hung up"}, {"no-handshake": 100}),
    Case("a handshake that failed after the chain", {"shaken": "it wants a certificate"}),
    Case("no X.509", {"chain": [], "shaken": "bad", "unreadable": True}, {"unreadable-certificate": 60}),
    Case("another name", {"chain": chain(leaf(names=("elsewhere.example",)))}, {"wrong-name": 60}),
    Case("no name", {"chain": chain(leaf(names=()))}, {"wrong-name": 60}),
    Case("a wildcard", {"chain": chain(leaf(names=("*.example",)))}),
    Case("a wildcard of another depth", {"chain": chain(leaf(names=("*.shop.example",)))}, {"wrong-name": 60}),
    Case(
        "a listener whose name nobody said",
        {"chain": chain(leaf(names=("elsewhere.example",)))},
        way=replace(WAY, name=None),
    ),
    Case("expired", {"chain": chain(leaf(begins=-30, ends=-1))}, {"expired": 100}),
    Case("not yet", {"chain": chain(leaf(begins=1))}, {"not-valid-yet": 100}),
    Case("ends soon", {"chain": chain(leaf(begins=-80, ends=SOON.days - 1))}, {"ends-soon": 10}),
    Case("ends later", {"chain": chain(leaf(begins=-80, ends=SOON.days + 1))}),
    Case("lives for days only", {"chain": chain(leaf(begins=-3, ends=3))}),
    Case("an expired one sent along", {"chain": chain(leaf(), made("M", ROOT, begins=-9, ends=-1))}, {"expired": 100}),
    Case("an expired root sent along", {"chain": chain(leaf(), made("R", authority=True, begins=-9, ends=-1))}),
    # Belief: OpenSSL's numbers.
    Case("vouches for itself", {"distrust": (18, "self-signed")}, {"self-signed": 60}),
    Case("a foreign authority", {"distrust": (19, "self-signed in chain")}, {"untrusted": 60}),
    Case("no issuer", {"distrust": (20, "no issuer"), "chain": [GOOD]}, {"incomplete-chain": 60}),
    Case("no issuer of the last", {"distrust": (2, "no issuer")}, {"incomplete-chain": 60}),
    Case("another reason", {"distrust": (79, "invalid CA")}, {"untrusted": 60}),
    Case(
        "what is not verified is not held to its name",
        {"distrust": (18, "self-signed"), "chain": chain(leaf(names=("elsewhere.example",)))},
        {"not-verified": 50},
        subject=replace(UPSTREAM, unverified=True),
    ),
    # Keys and signatures.
    Case("a small RSA key", {"chain": chain(leaf(key=SMALL))}, {"weak-key": 60}),
    Case("a usual RSA key", {"chain": chain(leaf(key=USUAL))}),
    Case("a small key in the chain", {"chain": chain(leaf(), made("M", ROOT, key=SMALL))}, {"weak-key": 60}),
    Case("SHA-1", {"chain": [signed_by(SHA1_RSA)]}, {"weak-signature": 60}),
    Case("MD5", {"chain": [signed_by(MD5_RSA)]}, {"weak-signature": 60}),
    Case("an unknown signature", {"chain": [signed_by(NOBODYS)]}, {"weak-signature": 60}),
    Case("SHA-256 with RSA", {"chain": [signed_by(SHA256_RSA)]}),
    Case("the pinned key", {}, subject=replace(UPSTREAM, pins=("0" * 64, PIN))),
    Case("another key", {}, {"pin-mismatch": 100}, subject=replace(UPSTREAM, pins=("0" * 64,))),
    # Strict-Transport-Security.
    Case("no HSTS", {"hsts": None}, {"no-hsts": 10}),
    Case("no HSTS on loopback", {"hsts": None}, subject=LOCAL),
    Case("no answer in which it would be", {"hsts": None, "hsts_seen": False}),
    Case("short HSTS", {"hsts": f"includeSubDomains; max-age={HSTS_LEAST - 1}"}, {"short-hsts": 5}),
    Case("HSTS that takes itself back", {"hsts": "max-age=0"}, {"short-hsts": 5}),
    Case("HSTS without an age", {"hsts": "preload"}, {"short-hsts": 5}),
    Case("short HSTS on loopback", {"hsts": "max-age=1"}, subject=LOCAL),
    Case("HSTS in other letters", {"hsts": f'Max-Age = "{HSTS_LEAST}"'}),
]


def judged(case: Case) -> list[Finding]:
    return judge(case.subject, [(case.way, replace(MET, **case.seen))], NOW)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_that_is_found(case: Case) -> None:
    found = judged(case)
    assert {each.code: each.lost for each in found} == case.found
    assert len(found) == len(case.found), "each once"
    assert [each.lost for each in found] == sorted((each.lost for each in found), reverse=True), "the dearest first"
    assert all(each.place == PLACE and each.message and each.advice for each in found)
    left = max(0, 100 - sum(case.found.values()))
    letter = next(letter for letter, least in LETTERS.items() if left >= least)
    assert grade(found) == (letter, left)


LETTERS = {"A+": 100, "A": 90, "B": 80, "C": 65, "D": 50, "F": 0}
"""As `lockgate tls audit --help` has them."""


def test_every_fault_that_can_be_found_has_a_case() -> None:
    """Those that the module names: a new one without a case fails here."""
    named = {code for _, code, _ in judging._TAKEN}
    others = set()
    for call in ast.walk(ast.parse(inspect.getsource(judging))):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) not in {"case.finding", "Finding"}:
            continue
        if isinstance(call.args[0], ast.Constant):
            named.add(str(call.args[0].value))
        else:
            others.add(ast.unparse(call))
    assert len(others) == 2, f"a code that is made in another way than by its name or _TAKEN: {others}"
    assert named - {"plain"} == {code for case in CASES for code in case.found}


def test_a_key_of_an_old_kind_is_weak() -> None:
    key = dsa.generate_private_key(2048)
    assert key.key_size == 2048  # However large.
    certificate = leaf(key=key).certificate
    found = judged(Case("DSA", {"chain": [certificate]}))
    assert [each.code for each in found] == ["weak-key"]
    assert "DSA 2048" in found[0].message


def test_what_is_spoken_in_the_clear() -> None:
    for subject, words in ((LISTENER, "give the listener `tls`"), (UPSTREAM, "write `https://`")):
        found = plain(subject)
        assert (found.code, found.lost, found.severity) == ("plain", 100, "error")
        assert words in found.advice
        assert grade([found]) == ("F", 0)


def test_advice_is_for_whoever_can_follow_it() -> None:
    seen = {"versions": {hello.TLS1_0, *MODERN}}
    [ours], [theirs] = judged(Case("", seen)), judged(Case("", seen, subject=UPSTREAM))
    assert ours.message == theirs.message
    assert "something else than this gate" in ours.advice
    assert "the server" in theirs.advice


def test_a_fault_under_several_names_is_one_and_what_is_the_same_for_all_is_asked_once() -> None:
    other = replace(WAY, name="www.example")
    both = replace(MET, hsts=None, versions={hello.TLS1_2})
    found = judge(LISTENER, [(WAY, both), (other, both), (WAY, both)], NOW)
    assert [each.code for each in found].count("no-tls-1.3") == 1
    assert [each.code for each in found].count("no-hsts") == 2, "each name's own"
    # What the second speaks is not looked at: there is one server behind both.
    found = judge(LISTENER, [(WAY, MET), (WAY, replace(MET, versions={hello.SSL3}))], NOW)
    assert found == []
