//! The engine within an application's own process.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use lockgate_proxy::head::Told as Head;
use lockgate_proxy::inprocess as native;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::error::Told;

type Pair = (Vec<u8>, Vec<u8>);

/// The gate's engine, asked by a middleware.
#[pyclass(frozen)]
pub struct InProcess {
    engine: Arc<native::InProcess>,
}

#[pymethods]
impl InProcess {
    #[new]
    #[pyo3(signature = (bundle, *, pepper, events = None))]
    fn new(py: Python<'_>, bundle: Vec<u8>, pepper: Vec<u8>, events: Option<PathBuf>) -> PyResult<Self> {
        let engine = py
            .detach(|| native::InProcess::start(&bundle, &pepper, events.as_deref()))
            .map_err(Told::from)?;
        Ok(Self { engine })
    }

    fn load(&self, py: Python<'_>, bundle: Vec<u8>) -> PyResult<()> {
        Ok(py.detach(|| self.engine.load(&bundle)).map_err(Told::from)?)
    }

    fn apply_facts(&self, py: Python<'_>, facts: Vec<Vec<u8>>) -> PyResult<u64> {
        let applied = py.detach(|| self.engine.apply_facts(&facts));
        Ok(applied.map_err(|error| Told::new("fact-refused", error.to_string()))?)
    }

    fn contact(&self) {
        self.engine.contact();
    }

    fn metrics(&self, py: Python<'_>) -> String {
        py.detach(|| self.engine.metrics())
    }

    fn flush(&self, py: Python<'_>) {
        py.detach(|| self.engine.flush());
    }

    /// Judges a head. `body` is whether there may be one that no header tells of.
    #[pyo3(signature = (method, target, headers, *, peer = None, old = false, body = false))]
    fn begin(
        &self,
        method: &str,
        target: &[u8],
        headers: Vec<(Bound<'_, PyBytes>, Bound<'_, PyBytes>)>,
        peer: Option<&str>,
        old: bool,
        body: bool,
    ) -> Call {
        let headers: Vec<(&[u8], &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let told = Head {
            method: method.as_bytes(),
            target,
            headers: &headers,
            length: None,
            old,
        };
        let peer = peer.and_then(|peer| peer.parse::<IpAddr>().ok());
        Call {
            call: Mutex::new(self.engine.begin(&told, peer, body)),
        }
    }
}

/// One request and its answer.
#[pyclass(frozen)]
pub struct Call {
    call: Mutex<native::Call>,
}
