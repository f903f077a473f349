//! The reasons of `device`. Who is asked for more of a proof has those of `step_up`: it is the same
//! code that asks.

lockgate_wire::reasons! { "device", Client:
    MISSING = "device-missing", 403,
        "Nobody can say from which device this comes.",
        "Send a credential that is bound to a device: a session, a token with DPoP or a client certificate behind it (`cnf`), or a client certificate. A key, a password and a plain bearer token can be copied anywhere.";
    REVOKED = "device-revoked", 403,
        "This device was revoked.",
        "Its owner or an operator has taken it out. Sign in anew, or use another key: what was revoked stays so.";
    UNAPPROVED = "device-unapproved", 403,
        "This device waits for an operator's approval.",
        "`lockgate devices list --only unapproved` shows it, and `lockgate devices approve ID` lets it in.";
    NEW = "device-new", 403,
        "This device is new.",
        "Its owner has not confirmed it by a second factor, and no operator has approved it: `lockgate devices approve ID`.";
    CHANGED = "device-changed", 403,
        "This device does not look as it did.",
        "At least two of its program, its TLS, its HTTP/2 and its network are others than when it was confirmed. Its owner confirms it anew, or an operator approves it: `lockgate devices approve ID`.";
    TRAVEL = "device-travel", 403,
        "Its owner cannot have come here so fast.",
        "One of the owner's devices was seen elsewhere a moment ago. The owner confirms this one by a second factor, or an operator approves it.";
    CROWD = "device-crowd", 403,
        "Its owner uses too many devices at once.",
        "More of them than `most` were seen within fifteen minutes. Put one down, or revoke those that are not used.";

    "device", Gate:
    UNAVAILABLE = "device-unavailable", 503,
        "Nobody can say at the moment what is known of this device.",
        "The control process could not be asked. Come back in a few seconds; `lockgate status` and its log say why it is away. `on_error: allow` lets requests through meanwhile.";
}
