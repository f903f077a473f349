//! An upstream's own token, in the place of the caller's credential: one that the identity
//! provider gives for it in exchange (RFC 8693), or the session's own.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue, AUTHORIZATION, RETRY_AFTER};
use lockgate_policy::broker::{Brought, Goods, Order};
use lockgate_policy::{ConfigError, Denial};
use lockgate_wire::headers::{remove_look_alikes, reserved};

use crate::bundle;
use crate::reasons::{TOKEN_REFUSED, TOKEN_UNAVAILABLE, TOKEN_WITHOUT_CALLER};
use crate::snapshot::{CompiledApi, Policy};
use crate::worker::Shared;

/// What one upstream is given.
#[derive(Debug)]
pub struct UpstreamToken {
    header: HeaderName,
    /// Tells the configuration under which it was got: another one has other tokens.
    about: Arc<str>,
}

impl UpstreamToken {
    /// Compiles what the configuration says.
    ///
    /// # Errors
    /// If its header is none.
    pub fn new(config: &bundle::UpstreamToken) -> Result<Self, ConfigError> {
        let header = HeaderName::try_from(config.header.as_str()).map_err(|_| {
            let message = format!("`{}` is not a header name", config.header);
            ConfigError::new("not-a-header", "/token/header", message)
        })?;
        if reserved(header.as_str()).is_some() {
            let message = format!(
                "the gate itself writes `{header}` or takes it off, so it can carry no token"
            );
            return Err(ConfigError::new(
                "header-reserved",
                "/token/header",
                message,
            ));
        }
        Ok(Self {
            header,
            about: config.about.as_str().into(),
        })
    }

    /// The header that carries it.
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Gets it for the caller whom the `step` of the API has identified.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(
        &self,
        shared: &Shared,
        (api, step): (&CompiledApi, Option<usize>),
        headers: &HeaderMap,
        now_ms: u64,
    ) -> Result<HeaderValue, Denial> {
        let policy = step.and_then(|step| api.steps.get(step));
        let (goods, of, shown) = match policy.map(|step| &step.policy) {
            Some(Policy::Session(policy)) => {
                let shown = policy.shown(headers);
                (Goods::TokenOfSession, policy.sign_in(), shown)
            }
            Some(Policy::Jwt(policy)) => {
                (Goods::TokenOfToken, policy.issuer(), policy.shown(headers))
            }
            Some(Policy::Introspection(policy)) => {
                (Goods::TokenOfToken, policy.issuer(), policy.shown(headers))
            }
            _ => return Err((&TOKEN_WITHOUT_CALLER).into()),
        };
        let shown = shown.ok_or(&TOKEN_WITHOUT_CALLER)?;
        let order = Order::new(goods, &self.about, of, shown);
        let silent_ms = now_ms.saturating_sub(shared.facts.heard_ms());
        let later = |seconds: u32| {
            let denial = Denial::new(&TOKEN_UNAVAILABLE);
            denial.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
        };
        let text = match shared.broker.get(order, silent_ms, now_ms).await {
            Brought::Got(token) if self.header == AUTHORIZATION => format!("Bearer {token}"),
            Brought::Got(token) => token.to_string(),
            Brought::Refused => return Err((&TOKEN_REFUSED).into()),
            Brought::Unavailable(seconds) => return Err(later(seconds)),
            Brought::Busy | Brought::Later => return Err(later(1)),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| later(1))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Writes it on a request. Whatever the client itself sent there goes.
    pub fn write(&self, headers: &mut HeaderMap, value: HeaderValue) {
        remove_look_alikes(headers, &self.header);
        headers.insert(self.header.clone(), value);
    }
}
