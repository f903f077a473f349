"""Bringing a database's tables up to date, at the start of whoever opens it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the migrations that the database has not seen."""
    with engine.execution_options(lockgate_writes=True).connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        config = alembic_config()
        if revision == "head" and current == ScriptDirectory.from_config(config).get_current_head():
            return
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def alembic_config() -> Config:
    """Alembic's settings, without a file: the scripts lie inside the package."""
    config = Config()
    # A percent sign in the path would be read as an interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
