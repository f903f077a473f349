"""Opening the database, and its two kinds of transaction."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, insert, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from lockgate.admin.store.models import Base, Counter
from lockgate.state import StateError

BUSY_TIMEOUT_MS = 5_000
"""How long a writer waits for another, such as a command beside a control process that starts."""

_WRITES = "lockgate_writes"


class Store:
    """The database. `read` and `write` open a session in a transaction of that kind."""

    def __init__(self, engine: Engine) -> None:
        """Use `Store.open`."""
        self.engine = engine
        self._writer = engine.execution_options(**{_WRITES: True})
        # SQLite's waiters look again at random, and one of many can miss its turn for seconds.
        self._turn = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open the SQLite file, made where missing, and bring its tables up to date."""
        from lockgate.admin.store.migrate import upgrade

        # SQLite gives its side files the mode of the database itself.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        store = cls(sqlite_engine(path))
        try:
            upgrade(store.engine)
        except (DatabaseError, CommandError) as error:
            store.close()
            cause = str(getattr(error, "orig", error))
            raise StateError(
                f"{path} cannot be used ({cause}): it may be damaged or of a newer Lockgate. Put it back from a "
                "backup, or start with another --state folder"
            ) from error
        return store

    @classmethod
    def beside(cls, path: Path) -> "Store | None":
        """The database as whoever runs has left it, for reading; nothing where there is none yet."""
        return cls(sqlite_engine(path)) if path.is_file() else None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment and changes nothing."""
        with Session(self.engine) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that holds the write lock from its first word, and commits at the end."""
        with self._turn, Session(self._writer) as session, session.begin():
            yield session

    def data_version(self, connection: Connection) -> int:
        """Changes whenever another connection has committed; costs no disk access.

        `connection` must be one that is kept open for the purpose.
        """
        version = int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())
        connection.rollback()
        return version

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def sqlite_engine(path: Path) -> Engine:
    """An engine whose transactions are exactly those that `Store` asks for.

    The driver's own idea of when to begin is turned off: it would begin late
    and as a reader, and a reader that turns writer can be refused outright.
    """
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def take(session: Session, counter: str, count: int, *, floor: int = 0, start: int = 1) -> int:
    """The first of `count` new numbers of `counter`, above `floor`; a new one begins at `start`."""
    value = session.scalar(select(Counter.value).where(Counter.name == counter))
    first = max(start if value is None else value + 1, floor + 1)
    last = first + count - 1
    if value is None:
        session.execute(insert(Counter).values(name=counter, value=last))
    else:
        session.execute(update(Counter).where(Counter.name == counter).values(value=last))
    return first


def table_names() -> list[str]:
    """Every table of the models."""
    return sorted(Base.metadata.tables)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # A key that was answered for must survive a power cut: FULL syncs the log at each commit.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
