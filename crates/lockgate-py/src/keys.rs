//! Keys: API keys made and digested, issuers' key sets read, and tokens taken apart,
//! by the code that the gate checks them with.

use lockgate_policy::introspection::Answer;
use lockgate_policy::{api_key, jwt};
use pyo3::prelude::*;
use serde::Serialize;

use crate::error::Told;
use crate::to_python;

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

#[derive(Serialize)]
struct Read {
    keys: Vec<serde_json::Value>,
    unusable: Vec<Unusable>,
}

#[derive(Serialize)]
struct Unusable {
    kid: Option<String>,
    why: String,
}

/// Which keys of a published set (RFC 7517) a gate can use, and why not the others.
#[pyfunction]
pub fn read_key_set<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let read = py
        .detach(|| jwt::read_key_set(text))
        .map_err(|why| Told::new("key-set-malformed", why))?;
    let unusable = read.unusable.into_iter().map(|key| Unusable {
        kid: key.kid,
        why: key.why,
    });
    to_python(
        py,
        &Read {
            keys: read.keys,
            unusable: unusable.collect(),
        },
    )
}

/// Every way of telling a token; nothing of it is verified.
#[pyfunction]
pub fn read_token<'py>(py: Python<'py>, token: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let token = jwt::token::Token::parse(token).map_err(|broken| {
        let denial = broken.denial();
        let detail = denial.detail.unwrap_or_default();
        Told::new(denial.reason.code, format!("this is no token: {detail}"))
    })?;
    to_python(py, &jwt::Meant::all(&token.claims))
}

/// Whether an issuer's answer about a token (RFC 7662) says that it is active.
#[pyfunction]
pub fn read_introspection(answer: &[u8]) -> PyResult<bool> {
    match Answer::read(answer) {
        Ok(Answer::Active(_)) => Ok(true),
        Ok(Answer::Inactive) => Ok(false),
        Err(why) => Err(Told::new("introspection-malformed", why).into()),
    }
}
