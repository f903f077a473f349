//! The reasons of `roles`.

lockgate_wire::reasons! { "roles", Client:
    MISSING = "role-missing", 403,
        "The caller has none of the roles that this takes.",
        "The detail names the roles that open it. `roles` of the configuration says who has which; `lockgate explain` shows what becomes of a request.";
}
