//! What claims say of how somebody was authenticated.

use serde_json::{Map, Value};

/// Whether one of the means was used (`amr`, RFC 8176); no means ask for nothing.
#[must_use]
pub fn by_means(claims: &Map<String, Value>, amr: &[String]) -> bool {
    amr.is_empty()
        || match claims.get("amr") {
            Some(Value::Array(means)) => means.iter().any(|one| says(one, amr)),
            Some(one) => says(one, amr),
            None => false,
        }
}

/// Whether one of the classes was reached (`acr`); no class asks for nothing.
#[must_use]
pub fn by_class(claims: &Map<String, Value>, acr: &[String]) -> bool {
    acr.is_empty() || claims.get("acr").is_some_and(|class| says(class, acr))
}

fn says(value: &Value, known: &[String]) -> bool {
    value
        .as_str()
        .is_some_and(|text| known.iter().any(|one| one == text))
}
