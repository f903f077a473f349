"""Names of headers that may carry a credential: any but those that are the gate's own business.

The names stand in the core too, which acts by them; `tests/repo/test_headers.py` compares the lists.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from lockgate.scalars import Scalar, refusal, shown

FRAMING: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade", "trailer"}
)
"""Headers that frame or route a message."""

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "te",
        "keep-alive",
        "upgrade",
        "transfer-encoding",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-authentication-info",
        "http2-settings",
    }
)
"""Headers of one connection alone: none gets through a gate."""

WRITTEN: Final = frozenset({"traceparent", "tracestate", "via", "x-request-id"})
"""Headers that the gate writes itself, besides those of forwarding."""

_IDENTITY: Final = """
    forwarded x-forwarded* x-original-forwarded-for x-real-ip x-client-ip x-cluster-client-ip x-originating-ip
    x-remote* x-azure-clientip x-appengine-user-ip x-scheme x-url-scheme front-end-https true-client-ip
    cf-connecting* fly-client-ip client-ip proxy-client-ip wl-proxy-client-ip x-forward-for x-proxyuser-ip x-host
    proxy fastly-client-ip x-original-url x-original-uri x-original-method x-original-host x-http-method*
    x-method-override x-rewrite-url x-user* x-authenticated* x-auth-request* x-webauth* x-consumer*
    x-anonymous-consumer x-credential* x-goog-authenticated* x-ms-client-principal* x-amzn-oidc* x-envoy* cf-access*
    impersonate-* x-apigateway-api-userinfo x-auth-user* x-authentik* x-email x-goog-iap* x-groups x-jwt-payload
    x-ms-token* x-pomerium* x-roles x-teleport* x-vouch* remote-* tailscale-user* client-cert* x-client-cert*
    x-ssl-client* ssl-client* x-arr-clientcert x-client-verify x-ssl-cert* x-tls-client* x-lockgate*
"""
IDENTITY: Final = frozenset(_IDENTITY.split())
"""Headers that say who is calling or from where; the gate takes them off. `*` stands at the end of a beginning."""

NO_IDENTITY: Final = "x-user-agent"
"""Begins like one of them, and is what gRPC-Web calls itself by."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_WHOLE: Final = frozenset(name for name in IDENTITY if not name.endswith("*"))
_BEGINNINGS: Final = tuple(name.removesuffix("*") for name in IDENTITY if name.endswith("*"))


def parse_header(value: object) -> str:
    """The name of a header that may carry a credential."""
    allowed = "a header's name, such as `X-API-Key`"
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise refusal("header-malformed", f"{shown(value)} is not a header's name", allowed=allowed)
    # CGI-like upstreams read `_`, and some read every odd character, as `-`.
    name = re.sub("[^0-9a-z]", "-", value.lower())
    if name in FRAMING:
        raise refusal(
            "header-framing", f"{shown(value)} frames the message and can carry no credential", hint="use `X-API-Key`"
        )
    why = None
    if name in HOP_BY_HOP:
        why = "is for one connection alone, so the gate takes it off every request"
    elif name in WRITTEN:
        why = "is written by the gate itself"
    elif is_identity(name):
        why = "says who is calling or from where, so the gate takes it off every request"
    if why is not None:
        hint = "use a name that means nothing else, such as `X-API-Key` or `X-Gate-Token`"
        raise refusal("header-reserved", f"{shown(value)} {why}, and can carry no credential", hint=hint)
    return value


def is_identity(name: str) -> bool:
    """Whether a lower-case name says who is calling or from where."""
    return (name in _WHOLE or name.startswith(_BEGINNINGS)) and name != NO_IDENTITY


Header = Annotated[str, Scalar(parse_header, {"type": "string"})]
