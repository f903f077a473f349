"""The `lockgate` command. Each module here without a leading underscore is a subcommand."""

from lockgate.cli._main import main

__all__ = ["main"]
