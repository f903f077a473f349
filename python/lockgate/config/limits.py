"""Limits of an API: those of `defaults` refined by name, and what holds without being said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lockgate.config.document import Document
from lockgate.config.merge import refined
from lockgate.config.placed import Path, Placed
from lockgate.policies import Limit
from lockgate.policies.limits import LONGEST_WINDOW, built_in, incomplete
from lockgate.scalars import shown

MOST: int = 16
"""Limits of one API in one place of the order; the core says the same."""


def limits_of(defaults: Sequence[Limit], own: Sequence[Limit], api: str) -> tuple[Placed[Limit], ...]:
    """What an API has in the end. An entry of a name that is there already refines it, key by key."""
    found = {built_in().name: Placed(built_in(), ("apis", api), inherited=True)}
    said: Iterator[tuple[Path, Limit]] = (
        ((*base, index), limit)
        for base, limits in ((("defaults", "limits"), defaults), (("apis", api, "limits"), own))
        for index, limit in enumerate(limits)
    )
    for path, limit in said:
        before = found.get(limit.name)
        waiver = (*path, "waiver") if limit.waiver is not None else before.waiver_path if before else None
        policy = refined(before.policy if before else None, limit)
        if policy is not None:
            found[limit.name] = Placed(policy, path, waiver, inherited=path[0] == "defaults")
    return tuple(found.values())


def scope(placed: Placed[Limit]) -> str:
    """Where a limit is said: what shares its counters."""
    if placed.path[0] == "defaults":
        return "defaults"
    # What is said nowhere has the API's own place.
    return "built-in" if len(placed.path) == len(("apis", "NAME")) else f"apis/{placed.path[1]}"


def check_limits(document: Document, api: str, limits: Sequence[Placed[Limit]]) -> None:
    """What is wrong with limits that each key alone does not tell."""
    for placed in limits:
        if len(placed.path) > 2:
            _limit(document, placed)
    for early in (True, False):
        several = [placed for placed in limits if placed.policy.is_early is early and placed.policy.count != "failures"]
        if len(several) > MOST:
            where = "before authentication" if early else "behind authentication"
            document.problems.add(
                document.region(*several[MOST].path),
                "too-many-limits",
                f"the API {shown(api)} has {len(several)} limits {where}",
                allowed=f"at most {MOST}",
                path=several[MOST].path,
            )


def check_names(document: Document) -> None:
    """Two limits of one name in one list: which of them holds?"""
    lists: list[tuple[Path, Sequence[Limit]]] = [(("defaults", "limits"), document.defaults.limits)]
    lists += [(("apis", name, "limits"), api.limits) for name, api in document.apis.items()]
    for base, limits in lists:
        first: dict[str, int] = {}
        for index, limit in enumerate(limits):
            if first.setdefault(limit.name, index) != index:
                document.problems.add(
                    document.value_region(*base, index, "name"),
                    "limit-repeated",
                    f"there are two limits {shown(limit.name)} in this list",
                    hint="give one another name",
                    path=(*base, index, "name"),
                )


def _limit(document: Document, placed: Placed[Limit]) -> None:
    limit, path = placed.policy, placed.path
    if not limit.is_complete:
        told = incomplete(limit)
        context = told.context or {}
        document.problems.add(
            document.value_region(*path), told.type, told.message(), hint=context.get("hint"), path=path
        )
    elif limit.window_ms > LONGEST_WINDOW:
        document.problems.add(
            document.value_region(*path, "burst"),
            "out-of-range",
            f"a burst of {limit.at_once} would take more than a year to be there again",
            allowed="a burst that is whole again within 366d",
            path=(*path, "burst"),
        )
    if limit.count == "failures":
        _failures(document, limit, path)
    elif limit.penalty is not None:
        document.problems.add(
            document.region(*path, "penalty"),
            "penalty-misplaced",
            "a penalty is for failed authentication, and this limit counts requests",
            hint="add `count: failures`, or take `penalty` out",
            path=(*path, "penalty"),
        )


def _failures(document: Document, limit: Limit, path: Path) -> None:
    if limit.by is not None and not limit.is_early:
        document.problems.add(
            document.value_region(*path, "by"),
            "penalty-by",
            "who fails to authenticate is known by address alone",
            allowed="`address`, and beside it `route`, `operation` or `api`",
            hint="write `by: address`",
            path=(*path, "by"),
        )
    if limit.penalty is not None and limit.penalty.longest < limit.penalty.first:
        document.problems.add(
            document.value_region(*path, "penalty", "longest"),
            "penalty-times",
            "the longest penalty is shorter than the first",
            hint="make `longest` at least as long as `first`",
            path=(*path, "penalty", "longest"),
        )
