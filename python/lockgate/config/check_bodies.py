"""Rules about the memory and the time that packing and unpacking bodies take."""

from __future__ import annotations

from typing import Final

from lockgate import _native
from lockgate.config.document import Document
from lockgate.config.model_listeners import Limits
from lockgate.config.placed import Placed
from lockgate.policies import Compress, Inflate, Policy, Waf
from lockgate.scalars import say_size

MIB: Final = 2**20
FEW: Final = 20
"""Answers that one address can have packed at once, below which a level is told to be costly."""
SLOW: Final = 8 * 2**10
"""A level that packs no more than this in its turn is told to be slow: a turn is a millisecond's work."""
SHARES: Final = 2
"""One address gets one of so many parts of the memory."""


def check_bodies(document: Document, placed: Placed[Policy]) -> None:
    """Note levels and windows for which there is hardly memory, or none."""
    if isinstance(placed.policy, Compress):
        _packing(document, placed, placed.policy)
    elif isinstance(placed.policy, Inflate):
        _unpacking(document, placed, placed.policy)
    elif isinstance(placed.policy, Waf):
        _scanning(document, placed, placed.policy)


def _scanning(document: Document, placed: Placed[Policy], policy: Waf) -> None:
    """A file longer than what is held of a body never comes to the scanner."""
    path = (*placed.path, "scan", "bytes")
    if policy.scan is None or policy.scan.bytes <= policy.inspect_bytes or not document.says(*path):
        return
    document.problems.add(
        document.value_region(*path),
        "waf-scan-bytes-idle",
        f"a body of more than {say_size(policy.inspect_bytes)} is refused before it could be scanned "
        f"(`inspect_bytes`), so that `scan.bytes` of {say_size(policy.scan.bytes)} bounds nothing",
        severity="warning",
        hint=f"raise `inspect_bytes` to `{say_size(policy.scan.bytes)}`, and `body_limit` with it, or lower `bytes`",
        path=path,
    )


def _packing(document: Document, placed: Placed[Policy], policy: Compress) -> None:
    share = min(limits.compress_memory for limits in _limits(document)) // SHARES
    levels = {"gzip": policy.gzip_level, "br": policy.br_level, "zstd": policy.zstd_level}
    for coding in policy.codings:
        level = levels[coding]
        path = (*placed.path, f"{coding}_level")
        turn = _native.packing_turn(coding, level) or 0
        if turn <= SLOW:
            document.problems.add(
                document.value_region(*path) if document.says(*path) else document.region(*placed.path),
                "packing-slow",
                f"packing in `{coding}` at level {level} takes a worker a tenth of a second or more for each MiB, "
                "and other requests wait for some milliseconds at a time meanwhile",
                severity="warning",
                hint=f"lower `{coding}_level`",
                path=path,
            )
        each = _native.packing_memory(coding, level) or 0
        room = share // each
        if room >= FEW:
            continue
        left = f"one client has room for {room} at once" if room else "there is no room for one, so none is packed"
        enough = _mib(SHARES * FEW * each)
        document.problems.add(
            document.value_region(*path) if document.says(*path) else document.region(*placed.path),
            "packing-costly",
            f"an answer in `{coding}` at level {level} takes up to {_mib(each)} of memory: {left}",
            severity="warning",
            hint=f"lower `{coding}_level`, or raise the listener's `limits.compress_memory` to {enough} or more",
            path=path,
        )


def _unpacking(document: Document, placed: Placed[Policy], policy: Inflate) -> None:
    share = min(limits.inflate_memory for limits in _limits(document)) // SHARES
    whole = policy.window * policy.layers
    if whole < share or set(policy.codings) <= {"gzip", "deflate"}:
        return
    path = (*placed.path, "window")
    document.problems.add(
        document.value_region(*path) if document.says(*path) else document.region(*placed.path),
        "window-beyond-memory",
        f"a body with the whole window takes {_mib(whole)} of memory, and one client has {_mib(share)}: it is refused",
        severity="warning",
        hint=f"lower `window`, or raise the listener's `limits.inflate_memory` to {_mib(SHARES * 2 * whole)} or more",
        path=path,
    )


def _limits(document: Document) -> list[Limits]:
    return [listener.limits for listener in document.listeners.values()] or [Limits()]


def _mib(size: int) -> str:
    return say_size(-(-size // MIB) * MIB)
