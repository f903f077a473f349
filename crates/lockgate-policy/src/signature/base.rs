//! The bytes that are signed of a request (RFC 9421 section 2.5), and what a request is taken for.

use lockgate_wire::target::normalize_host;

use super::component::Request;
use super::fields::Signed;
use crate::jwt::Shown;
use crate::RequestView;

/// The bytes that were signed (RFC 9421 section 2.5).
///
/// # Errors
/// Which component the request does not have, in words.
pub fn base(signed: &Signed, request: &Request<'_>) -> Result<Vec<u8>, String> {
    let mut base = Vec::with_capacity(512);
    for component in &signed.components {
        base.extend_from_slice(component.text().as_bytes());
        base.extend_from_slice(b": ");
        component.write(request, &mut base)?;
        base.push(b'\n');
    }
    base.extend_from_slice(b"\"@signature-params\": ");
    base.extend_from_slice(signed.parameters.as_bytes());
    Ok(base)
}

/// Host and port as signatures have them (RFC 9421 section 2.2.3): in lower case, the scheme's
/// own port left out.
pub(super) fn authority(shown: &Shown<'_>) -> String {
    let default = if shown.secure { "443" } else { "80" };
    let Ok(host) = normalize_host(shown.authority) else {
        return shown.authority.to_ascii_lowercase();
    };
    let named = host.port.map(|port| port.to_string());
    match shown.port.map(str::to_owned).or(named) {
        Some(port) if port != default => format!("{}:{port}", host.name),
        _ => host.name.into_owned(),
    }
}

/// What the gate took a request for.
pub(super) fn address(view: &RequestView<'_>, shown: &Shown<'_>) -> String {
    let scheme = if shown.secure { "https" } else { "http" };
    format!(
        "{} {scheme}://{}{}",
        view.method,
        authority(shown),
        shown.target
    )
}
