//! What policies change of a request and of an answer, in the order in which it
//! is done. The pipeline and `lockgate explain` both ask here.

use http::{HeaderMap, HeaderName, HeaderValue};
use lockgate_policy::headers::{Headers, Subject};
use lockgate_policy::{remove_cookies, session, Edit, Mode};
use lockgate_wire::headers::{remove_look_alikes, strip_identity};

use crate::judge::Judgement;
use crate::respond::X_REQUEST_ID;
use crate::snapshot::{CompiledApi, Policy, Snapshot};

/// The id of a request that no gate has seen: the least there can be.
pub const OFFLINE_ID: &str = "00000000000000000000000000";

/// Every change to a request of `api`, in order.
pub fn of_request<'a>(
    api: &'a CompiledApi,
    judgement: &'a Judgement,
) -> impl Iterator<Item = &'a Edit> {
    api.edits.iter().chain(&judgement.edits)
}

/// The fields of a request in which policies had the last word: no trailer says more.
pub fn settled(api: &CompiledApi, judgement: &Judgement) -> Vec<HeaderName> {
    of_request(api, judgement)
        .filter(|edit| matches!(edit, Edit::Set(..) | Edit::Remove(_)))
        .map(|edit| edit.header())
        .chain(&api.stripped)
        .cloned()
        .collect()
}

/// Makes of a request's fields what the API may see. `trusted` leaves
/// in what a proxy that is believed said of where it came from.
pub fn make_of_request(
    headers: &mut HeaderMap,
    (api, judgement): (&CompiledApi, &Judgement),
    snapshot: &Snapshot,
    trusted: bool,
) {
    strip_identity(headers, trusted);
    headers.remove(X_REQUEST_ID);
    for name in &api.stripped {
        remove_look_alikes(headers, name);
        headers.remove(name);
    }
    // Behind what the client may take off: its `Connection` names no field of the gate's.
    for edit in of_request(api, judgement) {
        edit.apply(headers);
    }
    // A key is for the gate alone, also one that was sent to the wrong API: an
    // upstream could use it elsewhere.
    for name in &snapshot.credentials {
        let ours = |value: &HeaderValue| value.as_bytes().starts_with(b"lg_");
        if headers.get_all(name).iter().any(ours) {
            headers.remove(name);
        }
    }
    // So is what the identity pages gave a browser, also where it asks another API of the host.
    if !api.own {
        remove_cookies(headers, &|cookie| {
            cookie.starts_with(session::COOKIE_PREFIX.as_bytes())
        });
    }
}

/// Whether any answer to this request is changed: most are not, and cost nothing.
#[must_use]
pub fn any_of_answer(api: &CompiledApi, judgement: &Judgement) -> bool {
    !judgement.answer_edits.is_empty() || api.headers.is_some()
}

/// Shows `make` every change to an answer of `api`: what its policies said, and
/// what `headers` says at last.
pub fn of_answer(
    api: &CompiledApi,
    judgement: &Judgement,
    (request_id, now_ms): (&str, u64),
    make: &mut dyn FnMut(&Edit),
) {
    judgement.answer_edits.iter().for_each(&mut *make);
    let Some(policy) = answering(api, now_ms) else {
        return;
    };
    let subject = Subject {
        request_id,
        client: judgement.client,
        identity: judgement.identity.as_ref(),
        api: &api.name,
        operation: None,
        device: judgement.device.as_deref().map(|device| &*device.id),
        program: judgement.program.as_deref(),
        place: judgement.place.as_deref(),
    };
    policy.answer(&subject).for_each(|edit| make(&edit));
}

/// The policy `headers` of an API, where it changes answers and is enforced.
fn answering(api: &CompiledApi, now_ms: u64) -> Option<&Headers> {
    let step = api.steps.get(api.headers?)?;
    match &step.policy {
        Policy::Headers(policy) if step.mode_at(now_ms) == Mode::Enforce => Some(policy),
        _ => None,
    }
}
