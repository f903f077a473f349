"""Rooms that ask something of whoever calls: at an API where nobody could answer, they would be no more than words."""

from __future__ import annotations

from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.placed import Path
from lockgate.policies import Policy
from lockgate.scalars import shown


def check_callers(
    document: Document,
    api: EffectiveApi,
    path: Path,
    ways: tuple[type[Policy], ...],
    *,
    unknown: str,
    others: str,
    add: str,
) -> None:
    """Refuse the room at `path` where the API is open to anyone, or none of its ways to authenticate is in `ways`.

    `unknown` says what is known of nobody, `others` what is wrong with the ways that the API takes, and `add` which do.
    """
    room = str(path[-1])
    if api.api.public is not None:
        message = f"the API {shown(api.name)} is open to anyone, so nobody is known {unknown}"
        hint = f"take `{room}` out, or `public`, and say with `authenticate` who may call"
    elif api.authenticate and not any(isinstance(one.policy, ways) for one in api.authenticate):
        message = f"the API {shown(api.name)} takes {listed(api)} alone, and {others}"
        hint = f"take `{room}` out, or add a way {add}"
    else:
        return
    code = f"{room.replace('_', '-')}-nobody"
    document.problems.add(document.region(*path), code, message, hint=hint, path=path)


def listed(api: EffectiveApi) -> str:
    """The ways to authenticate that it takes, in words."""
    rooms = dict.fromkeys(f"`{one.policy.room}`" for one in api.authenticate)
    *others, last = rooms
    return f"{', '.join(others)} and {last}" if others else last
