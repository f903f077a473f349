"""`plugins`: policies that the operator wrote in Python."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field
from typing_extensions import override

from lockgate.policies._base import Lists, Policy
from lockgate.scalars import Scalar, ShortForm, duration, refusal, shown

USE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
DEADLINE_MS: Final = 50
"""A check of a head takes well below a millisecond; fifty leave room for a busy machine and end what hangs soon."""


def parse_use(value: object) -> str:
    """Where the plugin is: a module and a class in it."""
    if isinstance(value, str) and USE.fullmatch(value):
        return value
    raise refusal(
        "plugin-malformed",
        f"{shown(value)} does not name a plugin",
        allowed="a module and a class, such as `my_checks:TenantHeader`",
    )


class Plugin(Policy):
    """Asks the operator's own check, a class made from `lockgate.plugin.Plugin`."""

    room: ClassVar[str] = "plugins"

    use: Annotated[str, Scalar(parse_use, {"type": "string"})] = Field(
        description="Module and class. The module is looked for beside the configuration, then among what is installed.",
        examples=["my_checks:TenantHeader"],
    )
    options: dict[str, Any] = Field(
        default={},
        description="What the class is made with: any mapping. No place for secrets, since the bundle holds it.",
        examples=[{"header": "X-Tenant"}],
    )
    deadline: Annotated[int, duration(1, 10_000)] = Field(
        default=DEADLINE_MS,
        description="From the question to the answer, waiting for a free process included. Beyond it the call fails, "
        "and the process is ended.",
        examples=["50ms"],
        json_schema_extra={"default": "50ms"},
    )

    @property
    def made_with(self) -> str:
        """The options as the bundle writes them."""
        return json.dumps(self.options, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for what only loading the plugin tells: its place and its hooks."""
        return {"name": self.use, "deadline_ms": self.deadline}


def _use(value: object) -> object:
    """Turn the short form, a name alone, into the long one."""
    return {"use": value} if isinstance(value, str) else value


PluginEntry = Annotated[
    Plugin, BeforeValidator(_use), ShortForm({"type": "string", "examples": ["my_checks:TenantHeader"]})
]
