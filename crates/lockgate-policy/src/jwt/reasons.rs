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
        "This token is bound in a way that is not known.",
        "Its `cnf` names something else than the thumbprint of a proof's key (`jkt`, DPoP) or of a certificate (`x5t#S256`, mutual TLS), and taking it without would undo that. Ask the identity provider for one of these, or for a plain bearer token.";
    UNBOUND = "jwt-unbound", 401,
        "This token is not bound to a key.",
        "This API takes tokens only that are worth nothing to whoever steals them: `sender_constrained` names the ways. Ask the identity provider for a token with DPoP (RFC 9449), or over mutual TLS (RFC 8705).";
    CERTIFICATE = "jwt-certificate", 401,
        "This token is bound to another certificate.",
        "The token's `cnf` names a certificate (RFC 8705), which the connection has to show. Connect with the certificate that the token was got with; the listener's `tls.client_certificates` has to ask for it.";
    PROOF_MISSING = "jwt-proof-missing", 401,
        "This token wants a proof of its key.",
        "It is bound to a key (`cnf.jkt`). Send it as `Authorization: DPoP TOKEN`, with a proof in the header `DPoP` (RFC 9449).";
    PROOF = "jwt-proof", 401,
        "The proof of the token's key does not hold.",
        "The detail says what is wrong with it. A proof is made for each request: `htm` and `htu` are its method and address, `ath` the SHA-256 of the token, `iat` now, `jti` never the same, and the key is the one that the token was got with.";
    PROOF_REPLAYED = "jwt-proof-replayed", 401,
        "This proof was used before.",
        "Make a new one, with another `jti`, for each request, also where one is sent again.";
    PROOF_NONCE = "jwt-proof-nonce", 401,
        "The proof wants a nonce of this API.",
        "Make it anew, with what the answer's `DPoP-Nonce` says in its claim `nonce`, and keep that for the next: it is taken for one to two minutes.";

    "jwt", Gate:
    PROOFS_FULL = "jwt-proofs-full", 503,
        "The gate remembers as many proofs as it can.",
        "Come back in a minute. So many proofs were used within the time for which each is good that no more could be told from used ones; the operator may lower the entry's `proof.max_age`.";
    KEYS_MISSING = "jwt-keys-missing", 503,
        "The gate has no keys of this issuer at the moment.",
        "No key set was fetched from the issuer yet, or its `secret` is missing or too short. `lockgate status` and the findings say what went wrong with the fetch.";
    KEYS_STALE = "jwt-keys-stale", 503,
        "The gate cannot be sure of this issuer's keys any more.",
        "The issuer's keys could not be confirmed for longer than `stale_for`, or the gate has heard nothing from the control process for longer than `facts.max_age`. `lockgate status` says why.";
}
