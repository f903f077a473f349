//! The reasons of `users`.

lockgate_wire::reasons! { "users", Client:
    DISTINCT = "users-a-day", 429,
        "As many different users came today as may.",
        "Come again after midnight (UTC), or as long after as `Retry-After` says; who came today already goes on. The operator raises `distinct_per_day` under `authorize.users`, or finds in the history who came.";
    CONCURRENT = "users-at-once", 429,
        "As many users are there as may be at once.",
        "Wait as long as `Retry-After` says: then a place may be free. The operator raises `concurrent` under `authorize.users`, or lowers `idle`, for which who is done keeps a place.";
    "users", Gate:
    CROWDED = "users-crowded", 503,
        "Nobody can count any more users now.",
        "Come again soon. The gate has as many users in its memory as it can, and lets nobody in whom it cannot count: the operator lowers the numbers under `authorize.users`, or spreads APIs over more gates.";
}
