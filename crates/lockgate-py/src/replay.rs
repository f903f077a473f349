//! Past requests through a proposed bundle.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use lockgate_proxy::events::{BadCursor, Cursor, Event, Reader, PAGE_MAX};
use lockgate_proxy::replay;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Told;
use crate::events::{refused, wanted};
use crate::to_python;

/// A proposed bundle that judges what was.
#[pyclass(frozen)]
pub struct Replay {
    replay: Mutex<replay::Replay>,
}

#[pymethods]
impl Replay {
    #[new]
    #[pyo3(signature = (bundle, *, before = HashMap::new(), grants = HashMap::new()))]
    fn new(
        py: Python<'_>,
        bundle: Vec<u8>,
        before: HashMap<String, String>,
        grants: HashMap<String, String>,
    ) -> PyResult<Self> {
        let replay = py
            .detach(|| replay::Replay::new(&bundle, &before, &grants))
            .map_err(Told::from)?;
        Ok(Self {
            replay: Mutex::new(replay),
        })
    }

    /// Judges the next events of a folder; says how many they were, where to go on and whether there is more.
    #[pyo3(signature = (directory, *, after = None, filter = None))]
    fn folder(
        &self,
        py: Python<'_>,
        directory: PathBuf,
        after: Option<&str>,
        filter: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<(usize, String, bool)> {
        let filter = wanted(filter)?;
        let cursor = cursor(after)?;
        let page = py
            .detach(|| {
                let page = Reader::new(&directory, cursor).page(&filter, PAGE_MAX)?;
                let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
                page.events.iter().for_each(|event| replay.event(event));
                Ok::<_, std::io::Error>(page)
            })
            .map_err(refused)?;
        let next = page
            .cursor
            .map(|cursor| cursor.to_string())
            .unwrap_or_default();
        Ok((page.events.len(), next, page.more))
    }

    /// Judges events that come as lines of JSON; says how many lines were none.
    fn lines(&self, py: Python<'_>, text: Vec<u8>) -> usize {
        py.detach(|| {
            let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
            let lines = text.split(|byte| *byte == b'\n');
            let events = lines
                .filter(|line| !line.trim_ascii().is_empty())
                .map(|line| {
                    let event: Option<Event> = serde_json::from_slice(line).ok();
                    event.map(|event| replay.event(&event)).is_none()
                });
            events.filter(|bad| *bad).count()
        })
    }

    /// What became of all so far.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let summary = self
            .replay
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .summary();
        to_python(py, &summary)
    }
}

/// A cursor's text; an empty one is the beginning.
pub fn cursor(text: Option<&str>) -> PyResult<Option<Cursor>> {
    let parsed = text.filter(|text| !text.is_empty()).map(str::parse);
    let parsed = parsed.transpose();
    Ok(parsed.map_err(|bad: BadCursor| Told::new("cursor-malformed", bad.to_string()))?)
}
