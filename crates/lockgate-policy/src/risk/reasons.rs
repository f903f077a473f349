//! The reasons of `risk`.

lockgate_wire::reasons! { "risk", Client:
    TOO_HIGH = "risk-too-high", 403,
        "Too much speaks against this request.",
        "The sum of what speaks against it is at or above the API's `risk.deny_at`. `lockgate explain` and the event tell what was added up. The caller comes with a device that is known, by a proof that is bound to it; the operator changes the weights at `risk.signals`.";
}
