"""`python -m lockgate.admin`: the control process, as the supervisor starts it."""

import sys

from lockgate.admin.main import main

sys.exit(main())
