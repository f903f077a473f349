//! The programs that the configuration names, and what bounds each tier.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::known::{Apps, Record};
use super::tier::{Compiled, Tier, Tiers};
use crate::{ConfigError, Identity, Span};

/// Most programs that a configuration names.
const MAX: usize = 10_000;

/// Programs, and what bounds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AppRegistry")]
pub struct Registry {
    /// Programs that the configuration names.
    pub named: Vec<App>,
    /// What bounds the programs of each tier.
    pub tiers: Tiers,
    /// Issuers that are this installation itself: they call programs by their names.
    #[serde(default)]
    pub own: Vec<String>,
}

/// A program that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its name.
    pub name: String,
    /// What issuers call it.
    pub clients: Vec<Client>,
    /// How far it is trusted.
    pub tier: Tier,
    /// Scopes that it was given; all that its credentials say where it is left out.
    pub scopes: Option<Vec<String>>,
    /// APIs that it was given; all where it is left out.
    pub apis: Option<Vec<String>>,
    /// Operations that it was given, of APIs that are named here.
    pub operations: Vec<Operations>,
    /// When its time is over, milliseconds since the epoch.
    pub until_ms: Option<u64>,
    /// Where the configuration says it.
    pub span: Span,
}

/// What an issuer calls a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AppClient")]
pub struct Client {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// Its `client_id`, or `azp`.
    pub client: String,
}

/// Operations of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AppOperations")]
pub struct Operations {
    /// The API's name.
    pub api: String,
    /// The operations' names.
    pub names: Vec<String>,
}

/// The same, compiled.
#[derive(Debug, Default)]
pub struct Book {
    /// By issuer, by what that calls the program.
    clients: HashMap<Box<str>, HashMap<Box<str>, Arc<Record>>>,
    names: HashMap<Box<str>, Arc<Record>>,
    own: Box<[Box<str>]>,
    tiers: [Compiled; 3],
}

impl Book {
    /// Compiles them.
    ///
    /// # Errors
    /// Each program that is there twice, or is what another is, and bounds that are none.
    pub fn new(registry: &Registry) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let own = registry.own.iter().map(|issuer| issuer.as_str().into());
        let mut book = Self {
            own: own.collect(),
            ..Self::default()
        };
        let Tiers {
            unreviewed,
            reviewed,
            trusted,
        } = &registry.tiers;
        for (tier, bound) in [
            (Tier::Unreviewed, unreviewed),
            (Tier::Reviewed, reviewed),
            (Tier::Trusted, trusted),
        ] {
            match Compiled::new(bound) {
                Ok(compiled) => book.tiers[tier as usize] = compiled,
                Err(error) => errors.push(ConfigError {
                    pointer: format!("/tiers/{}{}", tier.name(), error.pointer),
                    ..error
                }),
            }
        }
        if registry.named.len() > MAX {
            let message = format!("at most {MAX} programs are named; register others");
            errors.push(ConfigError::new("apps-too-many", "/named", message));
        }
        for (place, app) in registry.named.iter().enumerate() {
            let mut wrong = |pointer: &str, code, message| {
                let pointer = format!("/named/{place}{pointer}");
                errors.push(ConfigError::new(code, pointer, message).at(app.span));
            };
            let record = Arc::new(record(app));
            if book
                .names
                .insert(app.name.as_str().into(), Arc::clone(&record))
                .is_some()
            {
                wrong(
                    "/name",
                    "app-twice",
                    format!("the program `{}` is there twice", app.name),
                );
            }
            for (number, one) in app.clients.iter().enumerate() {
                let of = book.clients.entry(one.issuer.as_str().into()).or_default();
                if let Some(other) = of.insert(one.client.as_str().into(), Arc::clone(&record)) {
                    let message = format!(
                        "the client `{}` of `{}` is the program `{}` already",
                        one.client, one.issuer, other.id
                    );
                    wrong(&format!("/clients/{number}"), "app-client-twice", message);
                }
            }
        }
        if errors.is_empty() {
            Ok(book)
        } else {
            Err(errors)
        }
    }

    pub(super) fn tier(&self, tier: Tier) -> &Compiled {
        &self.tiers[tier as usize]
    }

    /// What the program of a name was given.
    pub(super) fn named(&self, name: &str) -> Option<&Record> {
        self.names.get(name).map(|record| &**record)
    }

    /// What the program was given that the caller's credential names, and whether it was stopped.
    pub(super) fn record(
        &self,
        identity: &Identity,
        app: &str,
        apps: &Apps,
    ) -> Option<(Arc<Record>, bool)> {
        let others = |issuer: &&str| !self.own.iter().any(|own| **own == **issuer);
        let issuer = identity.issuer().filter(others);
        let named = match issuer {
            Some(issuer) => self.clients.get(issuer).and_then(|of| of.get(app)),
            // A credential of Lockgate's own says which program has it.
            None => self.names.get(app),
        };
        match named {
            Some(record) => Some((Arc::clone(record), apps.is_stopped(&record.id))),
            // What the configuration names has the clients that it says, and no others.
            None => apps
                .of(issuer, app)
                .filter(|(record, _)| !self.names.contains_key(&*record.id)),
        }
    }
}

fn record(app: &App) -> Record {
    let texts = |all: &Vec<String>| all.iter().map(|one| one.as_str().into()).collect();
    Record {
        id: app.name.as_str().into(),
        tier: app.tier,
        scopes: app.scopes.as_ref().map(texts),
        apis: app.apis.as_ref().map(texts),
        operations: app
            .operations
            .iter()
            .map(|of| (of.api.as_str().into(), texts(&of.names)))
            .collect(),
        until_ms: app.until_ms.unwrap_or(0),
        grounds: Record::words(&app.name, app.tier),
    }
}
