"""The database: its migrations make what the models say, and its numbers never go back."""

import stat
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from lockgate.admin.store import Store, engine
from lockgate.admin.store.engine import sqlite_engine, table_names, take
from lockgate.admin.store.migrate import alembic_config, upgrade
from lockgate.admin.store.models import Base, Counter, Key
from lockgate.state import StateError, StateFolder


def test_models_and_migrations_agree(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert set(inspect(connection).get_table_names()) == {*table_names(), "alembic_version"}


def test_every_migration_goes_back_and_forth(tmp_path: Path) -> None:
    from alembic import command

    database = sqlite_engine(tmp_path / "db")
    upgrade(database)
    with database.execution_options(lockgate_writes=True).connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
        assert inspect(connection).get_table_names() == ["alembic_version"]
    upgrade(database)
    with database.connect() as connection:
        assert set(table_names()) < set(inspect(connection).get_table_names())


def test_a_revocation_of_before_is_known_for_its_devices(tmp_path: Path) -> None:
    database = sqlite_engine(tmp_path / "db")
    upgrade(database, "0121")
    with database.execution_options(lockgate_writes=True).begin() as connection:
        device = (
            "INSERT INTO devices (id, issuer, subject, kind, mark, name, agent, known, first_ms, last_ms, revoked_ms) "
            "VALUES (:id, 'i', 'ann', 'dpop', :id, '', '', '{}', 1, 1, :revoked)"
        )
        revocation = (
            "INSERT INTO token_revocations (id, issuer, \"by\", value, created_ms) VALUES (:id, 'i', :by, :value, 1)"
        )
        for name, revoked in (("lost", 1), ("kept", None)):
            connection.execute(text(device), {"id": name, "revoked": revoked})
        for name, by in (("lost", "device"), ("kept", "device"), ("lost", "token")):
            connection.execute(text(revocation), {"id": f"{by} {name}", "by": by, "value": name})
    upgrade(database)
    with database.connect() as connection:
        known = connection.execute(text("SELECT id, device_id FROM token_revocations"))
        assert {row[0]: row[1] for row in known} == {"device lost": "lost", "device kept": None, "token lost": None}
        assert {row[0] for row in connection.execute(text("SELECT looks FROM devices"))} == {"[]"}


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "db"
    first = Store.open(path)
    with first.write() as session:
        take(session, "facts", 3, start=10)
    first.close()
    with Store.open(path).read() as session:
        assert session.scalar(select(Counter.value)) == 12


def test_the_file_and_its_side_files_are_private(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "db")
    with store.write() as session:
        take(session, "facts", 1)
        files = list(tmp_path.iterdir())
        assert {path.name for path in files} == {"db", "db-wal", "db-shm"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_numbers_grow_past_floor_and_start(store: Store) -> None:
    with store.write() as session:
        assert take(session, "x", 2, start=100) == 100
        assert take(session, "x", 1, start=100) == 102
        assert take(session, "x", 1, floor=1000) == 1001
        assert take(session, "x", 1, floor=500) == 1002


def test_concurrent_writers_queue_and_take_each_number_once(store: Store) -> None:
    taken: list[int] = []

    def write() -> None:
        for _ in range(25):
            with store.write() as session:
                taken.append(take(session, "x", 1))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 101))


def test_writers_of_one_process_never_miss_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait for each other, and not for SQLite, whose waiters may be overtaken until they give up."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 0)
    store = Store.open(tmp_path / "db")
    failed: list[Exception] = []
    start = threading.Barrier(8)

    def write() -> None:
        start.wait()
        for _ in range(20):
            try:
                with store.write() as session:
                    take(session, "facts", 1)
            except OperationalError as error:
                failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with store.read() as session:
        assert session.scalar(select(Counter.value).where(Counter.name == "facts")) == 160
    store.close()


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    key = {"digest": "d", "name": "n", "owner": "o", "environment": "live", "created_ms": 1}

    def write_twice() -> None:
        with store.write() as session:
            session.add_all([Key(id="a", **key), Key(id="b", **key)])

    with pytest.raises(IntegrityError):
        write_twice()
    with store.read() as session:
        assert session.scalars(select(Key)).all() == []


def test_another_connections_commit_changes_the_data_version(store: Store) -> None:
    with store.engine.connect() as connection:
        before = store.data_version(connection)
        assert store.data_version(connection) == before
        with store.write() as session:
            take(session, "x", 1)
        assert store.data_version(connection) != before


def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StateError, match="backup"):
        Store.open(tmp_path / "db")


def test_a_newer_lockgates_file_is_refused_with_what_to_do(store: Store, state: StateFolder) -> None:
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="newer Lockgate"):
        Store.open(state.database)
