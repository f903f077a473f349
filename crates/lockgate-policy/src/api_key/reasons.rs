//! The reasons of `api_key`.

lockgate_wire::reasons! { "api_key", Client:
    MISSING = "key-missing", 401,
        "This API wants a key.",
        "Send the key in the header that WWW-Authenticate names. `lockgate keys create` makes one.";
    REPEATED = "key-repeated", 401,
        "The key was sent more than once.",
        "Send the header with the key once.";
    MALFORMED = "key-malformed", 401,
        "This is not a key.",
        "The value is no key that Lockgate made: a character is missing or mistyped. Copy the whole key, from `lg_` on.";
    UNKNOWN = "key-unknown", 401,
        "This key is not known.",
        "The key is well formed but belongs to another installation, or was deleted. `lockgate keys list` shows the known ones.";
    REVOKED = "key-revoked", 401,
        "This key was revoked.",
        "Ask the operator for a new key.";
    EXPIRED = "key-expired", 401,
        "This key has expired.",
        "Ask the operator for a new key.";
    NOT_FOR_API = "key-not-for-api", 403,
        "This key does not open this API.",
        "The key is limited to other APIs. The operator makes one with `--api`, or without, for all.";

    "api_key", Gate:
    FACTS_STALE = "facts-stale", 503,
        "The gate cannot be sure of this key at the moment.",
        "The gate has not heard from a control process for longer than `facts.max_age`, and `facts.then` is `deny`. Start the control process, or look at its log.";
}
