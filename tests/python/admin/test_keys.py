"""Keys: shown once, kept as a digest, and never changed without an audit event."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Any

import pytest

from lockgate import _native
from lockgate.admin.facts import FactsLog
from lockgate.admin.keys import IMPORT_BATCH, KeyNotFoundError, Keys, KnownKeys, UnknownApiError, create_key, offline
from lockgate.admin.store import Store
from lockgate.admin.store.models import Bundle
from lockgate.state import StateFolder, StateInUseError

PEPPER = bytes(range(32))


@pytest.fixture
def keys(store: Store, journal: Any) -> Keys:
    return Keys(store, journal, PEPPER)


def test_a_key_is_known_by_its_digest_alone(keys: Keys, store: Store) -> None:
    created = keys.create("me", name="export", owner="sales")
    digest = _native.key_digest(created.key, PEPPER)
    known = KnownKeys(store).by_digest(digest)
    assert known is not None
    assert known["key"]["id"] == created.record.id
    assert KnownKeys(store).by_digest("0" * 64) is None


def test_the_key_is_nowhere_but_in_what_was_returned(keys: Keys, store: Store, state: StateFolder) -> None:
    created = keys.create("me", name="export", owner="sales")
    store.close()
    secret = created.key.split("_")[2]
    written = b"".join(path.read_bytes() for path in state.root.rglob("*") if path.is_file())
    assert secret.encode() not in written
    assert secret not in repr(created)


def test_nothing_is_logged_of_a_key(keys: Keys, caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    with caplog.at_level(logging.DEBUG):
        created = keys.create("me", name="export", owner="sales")
    out, err = capsys.readouterr()
    assert created.key not in caplog.text + out + err


def test_each_change_has_its_audit_event(keys: Keys, journal: Any) -> None:
    created = keys.create("me", name="export", owner="sales", apis=["b", "a", "a"])
    keys.revoke("you", created.record.id, reason="left")
    keys.import_("they", "keys.jsonl", iter([{"digest": "0" * 64, "name": "n", "owner": "o"}]))
    made, revoked, imported = journal.events
    assert (made["actor"], made["action"], made["object"]) == ("me", "key.create", created.record.id)
    assert made["detail"]["apis"] == ["a", "b"]
    assert (revoked["actor"], revoked["action"], revoked["detail"]["reason"]) == ("you", "key.revoke", "left")
    assert (imported["action"], imported["detail"]) == ("key.import", {"keys": 1})


def test_without_an_audit_event_nothing_changes(keys: Keys, journal: Any, store: Store) -> None:
    created = keys.create("me", name="export", owner="sales")
    head = FactsLog(store).head()
    journal.broken = True
    for change in (
        lambda: keys.create("me", name="another", owner="sales"),
        lambda: keys.revoke("me", created.record.id),
        lambda: keys.import_("me", "file", iter([{"digest": "0" * 64, "name": "n", "owner": "o"}])),
    ):
        with pytest.raises(OSError, match="disk full"):
            change()
    assert [record.id for record in keys.page()] == [created.record.id]
    assert keys.one(created.record.id).status == "active"
    assert FactsLog(store).head() == head


def test_revoking_twice_says_when_it_was_done(keys: Keys, journal: Any) -> None:
    key_id = keys.create("me", name="export", owner="sales").record.id
    first = keys.revoke("me", key_id, reason="left")
    assert keys.revoke("me", key_id, reason="another") == first
    assert first.status == "revoked"
    assert len(journal.events) == 2


def test_a_key_past_its_end_reads_expired(keys: Keys) -> None:
    assert keys.create("me", name="n", owner="o", expires_ms=1).record.status == "expired"
    later = int(dt.datetime(2100, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
    assert keys.create("me", name="n", owner="o", expires_ms=later).record.status == "active"


def test_pages_follow_each_other_without_gap_or_double(keys: Keys) -> None:
    keys.import_("me", "file", ({"digest": f"{n:064x}", "name": str(n), "owner": "o"} for n in range(25)))
    seen: list[str] = []
    after = None
    while page := keys.page(after=after, limit=10):
        seen += [record.id for record in page]
        after = page[-1].id
    assert len(seen) == len(set(seen)) == 25


@pytest.mark.parametrize("ask", ["one", "revoke"])
def test_an_unknown_key_is_named_with_what_to_do(keys: Keys, ask: str) -> None:
    with pytest.raises(KeyNotFoundError, match="lockgate keys list"):
        keys.one("key_x") if ask == "one" else keys.revoke("me", "key_x")


def test_an_import_leaves_alone_what_is_there(keys: Keys) -> None:
    rows = [{"digest": f"{n:064x}", "name": "first", "owner": "o"} for n in range(IMPORT_BATCH + 5)]
    assert keys.import_("me", "file", iter([*rows, rows[0]])).added == len(rows)
    again = keys.import_("me", "file", iter([{**row, "name": "second"} for row in rows]))
    assert (again.added, again.known) == (0, len(rows))
    assert {record.name for record in keys.page(limit=1000)} == {"first"}


def test_a_key_for_an_api_that_is_not_there_is_refused(keys: Keys, store: Store) -> None:
    keys.create("me", name="n", owner="o", apis=["anything"])  # No configuration yet: nothing to hold it against.
    bundle = {"sequence": 1, "hash": "h", "content_hash": "c", "created_ms": 1, "key_id": "k", "signature": "s"}
    with store.write() as session:
        session.add(Bundle(**bundle, text='{"apis":[{"name":"shop"}]}', admin_address=""))
    keys.create("me", name="n", owner="o", apis=["shop"])
    with pytest.raises(UnknownApiError, match=r"no API 'shp'; there are: shop"):
        keys.create("me", name="n", owner="o", apis=["shop", "shp"])
    with pytest.raises(UnknownApiError):
        keys.import_("me", "file", iter([{"digest": "0" * 64, "name": "n", "owner": "o", "apis": ["shp"]}]))


def test_create_key_makes_the_folder_and_a_key_that_the_engine_believes(tmp_path: Path) -> None:
    created = create_key(tmp_path / "s", name="first", owner="me", expires=dt.timedelta(days=1))
    state = StateFolder.existing(tmp_path / "s")
    assert created.record.expires_ms is not None
    assert created.record.expires_ms - created.record.created_ms == pytest.approx(86_400_000, abs=5_000)
    with offline(state) as keys:
        assert keys.one(created.record.id).name == "first"
    events, _ = _native.read_events(str(state.control_events))
    assert [event["action"] for event in events] == ["key.create"]


def test_the_folder_is_not_touched_while_a_control_process_has_it(tmp_path: Path) -> None:
    state = StateFolder.open(tmp_path / "s")
    with state.lock("control"), pytest.raises(StateInUseError):
        create_key(state.root, name="first", owner="me")
