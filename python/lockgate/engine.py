"""The gate's engine without a gate: what would become of a request under a bundle.

The rules are the core's own; here is only what Python callers expect of a
function: headers in any form that holds names and values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lockgate import _native

Headers = Mapping[str, str | Sequence[str]] | Iterable[Sequence[str]]
"""Names to a value or several, or pairs in their order: a name may come more than once."""


class Engine:
    """Judges requests as a gate that serves this bundle would."""

    def __init__(
        self,
        bundle: bytes,
        *,
        facts: Iterable[bytes] = (),
        pepper: bytes = bytes(32),
        plugins: _native.Plugins | None = None,
    ) -> None:
        """`bundle` is a compiled configuration; `facts` are the keys it knows, under `pepper`.

        Policies in Python are asked in the process of `plugins`; without one they fail, and so deny.
        """
        self._native = _native.Engine(bundle, facts=list(facts), pepper=pepper, plugins=plugins)

    def evaluate(self, request: Mapping[str, Any], *, now_ms: int | None = None) -> dict[str, Any]:
        """Say what would become of a request, step by step.

        It has `method`, `target` and `peer`, and maybe `headers`, `listener` and `body`.
        """
        told = dict(request)
        if told.get("headers") is not None:
            told["headers"] = pairs(told["headers"])
        else:
            told.pop("headers", None)
        return self._native.evaluate(told, now_ms=now_ms)


def pairs(headers: Headers) -> list[tuple[str, str]]:
    """Headers as the core takes them."""
    if isinstance(headers, Mapping):
        return [
            (name, value) for name, said in headers.items() for value in ([said] if isinstance(said, str) else said)
        ]
    if isinstance(headers, str | bytes):
        raise TypeError("headers are names and values: a mapping, or pairs such as [('Host', 'example.com')]")
    return [_pair(header) for header in headers]


def _pair(header: Sequence[str]) -> tuple[str, str]:
    # A text of two letters would come apart into a name and a value.
    if isinstance(header, str | bytes) or len(header) != 2:
        raise TypeError(f"a header is a pair of a name and a value, not {header!r}")
    name, value = header
    return name, value
