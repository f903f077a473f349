"""`python -m lockgate.admin`: the control process, as the supervisor starts it."""

import gc
import sys


def run() -> int:
    """Loads the program, and runs it."""
    # What is loaded stays. Looking through it for garbage as it grows would take a fifth of the start.
    gc.disable()
    from lockgate.admin.main import main

    gc.freeze()
    gc.enable()
    return main()


sys.exit(run())
