//! What is asked where addresses are, and that there is something to ask.

use lockgate_policy::geo::{Geo, Kind};
use lockgate_policy::headers::{self, Template};
use lockgate_policy::{ip_filter, ConfigError};

use super::{at, Surroundings};
use crate::bundle::Bundle;
use crate::geo;
use crate::snapshot::{Policy, Step};

/// The databases of a bundle.
pub(super) fn databases(
    bundle: &Bundle,
    around: &Surroundings<'_>,
    errors: &mut Vec<ConfigError>,
) -> Geo {
    let wanted = bundle.geo.as_ref();
    match around.tls {
        Some(source) => geo::read(wanted, source)
            .map_err(|mut wrong| errors.append(&mut wrong))
            .unwrap_or_default(),
        None => geo::offline(wanted, around.databases),
    }
}

/// Whether some step of an API wants to know where clients are.
pub(super) fn is_asked(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.policy {
        Policy::IpFilter(policy) => policy.wants_place(),
        Policy::Headers(policy) => policy.tells_country() || policy.tells_network(),
        Policy::Device(_) | Policy::Decide(_) => true,
        Policy::Risk(policy) => policy.wants_place(),
        _ => false,
    })
}

/// Whether a variable is in some value of `headers`.
fn tells(config: &headers::Config, kind: Kind) -> bool {
    let (name, asks): (_, fn(&Template) -> bool) = match kind {
        Kind::Countries => ("{country}", Template::tells_country),
        Kind::Networks => ("{network}", Template::tells_network),
    };
    let (request, response) = (&config.request, &config.response);
    let set = request.set.values().chain(response.set.values());
    let added = request.add.values().chain(response.add.values()).flatten();
    let mut named = set.chain(added).filter(|value| value.contains(name));
    named.any(|value| Template::parse(value).is_ok_and(|value| asks(&value)))
}

/// Rules that nothing could be asked for.
pub(super) fn unanswered(bundle: &Bundle, errors: &mut Vec<ConfigError>) {
    let said = bundle.geo.as_ref();
    let lacks = |kind| match kind {
        Kind::Countries => said.is_none_or(|geo| geo.countries.is_none()),
        Kind::Networks => said.is_none_or(|geo| geo.networks.is_none()),
    };
    let lacking: Vec<Kind> = [Kind::Countries, Kind::Networks]
        .into_iter()
        .filter(|kind| lacks(*kind))
        .collect();
    let mut add = |kind: Kind, pointer: String, span| {
        let name = kind.name();
        let message = format!("no database tells the {name} of addresses; name one by `geo: {{{name}: FILE.mmdb}}` at the top of the configuration");
        errors.push(at(pointer, span)(ConfigError::new(
            "geo-missing",
            "",
            message,
        )));
    };
    for (index, api) in bundle.apis.iter().enumerate() {
        let Some(placed) = &api.policies.headers else {
            continue;
        };
        for kind in &lacking {
            if tells(&placed.config, *kind) {
                let pointer = format!("/apis/{index}/policies/headers");
                add(*kind, pointer, placed.span);
            }
        }
    }
    let mut look = |config: &ip_filter::Config, pointer: &str, span| {
        for kind in &lacking {
            if let Some(rule) = config.geo.as_ref().and_then(|geo| geo.wants(*kind)) {
                add(*kind, format!("{pointer}/geo/{rule}"), span);
            }
        }
    };
    for (index, api) in bundle.apis.iter().enumerate() {
        if let Some(placed) = &api.policies.ip_filter {
            let pointer = format!("/apis/{index}/policies/ip_filter");
            look(&placed.config, &pointer, placed.span);
        }
    }
    for (index, listener) in bundle.listeners.iter().enumerate() {
        let entries = listener
            .tls
            .iter()
            .flat_map(|tls| tls.passthrough.iter().enumerate());
        for (number, entry) in entries {
            let pointer = format!("/listeners/{index}/tls/passthrough/{number}/ip_filter");
            look(&entry.ip_filter, &pointer, listener.span);
        }
    }
}

#[cfg(test)]
mod tests;
