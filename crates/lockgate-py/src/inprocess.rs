//! The engine within an application's own process, as its middleware sees it.
//!
//! The interpreter's lock is kept while a request is judged: that takes a few
//! microseconds, and whoever lets go of it may wait milliseconds to have it back.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use lockgate_proxy::head::Told as Head;
use lockgate_proxy::inprocess as native;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::error::Told;
use crate::to_python;

type Fields<'py> = Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>;

/// What is left of a piece of a body, and the answer that is given instead.
type Shown<'py> = (Option<Bound<'py, PyBytes>>, Option<Bound<'py, PyTuple>>);

/// Names and values, in any form that holds pairs of bytes.
fn pairs<'py>(fields: &Bound<'py, PyAny>) -> PyResult<Fields<'py>> {
    fields
        .try_iter()?
        .map(|field| {
            let field = field?;
            let (name, value) = match field.cast::<PyTuple>() {
                Ok(pair) if pair.len() == 2 => (pair.get_item(0)?, pair.get_item(1)?),
                _ => field.extract::<[Bound<'py, PyAny>; 2]>()?.into(),
            };
            Ok((name.cast_into()?, value.cast_into()?))
        })
        .collect()
}

/// Shows a head to the engine.
fn asked<T>(
    (method, target, headers, old): (&str, &[u8], &Bound<'_, PyAny>, bool),
    peer: Option<&str>,
    ask: impl FnOnce(&Head<'_>, Option<IpAddr>) -> T,
) -> PyResult<T> {
    let headers = pairs(headers)?;
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
    Ok(ask(&told, peer))
}

/// The gate's engine, for one application.
#[pyclass(frozen)]
pub struct InProcess {
    engine: Arc<native::InProcess>,
}

#[pymethods]
impl InProcess {
    #[new]
    #[pyo3(signature = (bundle, *, pepper = Vec::new(), apis = None, listener = None))]
    fn new(
        py: Python<'_>,
        bundle: Vec<u8>,
        pepper: Vec<u8>,
        apis: Option<Vec<String>>,
        listener: Option<String>,
    ) -> PyResult<Self> {
        let settings = native::Settings {
            pepper,
            apis,
            listener,
        };
        let engine = py
            .detach(|| native::InProcess::start(&bundle, &settings))
            .map_err(Told::from)?;
        Ok(Self { engine })
    }

    fn apply_facts(&self, py: Python<'_>, facts: Vec<Vec<u8>>) -> PyResult<u64> {
        let applied = py.detach(|| self.engine.apply_facts(&facts));
        Ok(applied.map_err(|error| Told::new("fact-refused", error.to_string()))?)
    }

    fn put_key_set(&self, py: Python<'_>, keys: Vec<u8>) -> PyResult<()> {
        let put = py.detach(|| self.engine.put_key_set(&keys));
        Ok(put.map_err(|error| Told::new("fact-refused", error.to_string()))?)
    }

    fn contact(&self) {
        self.engine.contact();
    }

    fn keys(&self) -> usize {
        self.engine.keys()
    }

    /// Judges a request's head. `body` is whether one may follow of which no header tells, `content`
    /// the body where it was wanted.
    #[pyo3(signature = (
        method, target, headers, *, peer = None, old = false, body = false, now_ms = None, content = None
    ))]
    #[allow(clippy::too_many_arguments)] // They are what a head consists of.
    fn begin(
        &self,
        method: &str,
        target: &[u8],
        headers: &Bound<'_, PyAny>,
        peer: Option<&str>,
        old: bool,
        body: bool,
        now_ms: Option<u64>,
        content: Option<&[u8]>,
    ) -> PyResult<Call> {
        let call = asked((method, target, headers, old), peer, |told, peer| {
            self.engine.begin(told, peer, body, now_ms, content)
        })?;
        Ok(Call {
            call: Mutex::new(call),
        })
    }

    /// Most bytes of the body that are wanted before it can be said who calls, if any are.
    #[pyo3(signature = (method, target, headers, *, peer = None, old = false, body = false, now_ms = None))]
    #[allow(clippy::too_many_arguments)] // They are what a head consists of.
    fn wants(
        &self,
        method: &str,
        target: &[u8],
        headers: &Bound<'_, PyAny>,
        peer: Option<&str>,
        old: bool,
        body: bool,
        now_ms: Option<u64>,
    ) -> PyResult<Option<u64>> {
        if !self.engine.may_want() {
            return Ok(None);
        }
        asked((method, target, headers, old), peer, |told, peer| {
            self.engine.wants(told, peer, body, now_ms)
        })
    }

    /// A request that could not even be shown to the engine.
    fn failed(&self) -> Call {
        Call {
            call: Mutex::new(self.engine.failed()),
        }
    }
}

/// One request and its answer.
#[pyclass(frozen)]
pub struct Call {
    call: Mutex<native::Call>,
}

impl Call {
    fn call(&self) -> MutexGuard<'_, native::Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Call {
    #[getter]
    fn id(&self) -> String {
        self.call().id().to_owned()
    }

    #[getter]
    fn api(&self) -> Option<String> {
        self.call().api().map(|api| api.name.to_string())
    }

    #[getter]
    fn route(&self) -> Option<String> {
        self.call().route().map(str::to_owned)
    }

    #[getter]
    fn version(&self) -> Option<String> {
        self.call().version().map(str::to_owned)
    }

    #[getter]
    fn operation(&self) -> Option<String> {
        self.call().operation().map(str::to_owned)
    }

    #[getter]
    fn client(&self) -> String {
        self.call().client().to_string()
    }

    /// Who calls: owner, credential, what proved it, app, claims.
    fn identity<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let call = self.call();
        let Some(identity) = call.identity() else {
            return Ok(None);
        };
        let claims = match &identity.claims {
            Some(claims) => to_python(py, &**claims)?,
            None => PyDict::new(py).into_any(),
        };
        let who = (
            &*identity.owner,
            &*identity.credential,
            identity.proved_by,
            identity.app.as_deref(),
            claims,
        );
        who.into_pyobject(py).map(Some)
    }

    /// The answer, where the engine gives it: status, fields, body.
    fn answer<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let own = self.call().answer();
        own.map(|own| answered(py, &own)).transpose()
    }

    /// The answer to an application that failed.
    fn fail<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let own = self.call().fail();
        answered(py, &own)
    }

    fn errors(&self) -> Vec<String> {
        self.call().errors()
    }

    /// Whether a policy could not decide.
    #[getter]
    fn failed_policies(&self) -> bool {
        self.call().failed_policies()
    }

    /// The length that the head tells of the body.
    #[getter]
    fn length(&self) -> Option<u64> {
        self.call().length()
    }

    /// Path and query, where they are not what arrived.
    #[getter]
    fn target<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let call = self.call();
        call.target()
            .map(|target| PyBytes::new(py, target.as_bytes()))
    }

    /// The request's fields, as the application may see them.
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let fields = self.call().fields();
        listed(py, &fields)
    }

    /// Whether a policy watches the body.
    #[getter]
    fn watches(&self) -> bool {
        self.call().watches()
    }

    /// Shows a piece of the body: what is left of it, and the answer that is given instead.
    /// Neither means that it goes on as it is.
    fn body<'py>(&self, py: Python<'py>, piece: &[u8], end: bool) -> PyResult<Shown<'py>> {
        let shown = self.call().body(piece, end);
        Ok(match shown {
            Ok(left) => (left.map(|left| PyBytes::new(py, &left)), None),
            Err(own) => (None, Some(answered(py, &own)?)),
        })
    }

    /// The fields of an application's answer, with the changes that policies want.
    fn edit<'py>(
        &self,
        py: Python<'py>,
        fields: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let fields = pairs(fields)?;
        let call = self.call();
        let mut headers = HeaderMap::with_capacity(fields.len() + 4);
        for (name, value) in &fields {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            let (Ok(field), Ok(said)) = (
                HeaderName::from_bytes(name),
                HeaderValue::from_bytes(value.trim_ascii()),
            ) else {
                let name = String::from_utf8_lossy(name);
                let message =
                    format!("the application's answer has a header that cannot be sent: {name:?}");
                return Err(Told::new("answer-malformed", message).into());
            };
            headers.append(field, said);
        }
        call.edit_answer(&mut headers);
        listed(py, &headers)
    }

    /// What was decided, for the log.
    fn account<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let account = self.call().account();
        let told = PyDict::new(py);
        let reason = account.reason;
        told.set_item("request_id", account.id)?;
        told.set_item("reason", reason.map(|reason| reason.code))?;
        told.set_item("policy", reason.map(|reason| reason.room))?;
        told.set_item("status", reason.map(|reason| reason.status))?;
        told.set_item(
            "place",
            account.place.map(|(file, line)| format!("{file}:{line}")),
        )?;
        told.set_item("method", account.method)?;
        told.set_item("host", account.host)?;
        told.set_item("path", account.path)?;
        told.set_item("api", account.api)?;
        told.set_item("client", account.client.to_string())?;
        told.set_item("credential", account.credential)?;
        told.set_item("owner", account.owner)?;
        Ok(told)
    }
}

fn answered<'py>(py: Python<'py>, own: &native::Own) -> PyResult<Bound<'py, PyTuple>> {
    let fields = listed(py, &own.headers)?;
    (own.status, fields, PyBytes::new(py, &own.body)).into_pyobject(py)
}

fn listed<'py>(py: Python<'py>, headers: &HeaderMap) -> PyResult<Bound<'py, PyList>> {
    let fields = PyList::empty(py);
    for (name, value) in headers {
        let name = PyBytes::new(py, name.as_str().as_bytes());
        fields.append((name, PyBytes::new(py, value.as_bytes())))?;
    }
    Ok(fields)
}
