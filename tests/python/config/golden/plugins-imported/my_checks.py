"""A check that wants an option."""

from collections.abc import Mapping
from typing import Any

from lockgate.plugin import Plugin, RequestHead, Verdict, allow


class TenantHeader(Plugin):
    """Wants to be told the header."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Refuses to be made without one."""
        if "header" not in options:
            raise ValueError("say under `options` which `header` names the tenant")
        super().__init__(options)

    def on_request(self, head: RequestHead) -> Verdict:
        """Lets through."""
        return allow(set={"X-Path": head.path})
