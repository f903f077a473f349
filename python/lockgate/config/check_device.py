"""`device`: an API of which no caller could ever come from a device that is known, or be found elsewhere."""

from __future__ import annotations

from typing import Final

from lockgate.config.check_callers import check_callers
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.policies import Introspection, Jwt, Mtls, Session

BOUND: Final = (Introspection, Jwt, Mtls, Session)
"""Ways by which the caller may have something that is bound to a device."""


def check_device(document: Document, apis: list[EffectiveApi]) -> None:
    """Run the rules that look at the ways to authenticate, and at the databases of places, as well."""
    relied = set()
    for api in apis:
        placed = api.device
        if placed is None:
            continue
        if placed.policy.travel != "allow":
            own = (*placed.path, "travel")
            relied.add(own if document.says(*own) else ("defaults", "device", "travel"))
        if not placed.inherited:
            check_callers(
                document,
                api,
                placed.path,
                BOUND,
                unknown="whose device it could be",
                others="what shows itself by that is bound to no device",
                add="that is: `session`, `mtls`, or `jwt` or `introspection` for tokens with DPoP or a certificate",
            )
    if document.geo.countries is None:
        for path in sorted(filter(lambda path: document.says(*path), relied)):
            # Who writes it relies on it; where nobody does, it means as much as can be known.
            document.problems.add(
                document.region(*path),
                "geo-missing",
                "no database tells where addresses are, so nobody would be found elsewhere",
                hint="name one by `geo: {countries: FILE.mmdb}` at the top of the configuration, or take `travel` out",
                path=path,
            )
