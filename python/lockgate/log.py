"""How Lockgate's processes log: on stderr, pretty for a person, JSON for a machine.

A last filter blots out anything that has the form of one of our own secrets,
whatever field it came in by. It is a net below careful code, not instead of it.
"""

import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog
from typing_extensions import override

SECRET = re.compile(r"lg_[a-z]{1,16}_[0-9A-Za-z]{38}|lgadm_[0-9A-Za-z_-]{20,}")
"""An API key of ours, or an admin credential."""


def configure(process: str, *, level: int = logging.INFO) -> None:
    """Set up logging for this process; `process` stands in each line."""
    pretty = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _named(process),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            blot,
            structlog.dev.ConsoleRenderer(colors=_colour_wanted()) if pretty else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Unbreakable(sys.stderr))),
        cache_logger_on_first_use=True,
    )


def _colour_wanted() -> bool:
    """Whether a terminal is to be coloured: https://no-color.org, and terminals that cannot."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class _Unbreakable(io.TextIOBase):
    """Standard error, whose reader may go away: what serves must not end because nobody reads its log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @override
    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    @override
    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def blot(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put `[secret]` in the place of whatever looks like a secret."""
    for name, value in event.items():
        event[name] = _blotted(value)
    return event


def _blotted(value: Any) -> Any:
    if isinstance(value, str):
        return SECRET.sub("[secret]", value)
    if isinstance(value, dict):
        return {_blotted(key): _blotted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_blotted(item) for item in value]
    return value


def _named(process: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add
