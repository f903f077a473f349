//! What is refused in headers that are framed well.

reasons! { "headers", Client:
    FORWARDED_CONFLICT = "forwarded-conflict", 400,
        "Forwarded and X-Forwarded-For, -Proto or -Host say different things of the client.",
        "The trusted proxy writes one of them and passes the other on from outside: make it remove the one that it does not write.";
}
