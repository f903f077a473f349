//! Whether somebody asks what clients' programs look like.

use lockgate_policy::headers::Headers;
use lockgate_policy::risk::Signal;

use crate::bundle::EventsConfig;
use crate::snapshot::{CompiledApi, Policy};

/// Whether anybody does, and whether anybody asks how they write the fields of requests, which takes a hash of
/// each request's own.
pub(super) fn asked_for(events: &EventsConfig, apis: &[CompiledApi]) -> (bool, bool) {
    let policies = || {
        let steps = apis.iter().flat_map(|api| &api.steps);
        steps.map(|step| &step.policy)
    };
    let tells = |what: fn(&Headers) -> bool| {
        let told = |policy: &Policy| matches!(policy, Policy::Headers(policy) if what(policy));
        policies().any(told)
    };
    let header_orders = events.header_order || tells(Headers::tells_header_order);
    let devices = policies().any(|policy| matches!(policy, Policy::Device(_)));
    let risks = policies()
        .any(|policy| matches!(policy, Policy::Risk(policy) if policy.has(Signal::OldTls)));
    let programs = header_orders || devices || risks || tells(Headers::tells_program);
    (programs, header_orders)
}
