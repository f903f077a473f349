//! The reasons of `api_key`.

use super::NAME;
use crate::{Fault, Reason, ReasonRef};

const fn client(
    code: &'static str,
    status: u16,
    title: &'static str,
    advice: &'static str,
) -> Reason {
    Reason {
        code,
        status,
        title,
        room: NAME,
        fault: Fault::Client,
        advice,
    }
}

/// No key came with the request.
pub static MISSING: Reason = client(
    "key-missing",
    401,
    "This API wants a key.",
    "Send the key in the header that WWW-Authenticate names. `lockgate keys create` makes one.",
);
/// The header stands there more than once.
pub static REPEATED: Reason = client(
    "key-repeated",
    401,
    "The key was sent more than once.",
    "Send the header with the key once.",
);
/// Prefix, length, characters or checksum are wrong.
pub static MALFORMED: Reason = client(
    "key-malformed",
    401,
    "This is not a key.",
    "The value is no key that Lockgate made: a character is missing or mistyped. Copy the whole key, from `lg_` on.",
);
/// Well formed, but nobody's.
pub static UNKNOWN: Reason = client(
    "key-unknown",
    401,
    "This key is not known.",
    "The key is well formed but belongs to another installation, or was deleted. `lockgate keys list` shows the known ones.",
);
/// Revoked by the operator.
pub static REVOKED: Reason = client(
    "key-revoked",
    401,
    "This key was revoked.",
    "Ask the operator for a new key.",
);
/// Past its day.
pub static EXPIRED: Reason = client(
    "key-expired",
    401,
    "This key has expired.",
    "Ask the operator for a new key.",
);
/// A good key, but for other APIs.
pub static NOT_FOR_API: Reason = client(
    "key-not-for-api",
    403,
    "This key does not open this API.",
    "The key is limited to other APIs. The operator makes one with `--api`, or without, for all.",
);
/// The gate has heard nothing from a control process for too long.
pub static FACTS_STALE: Reason = Reason {
    code: "facts-stale",
    status: 503,
    title: "The gate cannot be sure of this key at the moment.",
    room: NAME,
    fault: Fault::Gate,
    advice: "The gate has not heard from a control process for longer than `facts.max_age`, and `facts.then` is `deny`. Start the control process, or look at its log.",
};

/// All reasons of this room.
pub static REASONS: &[ReasonRef] = &[
    &MISSING,
    &REPEATED,
    &MALFORMED,
    &UNKNOWN,
    &REVOKED,
    &EXPIRED,
    &NOT_FOR_API,
    &FACTS_STALE,
];
