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

/// When what is wanted was proved, seconds since the epoch; of several means the latest.
///
/// A session that was renewed by a second factor of the gate's says by `earlier_auth` what it was told before that, and
/// when: `auth_time` is of the new proof alone, or a code would make a card of this morning new.
#[must_use]
pub fn proved_at(claims: &Map<String, Value>, amr: &[String], acr: &[String]) -> Option<u64> {
    let latest = claims.get("auth_time").and_then(Value::as_u64);
    let Some(earlier) = claims.get("earlier_auth") else {
        return latest;
    };
    let is_earlier = |one: &Value| {
        let known = earlier.get("amr").and_then(Value::as_array);
        known.is_none_or(|known| known.contains(one))
    };
    let means = claims.get("amr").and_then(Value::as_array);
    let by_new = means.is_some_and(|means| {
        let mut new = means.iter().filter(|one| !is_earlier(one));
        new.any(|one| says(one, amr))
    });
    if acr.is_empty() && (amr.is_empty() || by_new) {
        return latest;
    }
    earlier.get("at").and_then(Value::as_u64)
}

fn says(value: &Value, known: &[String]) -> bool {
    value
        .as_str()
        .is_some_and(|text| known.iter().any(|one| one == text))
}
