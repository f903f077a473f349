//! The offline engine.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lockgate_policy::mtls::ClientCertificate;
use lockgate_policy::ConfigError;
use lockgate_proxy::explain::{self, Question};
use lockgate_proxy::gate::GateError;
use lockgate_proxy::plugins::Offline;
use lockgate_proxy::tls::read_client_certificate;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use crate::error::Told;
use crate::to_python;

#[derive(Serialize)]
struct Problem<'a> {
    code: &'a str,
    path: &'a str,
    message: &'a str,
    span: Option<lockgate_policy::Span>,
}

/// Everything that is wrong with a bundle; an empty list if nothing is.
#[pyfunction]
pub fn check_bundle<'py>(py: Python<'py>, bundle: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let errors = match py.detach(|| explain::check(bundle)) {
        Ok(errors) => errors,
        Err(GateError::Malformed(cause)) => vec![ConfigError::new("bundle-malformed", "", cause)],
        Err(error) => return Err(Told::from(error).into()),
    };
    let problems = errors.iter().map(|error| Problem {
        code: error.code,
        path: &error.pointer,
        message: &error.message,
        span: error.span,
    });
    to_python(py, &problems.collect::<Vec<_>>())
}

/// Who may call what under a bundle, one row for each part of an API; or who may make a request.
#[pyfunction]
#[pyo3(signature = (bundle, *, request = None, now_ms = None))]
pub fn access<'py>(
    py: Python<'py>,
    bundle: &[u8],
    request: Option<&Bound<'py, PyDict>>,
    now_ms: Option<u64>,
) -> PyResult<Bound<'py, PyAny>> {
    let question = request
        .map(|request| question(request, now_ms))
        .transpose()?;
    let sample = question.map(|question| explain::Sample {
        method: question.method,
        target: question.target,
        headers: question.headers,
        listener: question.listener,
    });
    let parts = py
        .detach(|| explain::access(bundle, sample.as_ref(), now_ms))
        .map_err(Told::from)?;
    to_python(py, &parts)
}

/// A process for plugins, for engines without a gate.
#[pyclass(frozen)]
pub struct Plugins(Arc<Offline>);

#[pymethods]
impl Plugins {
    #[new]
    #[pyo3(signature = (command, *, state_dir = PathBuf::new()))]
    fn new(command: Vec<String>, state_dir: PathBuf) -> Self {
        Self(Arc::new(Offline::new(command, state_dir)))
    }
}

/// The gate's engine without a gate.
#[pyclass(frozen)]
pub struct Engine {
    engine: explain::Engine,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (bundle, *, facts = Vec::new(), pepper = Vec::new(), plugins = None))]
    fn new(
        py: Python<'_>,
        bundle: Vec<u8>,
        facts: Vec<Vec<u8>>,
        pepper: Vec<u8>,
        plugins: Option<Py<Plugins>>,
    ) -> PyResult<Self> {
        let plugins = plugins.map(|plugins| Arc::clone(&plugins.get().0));
        let engine = py
            .detach(|| explain::Engine::new(&bundle, &facts, &pepper))
            .map_err(Told::from)?;
        let engine = match plugins {
            Some(plugins) => engine.with_plugins(plugins),
            None => engine,
        };
        Ok(Self { engine })
    }

    /// Takes what an issuer would answer about a token; nobody is asked here.
    fn hear(&self, issuer: &str, token: &[u8], answer: &[u8]) -> PyResult<()> {
        let heard = self.engine.hear(issuer, token, answer);
        Ok(heard.map_err(|why| Told::new("introspection-malformed", why))?)
    }

    fn outline<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.engine.outline())
    }

    #[pyo3(signature = (*, now_ms = None))]
    fn guards<'py>(&self, py: Python<'py>, now_ms: Option<u64>) -> PyResult<Bound<'py, PyAny>> {
        let guards = py.detach(|| self.engine.guards(now_ms));
        to_python(py, &guards)
    }

    #[pyo3(signature = (request, *, now_ms = None))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyDict>,
        now_ms: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let question = question(request, now_ms)?;
        let explanation = py.detach(|| self.engine.evaluate(&question));
        to_python(py, &explanation)
    }
}

/// What the client shows: PEM, its own certificate first.
fn certificate(request: &Bound<'_, PyDict>) -> PyResult<Option<Arc<ClientCertificate>>> {
    let shown = request.get_item("certificate")?;
    let shown: Option<Vec<u8>> = shown.map(|shown| shown.extract()).transpose()?.flatten();
    let Some(pem) = shown else {
        return Ok(None);
    };
    match read_client_certificate(&pem) {
        Some(read) => Ok(Some(Arc::new(read))),
        None => Err(Told::new(
            "request-malformed",
            "`certificate` is no certificate in PEM that could be read",
        )
        .into()),
    }
}

fn question(request: &Bound<'_, PyDict>, now_ms: Option<u64>) -> PyResult<Question> {
    let wanted = |name: &str| {
        request.get_item(name)?.ok_or_else(|| {
            PyErr::from(Told::new(
                "request-malformed",
                format!("a request needs `{name}`"),
            ))
        })
    };
    let peer: Option<String> = request
        .get_item("peer")?
        .map(|peer| peer.extract())
        .transpose()?;
    let peer: IpAddr = peer
        .as_deref()
        .unwrap_or("127.0.0.1")
        .parse()
        .map_err(|_| {
            Told::new(
                "request-malformed",
                "`peer` is an IP address such as 203.0.113.9",
            )
        })?;
    let headers = request
        .get_item("headers")?
        .map(|headers| headers.extract())
        .transpose()?;
    Ok(Question {
        method: wanted("method")?.extract()?,
        target: wanted("target")?.extract()?,
        headers: headers.unwrap_or_default(),
        peer,
        listener: request
            .get_item("listener")?
            .map(|name| name.extract())
            .transpose()?
            .flatten(),
        certificate: certificate(request)?,
        device: request
            .get_item("device")?
            .map(|said| said.extract())
            .transpose()?
            .flatten(),
        decision: request
            .get_item("decision")?
            .map(|said| said.extract())
            .transpose()?
            .flatten(),
        others: request
            .get_item("others")?
            .map(|others| others.extract())
            .transpose()?
            .unwrap_or_default(),
        body: request
            .get_item("body")?
            .map(|body| body.extract())
            .transpose()?
            .flatten(),
        now_ms,
    })
}
