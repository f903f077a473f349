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
    SUSPENDED = "key-suspended", 401,
        "This key is suspended.",
        "Ask the operator: `lockgate keys resume ID` opens it again, as it was.";
    EXPIRED = "key-expired", 401,
        "This key has expired.",
        "Ask the operator for a new key.";
    REPLACED = "key-replaced", 401,
        "This secret was replaced by another.",
        "The key was given a new secret, and the time for which the old one still opened is over. Use the new one; `lockgate keys reroll ID` makes another.";
    WRONG_ENVIRONMENT = "key-wrong-environment", 403,
        "This API takes no keys of this environment.",
        "The word after `lg_` in the key is its environment, and `environments` of `api_key` lists those that the API takes. Use a key of one of them.";
    NOT_FOR_API = "key-not-for-api", 403,
        "This key does not open this API.",
        "The key is limited to other APIs. The operator makes one with `--api`, or without, for all.";
    NOT_FROM_NETWORK = "key-not-from-network", 403,
        "This key cannot be used from here.",
        "The key is limited to networks, and the caller's address is in none of them. `lockgate keys show ID` lists them, `lockgate keys edit ID --from` changes them; behind a proxy, `trusted_proxies` of the listener lets the caller's own address be known.";
    NOT_FOR_METHOD = "key-not-for-method", 403,
        "This key cannot be used for this method.",
        "The key is limited to other methods. `lockgate keys show ID` lists them, `lockgate keys edit ID --method` changes them.";
    RATE_LIMITED = "key-rate-limited", 429,
        "There were more requests with this key than it allows.",
        "Wait as long as `Retry-After` says, then go on more slowly. `lockgate keys show ID` has the key's own limit, `lockgate keys edit ID --limit` changes it.";

    "api_key", Gate:
    FACTS_STALE = "facts-stale", 503,
        "The gate cannot be sure of this key at the moment.",
        "The gate has not heard from a control process for longer than `facts.max_age`, and `facts.then` is `deny`. Start the control process, or look at its log.";
}
