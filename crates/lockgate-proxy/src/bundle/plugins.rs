//! What processes for plugins run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a pool of processes for plugins runs. Another set is another pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginSet {
    /// The folder that modules are looked for in first, absolute.
    pub folder: String,
    /// SHA-256 over the modules of that folder which the plugins read.
    pub digest: String,
    /// Most memory of one process, bytes of address space.
    pub memory_bytes: u64,
    /// Every plugin of the bundle; policies name them by their place.
    pub plugins: Vec<PluginSource>,
}

/// A plugin, as a process makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginSource {
    /// `module:Class`.
    pub name: String,
    /// What it is made with, JSON.
    pub options: String,
}
