//! The versions of an API: which one a request asks for, and whether it is
//! still served.

mod asked;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::header::{HeaderName, HeaderValue, LINK, RETRY_AFTER};
use http::HeaderMap;
use lockgate_policy::{ConfigError, Denial, Edit, Span};

pub use self::asked::Asked;
use self::asked::By;
use crate::bundle::{self, Brownout};
use crate::reasons;
use crate::snapshot::Document;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The versions of an API.
#[derive(Debug)]
pub struct Versions {
    by: By,
    default: Option<usize>,
    list: Box<[Version]>,
    /// Where the configuration says them.
    pub span: Span,
}

/// One version.
#[derive(Debug)]
pub struct Version {
    /// Its name.
    pub name: Arc<str>,
    /// Index into the snapshot's upstreams; none for the API's own.
    pub upstream: Option<usize>,
    /// The document whose operations it has.
    pub openapi: Option<Document>,
    /// What every answer says of its end; empty for one that stays.
    pub answer_edits: Vec<Edit>,
    /// Since when it should not be used, milliseconds since the epoch.
    pub deprecated_ms: Option<u64>,
    /// From when on it is refused.
    pub sunset_ms: Option<u64>,
    /// Where the configuration says it.
    pub span: Span,
    brownouts: Vec<Brownout>,
    successor: Option<usize>,
}

impl Versions {
    /// Compiles versions; `upstream` finds one by its name, `attach` a document.
    ///
    /// # Errors
    /// Where they make no sense; pointers are relative to `versions`.
    pub fn new(
        config: &bundle::Versions,
        upstream: impl Fn(&str) -> Option<usize>,
        mut attach: impl FnMut(&bundle::Attached) -> Result<Document, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let names: HashMap<&str, usize> = config
            .list
            .iter()
            .enumerate()
            .map(|(index, version)| (version.name.as_str(), index))
            .collect();
        let known = |name: &Option<String>, pointer: String| match name {
            None => Ok(None),
            Some(name) => names.get(name.as_str()).copied().map(Some).ok_or_else(|| {
                let message = format!("there is no version `{name}`");
                ConfigError::new("version-unknown", pointer, message)
            }),
        };
        if config.list.is_empty() || names.len() != config.list.len() {
            let message = "versions are at least one, each with a name of its own";
            return Err(ConfigError::new("versions-malformed", "/list", message));
        }
        let mut list = Vec::with_capacity(config.list.len());
        for (place, version) in config.list.iter().enumerate() {
            let at = |below: &str| format!("/list/{place}/{below}");
            let to = match &version.upstream {
                None => None,
                Some(name) => Some(upstream(name).ok_or_else(|| {
                    let message = format!("there is no upstream `{name}`");
                    ConfigError::new("no-upstream", at("upstream"), message)
                })?),
            };
            list.push(Version {
                name: version.name.as_str().into(),
                upstream: to,
                openapi: version.openapi.as_ref().map(&mut attach).transpose()?,
                answer_edits: told(version).ok_or_else(|| wrong_notice(version, at("notice")))?,
                deprecated_ms: version.deprecated_ms,
                sunset_ms: version.sunset_ms,
                span: version.span,
                brownouts: version.brownouts.clone(),
                successor: known(&version.successor, at("successor"))?,
            });
        }
        Ok(Self {
            by: By::new(&config.by)?,
            default: known(&config.default, "/default".to_owned())?,
            list: list.into(),
            span: config.span,
        })
    }

    /// The version with this number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Version> {
        self.list.get(number)
    }

    /// Finds the version that a request asks for. `rest` is the path behind the
    /// API's prefix, in the form that is matched.
    #[must_use]
    pub fn asked(&self, rest: &str, query: Option<&str>, headers: &HeaderMap) -> Asked {
        self.by.asked(self, rest, query, headers)
    }

    /// Whether a request for `asked` is served at `now_ms`.
    ///
    /// # Errors
    /// Why not.
    pub fn serve(&self, asked: Asked, now_ms: u64) -> Result<(), Denial> {
        let version = match asked {
            Asked::Version { number, .. } => self.get(number),
            Asked::Absent => {
                let detail = format!("{}; the versions are {}", self.by, self.names());
                return Err(Denial::new(&reasons::VERSION_MISSING).detail(detail));
            }
            Asked::Unknown => None,
        };
        let Some(version) = version else {
            let detail = format!("the versions are {}", self.names());
            return Err(Denial::new(&reasons::VERSION_UNKNOWN).detail(detail));
        };
        if version.sunset_ms.is_some_and(|sunset| now_ms >= sunset) {
            return Err(self.ended(version, Denial::new(&reasons::VERSION_SUNSET)));
        }
        let mut brownouts = version.brownouts.iter();
        match brownouts.find(|one| (one.start_ms..one.end_ms).contains(&now_ms)) {
            None => Ok(()),
            Some(one) => {
                let seconds = (one.end_ms - now_ms).div_ceil(1000);
                let denial = Denial::new(&reasons::VERSION_BROWNOUT);
                let denial = denial.header(RETRY_AFTER, HeaderValue::from(seconds));
                Err(self.ended(version, denial))
            }
        }
    }

    /// The link to the same thing in the version that follows, where a URL tells it.
    #[must_use]
    pub fn successor(
        &self,
        number: usize,
        path: &str,
        prefix: usize,
        query: Option<&str>,
    ) -> Option<Edit> {
        let version = self.get(number)?;
        let successor = self.get(version.successor?)?;
        let url = self
            .by
            .url(&version.name, &successor.name, path, prefix, query)?;
        let link = format!("<{url}>; rel=\"successor-version\"");
        Some(Edit::Add(LINK, HeaderValue::try_from(link).ok()?))
    }

    fn ended(&self, version: &Version, denial: Denial) -> Denial {
        match version.successor.and_then(|number| self.get(number)) {
            Some(successor) => denial.detail(format!("use version {}", successor.name)),
            None => denial,
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.list.iter().map(|version| &*version.name).collect();
        names.join(", ")
    }
}

/// What every answer of a version says of its end (RFC 9745, RFC 8594).
fn told(version: &bundle::Version) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    if let Some(since) = version.deprecated_ms {
        let value = HeaderValue::try_from(format!("@{}", since / 1000)).ok()?;
        edits.push(Edit::Set(DEPRECATION, value));
    }
    if let Some(sunset) = version.sunset_ms {
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(sunset));
        edits.push(Edit::Set(SUNSET, HeaderValue::try_from(date).ok()?));
    }
    if let Some(notice) = version.notice.as_ref().filter(|_| !edits.is_empty()) {
        let rel = if version.deprecated_ms.is_some() {
            "deprecation"
        } else {
            "sunset"
        };
        let link = format!("<{notice}>; rel=\"{rel}\"; type=\"text/html\"");
        edits.push(Edit::Add(LINK, HeaderValue::try_from(link).ok()?));
    }
    Some(edits)
}

fn wrong_notice(version: &bundle::Version, pointer: String) -> ConfigError {
    let notice = version.notice.as_deref().unwrap_or("");
    let message = format!("`{notice}` cannot stand in a header; write a URL");
    ConfigError::new("not-a-url", pointer, message)
}

#[cfg(test)]
mod tests;
