//! Certificates, read by the code that the gate reads them with.

use lockgate_proxy::bundle::UnknownRevocation;
use lockgate_proxy::tls::{read_client_certificate, Certificate, Clients, NAMELESS};
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
    py.detach(|| Clients::read(&trust, &crl, (true, unknown(certain)), None))
        .map(drop)
        .map_err(|why| Told::new("client-trust-unfit", why).into())
}

/// Why a client that shows this chain, PEM, is turned away by these authorities and lists: the
/// reason's code, or none where it comes in.
#[pyfunction]
#[pyo3(signature = (chain, trust, crl, *, certain = false))]
pub fn client_refusal(
    py: Python<'_>,
    chain: Vec<u8>,
    trust: Vec<Vec<u8>>,
    crl: Vec<Vec<u8>>,
    certain: bool,
) -> PyResult<Option<&'static str>> {
    py.detach(|| {
        let clients = Clients::read(&trust, &crl, (true, unknown(certain)), None)
            .map_err(|why| Told::new("client-trust-unfit", why))?;
        let told = "it is no certificate in PEM that could be read";
        let shown =
            read_client_certificate(&chain).ok_or_else(|| Told::new("certificate-unfit", told))?;
        Ok::<_, Told>(clients.refuses(&shown).map(|reason| reason.code))
    })
    .map_err(Into::into)
}

const fn unknown(certain: bool) -> UnknownRevocation {
    if certain {
        UnknownRevocation::Deny
    } else {
        UnknownRevocation::Allow
    }
}
