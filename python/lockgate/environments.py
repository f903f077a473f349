"""The environments of API keys, as they stand in the keys themselves."""

from __future__ import annotations

import re
from typing import Final

ENVIRONMENT: Final = re.compile("[a-z]{1,16}")
ENVIRONMENT_RULE: Final = "1 to 16 lower-case letters, such as live or test"
