//! The gate, in a small Python host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use lockgate_proxy::gate as native;
use pyo3::prelude::*;
use serde::Serialize;

use crate::error::Told;
use crate::to_python;

/// A gate: native threads that serve, and what they are told.
#[pyclass(frozen)]
pub struct Gate {
    gate: native::Gate,
}

#[derive(Serialize)]
struct Bundle {
    sequence: u64,
    hash: String,
}

#[pymethods]
impl Gate {
    #[new]
    #[pyo3(signature = (*, state_dir, pepper, public_key, workers = None, plugin_command = None))]
    fn new(
        py: Python<'_>,
        state_dir: PathBuf,
        pepper: Vec<u8>,
        public_key: Vec<u8>,
        workers: Option<usize>,
        plugin_command: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = workers.unwrap_or_else(cores).clamp(1, 1024);
        let settings = native::Settings {
            state_dir,
            pepper,
            public_key,
            workers,
            plugin_command: plugin_command.unwrap_or_default(),
        };
        let gate = py
            .detach(|| native::Gate::start(settings))
            .map_err(Told::from)?;
        Ok(Self { gate })
    }

    fn load<'py>(&self, py: Python<'py>, signed: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let loaded = py.detach(|| self.gate.load(signed)).map_err(Told::from)?;
        to_python(py, &loaded)
    }

    fn apply_facts(&self, py: Python<'_>, facts: Vec<Vec<u8>>) -> PyResult<u64> {
        let applied = py.detach(|| self.gate.apply_facts(&facts));
        Ok(applied.map_err(|error| Told::new("fact-refused", error.to_string()))?)
    }

    fn facts_seq(&self) -> u64 {
        self.gate.facts_sequence()
    }

    fn bundle_info<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.gate
            .bundle()
            .map(|(sequence, hash)| to_python(py, &Bundle { sequence, hash }))
            .transpose()
    }

    fn contact(&self) {
        self.gate.contact();
    }

    fn addresses(&self) -> BTreeMap<String, String> {
        self.gate
            .addresses()
            .into_iter()
            .map(|(name, address)| (name, address.to_string()))
            .collect()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.gate.stats())
    }

    fn metrics(&self, py: Python<'_>) -> String {
        py.detach(|| self.gate.metrics())
    }

    fn alive(&self) -> bool {
        self.gate.alive()
    }

    fn drain(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let within = Duration::try_from_secs_f64(timeout_s).map_err(|_| {
            Told::new(
                "timeout-malformed",
                "a timeout is a number of seconds, 0 or more",
            )
        })?;
        Ok(py.detach(|| self.gate.drain(within)))
    }
}
