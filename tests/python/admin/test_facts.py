"""The facts log: numbered, in order, and the whole truth where the rest is not enough."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from lockgate.admin import facts
from lockgate.admin.facts import BATCH, FactsLog
from lockgate.admin.keys import Keys
from lockgate.admin.store import Store

PEPPER = bytes(32)


@pytest.fixture
def log(store: Store) -> FactsLog:
    return FactsLog(store)


@pytest.fixture
def keys(store: Store, journal: Any) -> Keys:
    return Keys(store, journal, PEPPER)


def rows(count: int, start: int = 0) -> Any:
    return ({"digest": f"{start + n:064x}", "name": "n", "owner": "o"} for n in range(count))


def read(batches: Any) -> list[dict[str, Any]]:
    return [json.loads(fact) for batch in batches for fact in batch.facts]


def test_a_new_log_begins_above_whatever_an_older_one_reached(log: FactsLog, keys: Keys) -> None:
    before = time.time_ns() // 1000
    assert log.head() == 0
    keys.create("me", name="n", owner="o")
    assert before <= log.head() <= time.time_ns() // 1000


def test_facts_come_in_order_from_any_place(log: FactsLog, keys: Keys) -> None:
    made = [keys.create("me", name=str(n), owner="o").record for n in range(3)]
    keys.revoke("me", made[0].id)
    told = read([log.after(0)])
    assert [fact["kind"] for fact in told] == ["key.put"] * 3 + ["key.revoke"]
    assert [fact["seq"] for fact in told] == sorted({fact["seq"] for fact in told})
    assert read([log.after(told[1]["seq"])]) == told[2:]
    assert log.after(log.head()).facts == []


def test_a_put_says_what_a_gate_must_know_and_nothing_of_the_key(log: FactsLog, keys: Keys) -> None:
    created = keys.create("me", name="n", owner="o", apis=["b", "a"], expires_ms=5, environment="test")
    [fact] = read([log.after(0)])
    assert fact["key"] == {
        "id": created.record.id,
        "digest": fact["key"]["digest"],
        "name": "n",
        "owner": "o",
        "environment": "test",
        "apis": ["a", "b"],
        "expires_ms": 5,
        "revoked": False,
    }
    assert created.key not in json.dumps(fact)


def test_a_log_is_followed_from_its_own_numbers_alone(log: FactsLog, keys: Keys) -> None:
    assert log.follows(0)
    assert not log.follows(7)
    keys.create("me", name="n", owner="o")
    head = log.head()
    assert log.follows(head)
    assert not log.follows(head - 1)
    assert not log.follows(head + 1)
    assert not log.follows(0), "a gate that knows nothing gets a snapshot: it forgets what it should not know"


def test_a_snapshot_is_the_whole_truth_between_two_marks(log: FactsLog, keys: Keys) -> None:
    keys.import_("me", "file", rows(BATCH + 10))
    gone = keys.page(limit=1)[0]
    keys.revoke("me", gone.id)
    told = read(log.snapshot())
    assert [told[0]["kind"], told[-1]["kind"]] == ["reset.begin", "reset.end"]
    put = told[1:-1]
    assert {fact["kind"] for fact in put} == {"key.put"}
    assert len({fact["key"]["digest"] for fact in put}) == len(put) == BATCH + 10
    assert [fact["key"]["id"] for fact in put if fact["key"]["revoked"]] == [gone.id]
    assert {fact["seq"] for fact in told} == {log.head()}


def test_what_comes_after_a_snapshots_beginning_comes_behind_it(store: Store, log: FactsLog, keys: Keys) -> None:
    """It may be in the snapshot as well, and says the same twice; and nobody waits for who reads it."""
    keys.import_("me", "file", rows(BATCH + 10))
    head = log.head()
    batches = log.snapshot()
    told = [next(batches), next(batches)]
    assert store.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    later = keys.create("me", name="later", owner="o").record.id
    keys.revoke("me", later)
    facts = read([*told, *batches])
    assert {fact["seq"] for fact in facts} == {head}
    assert [fact["kind"] for fact in read([log.after(head)])] == ["key.put", "key.revoke"]
    puts = [fact["key"]["id"] for fact in facts if fact["kind"] == "key.put"]
    assert len(set(puts) - {later}) == BATCH + 10
    assert len(puts) == len(set(puts))


def test_an_old_fact_is_dropped_and_then_not_followed(log: FactsLog, keys: Keys) -> None:
    for n in range(5):
        keys.create("me", name=str(n), owner="o")
    seqs = [fact["seq"] for fact in read([log.after(0)])]
    log.prune(keep=2)
    assert [fact["seq"] for fact in read([log.after(0)])] == seqs[3:]
    assert [log.follows(seq) for seq in seqs] == [False, False, False, True, True]


def test_what_is_undone_leaves_no_number_behind(store: Store, log: FactsLog) -> None:
    def fail() -> None:
        with store.write() as session:
            facts.append(session, [facts.revoke("key_a")])
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 -- Our own.
        fail()
    assert log.head() == 0
