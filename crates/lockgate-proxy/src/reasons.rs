//! The reasons that the gate itself gives, and the list of all of them.

use lockgate_policy::{Fault, Reason, ReasonRef};

const fn gate(
    code: &'static str,
    status: u16,
    title: &'static str,
    advice: &'static str,
) -> Reason {
    Reason {
        code,
        status,
        title,
        room: "gate",
        fault: Fault::Gate,
        advice,
    }
}

const fn route(
    code: &'static str,
    status: u16,
    title: &'static str,
    advice: &'static str,
) -> Reason {
    Reason {
        code,
        status,
        title,
        room: "route",
        fault: Fault::Client,
        advice,
    }
}

const fn upstream(
    code: &'static str,
    status: u16,
    title: &'static str,
    advice: &'static str,
) -> Reason {
    Reason {
        code,
        status,
        title,
        room: "upstream",
        fault: Fault::Upstream,
        advice,
    }
}

/// No API answers to this host and path.
pub static NO_ROUTE: Reason = route(
    "no-route",
    404,
    "Nothing is served here.",
    "No API has this host and path. `lockgate explain METHOD URL` shows what was looked for; `lockgate routes` lists what there is.",
);
/// The path is known, but not with this method.
pub static METHOD_NOT_ALLOWED: Reason = route(
    "method-not-allowed",
    405,
    "This method is not taken here.",
    "Use one of the methods that the Allow header names, or add the method to the API.",
);
/// `public`, or another exception, is past its day.
pub static WAIVER_EXPIRED: Reason = Reason {
    code: "waiver-expired",
    status: 403,
    title: "This API is closed.",
    room: "authorize",
    fault: Fault::Gate,
    advice: "The exception that opened this API has expired. The operator renews its `until`, or asks for keys.",
};
/// Nobody proved who they are, and the API wants to know.
pub static NOT_AUTHENTICATED: Reason = Reason {
    code: "not-authenticated",
    status: 401,
    title: "This API wants to know who calls.",
    room: "authorize",
    fault: Fault::Client,
    advice: "Send a credential that the API takes.",
};
/// A secret that the upstream needs is not there.
pub static SECRET_UNRESOLVED: Reason = gate(
    "secret-unresolved",
    503,
    "This API is not ready.",
    "A secret that the API's upstream needs (`${env:…}` or `${file:…}`) could not be read by the gate. Set it and restart or reload; `lockgate check` names it.",
);
/// A defect of the gate.
pub static INTERNAL_PANIC: Reason = gate(
    "internal-panic",
    500,
    "The gate failed.",
    "This is a defect of Lockgate: please report it with the request id and the gate's log.",
);
/// The process may open no further file or socket.
pub static OUT_OF_DESCRIPTORS: Reason = gate(
    "out-of-descriptors",
    503,
    "The gate is full.",
    "The gate may open no further connection: raise its limit of open files (`ulimit -n`, or `LimitNOFILE` in systemd), or lower the listener's `limits.connections`.",
);
/// A policy held back more of a body than it may.
pub static HELD_TOO_MUCH: Reason = gate(
    "body-held-too-long",
    413,
    "The request's body cannot be judged in parts.",
    "A policy wanted to see more of the body at once than the gate keeps of one request (1 MiB).",
);
/// The client went away before the answer was complete.
pub static CLIENT_GONE: Reason = Reason {
    code: "client-gone",
    status: 499,
    title: "The client closed the connection.",
    room: "gate",
    fault: Fault::Client,
    advice: "The client went away before the answer was complete. Written down, never sent.",
};
/// No target took a connection.
pub static CONNECT_FAILED: Reason = upstream(
    "upstream-connect-failed",
    502,
    "The API cannot be reached.",
    "No target of the upstream took a connection. See that the API runs, and that `upstreams.*.targets` is right.",
);
/// Connecting took too long.
pub static CONNECT_TIMEOUT: Reason = upstream(
    "upstream-connect-timeout",
    504,
    "The API cannot be reached in time.",
    "No target of the upstream took a connection within `timeouts.connect`.",
);
/// The upstream did not begin to answer in time.
pub static FIRST_BYTE_TIMEOUT: Reason = upstream(
    "upstream-first-byte-timeout",
    504,
    "The API did not answer in time.",
    "The upstream took the request but did not begin to answer within `timeouts.first_byte`.",
);
/// The upstream stopped in the middle of its answer.
pub static IDLE_TIMEOUT: Reason = upstream(
    "upstream-idle-timeout",
    504,
    "The API stopped answering.",
    "The upstream sent nothing for `timeouts.idle` in the middle of its answer, so the answer was cut off.",
);
/// The upstream's connection broke.
pub static RESET: Reason = upstream(
    "upstream-reset",
    502,
    "The API broke off.",
    "The upstream's connection broke before the answer was complete. Its log should say why.",
);
/// The upstream answered with something that is not HTTP.
pub static GARBAGE: Reason = upstream(
    "upstream-invalid-answer",
    502,
    "The API's answer makes no sense.",
    "The upstream's answer is not valid HTTP/1.1; the event's detail says what is wrong with it.",
);

/// The reasons of this crate.
pub static REASONS: &[ReasonRef] = &[
    &NO_ROUTE,
    &METHOD_NOT_ALLOWED,
    &WAIVER_EXPIRED,
    &NOT_AUTHENTICATED,
    &SECRET_UNRESOLVED,
    &INTERNAL_PANIC,
    &HELD_TOO_MUCH,
    &OUT_OF_DESCRIPTORS,
    &CLIENT_GONE,
    &CONNECT_FAILED,
    &CONNECT_TIMEOUT,
    &FIRST_BYTE_TIMEOUT,
    &IDLE_TIMEOUT,
    &RESET,
    &GARBAGE,
];
