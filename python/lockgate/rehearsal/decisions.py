"""What decision points elsewhere are only supposed to say: nobody is asked while a configuration is tried."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BeforeValidator, Field

from lockgate.policies import Settings
from lockgate.scalars import Flag, ShortForm, Text, refusal, shown

WORDS: Final = {"allow": True, "deny": False}
ALLOWED: Final = '`allow`, `deny`, or a mapping such as `{allow: false, reason: "not yours"}`'


class Decision(Settings):
    """What a decision point is taken to say."""

    allow: Flag = Field(description="Whether it lets through.", examples=[True])
    reason: Text | None = Field(default=None, description="Why.", examples=["not yours"])
    headers: dict[Text, Text] = Field(
        default={},
        max_length=64,
        description="Fields for the API's upstream, each of which `to_upstream` names.",
        examples=[{"X-User-Level": "gold"}],
    )

    def told(self) -> str:
        """As the engine is told it: OPA's `result`."""
        return json.dumps({"allow": self.allow, "reason": self.reason, "headers": self.headers})


def _long(value: object) -> object:
    if isinstance(value, str) and value in WORDS:
        return {"allow": WORDS[value]}
    if not isinstance(value, dict):
        raise refusal("decision-malformed", f"{shown(value)} is no decision", allowed=ALLOWED)
    return value


DECISION: Final = (BeforeValidator(_long), ShortForm({"enum": sorted(WORDS)}))


def stated(text: str) -> str:
    """What the engine is told, from a word or JSON; raises `ValueError`, whose message is safe to show."""
    if text in WORDS:
        return json.dumps(WORDS[text])
    wrong = f"a decision is `allow`, `deny`, or JSON such as {json.dumps({'allow': False, 'reason': 'not yours'})}"
    try:
        said: Any = json.loads(text)
        decides = isinstance(said["allow"], bool)
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(wrong) from error
    if not decides:
        raise ValueError(wrong)
    return json.dumps(said)
