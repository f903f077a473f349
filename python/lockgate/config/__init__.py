"""Read, check and compile the configuration.

loaded = load("lockgate.yaml")            # raises ConfigErrors with every error
bundle = loaded.compile(sequence, created_ms)
"""

from lockgate.config.duties import Duties
from lockgate.config.findings import Finding
from lockgate.config.issuers import AskedIssuer, KeyOrigin
from lockgate.config.loaded import Loaded, load
from lockgate.config.managed import DnsProgram, Managed, ManagedCertificate, Order
from lockgate.config.models import schema
from lockgate.config.problems import Problem, Region, Source
from lockgate.errors import ConfigErrors

__all__ = [
    "AskedIssuer",
    "ConfigErrors",
    "DnsProgram",
    "Duties",
    "Finding",
    "KeyOrigin",
    "Loaded",
    "Managed",
    "ManagedCertificate",
    "Order",
    "Problem",
    "Region",
    "Source",
    "load",
    "schema",
]
