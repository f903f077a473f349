//! The reasons of `signature`.

lockgate_wire::reasons! { "signature", Client:
    MISSING = "signature-missing", 401,
        "This API wants a signed request.",
        "Sign the request as RFC 9421 says, and send `Signature-Input` and `Signature`. The answer's `Accept-Signature` names what has to be covered.";
    MALFORMED = "signature-malformed", 401,
        "The request's signature cannot be read.",
        "`Signature-Input` and `Signature` are dictionaries of structured fields (RFC 9421 section 4): each label of the one has a list of quoted components in parentheses, and bytes between colons in the other. The detail says what is wrong.";
    TOO_MANY = "signature-too-many", 401,
        "The request has more signatures, or a longer one, than are looked at.",
        "Send one signature. Up to eight are looked at, each over at most 64 components, and 16 KiB of `Signature-Input` and `Signature` in all.";
    UNFIT = "signature-unfit", 401,
        "None of the request's signatures is one that this API takes.",
        "The API wants a label or a `tag` that none of them has. The answer's `Accept-Signature` names it.";
    PARAMETERS = "signature-parameters", 401,
        "The signature lacks a parameter that this API wants.",
        "The detail names it. `created` is always wanted, `keyid` where there is more than one key, `nonce` and `expires` where the API's `signature` says so.";
    COMPONENTS = "signature-components", 401,
        "The signature does not cover what this API wants signed.",
        "The detail names what is left out, and the answer's `Accept-Signature` all that is wanted. A request with a body has to carry a `Content-Digest` (RFC 9530) that is covered.";
    COMPONENT_UNKNOWN = "signature-component-unknown", 401,
        "The signature covers something that the request does not have.",
        "The detail names it: a field that did not arrive, a parameter that is not known, or what belongs to answers alone (`@status`, `;req`). Where it did leave the client, something on the way took it off.";
    KEY_UNKNOWN = "signature-key-unknown", 401,
        "The key that signed the request is not known.",
        "The signature's `keyid` is none of the API's `keys`, nor one that its `issuer` publishes.";
    ALGORITHM = "signature-algorithm", 401,
        "The request is signed in a way that is not taken.",
        "The signature's `alg` is not its key's: a key is for one algorithm, which the configuration names. Leave `alg` out, or say the key's.";
    EARLY = "signature-early", 401,
        "The signature is not valid yet.",
        "Its `created` lies ahead by more than the `skew` of the API's `signature`. Compare the clocks of the client and of the gate.";
    EXPIRED = "signature-expired", 401,
        "The signature has expired.",
        "Its `expires` has passed, or its `created` lies further back than the `max_age` of the API's `signature`. Sign each request anew; if it was, compare the clocks of the client and of the gate.";
    WRONG = "signature-wrong", 401,
        "The signature does not hold.",
        "Another key signed it, or what arrived is not what was signed: the detail says what the gate took for the address. Compare the signature base (RFC 9421 section 2.5) of the client with the request as it arrived: host, port and scheme above all.";
    REPLAYED = "signature-replayed", 401,
        "The signature was used before.",
        "Its `nonce` was seen with this key already. Sign each request anew, with a nonce of its own.";
    DIGEST_UNREADABLE = "signature-digest-unreadable", 401,
        "The request's `Content-Digest` cannot be read, or names no digest that is known.",
        "Send `Content-Digest: sha-256=:…:` or `sha-512=:…:` (RFC 9530). Others may stand beside them.";
    DIGEST_WRONG = "signature-digest-wrong", 401,
        "The body is not the one that was signed.",
        "The `Content-Digest` is that of another body. It is made of the bytes as they are sent, behind any `Content-Encoding`. Nothing of the request was passed on.";
    BODY_TOO_LONG = "signature-body-too-long", 413,
        "The body is longer than what is verified.",
        "Send less, or raise `body_bytes` of the API's `signature`: a body is held until it is known to be the one that was signed.";

  "signature", Gate:
    SECRET_MISSING = "signature-secret-missing", 503,
        "The secret of the key that signed the request is not there.",
        "See to the file or the variable that `keys` of the API's `signature` names: it is missing, or has less than 32 bytes. The gate's log and `lockgate status` say which.";
    FULL = "signature-replays-full", 503,
        "There is no room to remember this signature's nonce.",
        "Come back in a minute. So many nonces are remembered that nobody could say whether this one is used again.";
}
