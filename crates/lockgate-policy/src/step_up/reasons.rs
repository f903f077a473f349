//! The reasons of `step_up`.

lockgate_wire::reasons! { "step_up", Client:
    WANTED = "step-up-wanted", 401,
        "A newer or stronger proof of who calls is wanted.",
        "The challenge in `WWW-Authenticate` says what (RFC 9470): ask the provider for a token with these `acr_values` and `max_age`; a page's script leads to the address that it names, and asks again.";
    PAGE = "step-up-page", 303,
        "The person is asked for a newer or stronger proof.",
        "The browser is sent to the page where it can be given, and comes back.";
    IMPOSSIBLE = "step-up-impossible", 403,
        "This wants a proof that only a person can give.",
        "It was asked with a key, a password or a certificate. Programs cannot prove more than they have: let a person do it, or take the operation out of the API's `step_up`.";
}
