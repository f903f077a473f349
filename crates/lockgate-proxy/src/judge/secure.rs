//! What is not to go in the clear.

use http::header::{HeaderValue, LOCATION};
use http::StatusCode;
use lockgate_policy::Denial;

use super::{End, Judging};
use crate::reasons;
use crate::tls::reasons::HTTPS_REQUIRED;

/// The port that a URL with https need not name (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;

impl Judging<'_, '_, '_> {
    /// Sends the client to where the same is said over TLS. 308 keeps the method (RFC 9110 section 15.4.9).
    pub(super) fn to_https(&self) -> Result<End, Denial> {
        if self.host.is_empty() {
            return Err(Denial::new(&HTTPS_REQUIRED));
        }
        let port = match self.arrival.listener.redirect_port {
            HTTPS_PORT => String::new(),
            port => format!(":{port}"),
        };
        let place = format!("https://{}{port}{}", self.host, self.arrival.target);
        let place = HeaderValue::try_from(place).map_err(|_| Denial::new(&HTTPS_REQUIRED))?;
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
        answer.headers_mut().insert(LOCATION, place);
        Ok(End::Respond(Box::new(answer)))
    }

    /// Plain HTTP off loopback ends with the waiver that allowed it.
    pub(super) fn insecure(&mut self) -> Result<(), Denial> {
        let upstream = self
            .judgement
            .upstream
            .and_then(|upstream| self.snapshot.upstreams.get(upstream));
        let waivers = [
            self.arrival.listener.insecure.as_ref(),
            upstream.and_then(|upstream| upstream.insecure.as_ref()),
        ];
        match waivers
            .into_iter()
            .flatten()
            .find(|waiver| !waiver.holds(self.now_ms))
        {
            Some(expired) => {
                self.judgement.decided = Some(expired.span);
                Err(Denial::new(&reasons::WAIVER_EXPIRED))
            }
            None => Ok(()),
        }
    }
}
