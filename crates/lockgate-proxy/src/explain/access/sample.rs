//! A request that comes to a part of an API, made up from its configuration.

use lockgate_policy::conditions::{Part, Test};
use serde::Serialize;

use crate::bundle::{Api, PathMatch, VersionBy};

/// What stands for `{id}` and its like: where the document has the one as a path of its own, the next.
pub(super) const SEGMENTS: [&str; 2] = ["1", "any"];

/// A request that nobody made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Where it arrives.
    pub listener: Option<String>,
}

/// A request with this method for a path of an API, or of a version of it. There is none where a
/// condition is an expression: what that takes, a person knows.
pub(super) fn sample(api: &Api, version: Option<&str>, method: &str, path: &str) -> Option<Sample> {
    let mut query = Vec::new();
    let mut cookies = Vec::new();
    let mut headers = vec![("Host".to_owned(), host(api))];
    for condition in &api.conditions {
        let value = match &condition.test {
            Test::Present(false) => continue,
            Test::Present(true) => "1",
            Test::Exact(value) => value,
            Test::Regex(_) => return None,
        };
        let name = condition.name.as_str();
        match condition.part {
            Part::Header => headers.push((name.to_owned(), value.to_owned())),
            Part::Cookie => cookies.push(format!("{name}={value}")),
            Part::Query => query.push(format!("{}={}", encoded(name), encoded(value))),
        }
    }
    let by = api.versions.as_ref().map(|versions| &versions.by);
    match (by, version) {
        (Some(VersionBy::Header(name)), Some(version)) => {
            headers.push((name.clone(), version.to_owned()));
        }
        (Some(VersionBy::MediaType(name)), Some(version)) => {
            let accepted = format!("application/json;{name}={version}");
            headers.push(("Accept".to_owned(), accepted));
        }
        (Some(VersionBy::Query(name)), Some(version)) => {
            query.push(format!("{}={}", encoded(name), encoded(version)));
        }
        _ => {}
    }
    if !cookies.is_empty() {
        headers.push(("Cookie".to_owned(), cookies.join("; ")));
    }
    let more = if query.is_empty() { "" } else { "?" };
    Some(Sample {
        method: method.to_owned(),
        target: format!("{path}{more}{}", query.join("&")),
        headers,
        listener: None,
    })
}

/// Paths at which an operation may be of an API, as templates: below what the API answers to, or
/// whole, as its document has it.
pub(super) fn places(api: &Api, version: Option<&str>, below: &str) -> Vec<String> {
    let versions = api.versions.as_ref();
    let in_path = versions.is_some_and(|versions| matches!(versions.by, VersionBy::Path {}));
    let segment = version.filter(|_| in_path);
    let segment = segment.map_or_else(String::new, |name| format!("/{name}"));
    let mut places = Vec::new();
    for path in &api.paths {
        if let PathMatch::Prefix(prefix) = path {
            let prefix = prefix.trim_end_matches('/');
            places.push(format!("{prefix}{segment}{below}"));
            places.push(format!("{prefix}{below}"));
        }
    }
    places.push(below.to_owned());
    places
}

/// A path of the template: `/orders/1` of `/orders/{id}`.
pub(super) fn filled(template: &str, segment: &str) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str(segment);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    path + rest
}

fn host(api: &Api) -> String {
    match api.hosts.first().map(String::as_str) {
        None | Some("*") => "localhost".to_owned(),
        Some(host) => match host.strip_prefix('*') {
            Some(below) => format!("any{below}"),
            None => host.to_owned(),
        },
    }
}

/// A name or value of a query (RFC 3986 section 2.1).
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
