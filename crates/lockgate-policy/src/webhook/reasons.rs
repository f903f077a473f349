//! The reasons of `webhook`.

lockgate_wire::reasons! { "webhook", Client:
    MISSING = "webhook-missing", 401,
        "This API takes signed webhooks alone.",
        "The request has not the field that carries the signature: `WWW-Authenticate` names it. Have the sender sign what it sends, with the secret that it shares with this API.";
    MALFORMED = "webhook-malformed", 401,
        "The webhook's signature cannot be read.",
        "The detail says which field is missing, is there twice, or is not written as the entry's `form` says. A sender of another kind wants another `form`.";
    EXPIRED = "webhook-expired", 401,
        "The webhook was signed too long ago.",
        "Its timestamp lies further back than the `tolerance` of the API's `webhook`. A sender signs each attempt anew; if it did, compare its clock with the gate's.";
    EARLY = "webhook-early", 401,
        "The webhook's timestamp lies ahead.",
        "It lies ahead by more than the `tolerance` of the API's `webhook`. Compare the sender's clock with the gate's.";
    WRONG = "webhook-wrong", 401,
        "The webhook's signature does not hold.",
        "It was signed with another secret, or the body was changed on its way: it has to arrive byte by byte as the sender signed it. While a secret is changed, `secrets` names both. Nothing of the request was passed on.";
    REPLAYED = "webhook-replayed", 401,
        "This webhook was delivered before.",
        "The same attempt, of the same time, came twice. A sender that tries again signs anew. `once: false` lets repetitions through.";
    BODY_TOO_LONG = "webhook-body-too-long", 413,
        "The webhook's body is longer than what is verified.",
        "Send less, or raise `body_bytes` of the API's `webhook`: a body is held until its signature is known to hold.";

  "webhook", Gate:
    SECRET_MISSING = "webhook-secret-missing", 503,
        "The secret that webhooks are signed with is not there.",
        "See to the file or the variable that `secrets` of the API's `webhook` names: it is missing, has less than 16 bytes, or is not written as the entry's `form` says. The gate's log and `lockgate status` say which.";
    FULL = "webhook-replays-full", 503,
        "There is no room to remember this webhook.",
        "Come back in a minute. So many are remembered that nobody could say whether this one comes again.";
}
