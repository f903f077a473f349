//! The reasons of `introspection`. A token that is missing, sent twice, revoked here or not proved
//! has those of `jwt`: it is the same code that says so.

lockgate_wire::reasons! { "introspection", Client:
    MALFORMED = "introspection-malformed", 401,
        "This is no token that anybody could have issued.",
        "A token has 1 to `token_bytes` letters, digits and `-._~+/`, with `=` at its end alone (RFC 6750 section 2.1). Send it exactly as the identity provider gave it. Nobody was asked about it.";
    INACTIVE = "introspection-inactive", 401,
        "The identity provider says that this token is not active.",
        "It has expired, was revoked, or is not one of its. Get a new token. What is said here is remembered for the entry's `negative`.";
    AUDIENCE = "introspection-audience", 401,
        "This token is for another API.",
        "The `aud` of what the identity provider says of it names none of the entry's or the issuer's `audience`. Ask the identity provider for a token for this API.";
    CLAIMS = "introspection-claims", 401,
        "What the identity provider says of this token is not enough.",
        "The detail names what is missing or is not what it must be. `aud` and `token_type` are needed unless the entry's `require` leaves them out, and so is what it and the issuer's `require` name.";
    SCOPE = "introspection-scope", 403,
        "This token does not open this API.",
        "The API wants scopes that the token has not: `WWW-Authenticate` names them. Ask the identity provider for a token with them.";

    "introspection", Gate:
    UNAVAILABLE = "introspection-unavailable", 503,
        "Nobody can say at the moment whether this token is good.",
        "The identity provider could not be asked, or gave no answer that holds; or no control process is there to ask it. Come back in a few seconds. `lockgate doctor`, the findings and the control process's log say why.";
    BUSY = "introspection-busy", 503,
        "Too many tokens are being asked about.",
        "Come back in a few seconds. So many tokens that were not known here came at once that the identity provider was not asked about this one. Where they were made up, `limits` by address and the penalty for failures turn their senders away.";
}
