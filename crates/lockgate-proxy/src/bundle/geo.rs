//! Where it is looked up in which country, and in which network, an address is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// Like certificates they are looked at again when they change: some are larger than a bundle may be.
/// Databases in `MaxMind`'s format: files of the gate's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Geo {
    /// The file of countries, or of cities.
    #[serde(default)]
    pub countries: Option<String>,
    /// The file of autonomous systems.
    #[serde(default)]
    pub networks: Option<String>,
}
