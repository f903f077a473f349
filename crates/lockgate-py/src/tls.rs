//! Certificates, read by the code that the gate reads them with.

use lockgate_proxy::bundle::UnknownRevocation;
use lockgate_proxy::tls::{Certificate, Clients, NAMELESS};
use pyo3::prelude::*;
use serde::Serialize;

use crate::error::Told;
use crate::to_python;

#[derive(Serialize)]
struct Read<'a> {
    names: &'a [String],
    issuer: &'a str,
    not_before: i64,
    not_after: i64,
    fingerprint: &'a str,
}

/// What a chain and its key, both PEM, are good for. One for a `host` has to name some.
#[pyfunction]
pub fn read_certificate<'py>(
    py: Python<'py>,
    chain: &[u8],
    key: &[u8],
    host: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let read = py
        .detach(|| Certificate::read(chain, key))
        .map_err(|why| Told::new("certificate-unfit", why))?;
    if host && read.names.is_empty() {
        return Err(Told::new("certificate-unfit", NAMELESS).into());
    }
    to_python(
        py,
        &Read {
            names: &read.names,
            issuer: &read.issuer,
            not_before: read.not_before,
            not_after: read.not_after,
            fingerprint: &read.fingerprint,
        },
    )
}

/// Refuses authorities and revocation lists, all PEM, by which no client could be judged;
/// `certain` is whether it has to be known of each that it was not revoked.
#[pyfunction]
#[pyo3(signature = (trust, crl, *, certain = false))]
pub fn check_client_trust(
    py: Python<'_>,
    trust: Vec<Vec<u8>>,
    crl: Vec<Vec<u8>>,
    certain: bool,
) -> PyResult<()> {
    let unknown = if certain {
        UnknownRevocation::Deny
    } else {
        UnknownRevocation::Allow
    };
    py.detach(|| Clients::read(&trust, &crl, (true, unknown)))
        .map(drop)
        .map_err(|why| Told::new("client-trust-unfit", why).into())
}
