//! The event log, written by the control process and read by its tools.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use lockgate_proxy::events::{self, Event, EventLog, Filter, Options, Page, Reader};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use crate::error::{internal, Told};
use crate::replay::cursor;
use crate::to_python;

/// The JSON Schema of an event's JSON form.
#[pyfunction]
pub fn event_schema() -> PyResult<String> {
    serde_json::to_string(&events::json_schema()).map_err(|cause| internal(&cause))
}

/// Writes events of the control process into a folder of its own.
#[pyclass(frozen)]
pub struct EventWriter {
    log: EventLog,
}

#[pymethods]
impl EventWriter {
    #[new]
    #[pyo3(signature = (directory, retain_bytes, *, node = "control"))]
    fn new(py: Python<'_>, directory: PathBuf, retain_bytes: u64, node: &str) -> PyResult<Self> {
        let options = Options {
            node: node.to_owned(),
            retain_bytes,
            ..Options::default()
        };
        let log = py
            .detach(|| EventLog::start(&directory, options))
            .map_err(refused)?;
        Ok(Self { log })
    }

    #[pyo3(signature = (event, durable = false))]
    fn append(&self, py: Python<'_>, event: &Bound<'_, PyDict>, durable: bool) -> PyResult<()> {
        let event: Event = from_python(event)?;
        let appended = py.detach(|| {
            if durable {
                self.log.append_durable(event).map(drop)
            } else {
                self.log.append(event)
            }
        });
        appended.map_err(refused)
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.log.flush()).map_err(refused)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.log.close());
    }
}

/// The next events after `after`, and where to go on.
#[pyfunction]
#[pyo3(signature = (directory, *, after = None, limit = 1000, filter = None))]
pub fn read_events<'py>(
    py: Python<'py>,
    directory: PathBuf,
    after: Option<&str>,
    limit: usize,
    filter: Option<&Bound<'py, PyDict>>,
) -> PyResult<(Bound<'py, PyAny>, String)> {
    let filter = wanted(filter)?;
    let cursor = cursor(after)?;
    let page = py
        .detach(|| Reader::new(&directory, cursor).page(&filter, limit))
        .map_err(refused)?;
    pair(py, &page)
}

/// What an export wrote, and where to go on.
#[derive(Serialize)]
struct Export {
    events: u64,
    cursor: String,
    more: bool,
    damaged_bytes: u64,
    unreadable: u64,
    gap: bool,
}

/// Writes the events after `after`, and before `until`, to a new file, each a line of JSON.
#[pyfunction]
#[pyo3(signature = (directory, file, *, after = None, until = None, limit = 100_000, filter = None))]
pub fn export_events<'py>(
    py: Python<'py>,
    directory: PathBuf,
    file: PathBuf,
    after: Option<&str>,
    until: Option<&str>,
    limit: u64,
    filter: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let filter = wanted(filter)?;
    let (after, until) = (cursor(after)?, cursor(until)?);
    let told = py
        .detach(|| {
            // Private from the first byte: events tell who did what.
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&file)?;
            let mut out = BufWriter::with_capacity(1 << 16, file);
            let mut reader = Reader::new(&directory, after).until(until);
            let told = events::export(&mut reader, &filter, limit, &mut out)?;
            out.flush()?;
            Ok::<_, std::io::Error>(told)
        })
        .map_err(refused)?;
    let place = told.cursor.or(after);
    let export = Export {
        events: told.events,
        cursor: place.map(|cursor| cursor.to_string()).unwrap_or_default(),
        more: told.more,
        damaged_bytes: told.damaged_bytes,
        unreadable: told.unreadable,
        gap: told.gap,
    };
    to_python(py, &export)
}

/// The last `count` events, oldest first, and where to follow from.
#[pyfunction]
#[pyo3(signature = (directory, count = 100, *, filter = None))]
pub fn last_events<'py>(
    py: Python<'py>,
    directory: PathBuf,
    count: usize,
    filter: Option<&Bound<'py, PyDict>>,
) -> PyResult<(Bound<'py, PyAny>, String)> {
    let filter = wanted(filter)?;
    let page = py
        .detach(|| events::last(&directory, &filter, count))
        .map_err(refused)?;
    pair(py, &page)
}

/// The newest event with this id.
#[pyfunction]
pub fn find_event<'py>(
    py: Python<'py>,
    directory: PathBuf,
    id: &str,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let found = py
        .detach(|| events::find(&directory, id))
        .map_err(refused)?;
    found.map(|event| to_python(py, &event)).transpose()
}

/// The cursor below which every event survives a crash.
#[pyfunction]
pub fn events_durable_until(py: Python<'_>, directory: PathBuf) -> PyResult<Option<String>> {
    let cursor = py
        .detach(|| events::durable_until(&directory))
        .map_err(refused)?;
    Ok(cursor.map(|cursor| cursor.to_string()))
}

fn pair<'py>(py: Python<'py>, page: &Page) -> PyResult<(Bound<'py, PyAny>, String)> {
    let cursor = page
        .cursor
        .map(|cursor| cursor.to_string())
        .unwrap_or_default();
    Ok((to_python(py, &page.events)?, cursor))
}

pub fn wanted(filter: Option<&Bound<'_, PyDict>>) -> PyResult<Filter> {
    filter
        .map(from_python)
        .transpose()
        .map(Option::unwrap_or_default)
}

fn from_python<T: serde::de::DeserializeOwned>(dict: &Bound<'_, PyDict>) -> PyResult<T> {
    let text: String = dict
        .py()
        .import("json")?
        .call_method1("dumps", (dict,))?
        .extract()?;
    serde_json::from_str(&text)
        .map_err(|cause| Told::new("event-malformed", cause.to_string()).into())
}

pub fn refused(cause: impl std::fmt::Display) -> PyErr {
    Told::new("events-unusable", cause.to_string()).into()
}
