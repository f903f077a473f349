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
LONGEST_MS: Final = 10_000
MAX_OPTIONS: Final = 16 * 1024
"""Characters of options, as JSON: they stand in the bundle, and each process is told them."""
WITHHELD: Final = ("Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-API-Key")
"""Fields that a plugin sees where it is said, and not else; the core knows them too."""


def parse_use(value: object) -> str:
    """Where the plugin is: a module and a class in it."""
    if isinstance(value, str) and USE.fullmatch(value):
        return value
    raise refusal(
        "plugin-malformed",
        f"{shown(value)} does not name a plugin",
        allowed="a module and a class, such as `my_checks:TenantHeader`",
    )


def parse_credential(value: object) -> str:
    """A field that is withheld unless it is named."""
    named = next((name for name in WITHHELD if isinstance(value, str) and name.lower() == value.lower()), None)
    if named is None:
        listed = ", ".join(f"`{name}`" for name in WITHHELD)
        raise refusal(
            "plugin-credential",
            f"{shown(value)} is none of the fields that are withheld",
            hint="plugins see every other field as it is",
            allowed=listed,
        )
    return named


def parse_options(value: object) -> dict[str, Any]:
    """Whatever JSON can say, by name."""
    if not isinstance(value, dict):
        raise refusal("plugin-options", f"{shown(value)} is no mapping", allowed="names and values")
    try:
        text = _json(value)
    except (TypeError, ValueError) as error:
        raise refusal("plugin-options", f"these options cannot be handed over: {error}") from error
    if len(text) > MAX_OPTIONS:
        raise refusal(
            "plugin-options",
            f"these options are {len(text)} characters long",
            allowed=f"at most {MAX_OPTIONS}, written as JSON",
            hint="let the plugin read a file beside it as it is made",
        )
    return value


def _json(options: dict[str, Any]) -> str:
    return json.dumps(options, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class Plugin(Policy):
    """Asks the operator's own check, a class made from `lockgate.plugin.Plugin`."""

    room: ClassVar[str] = "plugins"

    use: Annotated[str, Scalar(parse_use, {"type": "string"})] = Field(
        description="Module and class. The module is looked for beside the configuration, then in what is installed.",
        examples=["my_checks:TenantHeader"],
    )
    options: Annotated[dict[str, Any], BeforeValidator(parse_options)] = Field(
        default={},
        description="What the class is made with: any mapping. No place for secrets, since the bundle holds it.",
        examples=[{"header": "X-Tenant"}],
    )
    deadline: Annotated[int, duration(1, LONGEST_MS)] = Field(
        default=DEADLINE_MS,
        description="From the question to the answer, waiting for a free process included. Beyond it the call fails, "
        "and a process that hangs is ended.",
        examples=["50ms"],
        json_schema_extra={"default": "50ms"},
    )
    credentials: list[Annotated[str, Scalar(parse_credential, {"type": "string", "enum": list(WITHHELD)})]] = Field(
        default=[],
        description="Fields with credentials of others that the plugin is to see all the same: it is shown no "
        "`Authorization`, `Proxy-Authorization`, `Cookie`, `Set-Cookie` or `X-API-Key` else. What carries credentials "
        "for the gate itself cannot be named.",
        examples=[["Cookie"]],
    )

    @property
    def made_with(self) -> str:
        """The options as the bundle writes them."""
        return _json(self.options)

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part but for what only loading the plugin tells: its place and its hooks."""
        return {"name": self.use, "deadline_ms": self.deadline, "credentials": self.credentials}


def _use(value: object) -> object:
    """Turn the short form, a name alone, into the long one."""
    return {"use": value} if isinstance(value, str) else value


PluginEntry = Annotated[
    Plugin, BeforeValidator(_use), ShortForm({"type": "string", "examples": ["my_checks:TenantHeader"]})
]
