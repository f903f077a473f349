//! OpenAPI documents, as the control process has read them: references
//! resolved, and of each operation what a gate needs.

use lockgate_policy::scopes::Security;
use lockgate_policy::{Mode, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A document, as it applies to the APIs that name it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiDocument {
    /// What stands before its paths in what an API gets; `""` for nothing.
    pub bases: Vec<String>,
    /// What its operations demand; each counts into this list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<Security>,
    /// Its operations, in the document's order.
    pub operations: Vec<Operation>,
    /// Where it begins.
    pub span: Span,
}

/// One operation of a document.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its `operationId`, or `GET /path` where it has none.
    pub name: String,
    /// Upper-case.
    pub method: String,
    /// The path template, as the document says it.
    pub path: String,
    /// Bases of its own `servers`, in place of the document's.
    pub bases: Option<Vec<String>>,
    /// Index into the document's `security`; none where it demands nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<u32>,
    /// Where the document says it.
    pub span: Span,
}

/// A document that an API, or a version of one, is held to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// Index into the bundle's `documents`.
    pub document: u32,
    /// Whether what the document does not know is refused.
    pub mode: Mode,
    /// Where the configuration names the document.
    pub span: Span,
}
