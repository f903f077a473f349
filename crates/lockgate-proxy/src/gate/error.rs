//! Why a gate refuses what the control process asks of it.

use std::io;

use lockgate_policy::ConfigError;

use crate::net::Endpoint;

/// Why a bundle, or the gate, was refused.
#[derive(Debug)]
pub enum GateError {
    /// The signature is missing or wrong.
    Signature(String),
    /// An older bundle than the one at work.
    Sequence {
        /// The one offered.
        offered: u64,
        /// The one at work.
        current: u64,
    },
    /// It is no bundle.
    Malformed(String),
    /// They are no certificates, or cannot be kept.
    Certificates(String),
    /// It does not make sense.
    Config(Vec<ConfigError>),
    /// An address cannot be listened on.
    Listen {
        /// Which.
        address: Endpoint,
        /// Why.
        cause: io::Error,
    },
    /// The state folder cannot be used.
    State(io::Error),
    /// The gate is going down.
    Draining,
}

impl std::fmt::Display for GateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signature(cause) => write!(f, "the bundle's signature does not hold: {cause}"),
            Self::Sequence { offered, current } => {
                write!(f, "bundle {offered} is older than {current}, which is at work; bundles never go back")
            }
            Self::Malformed(cause) => write!(f, "this is no bundle: {cause}"),
            Self::Certificates(cause) => f.write_str(cause),
            Self::Config(errors) => {
                let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join("; "))
            }
            // Of a path the cause says what to do.
            Self::Listen { address, cause } if address.network().is_none() => {
                write!(f, "cannot listen at {address}: {cause}")
            }
            Self::Listen { address, cause } => {
                write!(f, "cannot listen on {address}: {cause}; stop the program that has it, or choose another port")
            }
            Self::State(cause) => write!(f, "the gate's state folder cannot be used: {cause}"),
            Self::Draining => f.write_str("the gate is going down and takes no new bundle"),
        }
    }
}

impl std::error::Error for GateError {}

impl GateError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Signature(_) => "bundle-signature",
            Self::Sequence { .. } => "bundle-sequence",
            Self::Malformed(_) => "bundle-malformed",
            Self::Certificates(_) => "certificates-malformed",
            Self::Config(_) => "bundle-config",
            Self::Listen { .. } => "listen-failed",
            Self::State(_) => "state-unusable",
            Self::Draining => "gate-draining",
        }
    }
}
