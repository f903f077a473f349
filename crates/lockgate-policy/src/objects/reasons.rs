//! The reasons of `objects`.

lockgate_wire::reasons! { "objects", Client:
    NOT_OWN = "object-not-own", 403,
        "This belongs to somebody else.",
        "What the request is about is held against what is verified of its caller, as `authorize.objects` says; the event and `lockgate explain` name the line of the rule, which says what is compared. What either of the two was is nobody's business.";
    HIDDEN = "object-hidden", 404,
        "There is no such thing for this caller.",
        "As `object-not-own`, told so that nobody learns what there is (`hidden: true`): the client sees the API's own words where `not_found` has them, else a plain 404 without this code.";
    UNREADABLE = "object-unreadable", 400,
        "Whose this is cannot be read from the request.",
        "The value that tells it is missing, is there twice, or stands in a body that is no plain JSON. The detail says which.";

    "objects", Upstream:
    ANSWER = "object-answer-unreadable", 502,
        "Whose this is cannot be read from the API's answer.",
        "The answer is no JSON, is longer than `answer`, or has no value where a rule of `authorize.objects` looks for one; nothing of it went out. The detail says what it is.";
}
