//! The reasons of `enumeration`.

lockgate_wire::reasons! { "enumeration", Client:
    OBJECTS = "enumeration-objects", 429,
        "This caller asks for more objects than is usual.",
        "Wait as long as `Retry-After` says. More objects were named within `window` than `authorize.enumeration.objects` says: raise it where that is in order, or leave the operation out of `operations`.";
    WALKING = "enumeration-walking", 429,
        "This caller asks for one object after the other, by their numbers.",
        "Wait as long as `Retry-After` says. Ids went up or down in a row for `authorize.enumeration.steps`: a list, or an export of its own, serves who needs them all.";
    REFUSED = "enumeration-refused", 429,
        "Too many objects that this caller asks for are not there, or not for them.",
        "Wait as long as `Retry-After` says. So many requests as `authorize.enumeration.refused` says ended with 403, 404 or 410; look in the history at what is asked for.";
}
