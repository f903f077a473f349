//! The reasons of `session`.

lockgate_wire::reasons! { "session", Client:
    MISSING = "session-missing", 401,
        "This API wants a session, and none was sent.",
        "Sign in with a browser at the address that `WWW-Authenticate` names; a page of the API that is opened in one leads there by itself.";
    SIGN_IN = "session-sign-in", 303,
        "Signing in is wanted first.",
        "The browser is sent to the pages where people sign in, and comes back. A program is told so by `session-missing` in its place: it says `Sec-Fetch-Mode` or accepts no `text/html`.";
    INVALID = "session-invalid", 401,
        "The cookie holds no session of this installation.",
        "It was changed, cut off, made by another installation or for another sign-in. Sign in again; the detail says what is wrong with it.";
    EXPIRED = "session-expired", 401,
        "The session has ended.",
        "Sessions last as long as the sign-in's `lifetime` says. Sign in again.";
    ENDED = "session-ended", 401,
        "The session was ended before its time.",
        "The person signed out, here or at the provider, or an operator has revoked it (`lockgate tokens list`). Sign in again.";
    CROSS_SITE = "session-cross-site", 403,
        "Another site made the browser send this.",
        "A cookie comes along by itself, so a request that changes something must come from the API's own pages, or from an origin that `session: {origins: […]}` names. A program that has a cookie sends `Origin` with the API's own.";

    "session", Gate:
    UNRENEWED = "session-unrenewed", 503,
        "Nobody can say at the moment whether the session still holds.",
        "The provider is asked once in the sign-in's `refresh`, and has not answered for longer than its `grace`. Come back in a few seconds. `lockgate status` and the findings say why.";
}
