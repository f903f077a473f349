"""`python -m lockgate.gate`: the gate process, as the supervisor starts it."""

import sys

from lockgate.gate.host import main

sys.exit(main())
