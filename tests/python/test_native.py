"""The native module as a guest in Python's process."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: what is tested for is a crash.
PROGRAM = """
import threading
from lockgate import _native

def work():
    _native.check_bundle(b"{}")
    _native.mint_key(bytes(32))

for _ in range(20):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print("well")
"""


def test_threads_come_and_go() -> None:
    """Each new thread begins with fresh storage of its own, whatever the one before has left there."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "well\n"), ran.stderr
