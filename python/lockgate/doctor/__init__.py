"""`lockgate doctor`: whether this machine and this installation are fit to serve, and what to do where not.

One file per part of the body. A check looks and says; it changes nothing, asks
no stranger but the upstreams and issuers of the configuration, and reads no
secret's value.
"""

from lockgate.doctor.examine import examine
from lockgate.doctor.result import Level, Result

__all__ = ["Level", "Result", "examine"]
