"""The life of keys: rules, second secrets, uses, leaks, and what is reported of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from lockgate import _native
from lockgate.admin import clock, facts
from lockgate.admin.facts import FactsLog
from lockgate.admin.key_leaks import Found
from lockgate.admin.keys import (
    KeyClosedError,
    KeyLifetimeError,
    KeyRuleError,
    Keys,
    KnownKeys,
    NoGraceError,
    UnknownApiError,
)
from lockgate.admin.store import Store
from lockgate.admin.store.models import Bundle

PEPPER = bytes(range(32))
DAY_MS = 86_400_000
FOREIGN = "AKEY-0123456789abcdef.XYZ"


@pytest.fixture
def keys(store: Store, journal: Any) -> Keys:
    return Keys(store, journal, PEPPER)


def told(store: Store) -> list[dict[str, Any]]:
    """The facts so far."""
    return [json.loads(fact) for fact in FactsLog(store).after(0, 1000).facts]


def configured(store: Store, **duties: Any) -> None:
    """A bundle that was signed, with these duties."""
    with store.write() as session:
        session.add(
            Bundle(
                sequence=1,
                hash="h",
                content_hash="h",
                created_ms=1,
                text=json.dumps({"apis": [{"name": "shop"}]}),
                key_id="k",
                signature="s",
                admin_address="127.0.0.1:1",
                duties=duties,
                refused=None,
            )
        )


def test_what_a_key_is_for_reaches_the_gates(keys: Keys, store: Store) -> None:
    made = keys.create(
        "me",
        name="export",
        owner="sales",
        environment="test",
        scopes=["b", "a", "a"],
        apis=["shop"],
        methods=["GET"],
        networks=["10.0.0.0/8"],
        expires_ms=9 * 10**12,
    )
    [fact] = told(store)
    assert fact["kind"] == "key.put"
    said = {name: fact["key"][name] for name in ("environment", "scopes", "apis", "methods", "networks", "expires_ms")}
    assert said == {
        "environment": "test",
        "scopes": ["a", "b"],
        "apis": ["shop"],
        "methods": ["GET"],
        "networks": ["10.0.0.0/8"],
        "expires_ms": 9 * 10**12,
    }
    assert "previous" not in fact["key"]
    assert made.record.scopes == ["a", "b"]


@pytest.mark.parametrize(
    "rules",
    [
        {"networks": ["10.0.0.1/8"]},
        {"networks": ["here"]},
        {"methods": ["G T"]},
        {"rate": {"allow": 1, "per_ms": 1, "burst": 0}},
    ],
)
def test_a_rule_that_no_gate_takes_makes_no_key(keys: Keys, store: Store, rules: dict[str, Any]) -> None:
    with pytest.raises(KeyRuleError, match=r"10\.0\.0|here|G T|rate"):
        keys.create("me", name="export", owner="sales", **rules)
    assert (keys.page(), told(store)) == ([], [])


def test_a_key_with_a_new_secret_is_the_same_key(keys: Keys, store: Store, journal: Any) -> None:
    first = keys.create("me", name="export", owner="sales")
    second = keys.reroll("you", first.record.id, grace_ms=DAY_MS)
    assert second.record.id == first.record.id
    assert second.key != first.key
    put = told(store)[-1]["key"]
    assert put["digest"] == _native.key_digest(second.key, PEPPER)
    assert put["previous"]["digest"] == _native.key_digest(first.key, PEPPER)
    assert put["previous"]["until_ms"] == second.record.previous_until_ms
    assert second.record.previous_until_ms - second.record.rerolled_ms == DAY_MS  # type: ignore[operator]
    # Both are told of, and a third takes the place of the first.
    known = KnownKeys(store)
    digests = [_native.key_digest(each.key, PEPPER) for each in (first, second)]
    assert [known.by_digest(digest)["key"]["id"] for digest in digests] == [first.record.id] * 2  # type: ignore[index]
    third = keys.reroll("you", first.record.id, grace_ms=0)
    assert known.by_digest(digests[0]) is None
    assert third.record.previous_until_ms == third.record.rerolled_ms
    assert [event["action"] for event in journal.events] == ["key.create", "key.reroll", "key.reroll"]
    shown = json.dumps([event["detail"] for event in journal.events])
    assert not any(secret in shown for secret in (first.key, second.key, third.key))


def test_a_grace_ends_before_its_time(keys: Keys, journal: Any) -> None:
    made = keys.create("me", name="export", owner="sales")
    with pytest.raises(NoGraceError, match=made.record.id):
        keys.end_grace("me", made.record.id)
    keys.reroll("me", made.record.id, grace_ms=DAY_MS)
    ended = keys.end_grace("me", made.record.id)
    assert ended.previous_until_ms is not None
    assert ended.previous_until_ms <= clock.now_ms()
    assert journal.events[-1]["action"] == "key.end-grace"
    with pytest.raises(NoGraceError):
        keys.end_grace("me", made.record.id)


def test_an_edit_changes_what_it_names_and_lifts_what_is_none(keys: Keys, store: Store, journal: Any) -> None:
    made = keys.create("me", name="export", owner="sales", networks=["10.0.0.0/8"], methods=["GET"])
    changed = keys.edit("you", made.record.id, {"owner": "ann", "networks": None, "scopes": ["read"]})
    assert (changed.owner, changed.networks, changed.methods, changed.scopes) == ("ann", None, ["GET"], ["read"])
    assert told(store)[-1]["key"]["owner"] == "ann"
    assert "networks" not in told(store)[-1]["key"]
    detail = journal.events[-1]["detail"]
    assert detail["now"] == {"owner": "ann", "networks": None, "scopes": ["read"]}
    assert detail["before"] == {"owner": "sales", "networks": ["10.0.0.0/8"], "scopes": None}
    before = len(told(store)), len(journal.events)
    keys.edit("you", made.record.id, {"owner": "ann"})
    assert (len(told(store)), len(journal.events)) == before, "what is so already is no change"
    configured(store)
    with pytest.raises(UnknownApiError, match="shop"):
        keys.edit("you", made.record.id, {"apis": ["shp"]})


def test_a_key_is_suspended_and_resumed(keys: Keys, store: Store, journal: Any) -> None:
    made = keys.create("me", name="export", owner="sales")
    assert keys.suspend("me", made.record.id, on=True).status == "suspended"
    assert told(store)[-1]["key"]["suspended"] is True
    keys.suspend("me", made.record.id, on=True)
    assert keys.suspend("me", made.record.id, on=False).status == "active"
    assert "suspended" not in told(store)[-1]["key"]
    assert [event["action"] for event in journal.events[1:]] == ["key.suspend", "key.resume"]


def test_a_revoked_key_stays_as_it_is(keys: Keys) -> None:
    made = keys.create("me", name="export", owner="sales")
    keys.revoke("me", made.record.id)
    for change in (
        lambda: keys.edit("me", made.record.id, {"owner": "ann"}),
        lambda: keys.reroll("me", made.record.id, grace_ms=1),
        lambda: keys.end_grace("me", made.record.id),
        lambda: keys.suspend("me", made.record.id, on=True),
    ):
        with pytest.raises(KeyClosedError):
            change()


def test_a_lifetime_is_set_and_bounded(keys: Keys, store: Store) -> None:
    configured(store, key_lifetime_ms=30 * DAY_MS, key_lifetime_max_ms=90 * DAY_MS)
    made = keys.create("me", name="export", owner="sales").record
    assert made.expires_ms is not None
    assert made.expires_ms - made.created_ms == pytest.approx(30 * DAY_MS, abs=1000)
    keys.create("me", name="n", owner="o", expires_ms=clock.now_ms() + 90 * DAY_MS)
    for wanted in (clock.now_ms() + 91 * DAY_MS, None):
        with pytest.raises(KeyLifetimeError, match="90 days"):
            keys.edit("me", made.id, {"expires_ms": wanted})
    with pytest.raises(KeyLifetimeError):
        keys.create("me", name="n", owner="o", expires_ms=clock.now_ms() + 91 * DAY_MS)
    keys.import_("me", "f", iter([{"sha256": "0" * 64, "name": "i"}]))
    assert keys.page()[-1].expires_ms is not None


def test_uses_are_noted_by_the_hour_and_by_secret(keys: Keys, store: Store) -> None:
    made = keys.create("me", name="export", owner="sales").record
    keys.note_uses([(made.id, 7, False), ("key_nobody", 7, False)])
    keys.note_uses([(made.id, 5, False)])
    assert keys.one(made.id).used_ms == 7, "an older word changes nothing"
    keys.reroll("me", made.id, grace_ms=DAY_MS)
    after = keys.one(made.id)
    assert (after.used_ms, after.previous_used_ms) == (None, 7)
    keys.note_uses([(made.id, 9, True), (made.id, clock.now_ms() + DAY_MS, False)])
    after = keys.one(made.id)
    assert after.previous_used_ms == 9
    assert after.used_ms is not None
    assert after.used_ms <= clock.now_ms(), "a gate's clock may be ahead"
    assert len(told(store)) == 2, "gates know themselves what they told"


def test_the_unused_are_listed_and_reported(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now_ms()
    ages = {"old-unused": 100, "old-used": 100, "old-never": 100, "young": 0}
    ids = {}
    for name, days in ages.items():
        monkeypatch.setattr("lockgate.admin.keys.now_ms", lambda days=days: now - days * DAY_MS)
        ids[name] = keys.create("me", name=name, owner="unknown" if name == "young" else "sales", apis=["a"]).record.id
    monkeypatch.undo()
    keys.note_uses([(ids["old-unused"], now - 95 * DAY_MS, False), (ids["old-used"], now - DAY_MS, False)])
    assert sorted(row.name for row in keys.page(unused_ms=90 * DAY_MS)) == ["old-never", "old-unused"]
    keys.reroll("me", ids["old-used"], grace_ms=DAY_MS)
    broad = keys.create("me", name="broad", owner="sales", expires_ms=now + DAY_MS).record.id
    keys.revoke("me", keys.create("me", name="off", owner="unknown").record.id)
    found = {
        one.why: sorted(key.name for key in one.keys) for one in keys.report(unused_ms=90 * DAY_MS, soon_ms=30 * DAY_MS)
    }
    assert found == {
        "expiring": ["broad"],
        "never_used": ["old-never"],
        "unused": ["old-unused"],
        "two_secrets": ["old-used"],
        "without_owner": ["young"],
        "without_expiry": ["old-never", "old-unused", "old-used", "young"],
        "over_broad": ["broad"],
    }
    keys.suspend("me", broad, on=True)
    again = {one.why: one.count for one in keys.report(unused_ms=90 * DAY_MS, soon_ms=30 * DAY_MS, limit=1)}
    assert (again["over_broad"], again["without_expiry"]) == (0, 4), (
        "counts are whole, and what opens nothing is left out"
    )


def test_what_leaked_is_closed_at_once(keys: Keys, store: Store, journal: Any) -> None:
    old = keys.create("me", name="export", owner="sales")
    new = keys.reroll("me", old.record.id, grace_ms=DAY_MS)
    other = keys.create("me", name="other", owner="ann")
    strange, _ = _native.mint_key(b"another installation's pepper, 32", "live")
    found = [
        Found(old.key, f"https://paste.example/?key={old.key}", "paste"),
        Found(other.key),
        Found(strange),
        Found("no key at all"),
    ]
    leaks = keys.leaked("scanner", found)
    assert [leak.label for leak in leaks] == ["true_positive", "true_positive", "false_positive", "false_positive"]
    assert [leak.done for leak in leaks] == ["grace-ended", "revoked", "nothing", "nothing"]
    assert leaks[1].token_hash != leaks[0].token_hash
    assert keys.one(other.record.id).status == "revoked"
    # The old secret leaked, and the new one did not: it goes on.
    assert keys.one(old.record.id).status == "active"
    assert keys.one(old.record.id).previous_until_ms <= clock.now_ms()  # type: ignore[operator]
    assert [fact["key"]["revoked"] for fact in told(store)[-2:]] == [False, True]
    events = [event for event in journal.events if event["action"] == "key.leak"]
    assert [event["object"] for event in events] == [old.record.id, other.record.id]
    assert events[0]["detail"]["url"] == "https://paste.example/?key=[key]"
    written = json.dumps(journal.events) + json.dumps([leak.token_hash for leak in leaks])
    assert not any(each in written for each in (old.key, new.key, other.key, strange))
    # Told again, it is true and done already.
    assert [leak.done for leak in keys.leaked("scanner", found[:2])] == ["nothing", "nothing"]
    [last] = keys.leaked("scanner", [Found(new.key)])
    assert (last.done, keys.one(old.record.id).status) == ("revoked", "revoked")


def test_a_key_of_another_form_is_known_by_its_sha256(keys: Keys, store: Store) -> None:
    hashed = hashlib.sha256(FOREIGN.encode()).hexdigest()
    done = keys.import_("me", "other.csv", iter([{"sha256": hashed, "name": "partner", "scopes": ["b", "a"]}]))
    assert (done.added, done.known) == (1, 0)
    [row] = keys.page()
    assert (row.owner, row.scopes, row.environment) == ("unknown", ["a", "b"], "live")
    digest = _native.key_digest(FOREIGN, PEPPER)
    assert KnownKeys(store).by_digest(digest)["key"]["id"] == row.id  # type: ignore[index]
    assert digest not in (hashed, hashlib.sha256(bytes.fromhex(hashed)).hexdigest()), "it is kept under the pepper"
    # Given a new secret it is one of ours, and the old one still counts as known.
    rolled = keys.reroll("me", row.id, grace_ms=DAY_MS)
    assert rolled.key.startswith("lg_live_")
    assert keys.import_("me", "other.csv", iter([{"sha256": hashed, "name": "partner"}])).known == 1
    [leak] = keys.leaked("scanner", [Found(FOREIGN)])
    assert leak.done == "grace-ended"


def test_a_snapshot_tells_of_both_secrets(keys: Keys, store: Store) -> None:
    made = keys.create("me", name="export", owner="sales", networks=["10.0.0.0/8"])
    keys.reroll("me", made.record.id, grace_ms=DAY_MS)
    batches = [json.loads(fact) for batch in FactsLog(store).snapshot() for fact in batch.facts]
    [put] = [fact["key"] for fact in batches if fact["kind"] == "key.put"]
    assert put["previous"]["digest"] == _native.key_digest(made.key, PEPPER)
    assert put["networks"] == ["10.0.0.0/8"]
    _native.check_key_fact(json.dumps(put))


def test_a_fact_of_the_version_before_is_one(store: Store) -> None:
    with pytest.raises(_native.LockgateError):
        _native.check_key_fact("{}")
    _native.check_key_fact(json.dumps({"id": "key_a", "digest": "0" * 64, "owner": "o", "apis": None}))
    assert facts.FactsLog(store).head() == 0
