"""A small, believable API to stand behind the gate: products, orders, customers.

It keeps everything in memory, knows nothing of keys or callers, and trusts
whoever reaches it, as many an inner service does. That is what the gate is for.
Start it alone with ``python -m lockgate.demo.shop --port 9000``.
"""

from lockgate.demo.shop.app import create_app

__all__ = ["create_app"]
