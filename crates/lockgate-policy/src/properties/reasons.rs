//! The reasons of `properties`.

lockgate_wire::reasons! { "properties", Client:
    CLOSED = "property-not-writable", 403,
        "The body sets something that this caller may not set.",
        "The detail names the JSON Pointers, and who could set each; leave them out, or add them to `authorize.properties`. What stands in a list, and what is set whole, is open where all of it is.";
    UNREADABLE = "property-unreadable", 400,
        "What the body would set cannot be told.",
        "Its type is none that is judged (JSON, JSON Merge Patch, JSON Patch, a form), or it can be read in more ways than one. The detail says which. Who may set `all` may send any body.";
}
