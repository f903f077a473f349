"""What may be done by whom, in the rows that ask: as a configuration says it, compiled as for any gate."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from bench.tokens import AUDIENCE, ISSUER
from lockgate.config import load

OPERATIONS: Final = 100
POLICIES: Final = 1_000
"""Of Cedar, spread over the operations and roles."""
ROLES: Final = {
    "customer": {"who": {"claim": ["realm_access", "roles"], "contains": "customer"}},
    "support": {"who": {"claim": ["realm_access", "roles"], "contains": "support"}, "includes": ["customer"]},
    "manager": {"who": {"claim": ["realm_access", "roles"], "contains": "manager"}, "includes": ["support"]},
}
ENTITLED: Final[dict[str, dict[str, Any]]] = {
    "jwt-roles": {
        "scopes": {"orders:read": ["GET"], "orders:write": ["POST", "PUT"]},
        "roles": {"customer": ["GET"], "support": ["GET", "POST"], "manager": ["GET", "POST", "PUT", "DELETE"]},
    },
    "jwt-cedar": {"cedar": "orders.cedar"},
    "jwt-users": {"allow": "authenticated", "users": {"distinct_per_day": 5_000, "concurrent": 200}},
}
"""By row, what `authorize` says."""
PARTS: Final = ("scopes", "roles", "cedar", "users")


@functools.cache
def compiled(row: str) -> dict[str, Any]:
    """The bundle of a configuration with one API for which that is said."""
    said = {
        "version": 1,
        "issuers": {"company": {"issuer": ISSUER, "audience": AUDIENCE}},
        "roles": ROLES,
        "apis": {
            "orders": {
                "path": "/",
                "openapi": "orders.yaml",
                "upstream": "http://127.0.0.1:9000",
                "authenticate": [{"jwt": {"issuer": "company"}}],
                "authorize": ENTITLED[row],
            }
        },
    }
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
        (Path(folder) / "orders.cedar").write_text(_cedar(), encoding="utf-8")
        (Path(folder) / "orders.yaml").write_text(yaml.safe_dump(_document()), encoding="utf-8")
        file = Path(folder) / "lockgate.yaml"
        file.write_text(yaml.safe_dump(said), encoding="utf-8")
        return load(file).compile(1, 1)


def given(row: str, api: dict[str, Any]) -> dict[str, Any]:
    """The bench's own API, with what this row's says of who may what."""
    own = compiled(row)["apis"][0]
    policies = {part: own["policies"][part] for part in PARTS if own["policies"].get(part) is not None}
    said = {part: own[part] for part in ("openapi", "authorize", "authorize_span")}
    return {**api, **said, "policies": {**api["policies"], **policies}}


def _document() -> dict[str, Any]:
    """Operations, the first of which is asked for."""
    paths = ["/orders/{id}", *(f"/things{number}/{{id}}" for number in range(1, OPERATIONS))]
    parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1"},
        "paths": {
            path: {"parameters": [parameter], "get": {"operationId": f"get{number}"}}
            for number, path in enumerate(paths)
        },
    }


def _cedar() -> str:
    """Ten policies for each operation: some for those who call, and some that look at what is asked for."""
    each = (
        'permit(principal in Role::"customer", action == Action::"get{0}", resource);',
        'permit(principal in Role::"support", action == Action::"get{0}", resource);',
        'permit(principal in Role::"manager", action == Action::"get{0}", resource);',
        'forbid(principal in Role::"customer", action == Action::"get{0}", resource) when {{resource.path.id == "0"}};',
        'forbid(principal in Role::"support", action == Action::"get{0}", resource) when {{resource.path.id == "1"}};',
    )
    every = POLICIES // OPERATIONS // len(each)
    return "\n".join(one.format(number) for number in range(OPERATIONS) for one in each * every)
