//! What of a request is told to those who fill in variables, or to plugins.

use lockgate_policy::headers::Subject;

use http::HeaderName;
use lockgate_policy::Edit;

use super::{End, Judging};
use crate::bundle::ClientCert;
use crate::edits::OFFLINE_ID;
use crate::snapshot::Policy;

/// RFC 9440. What clients send under these names is taken off before.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

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
            device: self.judgement.device.as_deref().map(|device| &*device.id),
            program: self.judgement.program.as_deref(),
            place: self.judgement.place.as_deref(),
        }
    }

    /// Tells the upstream which certificate the client showed, where the API wants that.
    pub(super) fn tell_certificate(&mut self) {
        let told = self.api().map_or(ClientCert::Off, |api| api.client_cert);
        let (Some(shown), false, End::Forward) = (
            self.arrival.certificate,
            told == ClientCert::Off,
            &self.judgement.end,
        ) else {
            return;
        };
        let chain = shown
            .client_cert_chain()
            .filter(|_| told == ClientCert::Chain);
        let fields = [
            (CLIENT_CERT, shown.client_cert()),
            (CLIENT_CERT_CHAIN, chain),
        ];
        let fields = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let edits = fields.map(|(name, value)| Edit::Set(name, value.clone()));
        self.judgement.edits.extend(edits);
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
