"""What the design has and this version has not: better a plain word than a guess at a typing error."""

from __future__ import annotations

from typing import Final

_ROOMS: Final = "not in this version; meanwhile the API, or what stands before the gate, has to do it"

LATER: Final = {
    **dict.fromkeys(("validate", "cache"), _ROOMS),
    "response": "not in this version; to hide fields of answers, write `headers: {response: {hide: [Server]}}`",
    "log": "what is written down is set for all APIs, under `events`; masks are not in this version",
    **dict.fromkeys(("egress", "alerts", "export"), "not in this version"),
    "secrets": "not in this version; meanwhile `${env:NAME}` and `${file:path}` bring secrets from elsewhere",
}
"""Keys, with why they are not taken and what to do meanwhile."""

MEANT: Final = {
    "auth": "authenticate",
    "authn": "authenticate",
    "authz": "authorize",
    **dict.fromkeys(("server", "listen", "entrypoints", "bind"), "listeners"),
    **dict.fromkeys(("location", "prefix", "uri"), "path"),
    **dict.fromkeys(("proxy_pass", "backend", "service", "reverse_proxy"), "upstream"),
    **dict.fromkeys(("mtls_auth", "mtls-auth", "client_certificate", "mutual_tls"), "mtls"),
    **dict.fromkeys(("oidc", "openid_connect", "oauth2_proxy", "login"), "session"),
    **dict.fromkeys(("http_signature", "http_signatures", "hmac_auth", "hmac-auth", "hmac"), "signature"),
    **dict.fromkeys(("webhooks", "standard_webhooks", "standardwebhooks"), "webhook"),
    **dict.fromkeys(("basic_auth", "basic-auth", "basicauth", "htpasswd"), "basic"),
    **dict.fromkeys(("key_auth", "key-auth", "apikey"), "api_key"),
    **dict.fromkeys(("time_out", "time_outs", "timeout"), "timeouts"),
    **dict.fromkeys(("letsencrypt", "lets_encrypt", "autocert", "auto_https", "certresolver"), "acme"),
    "domains": "names",
    **dict.fromkeys(("cert", "certificates", "ssl"), "certificate"),
    **dict.fromkeys(("rate_limit", "rate_limits", "ratelimit", "throttle"), "limits"),
}
"""Short words whose nearest spelling is another key."""

HERE: Final = {
    "san": ("names", "dns"),
    "algorithms": ("codings",),
    "encodings": ("codings",),
    "alpn": ("protocols",),
    "tls_versions": ("minimum",),
    "sni": ("hosts", "server_name"),
    **dict.fromkeys(("keys", "key_set", "jwks_uri", "jwks_url"), ("jwks",)),
}
"""Words that mean one thing in one place and another in the next: the first that a mapping has."""

_FILES: Final = "`certificate: {chain: FILE, key: FILE}`"
_AS_FILES: Final = (("preset", f"write {_FILES}"), ("redirect_to", f"write `tls: {{{_FILES.strip('`')}}}`"))
_CIPHERS: Final = "they are not chosen one by one: say `preset: intermediate`, which is so anyway, or `preset: modern`"

BOUND: Final = "`jwt: {issuer: NAME, sender_constrained: [dpop]}`"
"""An entry of `authenticate` that takes tokens of those alone who prove that they have its key (RFC 9449)."""
_BOUND: Final = tuple((beside, f"write {BOUND} under `authenticate`") for beside in ("jwt", "authenticate"))

ADVICE: Final = {
    "dpop": (("sender_constrained", "write `sender_constrained: [dpop]`"), *_BOUND),
    "sender_constrained": _BOUND,
    "versions": (("preset", 'say the oldest: `minimum: "1.2"` or `minimum: "1.3"`, or take a `preset`'),),
    **dict.fromkeys(("ciphers", "cipher_suites", "ssl_ciphers", "curves"), (("preset", _CIPHERS),)),
    "alpn": (("preset", "a listener's `protocols`, beside its `tls`, say what is spoken, as in `[http/1.1, h2]`"),),
    **dict.fromkeys(("ssl_certificate", "ssl_certificate_key", "cert_file", "key_file"), _AS_FILES),
    "regex": (("spiffe", "write the expression below the kind of name, such as `dns: {regex: …}`"),),
}
"""Words of other programs, and what says the same here, by a key that the mapping has to have."""

_VERSION_2: Final = ("tlsv1.2", "tls1.2", "tls 1.2", "tls_1_2", "tls12")
_VERSION_3: Final = ("tlsv1.3", "tls1.3", "tls 1.3", "tls_1_3", "tls13")
_OLDER: Final = ("1", "1.0", "1.1", "tlsv1", "tlsv1.0", "tlsv1.1", "tls1.0", "tls1.1", "tls 1.0", "tls 1.1")

VALUES: Final = {
    **dict.fromkeys(("http3", "http/3", "h3-29", "quic"), ("h3",)),
    **dict.fromkeys(("http2", "http/2", "http/2.0", "h2c", "spdy"), ("h2",)),
    **dict.fromkeys(("http1", "http/1", "http1.1", "http", "h1", "1.1"), ("http/1.1", "1.2")),
    # The oldest that is spoken, to who wants one that is older.
    **dict.fromkeys((*_VERSION_2, *(old for old in _OLDER if old != "1.1")), ("1.2",)),
    **dict.fromkeys(_VERSION_3, ("1.3",)),
}
"""Values whose nearest spelling is another one: the first that may be chosen."""


def why_later(path: tuple[object, ...]) -> str | None:
    """Why the key that the path ends with is not taken yet; nothing where it is unknown for good."""
    key = str(path[-1])
    return LATER.get(key)
