//! API keys: made and digested by the code that the gate checks them with.

use lockgate_policy::api_key;
use pyo3::prelude::*;

use crate::error::Told;

/// Makes a key and its digest under `pepper`.
#[pyfunction]
#[pyo3(signature = (pepper, environment = "live"))]
pub fn mint_key(pepper: &[u8], environment: &str) -> PyResult<(String, String)> {
    let key = api_key::mint(environment).map_err(|_| {
        Told::new(
            "environment-malformed",
            "an environment is 1 to 16 lower-case letters, such as live or test",
        )
    })?;
    let digest = key_digest(&key, pepper)?;
    Ok((key, digest))
}

/// The digest of a key under `pepper`, after its checksum was verified.
#[pyfunction]
pub fn key_digest(key: &str, pepper: &[u8]) -> PyResult<String> {
    let checked = api_key::checked(key.as_bytes()).map_err(|api_key::Malformed| {
        Told::new(api_key::MALFORMED.code, api_key::MALFORMED.advice)
    })?;
    Ok(api_key::digest(&api_key::pepper(pepper), checked).to_hex())
}
