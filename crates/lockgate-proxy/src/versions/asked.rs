//! What says which version is asked for. Where two readers could take it
//! differently, no version is: the request is refused.

use std::borrow::Cow;

use http::header::{HeaderName, ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use lockgate_policy::ConfigError;
use lockgate_wire::headers::look_alikes;
use lockgate_wire::query::{self, Found};

use super::Versions;
use crate::bundle::VersionBy;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// This version.
    Version {
        /// Its number.
        number: usize,
        /// Bytes of the path behind the API's prefix that say it; 0 for none.
        segment: usize,
    },
    /// None, and there is no default.
    Absent,
    /// One that there is not, or several at once.
    Unknown,
}

/// What says it.
#[derive(Debug)]
pub(super) enum By {
    Path,
    Header(HeaderName),
    MediaType(Box<str>),
    Query(Box<str>),
}

/// What was said.
enum Said<'a> {
    Nothing,
    Once(Cow<'a, str>),
    Differing,
}

impl By {
    pub(super) fn new(by: &VersionBy) -> Result<Self, ConfigError> {
        Ok(match by {
            VersionBy::Path {} => Self::Path,
            VersionBy::MediaType(name) => Self::MediaType(name.as_str().into()),
            VersionBy::Query(name) => Self::Query(name.as_str().into()),
            VersionBy::Header(name) => {
                Self::Header(HeaderName::try_from(name.as_str()).map_err(|_| {
                    let message = format!("`{name}` is not a header name");
                    ConfigError::new("not-a-header", "/by/header", message)
                })?)
            }
        })
    }

    pub(super) fn asked(
        &self,
        versions: &Versions,
        rest: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Asked {
        let default = versions
            .default
            .map_or(Asked::Absent, |number| Asked::Version {
                number,
                segment: 0,
            });
        let said = match self {
            Self::Path => return in_path(versions, rest, default),
            // What some servers take for the same name (RFC 3875 section 4.1.18) may say another version.
            Self::Header(name) if look_alikes(headers, name).next().is_some() => Said::Differing,
            Self::Header(name) => one(headers.get_all(name).iter().map(HeaderValue::to_str)),
            Self::MediaType(name) => match in_media_types(headers.get_all(ACCEPT).iter(), name) {
                Said::Nothing => in_media_types(headers.get_all(CONTENT_TYPE).iter(), name),
                said => said,
            },
            Self::Query(name) => match query::find(query, name) {
                Found::Absent => Said::Nothing,
                Found::Once(value) => Said::Once(value),
                Found::Ambiguous => Said::Differing,
            },
        };
        match said {
            Said::Nothing => default,
            Said::Differing => Asked::Unknown,
            Said::Once(name) => named(versions, &name).map_or(Asked::Unknown, |number| {
                Asked::Version { number, segment: 0 }
            }),
        }
    }

    /// The same thing in another version, where a URL tells the version.
    pub(super) fn url(
        &self,
        name: &str,
        successor: &str,
        path: &str,
        prefix: usize,
        query: Option<&str>,
    ) -> Option<String> {
        let mut query = query.map(str::to_owned);
        let path = match self {
            Self::Path => {
                let (before, rest) = path.split_at_checked(prefix)?;
                let after = rest.strip_prefix('/')?.strip_prefix(name)?;
                format!("{before}/{successor}{after}")
            }
            Self::Query(parameter) => {
                let pairs = query.as_deref().into_iter().flat_map(query::pairs);
                let renamed = pairs.map(|pair| {
                    if query::is_named(pair.name, parameter) {
                        format!("{}={successor}", pair.name)
                    } else {
                        pair.text.to_owned()
                    }
                });
                query = Some(renamed.collect::<Vec<_>>().join("&"));
                path.to_owned()
            }
            Self::Header(_) | Self::MediaType(_) => return None,
        };
        Some(match query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        })
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path => f.write_str("the path's first segment says the version"),
            Self::Header(name) => write!(f, "the header {name} says the version"),
            Self::MediaType(name) => {
                write!(
                    f,
                    "the parameter {name} of a media type in Accept says the version"
                )
            }
            Self::Query(name) => write!(f, "the parameter {name} of the query says the version"),
        }
    }
}

fn named(versions: &Versions, name: &str) -> Option<usize> {
    let mut list = versions.list.iter();
    list.position(|version| &*version.name == name)
}

/// The first segment. Without one of the known names it is the default's path,
/// unless it looks like a version: then it is one that there is not.
fn in_path(versions: &Versions, rest: &str, default: Asked) -> Asked {
    let segment = rest.strip_prefix('/').unwrap_or("");
    let segment = segment.split('/').next().unwrap_or("");
    match named(versions, segment) {
        Some(number) => Asked::Version {
            number,
            segment: segment.len() + 1,
        },
        None if default == Asked::Absent && !segment.is_empty() => Asked::Unknown,
        None if looks_like_version(segment) => Asked::Unknown,
        None => default,
    }
}

/// `v2`, `V2.1`.
fn looks_like_version(segment: &str) -> bool {
    let digits = segment.strip_prefix(['v', 'V']).unwrap_or("");
    digits.starts_with(|first: char| first.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// What several places say together.
fn one<'a, E>(values: impl Iterator<Item = Result<&'a str, E>>) -> Said<'a> {
    let mut said = Said::Nothing;
    for value in values {
        // Bytes that are no text name no version.
        let Ok(value) = value.map(str::trim) else {
            return Said::Differing;
        };
        said = match said {
            Said::Nothing => Said::Once(Cow::Borrowed(value)),
            Said::Once(first) if first == value => Said::Once(first),
            _ => return Said::Differing,
        };
    }
    said
}

/// The values of a parameter of media types (RFC 9110 section 8.3.1).
fn in_media_types<'a>(fields: impl Iterator<Item = &'a HeaderValue>, parameter: &str) -> Said<'a> {
    let ranges = fields.flat_map(|field| field.to_str().unwrap_or("").split(','));
    let parameters = ranges.flat_map(|range| range.split(';').skip(1));
    one(parameters.filter_map(|text| {
        let (name, value) = text.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case(parameter);
        named.then(|| Ok::<_, ()>(value.trim().trim_matches('"')))
    }))
}
