"""Which requests of a program an API was asked, as events tell: what it answered, and what broke off on the way.

Who hangs up before the last byte has read what came before, and an API does what it was asked though nobody waits.
"""

from __future__ import annotations

from typing import Final

BROKEN_OFF: Final = ("client-gone", "client-takes-nothing", "credential-ended", "access-ended")
"""Reasons for which a request ended that had been let through."""

OF_APPS: Final = "class IN ('access', 'security') AND app IS NOT NULL"
ASKED: Final = f"(reason IS NULL OR target IS NOT NULL OR reason IN {BROKEN_OFF})"
