//! Which fields are the operator's to change, and which are not.

use http::HeaderName;
use lockgate_wire::headers::{reserved, Reserved};

use super::{Verb, Way};

/// Fields that prove who calls. A gate that writes one speaks for somebody.
const CREDENTIALS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
];

/// Fields that say how a body is read: policies judged it by them.
const OF_THE_BODY: &[&str] = &["content-type", "content-encoding"];

/// Fields of answers that the gate's refusals need, that say how a body is
/// read, or that say what a cache may give to whom.
const OF_ANSWERS: &[&str] = &[
    "content-type",
    "content-encoding",
    "content-range",
    "www-authenticate",
    "retry-after",
    "allow",
    "vary",
    "date",
];

/// Beginnings of names by which servers of forward authentication say who calls; none says where from, or what for. The
/// gate takes all of them off requests of clients.
const OF_CALLERS: &[&str] = &[
    "remote-",
    "x-auth-request-",
    "x-auth-user",
    "x-authenticated",
    "x-authentik-",
    "x-consumer",
    "x-email",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-groups",
    "x-pomerium-",
    "x-roles",
    "x-user",
    "x-vouch-",
    "x-webauth-",
];

/// A name that says who calls, in the words of those who are asked elsewhere.
pub(super) fn of_caller(text: &str, credentials: &[HeaderName]) -> Option<HeaderName> {
    let name = HeaderName::try_from(text).ok()?;
    let says = OF_CALLERS
        .iter()
        .any(|begin| name.as_str().starts_with(begin));
    (says && reserved(name.as_str()) == Some(Reserved::Identity) && !credentials.contains(&name))
        .then_some(name)
}

/// Why a name is refused: a code, and a message.
pub(super) type Refused = (&'static str, String);

/// The name as the gate uses it.
pub(super) fn name(text: &str, way: Way<'_>, verb: Verb) -> Result<HeaderName, Refused> {
    let name = HeaderName::try_from(text).map_err(|_| {
        (
            "header-malformed",
            format!("`{text}` is not a header's name"),
        )
    })?;
    match way {
        Way::Request(credentials) => of_request(&name, text, credentials, verb)?,
        Way::Response => of_answer(&name, text, verb)?,
    }
    Ok(name)
}

fn of_request(
    name: &HeaderName,
    text: &str,
    credentials: &[HeaderName],
    verb: Verb,
) -> Result<(), Refused> {
    if let Some(kind) = reserved(name.as_str()) {
        return Err(("header-reserved", why(text, kind)));
    }
    if OF_THE_BODY.contains(&name.as_str()) {
        let message =
            format!("`{text}` says how the body is read, and the request was judged by it");
        return Err(("header-reserved", message));
    }
    let proves = CREDENTIALS.contains(&name.as_str());
    if credentials.contains(name) {
        let message = format!("`{text}` carries this API's keys, or proves the gate to its upstream: the gate takes it off or writes it itself");
        return Err(("header-credential", message));
    }
    // Taking the client's cookie or token off is safe; writing one speaks for somebody.
    if proves && verb != Verb::Remove {
        return Err(("header-credential", credential(text)));
    }
    Ok(())
}

fn of_answer(name: &HeaderName, text: &str, verb: Verb) -> Result<(), Refused> {
    if let Some(kind) = reserved(name.as_str()).filter(|kind| *kind != Reserved::Identity) {
        return Err(("header-reserved", why(text, kind)));
    }
    if name.as_str().starts_with("access-control-") {
        let message =
            format!("`{text}` is written by the policy `cors`; say there who may read answers");
        return Err(("header-reserved", message));
    }
    if OF_ANSWERS.contains(&name.as_str()) && (verb != Verb::Add || name != http::header::VARY) {
        let message = format!("`{text}` belongs to the answer itself: without it, clients and caches would take the answer for another");
        return Err(("header-reserved", message));
    }
    Ok(())
}

fn credential(text: &str) -> String {
    format!("`{text}` proves who calls, so the gate writes none; `credential` of the upstream proves the gate to it")
}

fn why(text: &str, kind: Reserved) -> String {
    match kind {
        Reserved::Framing => format!("`{text}` frames or routes the message, which the gate does itself"),
        Reserved::HopByHop => format!("`{text}` is for one connection alone, so the gate takes it off every message"),
        Reserved::Written => format!("`{text}` is written by the gate itself"),
        Reserved::Identity => format!("`{text}` says who is calling or from where, so the gate takes it off every request; tell the API in a field of your own, such as `X-Caller: \"{{owner}}\"`"),
    }
}
