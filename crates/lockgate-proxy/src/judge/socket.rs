//! What becomes a WebSocket.

use http::header::UPGRADE;
use lockgate_policy::websocket::{self, WebSocket, NOT_TAKEN};
use lockgate_policy::{Denial, Verdict};

use super::{End, Judging};

impl Judging<'_, '_, '_> {
    pub(super) fn websocket(&mut self, policy: &WebSocket) -> Verdict {
        match policy.offer(&self.view()) {
            Ok(offer) => {
                let terms = policy.terms();
                self.judgement.websocket = offer.map(|offer| Box::new((offer, terms)));
                Verdict::allow()
            }
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// An API that says nothing of WebSockets takes none.
    pub(super) fn refuse_websocket(&mut self) {
        // Hardly any request has the field, and only then is looked at more.
        let asked = self.arrival.headers.contains_key(UPGRADE)
            && matches!(self.judgement.end, End::Forward)
            && self.judgement.websocket.is_none()
            && websocket::asked(&self.view());
        if asked {
            self.judgement.end = End::Refuse(Denial::new(&NOT_TAKEN));
        }
    }
}
