"""The control process's database: SQLite now, anything SQLAlchemy speaks later."""

from lockgate.admin.store.engine import Store

__all__ = ["Store"]
