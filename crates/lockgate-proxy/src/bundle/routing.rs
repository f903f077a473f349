//! Which upstream a request of an API goes to.

use lockgate_policy::conditions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Several upstreams for one API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The upstreams, each once.
    pub to: Vec<Share>,
    /// What is to stay with one upstream.
    pub by: SplitBy,
}

/// One upstream's part of an API's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Name of the upstream.
    pub upstream: String,
    /// Its part of the sum of all weights.
    pub weight: u32,
    /// Requests for which these hold go there, whatever the weights; none means that none does.
    pub when: Vec<conditions::Config>,
}

/// What is to stay with one upstream as long as the weights do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitBy {
    /// Nothing: each request is for itself.
    Request {},
    /// Who calls, by the credential; a caller without one by the address.
    Client {},
    /// The client's address.
    Address {},
    /// The value of this header; a request without it by the address.
    Header(String),
    /// The value of this cookie; a request without it by the address.
    Cookie(String),
}
