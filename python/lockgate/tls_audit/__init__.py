"""How listeners and upstreams speak TLS, as a stranger meets them: graded, with the reason for each point lost."""

from __future__ import annotations

from lockgate.tls_audit.audit import Graded, audit
from lockgate.tls_audit.judge import GRADES, Finding, at_least
from lockgate.tls_audit.subjects import Subject, subjects

__all__ = ["GRADES", "Finding", "Graded", "Subject", "at_least", "audit", "subjects"]
