//! The reasons of `jwt`.

lockgate_wire::reasons! { "jwt", Client:
    MISSING = "jwt-missing", 401,
        "This API wants a token.",
        "Get a token from the identity provider and send it as WWW-Authenticate says: `Authorization: Bearer TOKEN`, unless the configuration names another place.";
    REPEATED = "jwt-repeated", 400,
        "More than one token was sent.",
        "Send one token, in one header or cookie.";
    MALFORMED = "jwt-malformed", 401,
        "This is not a signed token.",
        "A token is three base64url parts with dots between, the first two of them JSON objects in which no name occurs twice. Send it exactly as the identity provider gave it.";
    TOO_LARGE = "jwt-too-large", 401,
        "This token is too large.",
        "Ask the identity provider for fewer claims (groups and roles are what makes tokens grow), or raise the issuer's `token_bytes`. The detail names the limit.";
    ENCRYPTED = "jwt-encrypted", 401,
        "This token is encrypted.",
        "Encrypted tokens (JWE, five parts) are not taken. Tell the identity provider to sign access tokens and not to encrypt them.";
    NESTED = "jwt-nested", 401,
        "This token has another one in it.",
        "A token whose `cty` is JWT is not taken. Send the inner token.";
    CRITICAL = "jwt-critical", 401,
        "This token demands what the gate does not know.",
        "The token's header has `crit`, `b64`, `zip` or `enc`, which change how a token must be read (RFC 7515 section 4.1.11). Tell the identity provider not to set them.";
    ALGORITHM = "jwt-algorithm", 401,
        "This token is signed in a way that is not taken.",
        "The algorithm is not among the issuer's `algorithms`, or the key that the token names is for another. `none` is never taken. Add the algorithm there if the identity provider really uses it.";
    TYPE = "jwt-type", 401,
        "This kind of token is not taken.",
        "The header's `typ` is none of the issuer's `types`: it may be an identity or logout token, sent in the place of an access token. Add the type if the identity provider's access tokens carry it.";
    KEY_UNKNOWN = "jwt-key-unknown", 401,
        "The key that signed this token is not known.",
        "The issuer does not publish a key of this `kid`, and was asked again, or just before. Get a new token. `lockgate status` shows how old the keys are.";
    SIGNATURE = "jwt-signature", 401,
        "This token's signature does not hold.",
        "The token was changed on the way, cut short, or signed by somebody else. Get a new one.";
    ISSUER = "jwt-issuer", 401,
        "This token is from another issuer.",
        "The claim `iss` is not, letter by letter, the `issuer` of any that this API takes tokens from.";
    AUDIENCE = "jwt-audience", 401,
        "This token is for another API.",
        "The claim `aud` names none of the issuer's `audience`. Ask the identity provider for a token for this API.";
    EXPIRED = "jwt-expired", 401,
        "This token has expired.",
        "Get a new token. If it is new, compare the clocks of the gate and of the identity provider.";
    EARLY = "jwt-early", 401,
        "This token is not valid yet.",
        "Its `nbf` or `iat` lies ahead by more than the issuer's `skew`. Compare the clocks of the gate and of the identity provider.";
    TOO_OLD = "jwt-too-old", 401,
        "This token was issued too long ago.",
        "Its `iat` lies further back than the issuer's `max_age`. Get a new token.";
    CLAIMS = "jwt-claims", 401,
        "A claim is missing or is not what it must be.",
        "The detail names the claim. `exp` and `sub` are always needed, and so is what the issuer's `require` names.";
    REVOKED = "jwt-revoked", 401,
        "This token was revoked.",
        "Get a new token, or sign in again. The detail says by what it was meant; `lockgate tokens list` shows what was revoked, when, by whom and why.";
    BOUND = "jwt-bound", 401,
        "This token is bound to a key.",
        "The token has `cnf`: it is worth nothing without proof of a key (DPoP, mutual TLS), and taking it without would undo that. Ask the identity provider for a plain bearer token.";

    "jwt", Gate:
    KEYS_MISSING = "jwt-keys-missing", 503,
        "The gate has no keys of this issuer at the moment.",
        "No key set was fetched from the issuer yet, or its `secret` is missing or too short. `lockgate status` and the findings say what went wrong with the fetch.";
    KEYS_STALE = "jwt-keys-stale", 503,
        "The gate cannot be sure of this issuer's keys any more.",
        "The issuer's keys could not be confirmed for longer than `stale_for`, or the gate has heard nothing from the control process for longer than `facts.max_age`. `lockgate status` says why.";
}
