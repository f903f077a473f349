"""`risk`: which signals an API can tell, and sums that could never come to anything."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.config.check_callers import check_callers
from lockgate.config.check_step_up import PEOPLE
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.placed import Path
from lockgate.policies import Policy, Risk
from lockgate.policies.risk import DEFAULTS
from lockgate.scalars import shown


def knowable(document: Document, api: EffectiveApi) -> frozenset[str]:
    """The signals that can be told of requests to an API."""
    return frozenset(DEFAULTS) - dict(_unknown(document, api)).keys()


def _unknown(document: Document, api: EffectiveApi) -> Iterator[tuple[str, str]]:
    """Signals that cannot be told, and what would tell them."""
    if api.risk is not None:
        yield from _unlisted(document, api.risk.policy)
    if api.device is None or api.device.policy.mode == "off":
        for name in ("new_device", "changed_device", "unapproved_device", "impossible_travel"):
            yield name, "add `device: {new: allow, changed: allow, travel: allow}` to the API"
    elif document.geo.countries is None:
        yield "impossible_travel", _database("countries")
    if not any(placed.policy.count == "failures" and placed.policy.mode != "off" for placed in api.limits):
        yield "failed_tries", "take the `mode: off` of the limit that counts failures out"
    if not any(isinstance(placed.policy, PEOPLE) for placed in api.authenticate):
        for name in ("weak_proof", "old_proof"):
            yield name, "add a way by which people call: `session`, `jwt` or `introspection`"
    if not any(listener.tls is not None for listener in document.listeners.values()):
        yield "old_tls", "let a listener speak `tls`"


def _unlisted(document: Document, policy: Risk) -> Iterator[tuple[str, str]]:
    """Signals that lists tell, and databases of places."""
    for name, listed, kind in (
        ("foreign_country", policy.countries, "countries"),
        ("listed_network", policy.networks, "networks"),
    ):
        if not listed:
            yield name, f"say which, with `{kind}`"
        elif getattr(document.geo, kind) is None:
            yield name, _database(kind)
    if not policy.addresses:
        yield "listed_address", "say which, with `addresses`"
    if policy.hours is None:
        yield "outside_hours", 'say which they are: `hours: {start: "06:00", end: "19:00"}`'


def _database(kind: str) -> str:
    return f"name a database by `geo: {{{kind}: FILE.mmdb}}` at the top of the configuration"


def check_risk(document: Document, apis: list[EffectiveApi]) -> None:
    """Refuse what nothing could tell, and warn of sums that cannot be reached."""
    for api in apis:
        placed = api.risk
        if placed is None:
            continue
        check_callers(document, api, placed.path, (Policy,), unknown="of whom anything could speak", others="", add="")
        unknown = dict(_unknown(document, api))
        lists = {"countries": "foreign_country", "networks": "listed_network"}
        named: list[tuple[Path, str]] = [
            (("signals", name), name) for name in DEFAULTS if getattr(placed.policy.signals, name)
        ]
        named += [((kind,), name) for kind, name in lists.items() if getattr(placed.policy, kind)]
        for step, name in named:
            if name in unknown:
                path = (*placed.path, *step)
                document.problems.add(
                    document.region(*path),
                    "risk-unknowable",
                    f"nothing here tells {shown(name)}, so it would count for nothing",
                    hint=f"{unknown[name]}; or take it out",
                    path=path,
                )
        _sums(document, api, placed.policy, knowable(document, api))


def _sums(document: Document, api: EffectiveApi, policy: Risk, known: frozenset[str]) -> None:
    weights = policy.weights(known)
    most = sum(weights.values())
    for key in ("step_up_at", "deny_at"):
        at: int | None = getattr(policy, key)
        if at is not None and at > most and api.risk is not None:
            path = (*api.risk.path, key)
            told = ", ".join(f"{name} {points}" for name, points in weights.items()) or "none"
            document.problems.add(
                document.value_region(*path),
                "risk-unreachable",
                f"all signals that can be told of {shown(api.name)} add up to {most}, so this never holds: {told}",
                severity="warning",
                hint="lower it, or give `signals` more weight",
                path=path,
            )
