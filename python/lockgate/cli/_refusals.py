"""A configuration that is not taken over: whether its files or something else is to blame, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_TODO: Final = {
    "listen-failed": "free that address or change the listener's, then `lockgate reload`",
    "gate-draining": "ask again once the gate is back",
}


def why_refused(errors: Sequence[Mapping[str, Any]]) -> str:
    """For `lockgate status`: what was refused, and what to do next."""
    if not errors or _in_files(errors):
        return (
            "the configuration's files are refused, an older one serves: see `lockgate check`. Once it says Fine they "
            "are taken over within seconds, by `lockgate reload` at once"
        )
    return f"the gate refused the configuration, an older one serves: {by_gate(errors)}"


def what_next(errors: Sequence[Mapping[str, Any]]) -> str:
    """For the end of `lockgate reload`, whose lines before it are the errors."""
    if not errors or _in_files(errors):
        return "Refused; the one before goes on serving. `lockgate check` shows each line."
    return f"Refused by the gate, though the files are fine; the one before goes on serving. To do: {_todo(errors)}."


def by_gate(errors: Sequence[Mapping[str, Any]]) -> str:
    """The gate's own words, which know of no file."""
    return f"{'; '.join(str(error['message']) for error in errors)} [{errors[0].get('code')}]. To do: {_todo(errors)}"


def _in_files(errors: Sequence[Mapping[str, Any]]) -> bool:
    return any(error.get("file") for error in errors)


def _todo(errors: Sequence[Mapping[str, Any]]) -> str:
    return _TODO.get(str(errors[0].get("code")), "put that right, then `lockgate reload`")
