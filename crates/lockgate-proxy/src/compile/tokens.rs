//! Issuers, and the policies that take their tokens.

use std::collections::HashMap;
use std::sync::Arc;

use lockgate_policy::basic::{self, Basic};
use lockgate_policy::introspection::{self, Introspection};
use lockgate_policy::jwt::{self, Issuer, Jwt, KeySource};
use lockgate_policy::ConfigError;

use super::{at, keep, Surroundings};
use crate::bundle::{self, Api, Authenticator, Placed};
use crate::snapshot::Policy;

/// Issuers by name.
pub(super) type Issuers = HashMap<String, Arc<Issuer>>;

pub(super) fn issuers(
    issuers: &[bundle::Issuer],
    around: &Surroundings<'_>,
) -> Result<Issuers, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let compiled = issuers.iter().enumerate().map(|(index, issuer)| {
        // A missing or unfit secret closes the routes that want it, and no others.
        let secret = match &issuer.rules.keys {
            KeySource::Secret(reference) => (around.secret)(reference),
            KeySource::Published(_) => None,
        };
        let secret = secret.as_deref().map(<[u8]>::trim_ascii_end);
        let compiled = Issuer::new(&issuer.name, &issuer.rules, secret);
        let place = at(format!("/issuers/{index}/rules"), issuer.span);
        compiled
            .map(|compiled| (issuer.name.clone(), Arc::new(compiled)))
            .map_err(|error| vec![place(error)])
    });
    let compiled = keep(&mut errors, compiled);
    if errors.is_empty() {
        Ok(compiled.into_iter().collect())
    } else {
        Err(errors)
    }
}

/// What is wrong with shared secrets, in words.
pub(super) fn unfit<'b>(
    said: &'b [bundle::Issuer],
    issuers: &'b Issuers,
    around: &'b Surroundings<'_>,
) -> impl Iterator<Item = String> + 'b {
    said.iter().filter_map(|issuer| {
        let KeySource::Secret(reference) = &issuer.rules.keys else {
            return None;
        };
        let lacking = issuers.get(&issuer.name)?.lacks_secret();
        let name = &issuer.name;
        lacking.then(|| match (around.secret)(reference) {
            None => format!("the secret of the issuer `{name}` ({reference}) is not there: its tokens are answered 503"),
            Some(secret) => format!(
                "the secret of the issuer `{name}` ({reference}) has {} bytes, which is too short: HS256 wants 32, HS384 48 and HS512 64; its tokens are answered 503",
                secret.trim_ascii_end().len()
            ),
        })
    })
}

pub(super) fn token(
    placed: &Placed<jwt::Config>,
    (api, issuers): (&Api, &Issuers),
    around: &Surroundings<'_>,
) -> Result<Policy, ConfigError> {
    let issuer = named(&placed.config.issuer, issuers)?;
    let place = &placed.config.place;
    let shared = api.policies.authenticate.iter().any(
        |way| matches!(way, Authenticator::Introspection(other) if other.config.place == *place),
    );
    let tokens = Arc::clone(&around.tokens);
    let policy = Jwt::new(&placed.config, issuer, tokens, &around.pepper)?;
    Ok(Policy::Jwt(if shared { policy.shared() } else { policy }))
}

pub(super) fn introspected(
    placed: &Placed<introspection::Config>,
    (api, issuers): (&Api, &Issuers),
    around: &Surroundings<'_>,
) -> Result<Policy, ConfigError> {
    let config = &placed.config;
    let issuer = named(&config.issuer, issuers)?;
    let ways = api.policies.authenticate.iter();
    let left = ways.filter_map(|way| match way {
        Authenticator::Jwt(other) if other.config.place == config.place => {
            issuers.get(&other.config.issuer).cloned()
        }
        _ => None,
    });
    let known = Arc::clone(&around.introspected);
    Introspection::new(config, issuer, left.collect(), known, &around.pepper)
        .map(|policy| Policy::Introspection(Box::new(policy)))
}

pub(super) fn passwords(
    placed: &Placed<basic::Config>,
    issuers: &Issuers,
    around: &Surroundings<'_>,
) -> Result<Policy, ConfigError> {
    let issuer = named(&placed.config.issuer, issuers)?;
    let known = Arc::clone(&around.introspected);
    Basic::new(&placed.config, issuer, known, &around.pepper)
        .map(|policy| Policy::Basic(Box::new(policy)))
}

pub(super) fn named(name: &str, issuers: &Issuers) -> Result<Arc<Issuer>, ConfigError> {
    issuers.get(name).cloned().ok_or_else(|| {
        let message = format!("there is no issuer `{name}`");
        ConfigError::new("no-issuer", "/config/issuer", message)
    })
}
