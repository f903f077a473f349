//! What is refused in headers that are framed well.

reasons! { "headers", Client:
    FORWARDED_CONFLICT = "forwarded-conflict", 400,
        "Forwarded and X-Forwarded-For name different clients.",
        "The trusted proxy writes one of them and passes the other on from outside: make it remove the one that it does not write.";
}
