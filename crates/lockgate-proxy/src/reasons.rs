//! The reasons that the gate itself gives.

lockgate_wire::reasons! { "route", Client:
    NO_ROUTE = "no-route", 404,
        "Nothing is served here.",
        "No API has this host and path. `lockgate explain METHOD URL` shows what was looked for; `lockgate routes` lists what there is.";
    NOT_MATCHED = "route-not-matched", 404,
        "Nothing is served here for such a request.",
        "An API has this host and path, but asks for a header, parameter or cookie (`match`) that the request has not. A route at the same path without `match` would take the rest.";
    MATCH_AMBIGUOUS = "route-ambiguous", 400,
        "What the request carries can be read in two ways.",
        "A header, parameter or cookie by which the route is chosen is there more than once, or behind a semicolon. Send it once.";
    TARGET_AMBIGUOUS = "target-ambiguous", 400,
        "The path belongs to different APIs, depending on who reads it.",
        "Some servers would fold what stands in it (%2F, //, a backslash, a semicolon) and find another API. Send the path that is meant.";
    DUPLICATE_PARAMETER = "target-duplicate-parameter", 400,
        "The query holds a parameter twice.",
        "Some servers take the first and some the last. Send it once.";
    METHOD_CASE = "method-lower-case", 400,
        "A method is written in capitals.",
        "`post` is another method than `POST`, which many servers take for it: rules for one would not look at the other. Clients write methods in capitals.";
    METHOD_NOT_ALLOWED = "method-not-allowed", 405,
        "This method is not taken here.",
        "Use one of the methods that the Allow header names, or add the method to the API.";

    "version", Client:
    VERSION_UNKNOWN = "version-unknown", 404,
        "This API has no such version.",
        "Ask for one of the versions that the detail names.";
    VERSION_MISSING = "version-missing", 400,
        "This API wants to know which version is meant.",
        "Name one of the versions that the detail lists, where the detail says.";
    VERSION_SUNSET = "version-sunset", 410,
        "This version has come to its end.",
        "Use the version that follows it. The Sunset header says when it ended; the operator may move `sunset`.";

    "version", Gate:
    VERSION_BROWNOUT = "version-brownout", 503,
        "This version is switched off for a while, since it comes to its end.",
        "Use the version that follows it; this one comes back after Retry-After, and ends on the day that the Sunset header names.";

    "operation", Client:
    OPERATION_UNKNOWN = "operation-unknown", 404,
        "This API has no such path.",
        "The API's OpenAPI document has no operation with this path. `lockgate routes --operations` lists those that there are; add it to the document if it is missing there.";
    OPERATION_METHOD = "operation-method-unknown", 405,
        "This API does not take this method here.",
        "Use one of the methods that the Allow header names, or add the operation to the API's OpenAPI document.";

    "authorize", Gate:
    WAIVER_EXPIRED = "waiver-expired", 403,
        "This API is closed.",
        "The exception that opened this API has expired. The operator renews its `until`, or asks for keys.";

    "authorize", Client:
    NOT_AUTHENTICATED = "not-authenticated", 401,
        "This API wants to know who calls.",
        "Send a credential that the API takes.";
    WITHOUT_RULE = "operation-without-rule", 403,
        "No rule says who may call this.",
        "What no rule of the API's `authorize` speaks of is refused to everyone. Say which scope or role opens it.";

    "gate", Gate:
    SECRET_UNRESOLVED = "secret-unresolved", 503,
        "This API is not ready.",
        "A secret that the API's upstream needs (`${env:…}` or `${file:…}`) could not be read by the gate. Set it and restart or reload; `lockgate check` names it.";
    PAGES_AWAY = "pages-unavailable", 503,
        "Signing in is not possible at the moment.",
        "The identity pages are served by the control process, which does not answer: it is being started again, or hangs; or this gate is on another machine. Who is signed in already notices nothing. See `lockgate status`.";
    ASSERTION_FAILED = "assertion-failed", 500,
        "The API could not be told who calls.",
        "What the caller's credential says is too long for the upstream's assertion: name fewer claims under the upstream's `assertion: {claims: […]}`.";
    TOKEN_UNAVAILABLE = "token-unavailable", 503,
        "The identity provider gives no token at the moment.",
        "The API wants a token of the provider's for this caller, and the provider could not be asked, or gave no answer that holds. Come back in a few seconds. `lockgate status` and the findings say why.";
    TOKEN_REFUSED = "token-refused", 403,
        "The identity provider gives this caller no token for the API.",
        "The provider was asked for the token that the upstream's `token` describes, and says no. The findings and the control process's log have its words: a policy of the provider's, an audience or scope that it does not know, a token that may not be exchanged. Or the session began before tokens were kept: sign in again.";
    TOKEN_WITHOUT_CALLER = "token-without-caller", 403,
        "This caller has nothing that the API's token could be got for.",
        "The upstream wants a token (`token`), which is got for a session or in exchange for a token of the same issuer. Who calls by another credential has neither.";
    INTERNAL_PANIC = "internal-panic", 500,
        "The gate failed.",
        "This is a defect of Lockgate: please report it with the request id and the gate's log.";
    OUT_OF_DESCRIPTORS = "out-of-descriptors", 503,
        "The gate is full.",
        "The gate may open no further connection: raise its limit of open files (`ulimit -n`, or `LimitNOFILE` in systemd), or lower the listener's `limits.connections`.";
    INFLATE_FULL = "inflate-full", 503,
        "The gate unpacks as much as it can at once.",
        "Come back after the time that Retry-After names, or send the body without a content coding. The operator may raise the listener's `limits.inflate_memory`, of which one address gets half, or lower the API's `inflate.window`; `lockgate_inflate_memory_bytes` tells how much is taken.";
    INSPECT_FULL = "inspect-full", 503,
        "The gate holds as many bodies as it can at once.",
        "Come back after the time that Retry-After names. The operator may raise the listener's `limits.inspect_memory`, of which one address gets half, or lower the API's `waf.inspect_bytes` or the `body_bytes` of what verifies bodies; `lockgate_inspect_memory_bytes` tells how much is taken.";
    HELD_TOO_MUCH = "body-held-too-long", 413,
        "The request's body cannot be judged in parts.",
        "A policy wanted to see more of the body at once than the gate keeps of one request (1 MiB).";

    "gate", Client:
    CREDENTIAL_ENDED = "credential-ended", 401,
        "Who called is not let in any more.",
        "The credential was revoked or has expired while its answer was under way, and the rest of that was not sent: a call of gRPC ends with UNAUTHENTICATED, any other answer is broken off. The event's `ended` says what it was. Sign in anew.";
    ACCESS_ENDED = "access-ended", 403,
        "Who called may not have this any more.",
        "The rules, or what is known of the caller, have changed while the answer was under way, and the rest of that was not sent: a call of gRPC ends with PERMISSION_DENIED, any other answer is broken off. The event's `ended` says what it was: what any new request would be refused for.";
    CLIENT_GONE = "client-gone", 499,
        "The client closed the connection.",
        "The client went away before the answer was complete. Written down, never sent.";
    CLIENT_TAKES_NOTHING = "client-takes-nothing", 499,
        "The client took nothing of the answer any more.",
        "For `limits.write_timeout` of the listener the client read none of what waited for it, and was let go. Written down, never sent. Where clients are slow and honest, raise that limit.";

    "upstream", Upstream:
    CONNECT_FAILED = "upstream-connect-failed", 502,
        "The API cannot be reached.",
        "No target of the upstream took a connection. See that the API runs, and that `upstreams.*.targets` is right.";
    NAME_UNRESOLVED = "upstream-name-unresolved", 502,
        "The API cannot be found.",
        "DNS names no address for the upstream's targets, and named none before. See that the name is right and that the name servers answer.";
    UNHEALTHY = "upstream-unhealthy", 503,
        "The API is not well.",
        "Every target of the upstream fails its health check. `lockgate status` shows which and why; requests go on as soon as one is well again.";
    BUSY = "upstream-busy", 503,
        "The API has too much to do.",
        "As many requests are under way and as many wait as `breaker` allows. Come back after the time that Retry-After names; the operator looks why the API is slow, or raises `breaker`.";
    QUEUE_TIMEOUT = "upstream-queue-timeout", 503,
        "The API has had no time for this.",
        "The request waited for `breaker.wait`, and no request before it ended. Come back after the time that Retry-After names.";
    TLS_FAILED = "upstream-tls-failed", 502,
        "The API cannot be reached safely.",
        "The handshake with the upstream failed: its certificate is not trusted, has expired or is for another name, or the two share no version of TLS. The gate's log and `lockgate logs --kind system` say which; see the upstream's `tls`.";
    NO_HTTP2 = "upstream-no-http2", 502,
        "The API speaks another protocol.",
        "The upstream took the connection and does not speak HTTP/2 on it. Take `protocol: h2` out, or see that its servers have it.";
    NO_WEBSOCKET = "upstream-no-websocket", 502,
        "The API cannot take WebSockets there.",
        "Its upstream is spoken to over HTTP/2 (`protocol: h2`) and does not offer them there (RFC 8441). Give the API an upstream with HTTP/1.1.";
    NO_GRPC = "upstream-no-grpc", 502,
        "The API cannot take calls of gRPC there.",
        "Its upstream is spoken to over HTTP/1.1, which carries none. Give the upstream `protocol: h2`.";
    CONNECT_TIMEOUT = "upstream-connect-timeout", 504,
        "The API cannot be reached in time.",
        "No target of the upstream took a connection within `timeouts.connect`.";
    FIRST_BYTE_TIMEOUT = "upstream-first-byte-timeout", 504,
        "The API did not answer in time.",
        "The upstream took the request but did not begin to answer within `timeouts.first_byte`.";
    IDLE_TIMEOUT = "upstream-idle-timeout", 504,
        "The API stopped answering.",
        "The upstream sent nothing for `timeouts.idle` in the middle of its answer, so the answer was cut off.";
    RESET = "upstream-reset", 502,
        "The API broke off.",
        "The upstream's connection broke before the answer was complete. Its log should say why.";
    GARBAGE = "upstream-invalid-answer", 502,
        "The API's answer makes no sense.",
        "The upstream's answer is not valid HTTP/1.1; the event's detail says what is wrong with it.";
}

/// Why a client is there no more.
pub const GONE: [lockgate_policy::ReasonRef; 2] = [&CLIENT_GONE, &CLIENT_TAKES_NOTHING];
