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

/// What an API's upstream is known to do with targets that servers read in
/// different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalForm {
    /// `.` and `..`.
    pub dot_segments: Odd,
    /// `//`.
    pub double_slash: Odd,
    /// `%2F`.
    pub encoded_slash: Odd,
    /// `\\` and `%5C`.
    pub backslash: Odd,
    /// `;` and what follows it in a segment.
    pub path_parameters: Odd,
    /// `%00`.
    pub nul: Odd,
    /// A parameter that is there twice.
    pub duplicate_parameters: Duplicates,
}

impl Default for NormalForm {
    fn default() -> Self {
        Self {
            dot_segments: Odd::Normalize,
            double_slash: Odd::Reject,
            encoded_slash: Odd::Reject,
            backslash: Odd::Reject,
            path_parameters: Odd::Reject,
            nul: Odd::Reject,
            duplicate_parameters: Duplicates::Keep,
        }
    }
}

/// What is done with something that servers read in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Odd {
    /// Refuse the request.
    Reject,
    /// Bring it into the common form.
    Normalize,
    /// Leave it as it is.
    Keep,
}

/// What is done with a parameter that is there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// Leave all: a list is sent so.
    Keep,
    /// Refuse the request.
    Reject,
    /// Leave the first.
    First,
    /// Leave the last.
    Last,
}

impl From<Odd> for lockgate_wire::target::Odd {
    fn from(odd: Odd) -> Self {
        match odd {
            Odd::Reject => Self::Reject,
            Odd::Normalize => Self::Normalize,
            Odd::Keep => Self::Keep,
        }
    }
}

impl From<&NormalForm> for lockgate_wire::target::TargetSwitches {
    fn from(form: &NormalForm) -> Self {
        Self {
            dot_segments: form.dot_segments.into(),
            double_slash: form.double_slash.into(),
            encoded_slash: form.encoded_slash.into(),
            backslash: form.backslash.into(),
            path_parameters: form.path_parameters.into(),
            nul: form.nul.into(),
        }
    }
}
