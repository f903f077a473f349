//! The reasons of `decide`.

lockgate_wire::reasons! { "decide", Client:
    DENIED = "decision-denied", 403,
        "The decision point of this API refused the request.",
        "Another server decides who may call, and said no; `detail` has its reason where it gave one. `lockgate explain --request ID` names the server: its own log says which of its rules it was.";
    UNDEFINED = "decision-undefined", 403,
        "The decision point of this API says nothing of the request.",
        "OPA answered without a `result`: no rule has that name, or none that is there holds. Give the rule a default (`default allow := false`), and look whether `path` names it and OPA has loaded it.";
    UNREADABLE = "decision-unreadable", 400,
        "The decision point cannot be asked about this request.",
        "Its path can be taken for another one by a server that folds `//` or `;`, so what is decided of the one may not hold of what is done. Send the path in its plain form.";
"decide", Gate:
    UNAVAILABLE = "decision-unavailable", 503,
        "The decision point of this API could not be asked.",
        "Try again later. The gate's log names the server and the cause for this request id, and `lockgate status` shows the health of its upstream; until it answers, nobody is let in.";
    SLOW = "decision-timeout", 503,
        "The decision point of this API took too long.",
        "It did not answer within `deadline`. Look at what it does for so long, or give it more time; `cache` asks less often.";
    OVERLOADED = "decision-overloaded", 503,
        "Too many requests wait for the decision point of this API.",
        "Try again later. The decision point takes too long for what comes in: the numbers `lockgate_decisions_total` and `lockgate_decision_microseconds_total` show it.";
    MALFORMED = "decision-malformed", 502,
        "The decision point of this API gave an answer that makes no sense.",
        "The gate's log has what was wrong with it for this request id. OPA is to answer `true`, `false` or `{\"allow\": ..}`, with a status of 200; others with 2xx, 3xx or 4xx, and within the bounds that the page of `decide` names.";
    UNSTATED = "decision-unstated", 503,
        "What the decision point says is not known here.",
        "Nobody is asked while a configuration is tried: say what the decision point is taken to answer, with `--decision` or a test's `decision`.";
}
