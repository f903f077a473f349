"""Lockgate, an API security gateway: a Python package with a Rust core.

Where to begin reading: ``ARCHITECTURE.md`` in the repository names the rooms
and who may import whom.
"""

from typing import TYPE_CHECKING

__version__: str

if not TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        """Answer ``lockgate.__version__`` on demand, so that importing stays cheap."""
        if name == "__version__":
            from importlib import metadata

            return metadata.version("lockgate")
        raise AttributeError(f"module 'lockgate' has no attribute {name!r}")
