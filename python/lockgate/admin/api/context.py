"""What every resource asks for: the control process behind it, and who is asking."""

import json
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from lockgate.admin.api.problems import Problem
from lockgate.admin.bundles import SignedBundle
from lockgate.admin.control import Control
from lockgate.admin.journal import admin_actor

ACTOR = admin_actor()
"""Who an audit event names. One credential is one actor until there are accounts."""


def _control(request: Request) -> Control:
    control = request.app.state.control
    if not isinstance(control, Control):
        raise TypeError("the application was made without a control process")
    return control


WithControl = Annotated[Control, Depends(_control)]

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


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
