//! Issuers, and the policies that take their tokens.

use std::collections::HashMap;
use std::sync::Arc;

use lockgate_policy::jwt::{self, Issuer, Jwt, KeySource};
use lockgate_policy::ConfigError;

use super::{at, keep, Surroundings};
use crate::bundle::{self, Placed};
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
    issuers: &Issuers,
    around: &Surroundings<'_>,
) -> Result<Policy, ConfigError> {
    let name = &placed.config.issuer;
    let issuer = issuers.get(name).ok_or_else(|| {
        ConfigError::new(
            "no-issuer",
            "/config/issuer",
            format!("there is no issuer `{name}`"),
        )
    })?;
    Jwt::new(
        &placed.config,
        Arc::clone(issuer),
        Arc::clone(&around.tokens),
        &around.pepper,
    )
    .map(Policy::Jwt)
}
