//! Ways to authenticate that must hold together, among an API's steps.

use crate::bundle::{Joined, Together};
use crate::pipeline;
use crate::snapshot::Step;

/// Tells each way how it stands to those around it. They are in the configuration's order.
pub(super) fn join(steps: &mut [Step], together: &[Together]) {
    let ways = steps.iter_mut().filter(|step| step.policy.authenticates());
    for (number, step) in ways.enumerate() {
        step.joined = Together::joins(together, number);
    }
}

/// The steps by the pipeline's order. Ways to authenticate that must hold together stay so, where
/// the first of them has its place: it says who calls.
pub(super) fn in_order(steps: Vec<Step>) -> Vec<Step> {
    let mut place = 0;
    let placed = steps.into_iter().map(|step| {
        if !matches!(step.joined, Joined::Next | Joined::Last) {
            place = pipeline::position(step.policy.name(), step.policy.part());
        }
        (place, step)
    });
    let mut placed: Vec<_> = placed.collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, step)| step).collect()
}
