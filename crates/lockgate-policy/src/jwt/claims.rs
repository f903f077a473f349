//! What a token claims, held against its issuer's rules (RFC 7519 section 4.1,
//! RFC 9068 section 4).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::issuer::Issuer;
use super::reasons::{AUDIENCE, CLAIMS, EARLY, EXPIRED, ISSUER, TOO_OLD};
use super::refusal::{quoted, refuse};
use crate::{Denial, Identity};

/// Longest `sub`, and name of a program, bytes: they are counted by and written down.
const NAME_BYTES: usize = 256;
/// Claims that name a program, the first that there is; and whether a standard says so.
const PROGRAM: [(&str, bool); 4] = [
    ("client_id", true),
    ("azp", true),
    ("cid", false),
    ("appid", false),
];
/// Entries of `aud` that are looked at.
const AUDIENCES: usize = 64;
/// The last second that is believed to be one: 2^53, beyond which a number is not exact.
const LAST_SECOND: f64 = 9_007_199_254_740_992.0;

/// What is demanded of claims.
#[derive(Debug, Clone, Copy)]
pub struct Demands<'r> {
    /// What `aud` must name one of.
    pub audiences: &'r [String],
    /// How far clocks may differ.
    pub skew_ms: u64,
    /// How long ago it may have been issued.
    pub max_age_ms: Option<u64>,
    /// Claims that there must be.
    pub require: &'r [String],
    /// Whether `aud`, `exp` and `sub` are among these; else they count where they are there
    /// (RFC 7662 section 2.2).
    pub complete: bool,
}

/// Whether the token says that it is this issuer's. What it says of others is for
/// another entry of the list to judge, so this refusal gives way to theirs.
pub fn issued_by(issuer: &Issuer, claims: &Map<String, Value>) -> Result<(), Denial> {
    match claims.get("iss") {
        Some(Value::String(iss)) if *iss == issuer.issuer => Ok(()),
        Some(Value::String(iss)) => {
            let detail = format!("its `iss` is `{}`", quoted(iss));
            Err(refuse(&ISSUER, detail).absent())
        }
        Some(_) => Err(refuse(&CLAIMS, "`iss` is not a text").absent()),
        None => Err(refuse(&CLAIMS, "`iss` is missing").absent()),
    }
}

/// Everything else.
pub fn check(
    demands: &Demands<'_>,
    claims: &Map<String, Value>,
    now_ms: u64,
) -> Result<(), Denial> {
    audience(demands, claims)?;
    times(demands, claims, now_ms)?;
    if name(claims, "sub")?.is_none() && demands.complete {
        return Err(refuse(&CLAIMS, "`sub` is missing"));
    }
    for (claim, standard) in PROGRAM {
        // The others are texts where they name a program; elsewhere they may be anything.
        if standard || claims.get(claim).is_some_and(Value::is_string) {
            name(claims, claim)?;
        }
    }
    for wanted in demands.require {
        if claims.get(wanted).is_none_or(Value::is_null) {
            return Err(refuse(&CLAIMS, format!("`{}` is missing", quoted(wanted))));
        }
    }
    Ok(())
}

/// What the program is called that a token was given to: in the standards' words (RFC 9068 section 2.2; OpenID
/// Connect Core section 2), else in those of Okta and of Microsoft's first version.
pub fn program(claims: &Map<String, Value>) -> Option<&str> {
    PROGRAM
        .iter()
        .find_map(|(claim, _)| claims.get(*claim)?.as_str())
}

/// Who calls, by claims that have been checked.
pub fn identity(proved_by: &'static str, issuer: &str, claims: Map<String, Value>) -> Identity {
    let text = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .map(Arc::<str>::from)
    };
    let app = program(&claims).map(Arc::<str>::from);
    // A program that calls for itself has no other name (RFC 9068 section 2.2).
    let owner = text("sub").or_else(|| app.clone());
    let owner = owner.unwrap_or_else(|| "".into());
    Identity {
        proved_by,
        credential: format!("{issuer}/{owner}").into(),
        owner,
        app,
        claims: Some(Arc::new(claims)),
    }
}

/// From when on the token opens nothing, milliseconds since the epoch.
pub fn until_ms(issuer: &Issuer, claims: Option<&Map<String, Value>>) -> u64 {
    let at = |name: &str| claims.and_then(|claims| instant_ms(claims, name).ok().flatten());
    let expires = at("exp").unwrap_or(0);
    let aged = at("iat")
        .zip(issuer.max_age_ms)
        .map_or(u64::MAX, |(iat, age)| iat.saturating_add(age));
    expires.min(aged).saturating_add(issuer.skew_ms)
}

fn audience(demands: &Demands<'_>, claims: &Map<String, Value>) -> Result<(), Denial> {
    let ours = |text: &str| demands.audiences.iter().any(|one| one == text);
    let named = match claims.get("aud") {
        None if demands.complete => return Err(refuse(&CLAIMS, "`aud` is missing")),
        None => true,
        Some(Value::String(one)) => ours(one),
        Some(Value::Array(list)) if list.len() <= AUDIENCES => {
            let mut found = false;
            for entry in list {
                let Value::String(one) = entry else {
                    return Err(refuse(&CLAIMS, "`aud` holds what is not a text"));
                };
                found |= ours(one);
            }
            found
        }
        Some(_) => {
            return Err(refuse(
                &CLAIMS,
                "`aud` is not a text or a short list of texts",
            ))
        }
    };
    if named {
        Ok(())
    } else {
        Err(refuse(&AUDIENCE, "its `aud` names none of this API's"))
    }
}

fn times(demands: &Demands<'_>, claims: &Map<String, Value>, now_ms: u64) -> Result<(), Denial> {
    let skew = demands.skew_ms;
    match instant_ms(claims, "exp")? {
        Some(expires) if expires.saturating_add(skew) <= now_ms => {
            return Err(refuse(&EXPIRED, ago("it expired", now_ms - expires)));
        }
        None if demands.complete => return Err(refuse(&CLAIMS, "`exp` is missing")),
        Some(_) | None => {}
    }
    for name in ["nbf", "iat"] {
        if let Some(at) = instant_ms(claims, name)?.filter(|at| *at > now_ms.saturating_add(skew)) {
            let ahead = (at - now_ms).div_ceil(1000);
            return Err(refuse(&EARLY, format!("its `{name}` is {ahead} s ahead")));
        }
    }
    if let Some(age) = demands.max_age_ms {
        let issued =
            instant_ms(claims, "iat")?.ok_or_else(|| refuse(&CLAIMS, "`iat` is missing"))?;
        if issued.saturating_add(age).saturating_add(skew) <= now_ms {
            return Err(refuse(&TOO_OLD, ago("it was issued", now_ms - issued)));
        }
    }
    Ok(())
}

/// In the largest unit that still says something of the last few.
fn ago(what: &str, ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..=119 => format!("{what} {seconds} s ago"),
        120..=7_199 => format!("{what} {} min ago", seconds / 60),
        7_200..=172_799 => format!("{what} {} h ago", seconds / 3_600),
        _ => format!("{what} {} days ago", seconds / 86_400),
    }
}

/// A NumericDate (RFC 7519 section 2), in milliseconds. A text that looks like a
/// number is none: what two readers would take differently is refused.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Within bounds by the guard.
pub(crate) fn instant_ms(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Denial> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if (0.0..LAST_SECOND).contains(&seconds) => {
                Ok(Some((seconds * 1000.0) as u64))
            }
            _ => Err(refuse(&CLAIMS, format!("`{name}` is not a point in time"))),
        },
    }
}

/// A name that is counted by: short, and without what could break a line of a log.
fn name<'c>(claims: &'c Map<String, Value>, claim: &str) -> Result<Option<&'c str>, Denial> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text))
            if !text.is_empty()
                && text.len() <= NAME_BYTES
                && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text))
        }
        Some(_) => Err(refuse(
            &CLAIMS,
            format!(
                "`{claim}` is not a text of 1 to {NAME_BYTES} bytes without control characters"
            ),
        )),
    }
}
