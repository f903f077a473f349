"""What a person is told of a request that was only asked about, beside what the engine said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lockgate.cli._waf_looked import looked

OPTION: Final = "--"
"""What stands before the name of an option."""
FIELD: Final = ""
"""What stands before the name of a field of a table's case."""


def completed(
    explained: dict[str, Any],
    bundle: Mapping[str, Any],
    body: bytes | None,
    device: Sequence[str],
    before: str = OPTION,
) -> dict[str, Any]:
    """What the engine said, with what the device was taken for, and with what looked for attacks and at what."""
    asked = any(step["policy"] == "device" for step in explained["steps"])
    more = {"device": list(device)} if asked else {}
    # Compiled for this one question, so its hash is that of no bundle that is ever served.
    return {**explained, **more, "bundle": None, "looked": looked(explained, bundle, body, f"{before}body")}
