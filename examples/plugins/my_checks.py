"""A check of the shop's own: partners name the tenant that they act for."""

from lockgate.plugin import Plugin, RequestHead, ResponseHead, Verdict, allow, deny


class TenantHeader(Plugin):
    """Wants a header, and tells the API whose it is."""

    def on_request(self, head: RequestHead) -> Verdict:
        """Refuse requests that name no tenant, or another's."""
        name = self.options.get("header", "X-Tenant")
        tenant = head.headers.get(name)
        if tenant is None:
            return deny("tenant-missing", status=400, detail=f"Send {name}.")
        # The gate has proved who calls; what the header says is only a claim.
        if head.caller is not None and not tenant.startswith(f"{head.caller.owner}-"):
            return deny("tenant-of-others")
        return allow(set={"X-Shop-Tenant": tenant.lower()})

    def on_response(self, head: ResponseHead) -> Verdict:
        """Keep what the shop says of itself from its clients, but for what went wrong."""
        return allow(answer_hide=["X-Shop-Node"] if head.status < 500 else [])
