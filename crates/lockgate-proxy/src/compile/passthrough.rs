//! Names that are carried on unread: to upstreams that take nothing else, and that
//! nothing else goes to.

use std::collections::HashSet;
use std::sync::Arc;

use lockgate_policy::ip_filter::IpFilter;
use lockgate_policy::ConfigError;

use super::at;
use super::upstreams::is_raw;
use crate::bundle::{Api, Bundle, Tls, Upstream};
use crate::snapshot::{CompiledUpstream, Passthrough};

/// Entries of one listener, and hosts of one of them; a lookup is one of a few hashes whatever there is.
const MAX_ENTRIES: usize = 1_000;

/// Where the names of a listener go. Upstreams that could not be compiled were told of already.
pub(super) fn entries(
    tls: Option<&Tls>,
    (said, compiled): (&[Upstream], &[Arc<CompiledUpstream>]),
) -> Result<Box<[Passthrough]>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut made = Vec::new();
    let mut taken = HashSet::new();
    let entries = tls.map_or(&[][..], |tls| &tls.passthrough);
    if entries.len() > MAX_ENTRIES {
        let message = format!("{} entries are more than {MAX_ENTRIES}", entries.len());
        let place = "/tls/passthrough";
        return Err(vec![ConfigError::new(
            "passthrough-malformed",
            place,
            message,
        )]);
    }
    for (number, entry) in entries.iter().enumerate() {
        let mut add = |code, place: &str, message: String| {
            let pointer = format!("/tls/passthrough/{number}{place}");
            errors.push(ConfigError::new(code, pointer, message));
        };
        if entry.hosts.is_empty() || entry.hosts.len() > MAX_ENTRIES || entry.idle_ms == 0 {
            let message = format!(
                "an entry has 1 to {MAX_ENTRIES} hosts, and a time for which nothing may pass"
            );
            add("passthrough-malformed", "", message);
        }
        for (place, host) in entry.hosts.iter().enumerate() {
            let place = format!("/hosts/{place}");
            let name = host.strip_prefix("*.").unwrap_or(host);
            if name.is_empty() || name.contains('*') || name.parse::<std::net::IpAddr>().is_ok() {
                let message = format!("`{host}` is no name that a client could ask for");
                add("passthrough-malformed", &place, message);
            } else if !taken.insert(host.to_ascii_lowercase()) {
                let message = format!("`{host}` is carried on already");
                add("passthrough-twice", &place, message);
            }
        }
        let addresses = IpFilter::new(&entry.ip_filter).map_err(|error| {
            let place = format!("/ip_filter{}", error.pointer);
            add(error.code, &place, error.message);
        });
        let wanted = said.iter().find(|upstream| upstream.name == entry.upstream);
        let there = compiled.iter().find(|one| *one.name == *entry.upstream);
        match (wanted, there) {
            (None, _) => {
                let message = format!("there is no upstream `{}`", entry.upstream);
                add("no-upstream", "/upstream", message);
            }
            (_, Some(upstream)) if !upstream.raw => {
                let message = format!(
                    "requests go to the upstream `{}`; what is carried on unread wants targets that begin with tcp://",
                    entry.upstream
                );
                add("passthrough-not-tcp", "/upstream", message);
            }
            (_, Some(upstream)) => made.extend(addresses.map(|addresses| Passthrough {
                upstream: Arc::clone(upstream),
                idle_ms: entry.idle_ms,
                addresses: Arc::new(addresses),
            })),
            (Some(_), None) => {}
        }
    }
    if errors.is_empty() {
        Ok(made.into())
    } else {
        Err(errors)
    }
}

/// Requests that would go to an upstream that takes none.
pub(super) fn misled(bundle: &Bundle) -> Vec<ConfigError> {
    let raw: HashSet<&str> = bundle
        .upstreams
        .iter()
        .filter(|upstream| is_raw(upstream))
        .map(|upstream| upstream.name.as_str())
        .collect();
    if raw.is_empty() {
        return Vec::new();
    }
    let apis = bundle.apis.iter().enumerate();
    apis.flat_map(|(index, api)| {
        let at = at(format!("/apis/{index}"), api.span);
        let wrong = goes_to(api).filter(|(_, name)| raw.contains(name));
        let told = wrong.map(move |(place, name)| {
            let message = format!(
                "the upstream `{name}` takes connections that are carried on unread (tcp://), and no requests"
            );
            at(ConfigError::new("upstream-takes-no-requests", place, message))
        });
        told.collect::<Vec<_>>()
    })
    .collect()
}

/// Every upstream that an API names, and where.
fn goes_to(api: &Api) -> impl Iterator<Item = (String, &str)> {
    let alone = api
        .upstream
        .iter()
        .map(|name| ("/upstream".to_owned(), name.as_str()));
    let split = api
        .split
        .iter()
        .flat_map(|split| split.to.iter().enumerate());
    let split = split.map(|(number, share)| {
        let place = format!("/split/to/{number}/upstream");
        (place, share.upstream.as_str())
    });
    let mirror = api.mirror.iter();
    let mirror = mirror.map(|mirror| ("/mirror/upstream".to_owned(), mirror.upstream.as_str()));
    let versions = api
        .versions
        .iter()
        .flat_map(|versions| versions.list.iter().enumerate());
    let versions = versions.filter_map(|(number, version)| {
        let name = version.upstream.as_deref()?;
        Some((format!("/versions/list/{number}/upstream"), name))
    });
    alone.chain(split).chain(mirror).chain(versions)
}

#[cfg(test)]
mod tests;
