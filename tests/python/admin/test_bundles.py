"""Bundles: signed, numbered, never going back, and new only where something changed."""

import hashlib
import ipaddress
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import update

from lockgate.admin.bundles import KEPT, Bundles
from lockgate.admin.gate_said import SEQUENCE_MAX
from lockgate.admin.store import Store
from lockgate.admin.store.models import Bundle
from lockgate.config import Duties, KeyOrigin
from lockgate.outgoing import Rules

SEED = bytes(range(32))
ADDRESS = "127.0.0.1:8081"


def compiled(**more: object) -> dict[str, object]:
    return {"bundle_version": 1, "sequence": 0, "created_ms": 0, **more}


@pytest.fixture
def bundles(store: Store) -> Bundles:
    return Bundles(store, SEED)


def test_a_bundle_on_the_wire_is_signed_over_its_exact_text(bundles: Bundles) -> None:
    bundle, new = bundles.publish(compiled(name="müller"), admin_address=ADDRESS)
    wire = json.loads(bundle.wire())
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    assert new
    assert wire["key_id"] == hashlib.sha256(public).hexdigest()[:16]
    key = Ed25519PublicKey.from_public_bytes(public)
    key.verify(bytes.fromhex(wire["signature"]), wire["bundle"].encode())
    with pytest.raises(InvalidSignature):
        key.verify(bytes.fromhex(wire["signature"]), wire["bundle"].encode() + b" ")
    assert json.loads(wire["bundle"])["sequence"] == bundle.sequence == 1
    assert bundle.hash == hashlib.sha256(wire["bundle"].encode()).hexdigest()[:16]


def test_unchanged_content_is_no_new_bundle(bundles: Bundles) -> None:
    first, _ = bundles.publish(compiled(a=1), admin_address=ADDRESS)
    again, new = bundles.publish(compiled(a=1), admin_address=ADDRESS)
    assert (again, new) == (first, False)
    changed, new = bundles.publish(compiled(a=2), admin_address=ADDRESS)
    assert (changed.sequence, new) == (2, True)
    assert bundles.latest() == changed


def test_another_signing_key_signs_anew(store: Store) -> None:
    Bundles(store, SEED).publish(compiled(a=1), admin_address=ADDRESS)
    again, new = Bundles(store, bytes(32)).publish(compiled(a=1), admin_address=ADDRESS)
    assert (again.sequence, new) == (2, True)


def test_the_last_ones_are_kept_by_hash(bundles: Bundles) -> None:
    made = [bundles.publish(compiled(n=n), admin_address=ADDRESS)[0] for n in range(KEPT + 3)]
    assert [bundles.text_of(bundle.hash) for bundle in made[:3]] == [None] * 3
    assert [bundles.text_of(bundle.hash) for bundle in made[3:]] == [b.text for b in made[3:]]


def test_what_is_done_for_gates_is_kept_with_the_bundle(bundles: Bundles, store: Store) -> None:
    rules = Rules((ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")), "/etc/own.pem")
    origin = KeyOrigin("company", "https://id.example", "url", "https://id.example/keys", 1, 2)
    duties = Duties(rules, (origin,), {})
    bundles.publish(compiled(a=1), admin_address=ADDRESS, duties=duties)
    published, new = bundles.publish(compiled(a=1), admin_address=ADDRESS, duties=Duties(Rules(), (origin,), {}))
    assert not new
    assert published.duties == Duties(Rules(), (origin,), {})
    bundles.publish(compiled(a=2), admin_address=ADDRESS, duties=duties)
    for last in (bundles.latest(), bundles.raise_above(41)):
        assert last is not None
        assert last.duties == duties
    with store.write() as session:
        session.execute(update(Bundle).values(duties={"words": "of another version"}))
    last = bundles.latest()
    assert last is not None
    assert last.duties is None


def test_a_gate_that_saw_more_gets_the_same_content_above_it(bundles: Bundles) -> None:
    bundles.publish(compiled(a=1), admin_address=ADDRESS)
    raised = bundles.raise_above(41)
    assert raised is not None
    assert raised.sequence == 42
    assert json.loads(raised.text)["a"] == 1
    _, new = bundles.publish(compiled(a=1), admin_address=ADDRESS)
    assert not new
    following, _ = bundles.publish(compiled(a=2), admin_address=ADDRESS)
    assert following.sequence == 43


def test_an_absurd_number_is_not_believed(bundles: Bundles) -> None:
    assert bundles.raise_above(5) is None
    bundles.publish(compiled(a=1), admin_address=ADDRESS)
    assert bundles.raise_above(SEQUENCE_MAX) is None


def test_a_refused_bundle_is_never_the_last_good_one(bundles: Bundles) -> None:
    good, _ = bundles.publish(compiled(a=1), admin_address=ADDRESS)
    bad, _ = bundles.publish(compiled(a=2), admin_address=ADDRESS)
    assert bundles.refuse(bad.sequence, "port taken") == good == bundles.latest()
    again, new = bundles.publish(compiled(a=2), admin_address=ADDRESS)
    assert (again.sequence, new) == (3, True), "what was refused may be tried again"
    assert bundles.text_of(bad.hash) is not None


def test_the_text_does_not_depend_on_the_number_it_was_compiled_with(bundles: Bundles) -> None:
    bundles.publish(compiled(a=1), admin_address=ADDRESS)
    _, new = bundles.publish({**compiled(a=1), "sequence": 99, "created_ms": 7}, admin_address=ADDRESS)
    assert not new
