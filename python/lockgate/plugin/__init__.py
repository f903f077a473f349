"""Policies in Python: a class that judges the heads of requests and of answers.

    from lockgate.plugin import Plugin, RequestHead, Verdict, allow, deny

    class TenantHeader(Plugin):
        def on_request(self, head: RequestHead) -> Verdict:
            if "x-tenant" not in head.headers:
                return deny("tenant-missing", status=400, detail="Send X-Tenant.")
            return allow()

An API names it in the configuration: `plugins: [my_checks:TenantHeader]`. It
runs in processes of its own, without the gate's secrets, each call within a
deadline; a call that raises, hangs or prints denies.
"""

from lockgate.plugin.heads import Caller, Headers, RequestHead, ResponseHead
from lockgate.plugin.plugins import Plugin, on_request, on_response
from lockgate.plugin.verdicts import Allow, Change, Deny, Verdict, allow, deny

__all__ = [
    "Allow",
    "Caller",
    "Change",
    "Deny",
    "Headers",
    "Plugin",
    "RequestHead",
    "ResponseHead",
    "Verdict",
    "allow",
    "deny",
    "on_request",
    "on_response",
]
