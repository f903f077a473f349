"""What every resource asks for: the control process behind it, and who is asking."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from lockgate.admin.api.problems import Problem
from lockgate.admin.bundles import SignedBundle
from lockgate.admin.control import Control
from lockgate.admin.journal import admin_actor
from lockgate.admin.link import Settled
from lockgate.admin.tokens import UnknownIssuerError

ACTOR = admin_actor()
"""Who an audit event names. One credential is one actor until there are accounts."""


def _control(request: Request) -> Control:
    control = request.app.state.control
    if not isinstance(control, Control):
        raise TypeError("the application was made without a control process")
    return control


WithControl = Annotated[Control, Depends(_control)]

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


Words = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Reason = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]

Gate = Annotated[
    str,
    Field(
        description="`applied`: every gate acts on it already. `pending`: not every one. `absent`: there is no gate."
    ),
]
Waiting = Annotated[
    list[str],
    Field(description="Gates that do not know it yet, and will once connected. `local` is the one beside us."),
]

OfIssuer = Annotated[
    str | None, Query(max_length=2000, description="Of this one alone: a name under `issuers`, or tokens' `iss`.")
]

LIVE_SECONDS = 1.0
"""How long an answer waits for the gate to have taken a change; it takes milliseconds."""


class Body(BaseModel):
    """A body knows all its members; another one is a mistake."""

    model_config = ConfigDict(extra="forbid")


async def told(control: Control) -> Settled:
    """Tell the gates of a change at once, and whether they have taken it."""
    control.link.facts_changed()
    return await control.link.settled(LIVE_SECONDS)


def iss_of(control: Control, issuer: str | None) -> str | None:
    """What tokens' `iss` says of an issuer that is asked for by its name, or so already."""
    rules = control.tokens.issuers().get(issuer) if issuer is not None else None
    return rules.issuer if rules is not None else issuer


async def unless_a_slip(control: Control, issuer: str | None, found: object) -> None:
    """Refuse the name of an issuer that there is not, and of which nothing was found: almost surely it is a slip."""
    if issuer is None or found:
        return
    try:
        await asyncio.to_thread(control.tokens.issuer, issuer)
    except UnknownIssuerError as error:
        raise Problem("issuer-unknown", str(error)) from error


def current_bundle(control: Control) -> SignedBundle:
    """The bundle that is served, or was last known to be."""
    bundle = control.bundles.latest()
    if bundle is None:
        raise Problem("bundle-absent", "Correct the configuration, then `lockgate reload`.")
    return bundle


def document_of(bundle: SignedBundle) -> dict[str, Any]:
    """The bundle's content."""
    document = json.loads(bundle.text)
    if not isinstance(document, dict):
        raise TypeError("a signed bundle is no JSON object")
    return document
