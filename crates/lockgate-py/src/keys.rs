//! Keys: API keys made and digested, issuers' key sets read, and tokens taken apart,
//! by the code that the gate checks them with.

use lockgate_policy::introspection::Answer;
use lockgate_policy::{api_key, apps, jwt};
use lockgate_proxy::facts::{AppFact, KeyFact};
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

/// The digest of a key under `pepper`: of one of ours after its checksum was verified, or of another form.
#[pyfunction]
pub fn key_digest(key: &str, pepper: &[u8]) -> PyResult<String> {
    let pepper = api_key::pepper(pepper);
    let digest = match key_form(key) {
        Some("") => api_key::imported_digest(&pepper, &api_key::sha256(key.as_bytes())),
        Some(_) => api_key::digest(&pepper, key.as_bytes()),
        None => {
            let malformed = &api_key::MALFORMED;
            return Err(Told::new(malformed.code, malformed.advice).into());
        }
    };
    Ok(digest.to_hex())
}

/// The environment of a key of ours, nothing of one that may have another form.
#[pyfunction]
pub fn key_form(key: &str) -> Option<&str> {
    match api_key::checked(key.as_bytes()) {
        Ok(_) => api_key::environment(key),
        Err(api_key::Malformed) => api_key::foreign(key.as_bytes()).then_some(""),
    }
}

/// The digest of a key of another form, of which the SHA-256 is known.
#[pyfunction]
pub fn imported_key_digest(sha256: [u8; 32], pepper: &[u8]) -> String {
    api_key::imported_digest(&api_key::pepper(pepper), &sha256).to_hex()
}

/// What is wrong with a key's fact.
#[pyfunction]
pub fn check_key_fact(fact: &str) -> PyResult<()> {
    let read: Result<KeyFact, _> = serde_json::from_str(fact);
    let checked = read
        .map_err(|error| error.to_string())
        .and_then(|fact| fact.check());
    checked.map_err(|why| Told::new("key-fact-malformed", why).into())
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

/// Whether a scope is what a pattern says, in whatever letters; `*` stands for anything.
#[pyfunction]
pub fn matches_scope(pattern: &str, scope: &str) -> bool {
    apps::matches(pattern, scope)
}

/// What is wrong with a fact of a program; nothing if a gate would take it.
#[pyfunction]
pub fn check_app_fact(app: &str) -> PyResult<()> {
    let read = serde_json::from_str::<AppFact>(app).map_err(|error| error.to_string());
    read.and_then(|app| app.check())
        .map_err(|why| Told::new("app-malformed", why).into())
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
