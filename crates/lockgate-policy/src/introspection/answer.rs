//! What an issuer answers (RFC 7662 section 2.2). Reads bytes of others.

use serde_json::{Map, Value};

use crate::jwt::strict;

/// Longest answer, bytes. Those of providers have some hundred to some thousand.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The token is good, and says this.
    Active(Map<String, Value>),
    /// It is not.
    Inactive,
}

impl Answer {
    /// Reads it. Of what is no answer nobody can say whether the token is good.
    ///
    /// # Errors
    /// Why it is none, in words that go on from "the answer".
    pub fn read(text: &[u8]) -> Result<Self, &'static str> {
        if text.len() > ANSWER_BYTES {
            return Err("is longer than 64 KiB");
        }
        let mut members = strict::object(text).map_err(strict::Flaw::words)?;
        match members.remove("active") {
            Some(Value::Bool(true)) => Ok(Self::Active(members)),
            Some(Value::Bool(false)) => Ok(Self::Inactive),
            Some(_) => Err("has an `active` that is neither true nor false"),
            None => Err("has no `active`"),
        }
    }
}
