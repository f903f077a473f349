"""Revocations of tokens: told to gates, kept as long as there may be tokens, never changed without an audit event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lockgate import _native
from lockgate.admin import tokens as module
from lockgate.admin.facts import FactsLog
from lockgate.admin.keys import KnownKeys
from lockgate.admin.store import Store
from lockgate.admin.store.models import Bundle
from lockgate.admin.tokens import IMPORT_BATCH, RevocationNotFoundError, TokenRevocations, UnknownIssuerError
from support.issuer import SigningKey

NOW = 1_800_000_000_000
URL = "https://login.example.com"


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "now_ms", lambda: NOW)


@pytest.fixture
def tokens(store: Store, journal: Any) -> TokenRevocations:
    issuers = [
        {"name": "company", "rules": {"issuer": URL, "max_age_ms": None, "skew_ms": 30_000}},
        {"name": "short", "rules": {"issuer": "https://short", "max_age_ms": 3_600_000, "skew_ms": 30_000}},
    ]
    with store.write() as session:
        text = json.dumps({"apis": [], "issuers": issuers})
        columns = {"hash": "h", "content_hash": "c", "created_ms": 1, "key_id": "k", "signature": "s"}
        session.add(Bundle(sequence=1, text=text, admin_address="127.0.0.1:1", duties=None, refused=None, **columns))
    return TokenRevocations(store, journal)


def told(store: Store) -> list[dict[str, Any]]:
    """What gates are told, without its number and time."""
    facts = map(json.loads, FactsLog(store).after(0).facts)
    return [{name: value for name, value in fact.items() if name not in ("seq", "at_ms")} for fact in facts]


def snapshot(store: Store) -> list[str]:
    """What a gate is told that knows nothing."""
    facts = [json.loads(fact) for batch in FactsLog(store).snapshot() for fact in batch.facts]
    return [f"{fact['by']} {fact['value']}" for fact in facts if fact["kind"] == "token.revoke"]


def test_what_was_issued_until_now_is_revoked_and_gates_are_told(tokens: TokenRevocations, store: Store) -> None:
    done = tokens.revoke("me", issuer="company", by="subject", value="ann")
    assert (done.issuer, done.before_ms, done.until_ms) == (URL, NOW, None)
    meant = {"issuer": URL, "by": "subject", "value": "ann"}
    assert told(store) == [{"kind": "token.revoke", **meant, "before_ms": NOW, "until_ms": None}]
    tokens.restore("me", done.id)
    assert told(store)[1:] == [{"kind": "token.restore", **meant}]
    assert (tokens.page(), snapshot(store)) == ([], [])
    with pytest.raises(RevocationNotFoundError, match="tokens list"):
        tokens.restore("me", done.id)


def test_one_token_and_a_session_are_revoked_whenever_they_were_issued(tokens: TokenRevocations) -> None:
    assert tokens.revoke("me", issuer=URL, by="token", value="t1").before_ms is None
    assert tokens.revoke("me", issuer=URL, by="session", value="s1").before_ms is None
    assert tokens.revoke("me", issuer=URL, by="issuer").before_ms == NOW


def test_it_is_kept_until_the_last_such_token_is_too_old(
    tokens: TokenRevocations, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tokens.revoke("me", issuer="short", by="client", value="crm")
    assert done.until_ms == NOW + 3_600_000 + 60_000
    assert snapshot(store) == ["client crm"]
    for at in ("lockgate.admin.tokens.now_ms", "lockgate.admin.facts.now_ms"):
        monkeypatch.setattr(at, lambda: NOW + 3_660_000)
    assert (tokens.page(), snapshot(store)) == ([], [])
    tokens.prune()
    with pytest.raises(RevocationNotFoundError):
        tokens.one(done.id)


def test_a_second_word_widens_the_first_and_takes_nothing_back(tokens: TokenRevocations) -> None:
    first = tokens.revoke("me", issuer="company", by="subject", value="ann", until_ms=NOW + 5, reason="left")
    early = tokens.revoke("me", issuer="company", by="subject", value="ann", before_ms=5, until_ms=NOW + 1)
    assert early == first
    later = tokens.revoke("me", issuer="company", by="subject", value="ann", before_ms=NOW + 9)
    assert (later.id, later.before_ms, later.until_ms, later.reason) == (first.id, NOW + 9, None, "left")
    assert len(tokens.page()) == 1


def test_an_issuer_that_is_not_there_is_a_slip(tokens: TokenRevocations, store: Store, journal: Any) -> None:
    with pytest.raises(UnknownIssuerError, match="company, short"):
        tokens.revoke("me", issuer="compnay", by="subject", value="ann")
    with store.write() as session:
        session.query(Bundle).delete()
    # Before there is a configuration, only what tokens say tells whose they are.
    assert tokens.revoke("me", issuer="https://other", by="subject", value="ann").issuer == "https://other"
    with pytest.raises(UnknownIssuerError, match="`iss`"):
        tokens.revoke("me", issuer="company", by="subject", value="ann")


def test_each_change_has_its_audit_event(tokens: TokenRevocations, journal: Any, store: Store) -> None:
    done = tokens.revoke("me", issuer="company", by="subject", value="ann", reason="left")
    tokens.restore("you", done.id)
    tokens.import_("they", "list.jsonl", iter([{"issuer": URL, "by": "token", "value": "t"}]))
    made, back, imported = journal.events
    assert (made["actor"], made["action"], made["object"]) == ("me", "token.revoke", done.id)
    assert made["detail"]["reason"] == "left"
    assert (back["actor"], back["action"]) == ("you", "token.restore")
    assert (imported["action"], imported["detail"]) == ("token.import", {"revocations": 1})
    journal.broken = True
    with pytest.raises(OSError, match="disk full"):
        tokens.revoke("me", issuer="company", by="subject", value="bob")
    assert snapshot(store) == ["token t"]


def test_an_import_may_be_repeated_and_is_told_in_batches(tokens: TokenRevocations, store: Store) -> None:
    count = IMPORT_BATCH + 10
    rows = [{"issuer": "company", "by": "token", "value": f"t{number}"} for number in range(count)]
    assert tokens.import_("me", "f", iter(rows)) == module.Imported(count, 0)
    assert tokens.import_("me", "f", iter(rows)) == module.Imported(0, count)
    assert len(told(store)) == IMPORT_BATCH, "the first batch of what gates are told"
    assert len(snapshot(store)) == count
    first = tokens.page(limit=1000)
    assert first[-1].id not in [each.id for each in tokens.page(after=first[-1].id, limit=1000)]


def test_the_same_twice_in_one_import_is_one(tokens: TokenRevocations) -> None:
    row = {"issuer": "company", "by": "session", "value": "s"}
    assert tokens.import_("me", "f", iter([row, dict(row)])) == module.Imported(1, 1)


def test_what_a_token_may_be_meant_by_is_found_for_explain(tokens: TokenRevocations, store: Store) -> None:
    token = SigningKey("k").token(iss=URL, jti="t1").encode()
    known = KnownKeys(store)
    assert known.revoked(token) == []
    tokens.revoke("me", issuer="company", by="token", value="t1")
    tokens.revoke("me", issuer="company", by="subject", value="bob")
    tokens.revoke("me", issuer="company", by="issuer")
    assert [fact["by"] for fact in known.revoked(token)] == ["token", "issuer"]
    assert known.revoked(b"nonsense") == []


def test_a_token_tells_every_way_in_which_it_can_be_meant() -> None:
    token = SigningKey("k").token(iss=URL, jti="t1", sid="s1", azp="crm")
    ways = _native.read_token(token.encode())
    assert [(way["by"], way["value"]) for way in ways] == [
        ("token", "t1"),
        ("session", "s1"),
        ("subject", "ann"),
        ("client", "crm"),
        ("issuer", ""),
    ]
    for wrong in (b"", b"a.b", b"a.b.c", token.encode() + b".x"):
        with pytest.raises(_native.LockgateError, match="no token"):
            _native.read_token(wrong)
