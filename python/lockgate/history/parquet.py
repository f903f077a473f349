"""DuckDB, kept in bounds: a database in memory that may read and write in some folders, and reach nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lockgate.history.columns import as_struct, columns, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY: Final = "256MB"
"""What a query may hold before it goes to disk."""
WRITING: Final = "128MB"
"""The same for the control process, which has other things to hold."""

DAY_MS: Final = 86_400_000


@contextmanager
def database(
    folders: Sequence[Path], spill: Path, *, threads: int = 1, memory: str = MEMORY
) -> Iterator[DuckDBPyConnection]:
    """A database in memory; what it cannot hold it writes below `spill`."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            # What is needed is built in; a query must never reach for the network.
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": memory,
            "threads": str(threads),
            "temp_directory": str(spill),
            "preserve_insertion_order": "false",
        },
    )
    try:
        allowed = ", ".join(_text(f"{folder}/") for folder in (*folders, spill))
        connection.execute(f"SET allowed_directories = [{allowed}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def from_json(file: Path) -> str:
    """Lines of JSON, as a table."""
    return (
        f"read_json({_text(str(file))}, format = 'newline_delimited', columns = {as_struct()}, "
        "maximum_object_size = 16777216)"
    )


def from_parquet(files: Sequence[Path]) -> str:
    """Parquet files of this version or others, as one table with all of this version's columns."""
    if not files:
        none = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in columns().items())
        return f"(SELECT {none} WHERE false)"
    listed = ", ".join(_text(str(file)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true)"


def copy(connection: DuckDBPyConnection, query: str, file: Path) -> None:
    """Write what the query gives to a new file, on disk when this returns."""
    connection.execute(f"COPY ({query}) TO {_text(str(file))} (FORMAT parquet, COMPRESSION zstd)")
    file.chmod(0o600)
    fd = os.open(file, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def day_of(at_ms: int) -> str:
    """The day (UTC) of a moment."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
