"""Lockgate, an API security gateway: a Python package with a Rust core.

Where to begin reading: ``ARCHITECTURE.md`` in the repository names the rooms
and who may import whom.
"""

from typing import TYPE_CHECKING

__version__: str

if TYPE_CHECKING:
    from lockgate.engine import Engine as Engine
else:

    def __getattr__(name: str) -> object:
        """Answer ``lockgate.__version__`` and ``lockgate.Engine`` on demand, so that importing stays cheap."""
        if name == "__version__":
            from importlib import metadata

            return metadata.version("lockgate")
        if name == "Engine":
            from lockgate.engine import Engine

            return Engine
        raise AttributeError(f"module 'lockgate' has no attribute {name!r}")
