//! What rules name by methods and paths, where no document says what an API has.

use std::collections::HashSet;

use lockgate_policy::only::{Meant, Only, PathPattern};
use lockgate_policy::RequestView;

use super::sample::{filled, SEGMENTS};
use super::Wanted;
use crate::bundle::{Api, PathMatch};

/// Methods of which one is tried that no rule names, for what else an API takes.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
/// What stands for a method that no rule names.
const ANY: &str = "*";

/// What rules name by methods and paths, and the rest.
pub(super) fn named<'b>(api: &'b Api) -> Vec<Wanted<'b>> {
    let policies = &api.policies;
    let scopes = policies
        .scopes
        .iter()
        .flat_map(|placed| &placed.config.opens);
    let roles = policies
        .roles
        .iter()
        .flat_map(|placed| &placed.config.opens);
    let onlys = scopes
        .flat_map(|opening| &opening.what)
        .chain(roles.flat_map(|opening| &opening.what))
        .chain(api.open.iter().map(|open| &open.only))
        .filter(|only| only.operations.is_empty());
    let onlys: Vec<&Only> = onlys.collect();
    let methods: HashSet<&str> = onlys
        .iter()
        .flat_map(|only| &only.methods)
        .map(String::as_str)
        .collect();
    let patterns: Vec<&PathPattern> = onlys.iter().flat_map(|only| &only.paths).collect();
    let takes =
        |method: &&str| api.methods.is_empty() || api.methods.iter().any(|one| one == method);
    let other = METHODS
        .into_iter()
        .find(|method| !methods.contains(method) && takes(method));
    let mut wanted: Vec<Wanted<'b>> = Vec::new();
    let mut seen = HashSet::new();
    let mut add = |method: &str, path: String, rest: bool, tries: Vec<String>| {
        let Some(sent) = (if method == ANY { other } else { Some(method) }) else {
            return;
        };
        if seen.insert((method.to_owned(), path.clone())) {
            let tries = tries.into_iter().map(|path| (sent.to_owned(), path));
            wanted.push(Wanted {
                version: None,
                operation: None,
                method: method.to_owned(),
                path,
                rest,
                tries: tries.collect(),
            });
        }
    };
    let any = [ANY.to_owned()];
    for only in &onlys {
        let methods = if only.methods.is_empty() {
            &any[..]
        } else {
            &only.methods
        };
        for method in methods {
            for pattern in &only.paths {
                add(method, shown(pattern), false, samples(pattern, &patterns));
            }
            for path in api.paths.iter().filter(|_| only.paths.is_empty()) {
                add(
                    method,
                    path.pattern(),
                    method == ANY,
                    whole(path, &patterns),
                );
            }
        }
    }
    for path in &api.paths {
        add(ANY, path.pattern(), true, whole(path, &patterns));
    }
    wanted.sort_by_key(|one| one.rest);
    wanted
}

/// Paths of what an API answers to; none where an expression says it.
fn whole(path: &PathMatch, patterns: &[&PathPattern]) -> Vec<String> {
    match path {
        PathMatch::Exact(path) => vec![path.clone()],
        PathMatch::Template(path) => SEGMENTS.iter().map(|one| filled(path, one)).collect(),
        PathMatch::Prefix(path) => samples(&PathPattern::Prefix(path.clone()), patterns),
        PathMatch::Regex(_) => Vec::new(),
    }
}

fn shown(pattern: &PathPattern) -> String {
    match pattern {
        PathPattern::Exact(path) | PathPattern::Template(path) => path.clone(),
        PathPattern::Prefix(path) => format!("{}/*", path.trim_end_matches('/')),
    }
}

/// Paths that a pattern means, those first that no other does.
fn samples(pattern: &PathPattern, others: &[&PathPattern]) -> Vec<String> {
    let mut paths: Vec<String> = match pattern {
        PathPattern::Exact(path) => vec![path.clone()],
        PathPattern::Template(path) => SEGMENTS.iter().map(|one| filled(path, one)).collect(),
        PathPattern::Prefix(path) => {
            let path = path.trim_end_matches('/');
            let more = ["", "/any", "/any/part", "/any/part/of/it"].iter();
            more.map(|more| format!("{path}{more}"))
                .map(|path| {
                    if path.is_empty() {
                        "/".to_owned()
                    } else {
                        path
                    }
                })
                .collect()
        }
    };
    let others = others.iter().filter(|other| **other != pattern);
    let others: Vec<Meant> = others.filter_map(|other| meant(other)).collect();
    paths.sort_by_key(|path| {
        others
            .iter()
            .filter(|other| other.hold(&view(path)))
            .count()
    });
    paths
}

fn meant(pattern: &PathPattern) -> Option<Meant> {
    let only = Only {
        paths: vec![pattern.clone()],
        ..Only::default()
    };
    Meant::new(&only).ok()
}

/// A request of which nothing but its path matters.
fn view(path: &str) -> RequestView<'_> {
    static HEADERS: std::sync::LazyLock<http::HeaderMap> =
        std::sync::LazyLock::new(http::HeaderMap::new);
    RequestView {
        method: &http::Method::GET,
        host: "",
        path,
        query: None,
        headers: &HEADERS,
        content_length: None,
        api: "",
        operation: None,
        readings: &[],
    }
}
