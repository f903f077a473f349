//! `grpc`: which calls of gRPC an API takes, and how large and how long they may be.
//!
//! # Description
//! An API that says this takes calls of gRPC and nothing else, unless it says
//! so. Messages are bounded one by one as they pass, and a call ends by the
//! client's deadline or the API's, whichever comes first. Where it says so,
//! browsers call by gRPC-Web; the upstream gets gRPC all the same.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`ONLY`], [`WEB_NOT_TAKEN`], [`DEADLINE`], [`NOT_GRPC`]; and those of the
//! framing in [`lockgate_wire::grpc::reasons`].
//!
//! # Example
//! ```yaml
//! grpc: {message_bytes: 1MiB, deadline: 30s, web: true}
//! ```

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use lockgate_wire::grpc::{self, parse_timeout, reasons, Messages, Protocol, TextDecoder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BodyMachine, BodyVerdict, ConfigError, Denial, ReasonRef, RequestView, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "grpc";

/// How long a client waits.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

lockgate_wire::reasons! { "grpc", Client:
    ONLY = "grpc-only", 415,
        "This API takes calls of gRPC alone.",
        "Send POST with `content-type: application/grpc`, or one of its kinds. The operator lets others through with `grpc: {only: false}`.";
    WEB_NOT_TAKEN = "grpc-web-not-taken", 403,
        "This API takes no gRPC-Web.",
        "Speak gRPC over HTTP/2. The operator lets browsers in with `grpc: {web: true}`, and says with `cors` of which pages.";

    "grpc", Upstream:
    DEADLINE = "grpc-deadline", 504,
        "The call took longer than it may.",
        "The client's `grpc-timeout` or the API's `grpc.deadline` was over, whichever is shorter; the upstream was told to stop.";
    NOT_GRPC = "upstream-grpc-none", 502,
        "The upstream's answer is none of gRPC.",
        "What answered is no gRPC server: a proxy or an error page in front of it, or the API's `upstream` is another one.";
}

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Largest message, either way, bytes as they are sent.
    pub message_bytes: u32,
    /// How long a call may take, milliseconds; 0 for as long as its client waits.
    pub deadline_ms: u32,
    /// Whether gRPC-Web is taken, and made gRPC.
    pub web: bool,
    /// Whether whatever is no call of gRPC is refused.
    pub only: bool,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Grpc {
    message_bytes: u32,
    deadline_us: Option<u64>,
    web: bool,
    only: bool,
}

/// A call that may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What its client speaks.
    pub protocol: Protocol,
    /// Largest message, either way, bytes.
    pub message_bytes: u32,
    /// How long it may take in all, microseconds.
    pub deadline_us: Option<u64>,
}

/// How long a client says that it waits, microseconds.
///
/// # Errors
/// If it is not said rightly.
pub fn told(headers: &HeaderMap) -> Result<Option<u64>, ReasonRef> {
    let mut values = headers.get_all(GRPC_TIMEOUT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => parse_timeout(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(&reasons::TIMEOUT),
    }
}

impl Grpc {
    /// Compiles the config.
    ///
    /// # Errors
    /// If messages are bounded to nothing.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        if config.message_bytes == 0 {
            return Err(ConfigError::new("grpc-malformed", "", "messages want room"));
        }
        let deadline_us = u64::from(config.deadline_ms) * 1_000;
        Ok(Self {
            message_bytes: config.message_bytes,
            deadline_us: (deadline_us != 0).then_some(deadline_us),
            web: config.web,
            only: config.only,
        })
    }

    /// Judges a request by its head.
    #[must_use]
    pub fn decide(&self, view: &RequestView<'_>) -> Verdict {
        match self.call(view) {
            Ok(_) => Verdict::allow(),
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// The call that a request is; none where it is something else that may pass.
    ///
    /// # Errors
    /// Why it may not.
    pub fn call(&self, view: &RequestView<'_>) -> Result<Option<Call>, Denial> {
        let Some(kind) = grpc::request(view.method, view.headers) else {
            return match self.only {
                true => Err(Denial::new(&ONLY)),
                false => Ok(None),
            };
        };
        if kind.protocol != Protocol::Grpc && !self.web {
            return Err(Denial::new(&WEB_NOT_TAKEN));
        }
        let told = told(view.headers).map_err(Denial::new)?;
        Ok(Some(Call {
            protocol: kind.protocol,
            message_bytes: self.message_bytes,
            deadline_us: told.into_iter().chain(self.deadline_us).min(),
        }))
    }
}

impl Call {
    /// The same where the policy is observed: bounded by nothing. One that is
    /// nothing but passed on is none.
    #[must_use]
    pub fn observed(self, headers: &HeaderMap) -> Option<Self> {
        (self.protocol != Protocol::Grpc).then(|| Self {
            message_bytes: u32::MAX,
            deadline_us: told(headers).ok().flatten(),
            ..self
        })
    }

    /// Watches its messages on their way to the upstream, and takes base64 off them.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let text = (self.protocol == Protocol::WebText).then(TextDecoder::default);
        Watch {
            text,
            messages: Messages::of_client(self.message_bytes),
            message_bytes: self.message_bytes,
        }
    }
}

/// Watches the messages of a request.
#[derive(Debug)]
pub struct Watch {
    text: Option<TextDecoder>,
    messages: Messages,
    message_bytes: u32,
}

impl Watch {
    fn denied(&self, reason: ReasonRef) -> BodyVerdict {
        let denial = Denial::new(reason);
        BodyVerdict::Deny(if reason == &reasons::MESSAGE_TOO_LARGE {
            denial.detail(format!("The limit is {} bytes.", self.message_bytes))
        } else {
            denial
        })
    }
}

impl BodyMachine for Watch {
    fn on_chunk(&mut self, chunk: &Bytes) -> BodyVerdict {
        let Some(text) = &mut self.text else {
            return match self.messages.feed(chunk) {
                Ok(()) => BodyVerdict::Pass,
                Err(reason) => self.denied(reason),
            };
        };
        let mut bytes = Vec::new();
        let read = text.feed(chunk, &mut bytes);
        match read.and_then(|()| self.messages.feed(&bytes)) {
            Ok(()) => BodyVerdict::Replace(bytes.into()),
            Err(reason) => self.denied(reason),
        }
    }

    fn on_end(&mut self) -> BodyVerdict {
        let whole = self.text.as_ref().map_or(Ok(()), TextDecoder::end);
        match whole.and_then(|()| self.messages.end()) {
            Ok(()) => BodyVerdict::Pass,
            Err(reason) => self.denied(reason),
        }
    }
}

#[cfg(test)]
mod tests;
