//! The normal form of `host[:port]`.

use std::{borrow::Cow, fmt};

use crate::{
    framing::reasons,
    host::{split, Host},
    reason::ReasonRef,
};

/// A host in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalHost<'a> {
    /// Lower-case, without a final dot; IPv6 in brackets, as RFC 5952 writes it.
    pub name: Cow<'a, str>,
    /// As sent; what it is without one depends on the scheme.
    pub port: Option<u16>,
}

impl fmt::Display for NormalHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Brings a Host header or an authority into normal form. Allocates only for
/// capitals and IPv6.
///
/// # Errors
/// `host-invalid`, for the same texts as the framing guard refuses.
pub fn normalize_host(raw: &str) -> Result<NormalHost<'_>, ReasonRef> {
    let parts = split(raw.as_bytes()).ok_or(&reasons::HOST_INVALID)?;
    let name = match parts.host {
        Host::V6(address) => Cow::Owned(format!("[{address}]")),
        Host::Name(name) => {
            // One final dot says that the name is whole (RFC 1034, 3.1). `split`
            // has seen to it that ASCII comes before it, so the cut is sound.
            let name = &raw[..name.len()];
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                Cow::Owned(name.to_ascii_lowercase())
            } else {
                Cow::Borrowed(name)
            }
        }
    };
    Ok(NormalHost {
        name,
        port: parts.port,
    })
}
