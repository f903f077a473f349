"""`rewrite`: another path and query for the upstream than the client asked for."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field
from typing_extensions import override

from lockgate.expressions import Regex
from lockgate.policies._base import Lists, Policy, Settings
from lockgate.scalars import Scalar, Text, parse_text, refusal, shown


def parse_template(value: object) -> str:
    """A path with names in braces."""
    text = parse_text(value)
    if not text.startswith(("/", "{path}", "{rest}")):
        hint = f"write `/{text}`" if text[:1].isalnum() else None
        raise refusal("template-malformed", f"{shown(text)} does not begin with `/`", hint=hint)
    if "?" in text or "#" in text:
        hint = "parameters are set and taken out under `query`"
        raise refusal("template-malformed", f"{shown(text)} has more than a path", hint=hint)
    return text


Template = Annotated[str, Scalar(parse_template, {"type": "string", "pattern": r"^(/|\{path\}|\{rest\})"})]


class Replacement(Settings):
    """A path written anew by a regular expression."""

    match: Regex = Field(
        description="Matches the whole path; a path that it does not match stays as it is.",
        examples=["/old/(?<id>[0-9]+)"],
    )
    to: Template = Field(description="The new path; names are the expression's groups.", examples=["/new/{id}"])


class RewrittenQuery(Settings):
    """What becomes of parameters."""

    set: dict[Text, Text] = Field(
        default={},
        description="Parameters to set, each in place of all of that name. A value may hold names in braces.",
        examples=[{"source": "gate", "id": "{id}"}],
    )
    remove: list[Text] = Field(default=[], description="Parameters to take out.", examples=[["debug"]])


class Rewrite(Policy):
    """Asks the upstream for another path than the client asked for."""

    room: ClassVar[str] = "rewrite"

    prefix: Template | None = Field(
        default=None, description="In place of the prefix that matched; `/` takes it off.", examples=["/v2"]
    )
    path: Template | None = Field(
        default=None,
        description="The whole path. Names in braces are those of the route's own path, `{path}` for all of it and "
        "`{rest}` for what follows the prefix that matched.",
        examples=["/items/{id}"],
    )
    regex: Replacement | None = Field(
        default=None,
        description="The whole path by a regular expression.",
        examples=[{"match": "/old/(?<id>[0-9]+)", "to": "/new/{id}"}],
    )
    query: RewrittenQuery = Field(
        default=RewrittenQuery(), description="What becomes of parameters.", examples=[{"remove": ["debug"]}]
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        regex = {"matches": self.regex.match, "to": self.regex.to} if self.regex is not None else None
        return {
            "prefix": self.prefix,
            "path": self.path,
            "regex": regex,
            "set": [{"name": name, "value": value} for name, value in self.query.set.items()],
            "remove": self.query.remove,
        }
