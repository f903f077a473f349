"""The class that a plugin is, and a shorter way to write one: a function with a decorator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from lockgate.plugin.heads import RequestHead, ResponseHead
from lockgate.plugin.verdicts import Allow, Verdict

Hook = Literal["request", "response"]
HOOKS: Final[tuple[Hook, ...]] = ("request", "response")


class Plugin:
    """Judges heads. Define `on_request`, `on_response`, or both; the gate asks for what is defined.

    One object serves one process for many requests: what it remembers, other
    processes do not know, and a restart forgets.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        """`options` is what the configuration says under `options`. Raise `ValueError` to refuse it at load."""
        self.options = options

    def on_request(self, head: RequestHead) -> Verdict:  # noqa: ARG002 -- For those who take it up.
        """Judge a request, once every policy before has let it through."""
        return Allow()

    def on_response(self, head: ResponseHead) -> Verdict:  # noqa: ARG002 -- For those who take it up.
        """Judge an answer of the upstream, before its first byte goes to the client."""
        return Allow()


def hooks(made: Plugin) -> tuple[Hook, ...]:
    """What a plugin wants to be asked."""
    return tuple(hook for hook in HOOKS if getattr(type(made), f"on_{hook}") is not getattr(Plugin, f"on_{hook}"))


def on_request(function: Callable[[RequestHead], Verdict]) -> type[Plugin]:
    """Make a plugin of a function that judges requests."""

    class OnRequest(Plugin):
        def on_request(self, head: RequestHead) -> Verdict:
            return function(head)

    return _named(OnRequest, function)


def on_response(function: Callable[[ResponseHead], Verdict]) -> type[Plugin]:
    """Make a plugin of a function that judges answers."""

    class OnResponse(Plugin):
        def on_response(self, head: ResponseHead) -> Verdict:
            return function(head)

    return _named(OnResponse, function)


def _named(made: type[Plugin], function: Callable[..., Verdict]) -> type[Plugin]:
    made.__name__ = made.__qualname__ = function.__name__
    made.__module__, made.__doc__ = function.__module__, function.__doc__
    return made
