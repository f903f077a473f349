//! Header names that are not the operator's to give away: the gate writes them,
//! or takes them off, whatever a configuration says.

use super::{is_identity, HOP_BY_HOP};

/// Fields that frame or route a message.
const FRAMING: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "te",
    "upgrade",
    "trailer",
];

/// Fields in which the gate says which request this is, and where it passed.
pub(crate) const WRITTEN: &[&str] = &["traceparent", "tracestate", "via", "x-request-id"];

/// What the gate itself does with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// It frames or routes the message.
    Framing,
    /// It is for one connection alone.
    HopByHop,
    /// The gate writes it.
    Written,
    /// It says who is calling or from where; the gate takes it off.
    Identity,
}

impl Reserved {
    /// One word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Framing => "framing",
            Self::HopByHop => "hop-by-hop",
            Self::Written => "written",
            Self::Identity => "identity",
        }
    }
}

/// What the gate itself does with a field of this name, in any spelling that a
/// CGI-like upstream reads as its name; `None` where the operator may use it.
#[must_use]
pub fn reserved(name: &str) -> Option<Reserved> {
    let dashed = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        _ => '-',
    };
    let name: String = name.chars().map(dashed).collect();
    if FRAMING.contains(&name.as_str()) {
        Some(Reserved::Framing)
    } else if HOP_BY_HOP.iter().any(|(hop, _)| *hop == name) {
        Some(Reserved::HopByHop)
    } else if WRITTEN.contains(&name.as_str()) {
        Some(Reserved::Written)
    } else {
        is_identity(&name).then_some(Reserved::Identity)
    }
}
