//! The reasons of `apps`.

lockgate_wire::reasons! { "apps", Client:
    UNKNOWN = "app-unknown", 403,
        "Nobody has registered the program that calls.",
        "Register it: `lockgate apps register`, or write it under `apps` of the configuration. The event names it. An API takes programs that nobody knows with `authorize.apps: {registered: optional}`.";
    STOPPED = "app-stopped", 403,
        "The program that calls was stopped.",
        "Whoever operates the gate has stopped it, everywhere. `lockgate apps show` says when, by whom and why; `lockgate apps start` lets it in again.";
    EXPIRED = "app-expired", 403,
        "The time for which the program was let in is over.",
        "Its `until` has passed. Review it, and set another day with `lockgate apps change`, or in the configuration.";
    NOT_FOR_API = "app-not-for-api", 403,
        "The program was not given this API.",
        "`apis` of the program lists what it was given. `lockgate apps show` shows it.";
    NOT_FOR_OPERATION = "app-not-for-operation", 403,
        "The program was not given this operation.",
        "`operations` of the program lists what it was given of this API; trimming it to what it used writes them. `lockgate apps show` shows it.";
    TIER_METHOD = "app-tier-method", 403,
        "Programs of this tier do not use this method.",
        "`third_party.tiers` says which methods a tier has. A program that was reviewed is put into another tier with `lockgate apps change`.";
    TIER_BULK = "app-tier-bulk", 403,
        "Programs of this tier do not read in bulk.",
        "`bulk` of the API's `authorize.apps` says what reads much at once. Ask for single records, or have the program reviewed.";
    TIER_RATE = "app-tier-rate", 429,
        "Programs of this tier may not send so many requests.",
        "`rate` of `third_party.tiers` bounds each program of a tier, over all who use it and all APIs. Wait for as long as `Retry-After` says, or have the program reviewed.";
}
