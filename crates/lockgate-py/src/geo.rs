//! Databases that tell where addresses are, looked through by the code that asks them.

use lockgate_policy::geo::{Database, Kind};
use pyo3::prelude::*;

use crate::error::Told;

/// Looks through a database of `countries` or `networks`, as a gate does before it asks one.
#[pyfunction]
pub fn check_geo(py: Python<'_>, content: Vec<u8>, kind: &str) -> PyResult<()> {
    let kind = match kind {
        "countries" => Kind::Countries,
        "networks" => Kind::Networks,
        _ => return Err(Told::new("kind-unknown", "there are countries and networks").into()),
    };
    let read = py.detach(|| Database::read(content, kind));
    Ok(read
        .map(drop)
        .map_err(|cause| Told::new("geo-unfit", cause))?)
}
