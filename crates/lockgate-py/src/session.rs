//! Sessions, sealed and opened for the identity pages by the very code of the gate.

use lockgate_policy::jwt::Meant;
use lockgate_policy::session::{Opened, Seal};
use lockgate_policy::step_up;
use pyo3::prelude::*;
use serde::Serialize;

use crate::error::Told;
use crate::to_python;

/// A session, and every way of telling it where it was revoked.
#[derive(Serialize)]
struct Said {
    #[serde(flatten)]
    opened: Opened,
    meant: Vec<Meant>,
}

/// Seals a session, given as JSON, into a cookie's value. `pepper` is the installation's secret.
#[pyfunction]
pub fn seal_session(pepper: &[u8], sign_in: &str, session: &[u8]) -> PyResult<String> {
    let session: Opened = serde_json::from_slice(session)
        .map_err(|error| Told::new("session-malformed", format!("this is no session: {error}")))?;
    Seal::under(pepper, sign_in)
        .seal(&session)
        .map_err(|error| Told::new("session-unsealed", error.words().to_owned()).into())
}

/// What a cookie's value says; whether it still holds is for the caller to look at.
#[pyfunction]
pub fn open_session<'py>(
    py: Python<'py>,
    pepper: &[u8],
    sign_in: &str,
    cookie: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    let opened = Seal::under(pepper, sign_in)
        .open(cookie)
        .map_err(|error| Told::new("session-malformed", error.words().to_owned()))?;
    let meant = Meant::all(&opened.claims);
    to_python(py, &Said { opened, meant })
}

/// When what is wanted was proved, seconds since the epoch; `claims` are a session's, as JSON.
#[pyfunction]
pub fn proved_at(claims: &[u8], amr: Vec<String>, acr: Vec<String>) -> PyResult<Option<u64>> {
    let claims = serde_json::from_slice(claims)
        .map_err(|error| Told::new("session-malformed", format!("these are no claims: {error}")))?;
    Ok(step_up::proved_at(&claims, &amr, &acr))
}
