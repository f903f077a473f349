//! Versions of an API, each with its upstream, its document and its end.

use lockgate_policy::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Attached;

/// The versions of an API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// What says which version is asked for.
    pub by: VersionBy,
    /// The version of requests that name none; without one they are refused.
    pub default: Option<String>,
    /// The versions, in the order of the file; the order has no meaning.
    pub list: Vec<Version>,
    /// Where the configuration says them.
    pub span: Span,
}

/// What says which version is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VersionBy {
    /// The segment behind the API's prefix.
    Path {},
    /// This header.
    Header(String),
    /// This parameter of a media type in `Accept`, or else in `Content-Type`.
    MediaType(String),
    /// This parameter of the query.
    Query(String),
}

/// One version.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Its name, as requests say it.
    pub name: String,
    /// Name of its upstream; none for the API's own.
    pub upstream: Option<String>,
    /// The document whose operations it has.
    pub openapi: Option<Attached>,
    /// Since when it should not be used any more, milliseconds since the epoch.
    pub deprecated_ms: Option<u64>,
    /// From when on it is refused.
    pub sunset_ms: Option<u64>,
    /// When it is refused for a while, so that those who still use it notice.
    pub brownouts: Vec<Brownout>,
    /// Name of the version to use instead.
    pub successor: Option<String>,
    /// Where people read of its end: a URL.
    pub notice: Option<String>,
    /// Where the configuration says it.
    pub span: Span,
}

/// A while in which a version is refused, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Brownout {
    /// Its beginning.
    pub start_ms: u64,
    /// Its end.
    pub end_ms: u64,
}
