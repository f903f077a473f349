//! Policies that verify who signed a request, and the secrets that they want.

use lockgate_policy::signature::{self, Signature};
use lockgate_policy::ConfigError;

use super::tokens::{named, Issuers};
use super::Surroundings;
use crate::bundle::Placed;
use crate::snapshot::{CompiledApi, Policy};

pub(super) fn signature(
    placed: &Placed<signature::Config>,
    issuers: &Issuers,
    around: &Surroundings<'_>,
) -> Result<Policy, ConfigError> {
    let issuer = placed.config.issuer.as_ref();
    let issuer = issuer.map(|name| named(name, issuers)).transpose()?;
    let policy = Signature::new(&placed.config, issuer, around.secret)?;
    Ok(Policy::Signature(policy.into()))
}

/// What is wrong with their secrets, in words. It closes the routes that want them, and no others.
pub(super) fn unfit(apis: &[CompiledApi]) -> impl Iterator<Item = String> + '_ {
    apis.iter().flat_map(|api| {
        let steps = api.steps.iter();
        steps.flat_map(move |step| match &step.policy {
            Policy::Signature(policy) => policy
                .lacking()
                .map(|key| format!("the secret of the key `{key}` of the API `{}` (`signature`) is not there, or has less than 32 bytes: what is signed with it is answered 503", api.name))
                .collect(),
            Policy::Webhook(policy) if policy.lacking() > 0 => vec![format!(
                "{} of the secrets of the API `{}` (`webhook`) are not there, have less than 16 bytes, or are not written as the entry's `form` says: what is signed with them is refused",
                policy.lacking(),
                api.name
            )],
            _ => Vec::new(),
        })
    })
}
