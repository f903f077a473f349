//! Limits of an API, put together as they are taken: those that stand in the
//! same place, and are enforced or observed alike, are one step.

use lockgate_policy::limits::{Config, Count, Limits, Penalty, Seed, MAX_TOGETHER};
use lockgate_policy::{ConfigError, Span};

use super::at;
use super::steps::Common;
use crate::bundle::{Api, Placed};
use crate::snapshot::{Policy, Step};

/// The steps of an API's limits; penalties first, since they are the cheapest.
pub(super) fn steps(index: usize, api: &Api, seed: Seed) -> (Vec<Step>, Vec<ConfigError>) {
    let (mut steps, mut errors) = (Vec::new(), Vec::new());
    let place =
        |number: usize, span: Span| at(format!("/apis/{index}/policies/limits/{number}"), span);
    let mut groups: Vec<Vec<(usize, &Placed<Config>)>> = Vec::new();
    for (number, placed) in api.policies.limits.iter().enumerate() {
        let place = place(number, placed.span);
        let twice = api.policies.limits[..number]
            .iter()
            .any(|other| other.config.name == placed.config.name);
        if twice {
            let message = format!("there are two limits `{}`", placed.config.name);
            errors.push(place(ConfigError::new("limit-repeated", "/name", message)));
        }
        if placed.config.count == Count::Failures {
            match Penalty::new(&placed.config, seed) {
                // Where nobody is asked who they are, nobody fails.
                Ok(_) if api.policies.authenticate.is_empty() => {}
                Ok(policy) => match Common::from(placed).step(Policy::Penalty(policy.into())) {
                    Ok(step) => steps.push(step),
                    Err(error) => errors.push(place(error)),
                },
                Err(error) => errors.push(place(error)),
            }
            continue;
        }
        match groups.iter_mut().find(|group| alike(group[0].1, placed)) {
            Some(group) if group.len() < MAX_TOGETHER => group.push((number, placed)),
            _ => groups.push(vec![(number, placed)]),
        }
    }
    for group in groups {
        let configs: Vec<(&Config, Span)> = group
            .iter()
            .map(|(_, placed)| (&placed.config, placed.span))
            .collect();
        let (first, placed) = group[0];
        let made = Limits::new(&configs, seed)
            .map_err(|(number, error)| {
                let (number, placed) = group.get(number).copied().unwrap_or((first, placed));
                place(number, placed.span)(error)
            })
            .and_then(|policy| {
                let step = Common::from(placed).step(Policy::Limits(policy));
                step.map_err(|error| place(first, placed.span)(error))
            });
        match made {
            Ok(step) => steps.push(step),
            Err(error) => errors.push(error),
        }
    }
    (steps, errors)
}

fn alike(one: &Placed<Config>, other: &Placed<Config>) -> bool {
    one.config.is_early() == other.config.is_early()
        && (one.mode, one.on_error, &one.waiver) == (other.mode, other.on_error, &other.waiver)
}
