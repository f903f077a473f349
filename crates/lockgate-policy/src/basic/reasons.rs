//! The reasons of `basic`.

lockgate_wire::reasons! { "basic", Client:
    MISSING = "basic-missing", 401,
        "This API wants a name and a password.",
        "Send `Authorization: Basic` with the name, a colon and the password in UTF-8 and base64 (RFC 7617), as any HTTP client does that is given both.";
    MALFORMED = "basic-malformed", 401,
        "This is no name and password that anybody could have.",
        "The detail says what is wrong: name and password are UTF-8 without control characters, with a colon between, in base64 with its padding; the name has at most 256 bytes, the password 1,024. Nobody was asked about it.";
    WRONG = "basic-wrong", 401,
        "The name or the password is not right, or may not be used at the moment.",
        "Which it is, nobody outside is told. The operator finds it in the event `login-refused` of that time: a wrong password, an unknown or suspended person, or too many failures before. A wait ends by itself.";

    "basic", Gate:
    UNAVAILABLE = "basic-unavailable", 503,
        "Nobody can say at the moment whether this password is right.",
        "The control process is away, or the directory that it asks. Come back in a few seconds. `lockgate doctor`, the findings and the control process's log say why.";
    BUSY = "basic-busy", 503,
        "Too many passwords are being looked at.",
        "Come back in a few seconds. So many passwords that were not known here came at once that nobody looked at this one. Where they were guesses, `limits` by address and the penalty for failures turn their senders away.";
}
