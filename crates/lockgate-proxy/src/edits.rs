//! What policies change of a request and of an answer, in the order in which it
//! is done. The pipeline and `lockgate explain` both ask here.

use lockgate_policy::headers::{Headers, Subject};
use lockgate_policy::{Edit, Mode};

use crate::judge::Judgement;
use crate::snapshot::{CompiledApi, Policy};

/// Every change to a request of `api`, in order.
pub fn of_request<'a>(
    api: &'a CompiledApi,
    judgement: &'a Judgement,
) -> impl Iterator<Item = &'a Edit> {
    api.edits.iter().chain(&judgement.edits)
}

/// Whether any answer to this request is changed: most are not, and cost nothing.
#[must_use]
pub fn any_of_answer(api: &CompiledApi, judgement: &Judgement) -> bool {
    !api.answer_edits.is_empty() || !judgement.answer_edits.is_empty() || api.headers.is_some()
}

/// Shows `make` every change to an answer of `api`: what is the same for all
/// its answers, what its policies said, and what `headers` says at last.
pub fn of_answer(
    api: &CompiledApi,
    judgement: &Judgement,
    (request_id, now_ms): (&str, u64),
    make: &mut dyn FnMut(&Edit),
) {
    api.answer_edits
        .iter()
        .chain(&judgement.answer_edits)
        .for_each(&mut *make);
    let Some(policy) = answering(api, now_ms) else {
        return;
    };
    let subject = Subject {
        request_id,
        client: judgement.client,
        identity: judgement.identity.as_ref(),
        api: &api.name,
        operation: None,
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
