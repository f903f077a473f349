//! What proves that the caller may use the token that it sends, where that is asked for. However
//! it was found out whose token it is, this is judged alike.

use aws_lc_rs::hmac;
use http::header::{HeaderValue, RETRY_AFTER};
use serde_json::Map;

use super::bound::{Binding, Bound, Shown};
use super::place::Scheme;
use super::proof::{Holds, Nonces, ProofRules, Wanted};
use super::reasons::{PROOFS_FULL, PROOF_MISSING, PROOF_REPLAYED, UNBOUND};
use super::refusal::{self, refuse};
use crate::{Denial, First, Identity, Need, Proved, RequestView, Verdict};

/// Of which ways a token must be bound in one, and how their proofs are judged.
#[derive(Debug, Clone)]
pub struct Possession {
    bound: Vec<Binding>,
    proof: ProofRules,
    nonces: Nonces,
}

impl Possession {
    /// `pepper` is the installation's secret.
    pub fn new(bound: &[Binding], proof: ProofRules, pepper: &hmac::Key) -> Self {
        Self {
            bound: bound.to_vec(),
            proof,
            nonces: Nonces::of(pepper),
        }
    }

    /// Ways of which a token must be bound in one.
    pub fn ways(&self) -> &[Binding] {
        &self.bound
    }

    /// Who calls, once it is certain whose token this is.
    pub fn judge(
        &self,
        identity: Identity,
        token: (&[u8], Scheme, u64),
        request: (&RequestView<'_>, &Shown<'_>),
        now_ms: u64,
    ) -> Verdict {
        match self.proved(&identity, token, request, now_ms) {
            Ok(None) => Verdict::Identify(identity),
            Ok(Some(holds)) => Verdict::Need(Need::First(Box::new(Proved {
                identity,
                mark: holds.mark,
                until_ms: holds.until_ms,
            }))),
            // Whose token it is, is certain; who sends it is not.
            Err(denial) => Verdict::Deny(denial.known(identity)),
        }
    }

    /// A proof that holds comes back: it has still to be seen for the first time.
    fn proved(
        &self,
        identity: &Identity,
        (token, scheme, skew_ms): (&[u8], Scheme, u64),
        (view, shown): (&RequestView<'_>, &Shown<'_>),
        now_ms: u64,
    ) -> Result<Option<Holds>, Denial> {
        let none = Map::new();
        let claims = identity.claims.as_deref().unwrap_or(&none);
        let bound = Bound::read(claims)?;
        let fits = self.bound.is_empty() || self.bound.iter().any(|way| bound.is(*way));
        if !fits {
            return Err(refusal::unbound(&self.bound));
        }
        bound.check_certificate(shown)?;
        let Some(key) = bound.key else {
            return match scheme {
                Scheme::Dpop => Err(refuse(&UNBOUND, "it was sent as one that is (`DPoP`)")),
                Scheme::Bearer | Scheme::None => Ok(None),
            };
        };
        if scheme == Scheme::Bearer {
            // RFC 9449 section 7.2: else whoever steals it sends it as any other.
            let detail = "it was sent as a bearer's; the scheme is `DPoP`";
            return Err(refusal::unproved(&PROOF_MISSING, detail));
        }
        if shown.again {
            return Ok(None);
        }
        let wanted = Wanted {
            rules: self.proof,
            nonces: &self.nonces,
            skew_ms,
            key,
            token: &super::hash(token),
        };
        wanted.check(view, shown, now_ms).map(Some)
    }
}

/// Who calls, unless the proof was used before.
pub fn used(proved: &Proved, first: First) -> Verdict {
    let reason = match first {
        First::Yes => return Verdict::Identify(proved.identity.clone()),
        First::No => {
            let denial = refusal::unproved(&PROOF_REPLAYED, "its `jti` was seen before");
            return Verdict::Deny(denial.known(proved.identity.clone()));
        }
        First::Full => &PROOFS_FULL,
    };
    let denial = Denial::new(reason).header(RETRY_AFTER, HeaderValue::from_static("60"));
    Verdict::Deny(denial.known(proved.identity.clone()))
}
