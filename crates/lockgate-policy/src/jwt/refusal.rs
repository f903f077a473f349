//! Refusals of tokens, with the challenge that RFC 6750 section 3 wants.

use std::borrow::Cow;

use http::header::{HeaderValue, WWW_AUTHENTICATE};

use super::algorithm::Algorithm;
use super::bound::Binding;
use super::reasons::{KEY_UNKNOWN, MISSING, PROOF_NONCE, REPEATED, UNBOUND};
use crate::{Denial, ReasonRef};

/// Longest piece of a token that a detail quotes, characters.
const QUOTED: usize = 64;

/// Refuses a token that was presented. `detail` is safe to show: it says what
/// the token says, or what the rules want, and never anything of a key.
pub fn refuse(reason: ReasonRef, detail: impl Into<Cow<'static, str>>) -> Denial {
    // The words are the reason's: constant, so that nothing of a stranger's
    // ever stands in a header of ours.
    let challenge = format!(
        "Bearer error=\"invalid_token\", error_description=\"{}\"",
        reason.title
    );
    challenged(Denial::new(reason).detail(detail), &challenge)
}

/// A token that is bound to nothing, where that is demanded.
pub fn unbound(ways: &[Binding]) -> Denial {
    let detail = "it has no `cnf` of a kind that this API demands";
    if ways.contains(&Binding::Dpop) {
        let challenge = format!("DPoP error=\"invalid_token\", algs=\"{}\"", algorithms());
        return challenged(Denial::new(&UNBOUND).detail(detail), &challenge);
    }
    refuse(&UNBOUND, detail)
}

/// No token was presented: no error to speak of (RFC 6750 section 3.1). `ways` are those
/// of which it has to be bound in one.
pub fn missing(ways: &[Binding]) -> Denial {
    let mut denial = Denial::new(&MISSING).absent();
    if ways.contains(&Binding::Dpop) {
        denial = challenged(denial, &format!("DPoP algs=\"{}\"", algorithms()));
    }
    if ways.iter().all(|way| *way == Binding::Dpop) && !ways.is_empty() {
        return denial;
    }
    challenged(denial, "Bearer")
}

/// More tokens than one.
pub fn repeated() -> Denial {
    challenged(
        Denial::new(&REPEATED),
        "Bearer error=\"invalid_request\", error_description=\"More than one token was sent.\"",
    )
}

/// What somebody else is asked about: no error to speak of yet, and the others' word counts for more.
pub fn not_ours(mut denial: Denial) -> Denial {
    denial.headers.clear();
    challenged(denial.absent(), "Bearer")
}

/// A token that holds, and does not open this (RFC 6750 section 3.1). `scopes` are what it wants.
pub fn scopeless(reason: ReasonRef, scopes: &[&str], detail: String) -> Denial {
    let challenge = format!(
        "Bearer error=\"insufficient_scope\", error_description=\"{}\", scope=\"{}\"",
        reason.title,
        scopes.join(" ")
    );
    challenged(Denial::new(reason).detail(detail), &challenge)
}

/// A key that the issuer does not publish.
pub fn unknown_key(kid: Option<&str>) -> Denial {
    match kid {
        Some(kid) => refuse(
            &KEY_UNKNOWN,
            format!("the issuer publishes no key `{}`", quoted(kid)),
        ),
        None => refuse(&KEY_UNKNOWN, "the issuer publishes no key"),
    }
}

/// A token that holds, without what proves that its caller may use it (RFC 9449 section 7.1).
pub fn unproved(reason: ReasonRef, detail: impl Into<Cow<'static, str>>) -> Denial {
    let error = if *reason == PROOF_NONCE {
        "use_dpop_nonce"
    } else {
        "invalid_dpop_proof"
    };
    let challenge = format!(
        "DPoP error=\"{error}\", error_description=\"{}\", algs=\"{}\"",
        reason.title,
        algorithms()
    );
    challenged(Denial::new(reason).detail(detail), &challenge)
}

/// How proofs may be signed, as a challenge says it.
fn algorithms() -> String {
    let public = Algorithm::ALL.iter().filter(|alg| !alg.symmetric());
    public.map(|alg| alg.as_str()).collect::<Vec<_>>().join(" ")
}

/// A stranger's words as a detail may hold them: short, and of plain characters.
pub fn quoted(text: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_graphic() && letter != '`' || letter == ' ' {
            letter
        } else {
            '?'
        }
    };
    let mut short: String = text.chars().take(QUOTED).map(plain).collect();
    if text.chars().nth(QUOTED).is_some() {
        short.push_str("...");
    }
    short
}

fn challenged(denial: Denial, challenge: &str) -> Denial {
    match HeaderValue::from_str(challenge) {
        Ok(value) => denial.header(WWW_AUTHENTICATE, value),
        // Reasons' titles are plain text, which a test holds them to.
        Err(_) => denial.header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
    }
}
