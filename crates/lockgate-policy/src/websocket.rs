//! `websocket`: what may become a WebSocket (RFC 6455), and what may pass over it.
//!
//! # Description
//! An API takes WebSockets only where this says so. Every other policy judges
//! the request that asks for one, as it judges any; this one checks that the
//! handshake is right and that a browser's page may ask: the same-origin policy
//! does not keep pages from it (cross-site WebSocket hijacking). Once it is
//! open, frames are bounded in size and number, and it is closed when it is
//! idle or its caller is no longer let in.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`NOT_TAKEN`], [`ORIGIN`], [`TOO_MANY`], [`IDLE`]; and those of the handshake
//! and of frames in [`lockgate_wire::websocket::reasons`].
//!
//! # Example
//! ```yaml
//! websocket: {origins: ["https://shop.example.com"], message_bytes: 256KiB}
//! ```

use http::header::{HeaderValue, ORIGIN as ORIGIN_FIELD, SEC_WEBSOCKET_VERSION};
use lockgate_wire::websocket::{check_handshake, is_handshake, reasons as wire, Offer, Rules};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cors::origin::Origins;
use crate::{ConfigError, Denial, RequestView, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "websocket";

lockgate_wire::reasons! { "websocket", Client:
    NOT_TAKEN = "websocket-not-taken", 403,
        "This API takes no WebSockets.",
        "The operator allows them with `websocket: {}` in the API.";
    ORIGIN = "websocket-origin", 403,
        "Pages of this origin may not open a WebSocket here.",
        "A browser names the page's origin, and it is neither the host that is asked nor one of `websocket.origins`.";
    TOO_MANY = "websocket-too-many-messages", 429,
        "Too many messages came over the WebSocket.",
        "It was closed with 1008. Send fewer, or several in one; the operator can raise `websocket.messages`.";
    IDLE = "websocket-idle", 408,
        "Nothing came over the WebSocket.",
        "It was closed with 1001, since nothing passed for `websocket.idle`. Send a ping now and then.";
    ENDED = "websocket-ended", 403,
        "The WebSocket's caller is not let in any more.",
        "It was closed with 1008: the credential was revoked or has expired, or the API's rules have changed. Sign in anew.";
}

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Origins whose pages may open one, besides those of the same host; `*` for any.
    pub origins: Vec<String>,
    /// Largest frame, bytes.
    pub frame_bytes: u64,
    /// Largest message, over all its frames, bytes as they are sent.
    pub message_bytes: u64,
    /// Messages of the client in a second, and five times as many at once; 0 for no bound.
    pub messages: u32,
    /// How long nothing may pass, milliseconds.
    pub idle_ms: u32,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct WebSocket {
    /// Besides the host that is asked.
    origins: Option<Origins>,
    terms: Terms,
}

/// What may pass over a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Largest frame, bytes.
    pub frame_bytes: u64,
    /// Largest message, bytes.
    pub message_bytes: u64,
    /// Messages of the client in a second; 0 for no bound.
    pub messages: u32,
    /// How long nothing may pass, milliseconds.
    pub idle_ms: u32,
}

impl Terms {
    /// What a direction may carry, where `deflate` was agreed on.
    #[must_use]
    pub const fn rules(&self, deflate: bool) -> Rules {
        Rules {
            deflate,
            check_utf8: true,
            frame_bytes: self.frame_bytes,
            message_bytes: self.message_bytes,
        }
    }
}

/// Whether a request asks for a WebSocket.
#[must_use]
pub fn asked(view: &RequestView<'_>) -> bool {
    is_handshake(view.headers)
}

impl WebSocket {
    /// Compiles the config.
    ///
    /// # Errors
    /// If an origin is none, or something is bounded to nothing.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        if config.frame_bytes == 0 || config.message_bytes == 0 || config.idle_ms == 0 {
            let told = "frames, messages and the time between them want room";
            return Err(ConfigError::new("websocket-malformed", "", told));
        }
        Ok(Self {
            origins: match &*config.origins {
                [] => None,
                origins => Some(Origins::new(origins)?),
            },
            terms: Terms {
                frame_bytes: config.frame_bytes,
                message_bytes: config.message_bytes,
                messages: config.messages,
                idle_ms: config.idle_ms,
            },
        })
    }

    /// What may pass.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// Judges the request that asks for one; any other passes.
    #[must_use]
    pub fn decide(&self, view: &RequestView<'_>) -> Verdict {
        match self.offer(view) {
            Ok(_) => Verdict::allow(),
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// What the client offers; none where it asks for no WebSocket.
    ///
    /// # Errors
    /// Why it may not have one.
    pub fn offer(&self, view: &RequestView<'_>) -> Result<Option<Offer>, Denial> {
        if !asked(view) {
            return Ok(None);
        }
        let offer = check_handshake(view.method, view.headers).map_err(|reason| {
            let denial = Denial::new(reason);
            if reason == &wire::VERSION {
                // RFC 6455 section 4.4.
                return denial.header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            denial
        })?;
        self.origin(view)?;
        Ok(Some(offer))
    }

    fn origin(&self, view: &RequestView<'_>) -> Result<(), Denial> {
        let mut told = view.headers.get_all(ORIGIN_FIELD).iter();
        let (origin, more) = (told.next(), told.next());
        // Who is no browser names none.
        let Some(origin) = origin else { return Ok(()) };
        let listed = self.origins.as_ref();
        let listed = listed.is_some_and(|listed| listed.any() || listed.contain(origin.as_bytes()));
        if more.is_none() && (listed || is_same(origin, view.host)) {
            return Ok(());
        }
        Err(Denial::new(&ORIGIN))
    }
}

/// Whether an origin is of the host that is asked, whatever its port.
fn is_same(origin: &HeaderValue, host: &str) -> bool {
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    let named = lockgate_wire::target::normalize_host(authority);
    named.is_ok_and(|named| named.name == host)
}

#[cfg(test)]
mod tests;
