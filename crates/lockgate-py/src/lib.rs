//! `lockgate._native`: the only crate that knows Python. No rules live here:
//! it turns Python's values into the crates' and their answers back.

mod engine;
mod error;
mod events;
mod gate;
mod geo;
mod inprocess;
mod keys;
mod replay;
mod rules;
mod session;
mod tls;
mod waf;

use std::collections::HashMap;

use lockgate_wire::coding::{Coding, Levels, Packer};
use mimalloc::MiMalloc;
use pyo3::prelude::*;
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Turns a value into Python's by way of JSON: never on the request path.
fn to_python<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(value).map_err(|cause| error::internal(&cause))?;
    py.import("json")?.call_method1("loads", (text,))
}

#[derive(Serialize)]
struct Place {
    name: &'static str,
    part: &'static str,
    phase: &'static str,
    policy: bool,
    why: &'static str,
}

#[derive(Serialize)]
struct Reason {
    code: &'static str,
    status: u16,
    title: &'static str,
    room: &'static str,
    fault: &'static str,
    advice: &'static str,
}

/// The pipeline's order, with the reason for each place.
#[pyfunction]
fn pipeline(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let places = lockgate_proxy::pipeline::ORDER.iter().map(|place| Place {
        name: place.name,
        part: place.part,
        phase: place.phase,
        policy: place.policy,
        why: place.why,
    });
    to_python(py, &places.collect::<Vec<_>>())
}

/// The names of the policies.
#[pyfunction]
fn policies() -> Vec<&'static str> {
    lockgate_policy::NAMES.to_vec()
}

/// Ways whose callers have these claims and no others, by their names.
#[pyfunction]
fn claims() -> HashMap<&'static str, Vec<&'static str>> {
    let rooms = lockgate_policy::CLAIMS.into_iter();
    rooms.map(|(room, names)| (room, names.to_vec())).collect()
}

/// Every reason that a gate can give.
#[pyfunction]
fn reasons(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let reasons = lockgate_proxy::reasons().into_iter().map(|reason| Reason {
        code: reason.code,
        status: reason.status,
        title: reason.title,
        room: reason.room,
        fault: reason.fault.as_str(),
        advice: reason.advice,
    });
    to_python(py, &reasons.collect::<Vec<_>>())
}

/// What the gate itself does with a header of this name; nothing to most.
#[pyfunction]
fn reserved_header(name: &str) -> Option<&'static str> {
    lockgate_wire::headers::reserved(name).map(lockgate_wire::headers::Reserved::as_str)
}

/// Why a text is no regular expression that can be used: a code, what is wrong, what to do.
#[pyfunction]
fn pattern_fault(text: &str) -> Option<(&'static str, String, &'static str)> {
    lockgate_policy::pattern::Pattern::new(text)
        .err()
        .map(|fault| (fault.code, fault.message, fault.advice))
}

/// Most bytes of memory that packing one answer takes, at this level of a coding.
#[pyfunction]
fn packing_memory(coding: &str, level: u32) -> Option<usize> {
    let coding = Coding::named(coding.as_bytes())?;
    let levels = Levels {
        gzip: level,
        br: level,
        zstd: level,
    };
    Some(Packer::most(coding, levels))
}

/// Bytes of an answer that are packed before others have a turn, at this level of a coding.
#[pyfunction]
fn packing_turn(coding: &str, level: u32) -> Option<usize> {
    let coding = Coding::named(coding.as_bytes())?;
    let levels = Levels {
        gzip: level,
        br: level,
        zstd: level,
    };
    Some(Packer::turn_of(coding, levels))
}

/// The JSON Schema of a bundle.
#[pyfunction]
fn bundle_schema() -> PyResult<String> {
    serde_json::to_string(&lockgate_proxy::bundle::schema())
        .map_err(|cause| error::internal(&cause))
}

/// Lockgate's core.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add(
        "LockgateError",
        module.py().get_type::<error::LockgateError>(),
    )?;
    module.add_class::<gate::Gate>()?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::Plugins>()?;
    module.add_class::<events::EventWriter>()?;
    module.add_class::<replay::Replay>()?;
    module.add_class::<inprocess::InProcess>()?;
    module.add_class::<inprocess::Call>()?;
    module.add_function(wrap_pyfunction!(pipeline, module)?)?;
    module.add_function(wrap_pyfunction!(policies, module)?)?;
    module.add_function(wrap_pyfunction!(claims, module)?)?;
    module.add_function(wrap_pyfunction!(reasons, module)?)?;
    module.add_function(wrap_pyfunction!(reserved_header, module)?)?;
    module.add_function(wrap_pyfunction!(pattern_fault, module)?)?;
    module.add_function(wrap_pyfunction!(packing_memory, module)?)?;
    module.add_function(wrap_pyfunction!(packing_turn, module)?)?;
    module.add_function(wrap_pyfunction!(bundle_schema, module)?)?;
    module.add_function(wrap_pyfunction!(engine::access, module)?)?;
    module.add_function(wrap_pyfunction!(engine::check_bundle, module)?)?;
    module.add_function(wrap_pyfunction!(events::event_schema, module)?)?;
    module.add_function(wrap_pyfunction!(events::read_events, module)?)?;
    module.add_function(wrap_pyfunction!(events::export_events, module)?)?;
    module.add_function(wrap_pyfunction!(events::last_events, module)?)?;
    module.add_function(wrap_pyfunction!(events::find_event, module)?)?;
    module.add_function(wrap_pyfunction!(events::events_durable_until, module)?)?;
    module.add_function(wrap_pyfunction!(keys::mint_key, module)?)?;
    module.add_function(wrap_pyfunction!(keys::key_digest, module)?)?;
    module.add_function(wrap_pyfunction!(keys::imported_key_digest, module)?)?;
    module.add_function(wrap_pyfunction!(keys::key_form, module)?)?;
    module.add_function(wrap_pyfunction!(keys::check_key_fact, module)?)?;
    module.add_function(wrap_pyfunction!(keys::check_app_fact, module)?)?;
    module.add_function(wrap_pyfunction!(keys::matches_scope, module)?)?;
    module.add_function(wrap_pyfunction!(keys::read_token, module)?)?;
    module.add_function(wrap_pyfunction!(session::seal_session, module)?)?;
    module.add_function(wrap_pyfunction!(session::open_session, module)?)?;
    module.add_function(wrap_pyfunction!(session::proved_at, module)?)?;
    module.add_function(wrap_pyfunction!(keys::read_key_set, module)?)?;
    module.add_function(wrap_pyfunction!(geo::check_geo, module)?)?;
    module.add_function(wrap_pyfunction!(keys::read_introspection, module)?)?;
    module.add_function(wrap_pyfunction!(rules::read_rules, module)?)?;
    module.add_function(wrap_pyfunction!(rules::rule_notices, module)?)?;
    module.add_function(wrap_pyfunction!(rules::wanted_rule_files, module)?)?;
    module.add_function(wrap_pyfunction!(rules::rule_language, module)?)?;
    module.add_function(wrap_pyfunction!(waf::waf_detectors, module)?)?;
    module.add_function(wrap_pyfunction!(waf::waf_rules, module)?)?;
    module.add_function(wrap_pyfunction!(waf::waf_leaves_alone, module)?)?;
    module.add_function(wrap_pyfunction!(tls::read_certificate, module)?)?;
    module.add_function(wrap_pyfunction!(tls::check_client_trust, module)?)?;
    module.add_function(wrap_pyfunction!(tls::client_refusal, module)?)?;
    Ok(())
}
