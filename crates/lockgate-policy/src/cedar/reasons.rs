//! The reasons of `cedar`.

lockgate_wire::reasons! { "cedar", Client:
    NOT_PERMITTED = "cedar-not-permitted", 403,
        "No policy permits this.",
        "What no policy permits is refused. `lockgate explain` shows the request as the policies see it; write a `permit` for it, or ask with a credential that one is for.";
    FORBIDDEN = "cedar-forbidden", 403,
        "A policy forbids this.",
        "The place that decided is the policy's: `lockgate explain` and the event name it. Its `@advice`, where it has one, is the detail.";
    UNREADABLE = "cedar-unreadable", 400,
        "The request cannot be read in one way only.",
        "Policies judge by what it asks for: a parameter that is there twice, is not of the type that the API's document says, or a body that is no plain JSON would be judged as one thing and taken for another. The detail says what it is.";
    UNDECIDED = "cedar-undecided", 403,
        "A policy could not be evaluated.",
        "A policy that fails could have been one that forbids, so the request is refused. `lockgate explain` and the event name the policy; most often a sum is too large, or an attribute is used that not every request has: ask `has` before.";
}
