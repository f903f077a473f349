"""Rule sets of others, installed beside the configuration: had from somewhere, proved, and put in place.

Nothing of them is in Lockgate. What is fetched is held against a checksum before it is unpacked; what is unpacked is
read by the engine that will run it before it takes the place of what was there.
"""

from lockgate.rules.problems import RulesError

__all__ = ["RulesError"]
