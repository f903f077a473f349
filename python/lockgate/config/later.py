"""What the design has and this version has not: better a plain word than a guess at a typing error."""

from __future__ import annotations

from typing import Final

_TOKENS: Final = "not in this version; meanwhile `api_key`, `jwt` and `mtls` prove who calls"
_ROOMS: Final = "not in this version; meanwhile the API, or what stands before the gate, has to do it"

LATER: Final = {
    **dict.fromkeys(("introspection", "oidc", "basic"), _TOKENS),
    "sign_in": _TOKENS,
    **dict.fromkeys(("sender_constrained", "dpop"), _TOKENS),
    **dict.fromkeys(("waf", "validate", "cache", "minimise"), _ROOMS),
    "response": "not in this version; to hide fields of answers, write `headers: {response: {hide: [Server]}}`",
    **dict.fromkeys(("scopes", "roles", "cedar", "objects"), _ROOMS),
    "log": "what is written down is set for all APIs, under `events`; masks are not in this version",
    **dict.fromkeys(("apps", "egress", "alerts", "export"), "not in this version"),
    "secrets": "not in this version; meanwhile `${env:NAME}` and `${file:path}` bring secrets from elsewhere",
}
"""Keys, with why they are not taken and what to do meanwhile."""

WAYS_LATER: Final = frozenset({"introspection", "oidc", "basic"})
"""Ways to prove who calls."""

MEANT: Final = {
    "auth": "authenticate",
    "authn": "authenticate",
    "authz": "authorize",
    **dict.fromkeys(("server", "listen", "entrypoints", "bind"), "listeners"),
    **dict.fromkeys(("location", "prefix", "uri"), "path"),
    **dict.fromkeys(("proxy_pass", "backend", "service", "reverse_proxy"), "upstream"),
    **dict.fromkeys(("mtls_auth", "mtls-auth", "client_certificate", "mutual_tls"), "mtls"),
    **dict.fromkeys(("key_auth", "key-auth", "apikey"), "api_key"),
    **dict.fromkeys(("time_out", "time_outs", "timeout"), "timeouts"),
    **dict.fromkeys(("letsencrypt", "lets_encrypt", "autocert", "auto_https", "certresolver"), "acme"),
    **dict.fromkeys(("domains", "san"), "names"),
    **dict.fromkeys(("rate_limit", "rate_limits", "ratelimit", "throttle"), "limits"),
}
"""Short words whose nearest spelling is another key."""


def why_later(path: tuple[object, ...]) -> str | None:
    """Why the key that the path ends with is not taken yet; nothing where it is unknown for good."""
    key = str(path[-1])
    return LATER.get(key)
