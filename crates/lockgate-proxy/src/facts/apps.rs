//! Programs, as facts tell them.

use lockgate_policy::apps::{Apps, Client, Operations, Record, Tier};
use serde::{Deserialize, Serialize};

/// Most that one list of a program holds.
const MOST: usize = 10_000;

/// A program, as facts tell it. Of one that the configuration names, `stopped` alone counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppFact {
    /// Its name.
    pub id: String,
    /// What issuers call it.
    #[serde(default)]
    pub clients: Vec<Client>,
    /// How far it is trusted.
    pub tier: Tier,
    /// Scopes that it was given; none means all that its credentials say.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// APIs that it was given; none means all.
    #[serde(default)]
    pub apis: Option<Vec<String>>,
    /// Operations that it was given, of APIs that are named here.
    #[serde(default)]
    pub operations: Vec<Operations>,
    /// When its time is over, milliseconds since the epoch.
    #[serde(default)]
    pub until_ms: Option<u64>,
    /// It does nothing until it is started.
    #[serde(default)]
    pub stopped: bool,
}

impl AppFact {
    /// What JSON alone does not tell.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let lists = [
            self.clients.len(),
            self.scopes.as_ref().map_or(0, Vec::len),
            self.apis.as_ref().map_or(0, Vec::len),
            self.operations.iter().map(|of| of.names.len() + 1).sum(),
        ];
        if lists.into_iter().any(|length| length > MOST) {
            return Err(format!("{} lists more than {MOST}", self.id));
        }
        Ok(())
    }

    pub(super) fn put(&self, apps: &Apps) {
        let texts = |all: &Vec<String>| all.iter().map(|one| one.as_str().into()).collect();
        let operations = self.operations.iter();
        let record = Record {
            id: self.id.as_str().into(),
            tier: self.tier,
            scopes: self.scopes.as_ref().map(texts),
            apis: self.apis.as_ref().map(texts),
            operations: operations
                .map(|of| (of.api.as_str().into(), texts(&of.names)))
                .collect(),
            until_ms: self.until_ms.unwrap_or(0),
            grounds: Record::words(&self.id, self.tier),
        };
        let clients = self.clients.iter();
        let clients = clients.map(|one| (one.issuer.as_str().into(), one.client.as_str().into()));
        apps.put(record, clients.collect(), self.stopped);
    }
}
