//! What of a request is told to those who fill in variables, or to plugins.

use lockgate_policy::headers::Subject;

use super::{End, Judging};
use crate::edits::OFFLINE_ID;
use crate::snapshot::Policy;

impl Judging<'_, '_, '_> {
    /// What is known of the request for certain.
    pub(super) fn subject<'v>(&'v self, view: &lockgate_policy::RequestView<'v>) -> Subject<'v> {
        Subject {
            request_id: match self.arrival.id {
                "" => OFFLINE_ID,
                id => id,
            },
            client: self.judgement.client,
            identity: self.judgement.identity.as_ref(),
            api: view.api,
            operation: view.operation,
        }
    }

    /// Keeps what plugins that judge the answer are shown of the request: its
    /// head is gone by then.
    pub(super) fn keep_for_answers(&mut self) {
        let judges = self.api().is_some_and(|api| api.judges_answers);
        if !judges || !matches!(self.judgement.end, End::Forward) {
            return;
        }
        let view = self.view();
        let steps = self.api().map_or(&[][..], |api| &api.steps);
        let shown = steps.iter().map(|step| match &step.policy {
            Policy::Plugin(plugin) if plugin.judges_answers() => {
                Some(plugin.request(&view, &self.subject(&view)))
            }
            _ => None,
        });
        self.judgement.shown = Some(shown.collect());
    }
}
