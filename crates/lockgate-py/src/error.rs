//! The one error that crosses the border, and the one place where it is made.

use lockgate_policy::{ConfigError, Span};
use lockgate_proxy::gate::GateError;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

pyo3::create_exception!(
    lockgate._native,
    LockgateError,
    PyException,
    "What the core refused: `code` (stable, kebab-case), `path` (JSON Pointer or None), \
     `span` ((file, line, column) or None), `cause` (text or None)."
);

/// What Python is told of an error.
pub struct Told {
    code: &'static str,
    message: String,
    path: Option<String>,
    span: Option<Span>,
    cause: Option<String>,
}

impl Told {
    /// An error with a stable code and a sentence for people.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            path: None,
            span: None,
            cause: None,
        }
    }
}

impl From<GateError> for Told {
    fn from(error: GateError) -> Self {
        let mut told = Self::new(error.code(), error.to_string());
        if let GateError::Config(errors) = &error {
            if let Some(ConfigError { pointer, span, .. }) = errors.first() {
                told.path = Some(pointer.clone());
                told.span = *span;
            }
            told.cause = Some(
                errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n"),
            );
        }
        told
    }
}

impl From<Told> for PyErr {
    fn from(told: Told) -> Self {
        let error = LockgateError::new_err(told.message);
        Python::attach(|py| {
            let value = error.value(py);
            let span = told.span.map(|span| (span.file, span.line, span.column));
            let set = value
                .setattr("code", told.code)
                .and_then(|()| value.setattr("path", told.path))
                .and_then(|()| value.setattr("span", span))
                .and_then(|()| value.setattr("cause", told.cause));
            match set {
                Ok(()) => error.clone_ref(py),
                Err(failed) => failed,
            }
        })
    }
}

/// A defect of the core itself.
pub fn internal(cause: &dyn std::fmt::Display) -> PyErr {
    Told::new(
        "internal",
        format!("the core failed, please report it: {cause}"),
    )
    .into()
}
