//! The reason of `minimise`.

lockgate_wire::reasons! { "minimise", Upstream:
    ANSWER = "answer-not-minimised", 502,
        "What this caller may read cannot be taken from the API's answer.",
        "The answer is no JSON (`types` names what else may go out), is longer than `answer`, or is nothing that a field of `minimise` could be of; nothing of it went out. The detail says what it is. Whatever was asked for, the API has done.";
}
