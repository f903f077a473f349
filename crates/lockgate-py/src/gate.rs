//! The gate, in a small Python host.

use std::collections::BTreeMap;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lockgate_policy::broker::Goods;
use lockgate_policy::Digest;
use lockgate_proxy::broker;
use lockgate_proxy::gate::{self as native, Account, Handed, ListeningSocket};
use lockgate_proxy::introspections::Told;
use lockgate_proxy::ocsp::Standing;
use pyo3::prelude::*;
use serde::Serialize;

use crate::error;
use crate::to_python;

/// A gate: native threads that serve, and what they are told.
#[pyclass(frozen)]
pub struct Gate {
    gate: native::Gate,
}

/// A listener's address, the one that it really has, and its descriptors.
type Sockets = (String, String, Vec<i32>);

/// What an answer is told by, the rules for clients that hold, and what the client showed, DER.
type Question = (String, String, Vec<Vec<u8>>);

/// What an answer is told by, whom to ask, and about which token.
type Asked = (String, String, String, Option<String>);

#[derive(Serialize)]
struct Bundle {
    sequence: u64,
    hash: String,
}

#[pymethods]
impl Gate {
    #[new]
    // Keyword arguments, none of which could be taken for another.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (*, state_dir, pepper, public_key, workers = None, sockets = Vec::new(), plugin_command = Vec::new(), closed = false))]
    fn new(
        py: Python<'_>,
        state_dir: PathBuf,
        pepper: Vec<u8>,
        public_key: Vec<u8>,
        workers: Option<usize>,
        sockets: Vec<Sockets>,
        plugin_command: Vec<String>,
        closed: bool,
    ) -> PyResult<Self> {
        let handed = sockets.into_iter().map(received).collect::<PyResult<_>>()?;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = workers.unwrap_or_else(cores).clamp(1, 1024);
        let settings = native::Settings {
            state_dir,
            pepper,
            public_key,
            workers,
            handed,
            accounts: Arc::new(number_of),
            plugin_command,
            closed,
        };
        let gate = py
            .detach(|| native::Gate::start(settings))
            .map_err(error::Told::from)?;
        Ok(Self { gate })
    }

    fn load<'py>(&self, py: Python<'py>, signed: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let loaded = py
            .detach(|| self.gate.load(signed))
            .map_err(error::Told::from)?;
        to_python(py, &loaded)
    }

    fn let_in(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(py
            .detach(|| self.gate.let_in())
            .map_err(error::Told::from)?)
    }

    fn apply_facts(&self, py: Python<'_>, facts: Vec<Vec<u8>>) -> PyResult<u64> {
        let applied = py.detach(|| self.gate.apply_facts(&facts));
        Ok(applied.map_err(|error| error::Told::new("fact-refused", error.to_string()))?)
    }

    fn renew_secrets(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(py
            .detach(|| self.gate.renew_secrets())
            .map_err(error::Told::from)?)
    }

    fn put_certificates(&self, py: Python<'_>, text: &[u8]) -> PyResult<()> {
        Ok(py
            .detach(|| self.gate.put_certificates(text))
            .map_err(error::Told::from)?)
    }

    fn secure_listeners(&self) -> Vec<String> {
        self.gate.secure_listeners()
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

    fn key_uses(&self, py: Python<'_>, most: usize) -> Vec<(String, u64, bool)> {
        let uses = py.detach(|| self.gate.key_uses(most)).into_iter();
        uses.map(|used| (used.id.to_string(), used.at_ms, used.previous))
            .collect()
    }

    fn wishes(&self) -> Vec<String> {
        self.gate.wishes()
    }

    fn wishes_fd(&self) -> i32 {
        self.gate.wishes_bell()
    }

    fn refetched(&self, issuer: &str) {
        self.gate.refetched(issuer);
    }

    fn questions(&self) -> Vec<Question> {
        let open = self.gate.questions().into_iter();
        let told = open.map(|question| {
            let chain = question.chain.iter().map(|each| each.to_vec()).collect();
            let rules = question.rules.to_string();
            (Digest(question.key).to_hex(), rules, chain)
        });
        told.collect()
    }

    fn questions_fd(&self) -> i32 {
        self.gate.questions_bell()
    }

    fn answered(&self, question: &str, standing: &str, again_ms: u64, holds_ms: u64) -> bool {
        let standing = match standing {
            "good" => Standing::Good,
            "revoked" => Standing::Revoked,
            "unknown" => Standing::Unknown,
            "refused" => Standing::Refused,
            _ => return false,
        };
        let Some(key) = Digest::from_hex(question) else {
            return false;
        };
        let [again, holds] = [again_ms, holds_ms].map(Duration::from_millis);
        self.gate.answered(&key.0, standing, again, holds);
        true
    }

    fn introspections(&self) -> Vec<Asked> {
        let open = self.gate.introspections().into_iter();
        let told = open.map(|question| {
            let issuer = question.issuer.to_string();
            let token = String::from_utf8_lossy(&question.token).into_owned();
            let source = question.source.map(|address| address.to_string());
            (Digest(question.mark).to_hex(), issuer, token, source)
        });
        told.collect()
    }

    fn orders(&self) -> Vec<(String, &'static str, String, String, String)> {
        let open = self.gate.orders().into_iter();
        let told = open.map(|order| {
            let shown = String::from_utf8_lossy(&order.shown).into_owned();
            let mark = Digest(order.mark).to_hex();
            let (about, of) = (order.about.to_string(), order.of.to_string());
            (mark, order.goods.word(), about, of, shown)
        });
        told.collect()
    }

    fn orders_fd(&self) -> i32 {
        self.gate.orders_bell()
    }

    #[pyo3(signature = (order, goods, about, outcome, *, got = None, until_ms = 0, retry_s = 1))]
    #[allow(clippy::too_many_arguments)] // As Python calls it, by name.
    fn brought(
        &self,
        order: &str,
        goods: &str,
        about: &str,
        outcome: &str,
        got: Option<String>,
        until_ms: u64,
        retry_s: u32,
    ) -> bool {
        let told = match (outcome, got) {
            ("got", Some(got)) => broker::Told::Got(got, until_ms),
            ("refused", None) => broker::Told::Refused,
            ("unavailable", None) => broker::Told::Unavailable(retry_s),
            ("busy", None) => broker::Told::Busy,
            _ => return false,
        };
        let goods = Goods::ALL.into_iter().find(|one| one.word() == goods);
        let (Some(mark), Some(goods)) = (Digest::from_hex(order), goods) else {
            return false;
        };
        self.gate.brought((goods, about), &mark.0, told);
        true
    }

    fn introspections_fd(&self) -> i32 {
        self.gate.introspections_bell()
    }

    #[pyo3(signature = (question, issuer, outcome, *, answer = None, retry_s = 1))]
    fn introspected(
        &self,
        question: &str,
        issuer: &str,
        outcome: &str,
        answer: Option<&str>,
        retry_s: u32,
    ) -> bool {
        let told = match (outcome, answer) {
            ("answered", Some(answer)) => Told::Answer(answer.as_bytes().to_vec()),
            ("unavailable", None) => Told::Unavailable(retry_s),
            ("busy", None) => Told::Busy,
            _ => return false,
        };
        let Some(mark) = Digest::from_hex(question) else {
            return false;
        };
        self.gate.introspected(issuer, &mark.0, told);
        true
    }

    fn linked(&self) {
        self.gate.linked();
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

    fn sockets(&self) -> PyResult<Vec<Sockets>> {
        let handed = self.gate.sockets().map_err(error::Told::from)?;
        Ok(handed.into_iter().map(given).collect())
    }

    fn release(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py
            .detach(|| self.gate.release())
            .map_err(error::Told::from)?)
    }

    fn reclaim(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py
            .detach(|| self.gate.reclaim())
            .map_err(error::Told::from)?)
    }

    fn retire(&self, py: Python<'_>, rest_s: f64, timeout_s: f64) -> PyResult<bool> {
        let (rest, within) = (seconds(rest_s)?, seconds(timeout_s)?);
        Ok(py.detach(|| self.gate.retire(rest, within)))
    }

    fn adopt(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(py.detach(|| self.gate.adopt()).map_err(error::Told::from)?)
    }

    fn drain(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let within = seconds(timeout_s)?;
        Ok(py.detach(|| self.gate.drain(within)))
    }
}

fn seconds(number: f64) -> Result<Duration, error::Told> {
    Duration::try_from_secs_f64(number).map_err(|_| {
        error::Told::new(
            "timeout-malformed",
            "a timeout is a number of seconds, 0 or more",
        )
    })
}

/// The number of a user or group, as this machine's own library knows it: also of
/// those that no file has.
fn number_of(account: Account, name: &str) -> Option<u32> {
    let (module, ask, field) = match account {
        Account::User => ("pwd", "getpwnam", "pw_uid"),
        Account::Group => ("grp", "getgrnam", "gr_gid"),
    };
    Python::attach(|py| {
        let found = py.import(module)?.call_method1(ask, (name,))?;
        found.getattr(field)?.extract()
    })
    .ok()
}

/// Descriptors that came from another process become sockets of this one.
fn received((address, bound, descriptors): Sockets) -> PyResult<Handed> {
    let read = |text: &str| {
        text.parse()
            .map_err(|why: String| error::Told::new("socket-malformed", why))
    };
    let owned = descriptors.into_iter().map(|descriptor| {
        // SAFETY: the host received the descriptor over a Unix socket for this
        // gate alone and gives it away with this call: nobody else closes it.
        unsafe { OwnedFd::from_raw_fd(descriptor) }
    });
    let (mut sockets, mut datagrams) = (Vec::new(), Vec::new());
    for descriptor in owned.collect::<Vec<OwnedFd>>() {
        match native::is_datagram(&descriptor)? {
            true => datagrams.push(descriptor.into()),
            false => sockets.push(ListeningSocket::try_from(descriptor)?),
        }
    }
    Ok(Handed {
        address: read(&address)?,
        bound: read(&bound)?,
        sockets,
        datagrams,
    })
}

/// Descriptors for the host to send; it closes them.
fn given(handed: Handed) -> Sockets {
    // Which is which, a socket says itself.
    let descriptors = handed
        .sockets
        .into_iter()
        .map(|socket| OwnedFd::from(socket).into_raw_fd())
        .chain(handed.datagrams.into_iter().map(IntoRawFd::into_raw_fd));
    (
        handed.address.to_string(),
        handed.bound.to_string(),
        descriptors.collect(),
    )
}
