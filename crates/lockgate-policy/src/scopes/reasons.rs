//! The reasons of `scopes`.

lockgate_wire::reasons! { "scopes", Client:
    MISSING = "scope-missing", 403,
        "The credential has not the scopes that this takes.",
        "`WWW-Authenticate` names scopes that are enough (RFC 6750): ask the provider for a token that has them, or make a key with them.";
    WAY = "credential-unfit", 403,
        "This takes a credential of another kind.",
        "The caller is known, but the API's document (`security`) wants to be shown something else; the detail says what. Show that, or several where several are wanted together.";
}
