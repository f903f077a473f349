"""`device`: an API of which no caller could ever come from a device that is known."""

from __future__ import annotations

from typing import Final

from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.policies import Introspection, Jwt, Mtls, Session
from lockgate.scalars import shown

BOUND: Final = (Introspection, Jwt, Mtls, Session)
"""Ways by which the caller may have something that is bound to a device."""


def check_device(document: Document, apis: list[EffectiveApi]) -> None:
    """Run the rules that look at the ways to authenticate as well."""
    for api in apis:
        placed = api.device
        if placed is None or placed.inherited:
            continue
        if api.api.public is not None:
            document.problems.add(
                document.region(*placed.path),
                "device-nobody",
                f"the API {shown(api.name)} is open to anyone, so nobody is known whose device it could be",
                hint="take `device` out, or `public`, and say with `authenticate` who may call",
                path=placed.path,
            )
        elif api.authenticate and not any(isinstance(one.policy, BOUND) for one in api.authenticate):
            document.problems.add(
                document.region(*placed.path),
                "device-nobody",
                f"the API {shown(api.name)} takes only credentials that are bound to no device",
                hint="take `device` out, or add a way that is: `session`, `mtls`, or `jwt` or `introspection` for "
                "tokens with DPoP or a certificate",
                path=placed.path,
            )
