"""How a worker process is started, by the gate and by whoever loads a configuration."""

from __future__ import annotations

import sys
from typing import Final

COMMAND: Final = (sys.executable, "-I", "-B", "-m", "lockgate.plugin.worker")
"""Isolated from the environment and from the folder where the gate was started, and writing no bytecode."""
